/* SPDX-License-Identifier: ISC */
#ifndef TOKENSEND_FAIL_H
#define TOKENSEND_FAIL_H

/* A line on standard error, in printable ASCII; and the end with `code`. */
__attribute__((noreturn)) void
fail(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same with -v alone. Never what was sent, never a token. */
void tell(const char *format, ...) __attribute__((format(printf, 1, 2)));
void tell_all(int verbose);

#endif
