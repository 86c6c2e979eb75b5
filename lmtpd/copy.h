/* SPDX-License-Identifier: ISC */
#ifndef LMTPD_COPY_H
#define LMTPD_COPY_H

#include <stdint.h>

/*
 * Appends the `length` octets of `in` from `offset` on to `out`. Returns 0, or
 * -1 with errno; EIO: there are not so many.
 */
int copy_octets(int in, int out, uint64_t offset, uint64_t length);

#endif
