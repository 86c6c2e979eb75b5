/* SPDX-License-Identifier: ISC */
#include "smtpd-stoken/engine/smtp/command.h"

/* RFC 5321 section 4.1.1.9: an argument is ignored. */
int
command_noop(struct smtp_session *session, const char *text, size_t length)
{
	(void)text;
	(void)length;
	smtp_reply(session, 250, "2.0.0", "OK");
	return 1;
}
