/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "lib/address.h"
#include "smtpd-stoken/engine/smtp/command.h"

static const struct smtp_refusal needs_name = {
    501, "5.5.4", "A domain name or address literal is needed"};

/*
 * The argument stands in Received: a name of letters, digits, "-", "_" and
 * ".", or an address literal, and nothing that could be more.
 */
static int
is_name(const char *text, size_t length)
{
	size_t i;
	int literal;

	if (length == 0 || length > ADDRESS_DOMAIN_MAX)
		return 0;
	literal = length > 2 && text[0] == '[' && text[length - 1] == ']';
	for (i = literal; i < length - (size_t)literal; i++) {
		if ((text[i] >= 'a' && text[i] <= 'z') ||
		    (text[i] >= 'A' && text[i] <= 'Z') ||
		    (text[i] >= '0' && text[i] <= '9') ||
		    strchr("-._", text[i]) != NULL)
			continue;
		if (!literal || text[i] != ':')
			return 0;
	}
	return 1;
}

/* Takes the name and the mode; ends what was (RFC 5321 section 4.1.4). */
static int
greet(struct smtp_session *session, const char *text, size_t length,
    enum smtp_mode mode)
{
	char *name;

	if (!is_name(text, length)) {
		smtp_refusal_reply(session, &needs_name);
		return -1;
	}
	if ((name = strndup(text, length)) == NULL) {
		smtp_reply(session, 451, "4.3.0", "Out of memory");
		return -1;
	}
	free(session->helo);
	session->helo = name;
	session->mode = (uint8_t)mode;
	smtp_transaction_end(session);
	return 0;
}

/* F-01 and D-S22: there is no way from LMTP, or from the socket, to SMTP. */
static int
lmtp_only(struct smtp_session *session)
{
	if (session->mode != MODE_LMTP &&
	    session->listener != SMTP_LISTENER_SOCKET)
		return 0;
	smtp_refusal_reply(session, &refusal_unknown);
	return 1;
}

int
command_ehlo(struct smtp_session *session, const char *text, size_t length)
{
	if (!lmtp_only(session) && greet(session, text, length, MODE_SMTP) == 0)
		smtp_capabilities(session);
	return 1;
}

int
command_helo(struct smtp_session *session, const char *text, size_t length)
{
	if (!lmtp_only(session) && greet(session, text, length, MODE_SMTP) == 0)
		smtp_reply(
		    session, 250, NULL, "%s", session->settings->hostname);
	return 1;
}

int
command_lhlo(struct smtp_session *session, const char *text, size_t length)
{
	if (session->mode == MODE_SMTP && session->login != SMTP_NOBODY) {
		smtp_refusal_reply(session, &refusal_sequence);
		return 1;
	}
	if (greet(session, text, length, MODE_LMTP) == 0)
		smtp_capabilities(session);
	return 1;
}
