/* SPDX-License-Identifier: ISC */
/*
 * What is known of domains and their token servers: a bounded number of them,
 * until what is known of one is good no longer. Inside of discover.c.
 */
#ifndef RELAY_DOMAINS_H
#define RELAY_DOMAINS_H

#include <sys/types.h>
#include <sys/queue.h>
#include <sys/tree.h>

#include <event.h>

#include "smtpd-stoken/relay/targets.h"

#define DOMAINS_MOST 1024

struct discovery;

struct domain {
	RB_ENTRY(domain) entry;
	TAILQ_HEAD(, discovery)
	waiting;
	unsigned int asking; /* questions under way, of all kinds */
	int busy; /* answers are given: it stays */
	int enough; /* the others need not be waited for */
	int failed; /* a question was not answered */
	int declined; /* it says that there is no such server */
	int stale; /* it was asked under another configuration */
	size_t service; /* whose records are asked for */
	int validated; /* all that was said so far */
	uint64_t began; /* milliseconds */
	uint64_t until; /* what is known is good */
	uint64_t blamed_until;
	uint32_t ttl; /* seconds: the least so far */
	char why[128]; /* there is none; or it is blamed */
	struct targets targets;
	struct event grace;
	char name[];
};

/* NULL: it is not known. */
struct domain *domains_find(const char *name);

/*
 * Also a new one, of which nothing is known, and whose timer calls that with
 * it; the one that would be of use for the shortest time makes room. NULL:
 * there is none.
 */
struct domain *domains_get(const char *name, void (*grace)(int, short, void *));

/* Nothing is known any more; what is under way goes on. */
void domains_forget(void);

#endif
