/* SPDX-License-Identifier: ISC */
#ifndef TOKEND_SIGN_REFUSALS_H
#define TOKEND_SIGN_REFUSALS_H

#include <time.h>

/*
 * How often one peer's refused requests may be logged: a frontend that was
 * taken over must not fill the disk. Zero is the start.
 */
#define REFUSALS_LOGGED 10 /* in one period */
#define REFUSALS_PERIOD 60 /* seconds */

struct refusals {
	time_t since;
	unsigned count; /* in this period */
};

/*
 * Counts a refusal at the time `now` (seconds, monotonic). Returns 1 if it is
 * to be logged. *suppressed is then the number that an ended period kept
 * quiet about, else 0.
 */
int refusals_count(struct refusals *, time_t now, unsigned *suppressed);

#endif
