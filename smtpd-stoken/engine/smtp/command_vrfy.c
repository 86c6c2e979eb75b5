/* SPDX-License-Identifier: ISC */
#include "smtpd-stoken/engine/smtp/command.h"

/* RFC 5321 section 7.3: says nothing about who exists. */
int
command_vrfy(struct smtp_session *session, const char *text, size_t length)
{
	(void)text;
	if (length == 0)
		smtp_refusal_reply(session, &refusal_arguments);
	else
		smtp_reply(session, 252, "2.0.0",
		    "Cannot verify, send some mail and try");
	return 1;
}
