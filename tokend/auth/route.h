/* SPDX-License-Identifier: ISC */
#ifndef TOKEND_AUTH_ROUTE_H
#define TOKEND_AUTH_ROUTE_H

#include <stdbool.h>
#include <stddef.h>

#include "imsg/messages.h"
#include "lib/address.h"

struct site;

/* What the users file and the aliases file say together about an address. */

#define ROUTE_TARGETS_MAX 100 /* of one answer */

/* Where mail for an address goes. */
struct targets {
	size_t count;
	char addresses[ROUTE_TARGETS_MAX][ADDRESS_SIZE]; /* canonical */
};

/*
 * Where does mail for this canonical address go? An alias wins over a user of
 * the same name; the base address counts for one with +detail unless that has
 * an alias or is a user itself.
 * LOOKUP_MAILBOXES: `targets` holds user addresses, each once.
 * LOOKUP_OUTSIDE: one target at least is in none of the site's domains;
 * `targets` holds all of them.
 * LOOKUP_DISABLED: one of the users takes no mail (receive=no); `targets` as
 * for LOOKUP_MAILBOXES or LOOKUP_OUTSIDE.
 * LOOKUP_UNKNOWN: no such address, or an alias with such a target.
 * LOOKUP_TEMPORARY: the aliases run in a circle, or give too many targets.
 */
enum address_lookup route_resolve(
    const struct site *site, const char *address, struct targets *targets);

/*
 * Writes the targets to two LISTs: those that are users here, and those in
 * none of the site's domains. Returns 0, or -1 when there is no room.
 */
int route_split(const struct site *site, const struct targets *targets,
    struct list_writer *mailboxes, struct list_writer *outside);

/*
 * Is the address (canonical) the user's own (DESIGN section 11, "Mail")? It is
 * when it is the login, its +detail, or an alias with that user as its only
 * target.
 */
bool route_own(const struct site *site, const char *login, const char *address);

#endif
