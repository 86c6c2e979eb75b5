/* SPDX-License-Identifier: ISC */
/* Logging: to syslog (facility mail), or to stderr with -d. */
#ifndef LIB_LOG_H
#define LIB_LOG_H

#include <stddef.h>

#include "imsg/messages.h"

/*
 * Opens the log at once (before a chroot or a sandbox would forbid it).
 * `name` is the process name; with `debug` lines go to stderr. `verbose`
 * lets log_debug() through.
 */
void log_init(const char *name, int debug, int verbose);
void log_verbose(int verbose);

/* One line each. log_warn and fatal add the text of errno. */
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warnx(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));
__attribute__((noreturn)) void
fatal(const char *format, ...) __attribute__((format(printf, 1, 2)));
__attribute__((noreturn)) void
fatalx(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * Makes text from outside safe for one log line: octets that are not
 * printable ASCII, and `"`, `\`, `<`, `>` and space, become \ooo (vis(3)
 * octal). Cuts what does not fit. Returns `out`.
 */
const char *log_safe(char *out, size_t size, struct bytes text);

#endif
