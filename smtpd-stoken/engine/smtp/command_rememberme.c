/* SPDX-License-Identifier: ISC */
#include <ctype.h>
#include <string.h>

#include "lib/base64.h"
#include "smtpd-stoken/engine/smtp/command.h"

static const struct smtp_refusal unknown_type = {
    504, "5.5.4", "No token of that type here"};
static const struct smtp_refusal too_weak = {
    534, "5.7.9", "Log in with your password first"};
static const struct smtp_refusal temporary = {
    454, "4.7.0", "No token can be made now"};

/*
 * D-R03, D-R07: the registered types, and private ones that are called as the
 * one mechanism that takes them.
 */
static const struct {
	const char *name;
	unsigned int bit;
	int is_mechanism;
} types[] = {
    {"RANDOM", SMTP_REMEMBER_RANDOM, 0},
    {"JWT", SMTP_REMEMBER_JWT, 0},
    {"HT2-SHA-256-EXPR", SMTP_REMEMBER_HT2_EXPR, 1},
    {"HT2-SHA-256-ENDP", SMTP_REMEMBER_HT2_ENDP, 1},
    {"HT2-SHA-256-NONE", SMTP_REMEMBER_HT2_NONE, 1},
};

#define COUNT (sizeof(types) / sizeof(types[0]))

static int
offered(const struct smtp_session *session, size_t i)
{
	return (session->settings->remember & types[i].bit) &&
	    (!types[i].is_mechanism ||
		smtp_mechanism(session, types[i].name, strlen(types[i].name)) !=
		    NULL);
}

size_t
smtp_remember_types(const struct smtp_session *session, char *out, size_t size)
{
	size_t i;

	out[0] = '\0';
	for (i = 0; i < COUNT; i++) {
		if (!offered(session, i))
			continue;
		strlcat(out, " ", size);
		strlcat(out, types[i].name, size);
	}
	return strlen(out);
}

/* RFC 5321 4.1.2: Atom. */
static int
is_atom(const struct smtp_word *word)
{
	size_t i;

	for (i = 0; i < word->length; i++)
		if (!isalnum((unsigned char)word->text[i]) &&
		    (word->text[i] == '\0' ||
			strchr("!#$%&'*+-/=?^_`{|}~", word->text[i]) == NULL))
			return 0;
	return 1;
}

/* REMEMBERME token-type (R-05 to R-12, D-R01) */
int
command_rememberme(
    struct smtp_session *session, const char *text, size_t length)
{
	struct smtp_word words[2];
	int count;
	size_t i;

	if (session->login == SMTP_TOKEN) {
		smtp_refusal_reply(
		    session, smtp_verdict_refusal(session, SMTP_REFUSED));
		return 1;
	}
	count = smtp_words(text, length, words, 2);
	if (count != 1 || !is_atom(&words[0])) {
		smtp_refusal_reply(session, &refusal_arguments);
		return 1;
	}
	for (i = 0; i < COUNT; i++)
		if (smtp_word_is(&words[0], types[i].name) &&
		    offered(session, i))
			break;
	if (i == COUNT) {
		smtp_refusal_reply(session, &unknown_type);
		return 1;
	}
	session->waiting = WAIT_REMEMBER;
	session->actions->remember(session->owner, types[i].name);
	return 1;
}

/* B4: one line, base64 with padding, nothing behind it. */
static void
give(struct smtp_session *session, const char *token)
{
	char text[BASE64_SIZE(SMTP_REMEMBER_MAX)];

	if (base64_encode(text, sizeof(text), (const uint8_t *)token,
		strlen(token)) == -1)
		smtp_refusal_reply(session, &temporary);
	else /* D-R02: 2.7.X is not assigned yet */
		smtp_reply(session, 235, "2.7.0", "%s", text);
	explicit_bzero(text, sizeof(text));
}

void
smtp_on_remembered(struct smtp_session *session,
    enum smtp_remembered remembered, const char *token)
{
	if (session->waiting != WAIT_REMEMBER)
		return;
	session->waiting = WAIT_NONE;
	switch (remembered) {
	case SMTP_REMEMBERED:
		give(session, token);
		break;
	case SMTP_REMEMBER_TYPE:
		smtp_refusal_reply(session, &unknown_type);
		break;
	case SMTP_REMEMBER_WEAK:
		smtp_refusal_reply(session, &too_weak);
		break;
	case SMTP_REMEMBER_REFUSED:
		smtp_refusal_reply(
		    session, smtp_verdict_refusal(session, SMTP_REFUSED));
		break;
	case SMTP_REMEMBER_TEMPORARY:
	default:
		smtp_refusal_reply(session, &temporary);
		break;
	}
}
