/* SPDX-License-Identifier: ISC */
#include "smtpd-stoken/engine/smtp/command.h"

int
command_rset(struct smtp_session *session, const char *text, size_t length)
{
	(void)text;
	(void)length;
	smtp_transaction_end(session);
	smtp_reply(session, 250, "2.0.0", "Reset");
	return 1;
}
