/* SPDX-License-Identifier: ISC */
#ifndef TOKEND_AUTH_ROUTE_H
#define TOKEND_AUTH_ROUTE_H

#include <stdbool.h>
#include <stddef.h>

#include "imsg/messages.h"
#include "lib/address.h"
#include "tokend/auth/facts.h"

struct site;

/* What the users and the aliases file say together about an address. */

#define ROUTE_TARGETS_MAX 100 /* of one answer */

/* Who tells what users there are. */
struct finder {
	/* Is the canonical address, in one of our domains, a user's? */
	enum found (*find)(
	    void *context, const char *address, struct user_facts *facts);
	void *context;
};

/* Beside the values of enum address_lookup: ask again, find() said so. */
#define LOOKUP_LATER 0
/* And beside those of enum owner. */
#define OWNER_LATER (-1)

/* Where mail for an address goes. */
struct targets {
	size_t count;
	bool too_deep; /* a circle, or too many: the aliases' fault */
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
 * LOOKUP_TEMPORARY: the aliases run in a circle, or give too many targets; or
 * find() cannot tell now. LOOKUP_LATER: nor can this, until find() can.
 */
int route_resolve(const struct site *site, const struct finder *finder,
    const char *address, struct targets *targets);

/*
 * Writes the targets to two LISTs: those that are users here, and those in
 * none of the site's domains. Returns 0, or -1 when there is no room.
 */
int route_split(const struct site *site, const struct targets *targets,
    struct list_writer *mailboxes, struct list_writer *outside);

/*
 * Is the address (canonical) the user's own (DESIGN section 11, "Mail")? It is
 * when it is the login, its +detail, or an alias with that user as its only
 * target. Returns an enum owner or OWNER_LATER.
 */
int route_own(const struct site *site, const struct finder *finder,
    const char *login, const char *address);

#endif
