/* SPDX-License-Identifier: ISC */
#include "smtpd-stoken/relay/token_answer.h"

#include <stdio.h>
#include <string.h>

#include "smtpd-stoken/relay/smtp/delivered.h"

/*
 * Design section 11: a token that is refused with 550 is forgotten. But 550
 * is also said of mailboxes and messages. At RCPT a bad token is 550 5.7.1
 * (D-S17); any X.7.z there is about the right to deliver, of which the token
 * is all that was shown, and a server without such codes (none is "5.0.0"
 * here) has seen nothing else that it had not seen at AUTH. X.1.z or X.2.z is
 * about the mailbox.
 *
 * Behind the message only 5.7.1 is what a token gets that was revoked
 * meanwhile; everything else is said of what is in the message. Not to forget
 * is never wrong there: a token that is dead is refused at the next AUTH or
 * RCPT.
 */
static const struct {
	enum token_stage at;
	unsigned int code;
	const char *enhanced; /* its beginning */
} refusals[] = {
    {TOKEN_AT_RCPT, 550, "5.7."},
    {TOKEN_AT_RCPT, 550, "5.0.0"},
    {TOKEN_AT_END, 550, "5.7.1"},
};

/* Whether the parts of the code are those; "5.7.1" is not "5.7.10". */
static int
begins(const char *enhanced, const char *with)
{
	size_t length = strlen(with);

	return strncmp(enhanced, with, length) == 0 &&
	    (with[length - 1] == '.' || enhanced[length] == '\0');
}

int
token_answer_refuses(enum token_stage at, const struct client_reply *reply)
{
	size_t i;

	if (reply->source != CLIENT_SAID)
		return 0;
	for (i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		if (refusals[i].at == at && refusals[i].code == reply->code &&
		    begins(reply->enhanced, refusals[i].enhanced))
			return 1;
	}
	return 0;
}

void
token_answer_hide(
    struct client_reply *reply, const char *token, const char *mine)
{
	delivered_hide(reply, token);
	delivered_hide(reply, mine);
}

void
token_answer_text(
    char text[TOKEN_ANSWER_TEXT], const struct client_reply *reply)
{
	snprintf(text, TOKEN_ANSWER_TEXT, "%u %s %s", reply->code,
	    reply->enhanced, reply->text);
}
