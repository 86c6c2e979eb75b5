/* SPDX-License-Identifier: ISC */
/* Adds to unistd.h what OpenBSD has there and this system lacks. */
#ifndef COMPAT_UNISTD_H
#define COMPAT_UNISTD_H

#include_next <unistd.h>

#ifndef __OpenBSD__
int pledge(const char *promises, const char *execpromises);
int unveil(const char *path, const char *permissions);
#endif

#endif
