/* SPDX-License-Identifier: ISC */
#ifndef LIB_CLOCK_H
#define LIB_CLOCK_H

#include <stdint.h>

/* Milliseconds of a clock that is never set back; 0 should it fail. */
uint64_t clock_milliseconds(void);

#endif
