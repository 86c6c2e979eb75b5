/* SPDX-License-Identifier: ISC */
/*
 * How much each user has sent within the last hour (`limit
 * messages-per-hour`, `limit recipients-per-hour`). Kept in memory alone: a
 * restart of tokend begins at 0.
 */
#ifndef TOKEND_LIMITS_H
#define TOKEND_LIMITS_H

#include <stddef.h>
#include <stdint.h>

/* Users that are counted at a time; the one quiet for longest goes first. */
#define LIMITS_USERS 65536

enum limit {
	LIMIT_MESSAGES,
	LIMIT_RECIPIENTS,
	LIMIT_COUNT
};

/*
 * What a user (a canonical address) has had of it in the hour that ends now,
 * to within five minutes. `now` is ms of ticket_clock(), as in all of these.
 */
uint64_t limits_used(const char *login, enum limit limit, uint64_t now);

/* One more of it. A user for whom there is no memory is not counted. */
void limits_use(const char *login, enum limit limit, uint64_t now);

/* Forgets those who have had nothing for an hour. */
void limits_sweep(uint64_t now);
size_t limits_users(void);

#endif
