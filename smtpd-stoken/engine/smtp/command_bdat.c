/* SPDX-License-Identifier: ISC */
#include "smtpd-stoken/engine/smtp/chunk.h"
#include "smtpd-stoken/engine/smtp/command.h"

int
command_bdat(struct smtp_session *session, const char *text, size_t length)
{
	return smtp_chunk_begin(session, CHUNK_BDAT, text, length);
}
