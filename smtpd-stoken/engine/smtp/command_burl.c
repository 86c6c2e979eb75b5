/* SPDX-License-Identifier: ISC */
#include "smtpd-stoken/engine/smtp/chunk.h"
#include "smtpd-stoken/engine/smtp/command.h"

/*
 * Known, and never offered (D-M03). A part of a message that does not come is
 * a chunk that has failed: what comes behind it is not a message (RFC 4468
 * section 3, M-15).
 */
int
command_burl(struct smtp_session *session, const char *text, size_t length)
{
	smtp_chunk_fail(session);
	return command_refused(session, text, length);
}
