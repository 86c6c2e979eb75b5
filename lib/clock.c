/* SPDX-License-Identifier: ISC */
#include "lib/clock.h"

#include <time.h>

uint64_t
clock_milliseconds(void)
{
	struct timespec now;

	if (clock_gettime(CLOCK_MONOTONIC, &now) == -1)
		return 0;
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}
