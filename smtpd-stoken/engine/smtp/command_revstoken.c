/* SPDX-License-Identifier: ISC */
#include "lib/address.h"
#include "smtpd-stoken/engine/smtp/command.h"

/* REVSTOKEN remote [local]; smtp_on_token() answers. */
int
command_revstoken(struct smtp_session *session, const char *text, size_t length)
{
	char remote[ADDRESS_SIZE], local[ADDRESS_SIZE];
	struct smtp_word words[3];
	int count;

	if (session->login == SMTP_TOKEN) { /* S1-15 */
		smtp_refusal_reply(
		    session, smtp_verdict_refusal(session, SMTP_REFUSED));
		return 1;
	}
	count = smtp_words(text, length, words, 3);
	if (count < 1 || count > 2) {
		smtp_refusal_reply(session, &refusal_arguments);
		return 1;
	}
	if (smtp_pair(session, words, count, remote, local) == -1)
		return 1;
	session->waiting = WAIT_REVOKE;
	session->actions->revoke(
	    session->owner, remote, local[0] != '\0' ? local : NULL);
	return 1;
}
