/* SPDX-License-Identifier: ISC */
#ifndef LIB_SPACE_H
#define LIB_SPACE_H

#include <stddef.h>

#include "lib/measure.h"

/*
 * How full the file system is that a descriptor is on, in words for `tokenctl
 * check`: a problem below 1 % or 64 MiB, a warning below 5 % or 512 MiB. The
 * same for its files, where it has a bound on them.
 */
enum finding_state space_look(int fd, char *text, size_t size);

#endif
