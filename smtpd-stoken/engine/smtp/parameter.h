/* SPDX-License-Identifier: ISC */
#ifndef ENGINE_SMTP_PARAMETER_H
#define ENGINE_SMTP_PARAMETER_H

#include "smtpd-stoken/engine/smtp/command.h"

/* A parameter of MAIL or RCPT (RFC 5321 section 4.1.2, esmtp-param). */
struct smtp_parameter {
	const char *keyword;
	/*
	 * Takes the value, length 0 when there is none. Returns NULL, or why
	 * the command is refused.
	 */
	const struct smtp_refusal *(*take)(const struct smtp_session *,
	    void *into, const char *value, size_t length);
	int valued; /* whether it has a value */
	int utf8; /* whether that may hold UTF-8 (RFC 6531 section 3.3) */
};

/*
 * smtp_parameters: reads text, which is empty or starts with a space, by a
 * table of count rows (at most 32). Returns NULL, or why the command is
 * refused: a keyword that is no row 555 5.5.4; malformed, twice, or with a
 * value missing or in excess 501 5.5.4.
 */
const struct smtp_refusal *
smtp_parameters(const struct smtp_session *, const struct smtp_parameter *table,
    size_t count, void *into, const char *text, size_t length);

#endif
