/* SPDX-License-Identifier: ISC */
#include "smtpd-stoken/engine/smtp/session.h"

size_t
smtp_supplied_tokens(
    const struct smtp_session *session, const char *tokens[SMTP_SUPPLIED_MAX])
{
	(void)session;
	(void)tokens;
	return 0;
}

const char *
smtp_header_from(const struct smtp_session *session)
{
	(void)session;
	return "";
}
