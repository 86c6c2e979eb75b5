/* SPDX-License-Identifier: ISC */
#include "smtpd-stoken/engine/smtp/command.h"

/*
 * RFC 3207. From here on nothing of what the client has sent in clear is
 * read: smtp_input() throws it away until smtp_on_tls() (F-64).
 */
int
command_starttls(struct smtp_session *session, const char *text, size_t length)
{
	static const char ready[] = "220 2.0.0 Ready to start TLS\r\n";

	(void)text;
	(void)length;
	if (session->tls.active) {
		smtp_refusal_reply(session, &refusal_sequence);
		return 1;
	}
	session->waiting = WAIT_TLS;
	session->actions->start_tls(session->owner, ready, sizeof(ready) - 1);
	return 1;
}
