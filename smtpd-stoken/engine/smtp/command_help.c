/* SPDX-License-Identifier: ISC */
#include "smtpd-stoken/engine/smtp/command.h"

int
command_help(struct smtp_session *session, const char *text, size_t length)
{
	(void)text;
	(void)length;
	smtp_reply(session, 214, "2.0.0",
	    "See RFC 5321, RFC 2033 and "
	    "draft-slusarz-extra-smtp-submission-token");
	return 1;
}
