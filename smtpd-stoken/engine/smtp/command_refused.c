/* SPDX-License-Identifier: ISC */
#include "smtpd-stoken/engine/smtp/command.h"

static const struct smtp_refusal not_implemented = {
    502, "5.5.1", "Command not implemented"};

/* EXPN, ETRN, TURN: known, and never to be had here. */
int
command_refused(struct smtp_session *session, const char *text, size_t length)
{
	(void)text;
	(void)length;
	smtp_refusal_reply(session, &not_implemented);
	return 1;
}
