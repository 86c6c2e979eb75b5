/* SPDX-License-Identifier: ISC */
/*
 * Deliveries by token between "every token is good" and "they are visible"
 * (COMMIT_BEGIN to COMMIT_END). A revocation is final only when none that it
 * covers is under way: it has ended, or its tickets have expired.
 */
#ifndef TOKEND_FLIGHT_H
#define TOKEND_FLIGHT_H

#include "tokend/revoke.h"

#define FLIGHTS_MAX 65536

struct flight;

/*
 * A flight whose tickets expire then (ms of ticket_clock()). NULL: memory is
 * short, or there are FLIGHTS_MAX.
 */
struct flight *flight_begin(uint64_t expires);
/* A pair whose token is used in it. Returns -1 when memory is short. */
int flight_add(struct flight *flight, const char *remote, const char *local);
/* It has ended: nothing more becomes visible by it. */
void flight_end(struct flight *flight);
/* Nobody will tell when it ends: it counts until its tickets expire. */
void flight_forget(struct flight *flight);

/*
 * Calls `done` (once, perhaps at once) when no flight that began before now
 * and that the scope covers is under way. Returns -1, and never calls it,
 * when memory is short.
 */
typedef void flight_done(void *argument);
int flights_wait(enum mark_scope scope, struct bytes remote, struct bytes local,
    flight_done *done, void *argument);

/*
 * Tickets of another tokend may be about until then (ms of ticket_clock()):
 * whatever waits, waits at least so long.
 */
void flights_unknown_until(uint64_t time);

#endif
