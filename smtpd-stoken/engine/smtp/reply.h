/* SPDX-License-Identifier: ISC */
#ifndef ENGINE_SMTP_REPLY_H
#define ENGINE_SMTP_REPLY_H

#include "smtpd-stoken/engine/smtp/session.h"

/* Octets of a reply line with its CRLF (F-95). */
#define SMTP_REPLY_MAX 1024

/* Why a command is refused: code, enhanced code, text. */
struct smtp_refusal {
	int code;
	const char *enhanced;
	const char *text;
};

extern const struct smtp_refusal refusal_arguments; /* 501 5.5.4 */
extern const struct smtp_refusal refusal_unknown; /* 500 5.5.1 */
extern const struct smtp_refusal refusal_sequence; /* 503 5.5.1 */
extern const struct smtp_refusal refusal_tls; /* 530 5.7.0 */
extern const struct smtp_refusal refusal_auth; /* 530 5.7.0 */
extern const struct smtp_refusal refusal_parameter; /* 555 5.5.4 */
extern const struct smtp_refusal refusal_recipients; /* 554 5.5.1 */

/*
 * smtp_reply: one line, code and enhanced code (RFC 2034: of the same class;
 * NULL where there is none) and text; cut to SMTP_REPLY_MAX.
 * smtp_say: a line as it is, without CRLF.
 */
void smtp_reply(struct smtp_session *, int code, const char *enhanced,
    const char *format, ...) __attribute__((__format__(printf, 4, 5)));
void smtp_say(struct smtp_session *, const char *format, ...)
    __attribute__((__format__(printf, 2, 3)));

/* As smtp_reply(), and counts: after SMTP_ERRORS_MAX the session ends. */
void smtp_refusal_reply(struct smtp_session *, const struct smtp_refusal *);

/* The refusal for a verdict other than SMTP_OK in this session. */
const struct smtp_refusal *
smtp_verdict_refusal(const struct smtp_session *, enum smtp_verdict);

/*
 * smtp_passed_clean: a copy of what another server said, fit to be said to
 * this client: a code of 400 to 599 other than 421, an enhanced code of its
 * class, text of printable characters (UTF-8 in a session with SMTPUTF8).
 * smtp_passed_refusal: that, made into `words`, for SMTP_PASSED; else as
 * smtp_verdict_refusal().
 */
void smtp_passed_clean(const struct smtp_session *, struct smtp_passed *clean,
    const struct smtp_passed *said);
const struct smtp_refusal *
smtp_passed_refusal(const struct smtp_session *, enum smtp_verdict,
    const struct smtp_passed *clean, struct smtp_refusal *words);

#endif
