/* SPDX-License-Identifier: ISC */
#ifndef TOKENCTL_FAIL_H
#define TOKENCTL_FAIL_H

/*
 * Says in one line on standard error what to do, and exits with a code of
 * sysexits.h. Controls in the text, which may come from the daemon, become
 * "?".
 */
__attribute__((noreturn, format(printf, 2, 3))) void
fail(int code, const char *format, ...);

#endif
