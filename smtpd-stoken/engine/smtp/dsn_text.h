/* SPDX-License-Identifier: ISC */
#ifndef ENGINE_SMTP_DSN_TEXT_H
#define ENGINE_SMTP_DSN_TEXT_H

#include <stddef.h>

#define DSN_REASON_SIZE 512 /* octets of another server's words and a NUL */

/* dsn_explain: what a status of RFC 3463 means, a sentence in plain words. */
const char *dsn_explain(const char *status);

/*
 * dsn_status: status, or, where that is none of a failure, or of a success,
 * one that says nothing. It may be NULL.
 */
const char *dsn_status(const char *status, int failed);

/*
 * dsn_clean: copies text, cut to size, without what is not printable; with
 * octets outside ASCII only where utf8 is true and they are well-formed.
 */
void dsn_clean(char *out, size_t size, const char *text, int utf8);

/* dsn_wrap: octets of text that make a line of about `width` columns. */
size_t dsn_wrap(const char *text, size_t width);

#endif
