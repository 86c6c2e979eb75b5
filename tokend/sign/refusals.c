/* SPDX-License-Identifier: ISC */
#include "tokend/sign/refusals.h"

int
refusals_count(struct refusals *refusals, time_t now, unsigned *suppressed)
{
	*suppressed = 0;
	if (refusals->count == 0 || now - refusals->since >= REFUSALS_PERIOD) {
		if (refusals->count > REFUSALS_LOGGED)
			*suppressed = refusals->count - REFUSALS_LOGGED;
		refusals->since = now;
		refusals->count = 0;
	}
	if (refusals->count < REFUSALS_LOGGED) {
		refusals->count++;
		return 1;
	}
	if (refusals->count < (unsigned)-1)
		refusals->count++;
	return 0;
}
