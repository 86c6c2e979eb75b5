/* SPDX-License-Identifier: ISC */
/*
 * What is known of each client address: how many sessions it has, and how
 * many different wrong secrets came from it in the last minute. An IPv6
 * client is its /64, since it can have any address in it.
 */
#ifndef TOKEND_CLIENT_H
#define TOKEND_CLIENT_H

#include "imsg/messages.h"

struct client;

/*
 * The client of this address, one session more. `now` in ms of a clock that
 * only goes forward, as in all of these. NULL when memory is short.
 */
struct client *client_enter(struct bytes address, uint64_t now);
/* One session less. */
void client_leave(struct client *client, uint64_t now);

unsigned int client_sessions(const struct client *client);

/*
 * Counts a failed login, unless the same wrong secret (its digest) was
 * counted within the minute: a mail program that was not told of a new
 * password is no attack (DESIGN 11). At `limit` the address is blocked for a
 * minute; limit 0 is none.
 */
void client_failed(
    struct client *client, uint64_t digest, uint64_t limit, uint64_t now);
int client_blocked(const struct client *client, uint64_t now);

/* Forgets those without sessions whose minute is over. */
void clients_sweep(uint64_t now);
size_t clients_count(void);

#endif
