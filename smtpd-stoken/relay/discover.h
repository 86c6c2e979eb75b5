/* SPDX-License-Identifier: ISC */
/*
 * Where the server of a domain is that takes mail by token (S1-53, D-S12):
 * the SRV records _submissions._tcp, else _submission._tcp of exactly that
 * domain; where that is wanted, behind them the hosts of its MX records. What
 * was found is kept for its TTL, and also that nothing was; a server that
 * does not serve is left alone for a while. All of it is bounded.
 */
#ifndef RELAY_DISCOVER_H
#define RELAY_DISCOVER_H

#include <stdint.h>

#include "smtpd-stoken/relay/server.h"

#define DISCOVER_BLAME 300000 /* milliseconds that a server is left alone */

struct discovery;

/* `why` is NULL when there are some; else it says why there are none. */
typedef void
discover_function(void *owner, const struct servers *, const char *why);

struct discover_settings {
	int mx_fallback;
	int dnssec; /* the resolver is believed when it says AD */
	uint64_t (*clock)(void); /* milliseconds; it is never set back */
};

/* What was known is forgotten. */
void discover_configure(const struct discover_settings *);

/*
 * Finds the servers of a domain (canonical: lower-case A-labels). NULL: it
 * was answered from within. The answer may come late: DNS has its own
 * patience; who has less cancels it.
 */
struct discovery *
discover(const char *domain, discover_function *, void *owner);
void discover_cancel(struct discovery *); /* NULL is fine */

/* The domain's servers do not serve: nobody is to try for a while. */
void discover_blame(const char *domain, const char *why);

/* Why the domain is left alone now, or NULL. */
const char *discover_blamed(const char *domain);

#endif
