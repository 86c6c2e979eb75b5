/* SPDX-License-Identifier: ISC */
#ifndef TOKENCTL_SECRET_H
#define TOKENCTL_SECRET_H

#include <stddef.h>

/*
 * Reads one line from standard input, or with a prompt and without echo from
 * the terminal when that is standard input; with `twice`, there it asks again
 * and compares. The line's end is cut off. Returns the octets; exits when
 * there are none, or more than size - 1. The caller wipes `out`.
 */
size_t secret_read(char *out, size_t size, const char *prompt, int twice);

#endif
