/* SPDX-License-Identifier: ISC */
#include "smtpd-stoken/engine/smtp/command.h"

int
command_quit(struct smtp_session *session, const char *text, size_t length)
{
	(void)text;
	(void)length;
	session->commands++;
	smtp_reply(
	    session, 221, "2.0.0", "%s Bye", session->settings->hostname);
	smtp_close(session, "quit");
	return 1;
}
