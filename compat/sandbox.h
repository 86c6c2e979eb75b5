/* SPDX-License-Identifier: ISC */
/*
 * What stands around pledge(2) and unveil(2): see compat/pledge.c. Native
 * systems need nothing of it, so there these functions do little.
 */
#ifndef COMPAT_SANDBOX_H
#define COMPAT_SANDBOX_H

#include <stddef.h>

/*
 * A forbidden call is logged by its name and refused instead of killing the
 * process (`sandbox log` in the configuration). Before the first pledge().
 */
void sandbox_log_mode(int on);

/* The sandbox that this system gives, in words, for -n -v. Returns `out`. */
const char *sandbox_describe(char *out, size_t size);

/*
 * Proves, in forked children, that a process with these promises is stopped
 * from what they do not name. Before the first pledge(). Returns 0, or -1
 * (logged) when the sandbox does not hold.
 */
int sandbox_prove(const char *promises);

/* Nobody else may trace this process or read its memory; no core files. */
void sandbox_undumpable(void);

#endif
