/* SPDX-License-Identifier: ISC */
#ifndef TOKEND_AUTH_LOOKUPS_H
#define TOKEND_AUTH_LOOKUPS_H

#include <stdint.h>
#include <time.h>

#include "imsg/channel.h"
#include "tokend/auth/backend.h"

/*
 * tokend's questions about addresses. Where the back-end has to ask somebody
 * else who there is, a question waits for that and is then gone through again
 * from its beginning, with what was learnt.
 */

#define LOOKUPS_MAX 10000 /* that wait; more are answered "not now" */
#define LOOKUP_SECONDS 60 /* then it is answered "not now" */

/* Whom to ask. Both stay the caller's. */
void lookups_start(struct site *site, const struct backend *backend);

/* Handlers of ADDRESS_LOOKUP, OWNER_CHECK, USER_LOOK. */
void on_lookup(struct channel *, const union message *, int fd);
void on_owner(struct channel *, const union message *, int fd);
void on_user_look(struct channel *, const union message *, int fd);

/*
 * The back-end's answer to find(): not FOUND_LATER. One that nobody waits for
 * is dropped. `facts` counts for FOUND_YES alone, and may else be NULL.
 */
void
lookup_found(uint64_t number, enum found found, const struct user_facts *facts);

/* Answers those that are too old. `now` in seconds of the monotonic clock. */
void lookups_expire(time_t now);

/* The one who asked is gone. */
void lookups_clear(void);

#endif
