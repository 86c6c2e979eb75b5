/* SPDX-License-Identifier: ISC */
#ifndef TOKEND_AUTH_EXCHANGES_H
#define TOKEND_AUTH_EXCHANGES_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "tokend/auth/exchange.h"

/* The exchanges that are under way, one a session; bounded and short-lived. */

#define EXCHANGES_MAX 4096
#define EXCHANGE_SECONDS 300 /* from first step to last */

/*
 * Makes room for the exchange of a session; one that it had is dropped.
 * `now` is in seconds of the monotonic clock. Returns NULL when there are too
 * many.
 */
struct exchange *exchanges_new(uint64_t session, time_t now);

/* The exchange of a session, or NULL. */
struct exchange *exchanges_find(uint64_t session);

/* Wipes and drops the exchange of a session, if there is one. */
void exchanges_drop(uint64_t session);

/*
 * Drops those that are too old. Calls `expired` (or NULL) before each. Returns
 * how many are left.
 */
size_t exchanges_expire(time_t now, void (*expired)(uint64_t session));

/* Drops all. */
void exchanges_clear(void);

#endif
