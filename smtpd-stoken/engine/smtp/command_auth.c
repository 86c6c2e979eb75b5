/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "lib/base64.h"
#include "smtpd-stoken/engine/smtp/command.h"

static const struct smtp_refusal unknown_mechanism = {
    504, "5.5.4", "Mechanism not offered here"};
static const struct smtp_refusal undecodable = {
    501, "5.5.2", "Cannot decode response"};
static const struct smtp_refusal malformed = {
    501, "5.5.2", "Malformed response"};
static const struct smtp_refusal cancelled = {
    501, "5.7.0", "Authentication cancelled"};
static const struct smtp_refusal temporary = {
    454, "4.7.0", "Temporary authentication failure"};

/* Octets of a challenge; its line may be longer than other replies. */
#define CHALLENGE_MAX 700

/* Decoded responses pass through here, one at a time, and are wiped. */
static uint8_t response[SMTP_AUTH_LINE_MAX];

/* Hands on a response in base64; mechanism is NULL after the first. */
static void
step(struct smtp_session *session, const char *mechanism, const char *text,
    size_t length)
{
	ssize_t n = 0;

	if (mechanism != NULL && length == 1 && text[0] == '=')
		length = 0; /* F-34 */
	n = base64_decode(response, sizeof(response), text, length);
	if (n == -1) {
		session->reading = READ_COMMAND;
		if (mechanism == NULL)
			session->actions->auth_abort(session->owner);
		smtp_refusal_reply(session, &undecodable);
		return;
	}
	session->waiting = WAIT_AUTH;
	if (mechanism != NULL)
		session->remembered = smtp_mechanism_remembers(mechanism) != 0;
	session->actions->auth(session->owner, mechanism, response, (size_t)n);
	explicit_bzero(response, (size_t)n);
}

int
command_auth(struct smtp_session *session, const char *text, size_t length)
{
	const struct smtp_refusal *refusal = NULL;
	struct smtp_word words[3];
	const char *mechanism = NULL;
	int count;

	count = smtp_words(text, length, words, 3);
	if (session->login != SMTP_NOBODY) /* F-30 */
		refusal = &refusal_sequence;
	else if (count < 1 || count > 2)
		refusal = &refusal_arguments;
	else if ((mechanism = smtp_mechanism(
		      session, words[0].text, words[0].length)) == NULL)
		refusal = &unknown_mechanism; /* F-31 */
	if (refusal != NULL)
		smtp_refusal_reply(session, refusal);
	else if (count == 2)
		step(session, mechanism, words[1].text, words[1].length);
	else {
		session->waiting = WAIT_AUTH;
		session->remembered = smtp_mechanism_remembers(mechanism) != 0;
		session->actions->auth(session->owner, mechanism, NULL, 0);
	}
	return 1;
}

void
smtp_auth_response(
    struct smtp_session *session, const char *text, size_t length)
{
	if (length == 1 && text[0] == '*') { /* F-33 */
		session->reading = READ_COMMAND;
		session->actions->auth_abort(session->owner);
		smtp_refusal_reply(session, &cancelled);
	} else
		step(session, NULL, text, length);
}

/* F-32: "334 " has its space even when nothing follows. */
static void
challenge(struct smtp_session *session, const struct smtp_auth_answer *answer)
{
	char text[BASE64_SIZE(CHALLENGE_MAX)];

	if (base64_encode(
		text, sizeof(text), answer->challenge, answer->length) == -1) {
		session->reading = READ_COMMAND;
		session->actions->auth_abort(session->owner);
		smtp_refusal_reply(session, &temporary);
		return;
	}
	session->reading = READ_AUTH;
	smtp_reply(session, 334, NULL, "%s", text);
	explicit_bzero(text, sizeof(text));
}

static void
succeed(struct smtp_session *session, const struct smtp_auth_answer *answer)
{
	if ((session->identity = strdup(answer->identity)) == NULL) {
		smtp_refusal_reply(session, &temporary);
		return;
	}
	session->login = answer->token ? SMTP_TOKEN : SMTP_USER;
	session->permanent = answer->permanent != 0;
	smtp_reply(session, 235, "2.7.0", "Authentication successful");
}

/* The last failure that is borne is answered, then 421 (section 11). */
static void
fail(struct smtp_session *session, int last)
{
	smtp_reply(session, 535, "5.7.8", "%s",
	    session->remembered ? /* RS-03 */
		"Token not accepted: log in with your password"
				: "Authentication failed");
	if (!last)
		return;
	smtp_reply(session, 421, "4.7.0", "%s Too many failures, closing",
	    session->settings->hostname);
	smtp_close(session, "auth-failures");
}

void
smtp_on_auth(
    struct smtp_session *session, const struct smtp_auth_answer *answer)
{
	if (session->waiting != WAIT_AUTH)
		return;
	session->waiting = WAIT_NONE;
	session->reading = READ_COMMAND;
	switch (answer->outcome) {
	case SMTP_AUTH_CHALLENGE:
		challenge(session, answer);
		break;
	case SMTP_AUTH_OK:
		succeed(session, answer);
		break;
	case SMTP_AUTH_FAILED:
	case SMTP_AUTH_FAILED_LAST:
		fail(session, answer->outcome == SMTP_AUTH_FAILED_LAST);
		break;
	case SMTP_AUTH_MALFORMED:
		smtp_refusal_reply(session, &malformed);
		break;
	case SMTP_AUTH_UNKNOWN:
		smtp_refusal_reply(session, &unknown_mechanism);
		break;
	case SMTP_AUTH_TEMPORARY:
	default:
		smtp_refusal_reply(session, &temporary);
		break;
	}
}
