/* SPDX-License-Identifier: ISC */
/*
 * The next hops, the relay host and the LMTP server, and the connections to
 * each: kept for some time, used again, and never more than a bound. Copies
 * wait for one in order of arrival, for a bounded time.
 */
#ifndef RELAY_HOP_H
#define RELAY_HOP_H

#include <sys/types.h>
#include <sys/queue.h>

#include <event.h>
#include <stddef.h>
#include <stdint.h>

#include "smtpd-stoken/relay/mail.h"
#include "smtpd-stoken/relay/resolve.h"
#include "smtpd-stoken/relay/setup.h"

/*
 * Connections at a time. Beyond the first bound goes a mail that holds one
 * already: two mails with a half of what they need each would wait for one
 * another. So does, a few a second, who has waited for some time: slow
 * clients may hold all the others.
 */
#define HOP_CONNECTIONS 50
#define HOP_CONNECTIONS_MOST 200
#define HOP_PATIENCE 2000 /* milliseconds */
#define HOP_IDLE_MOST 20 /* connections that nobody needs now */
#define HOP_IDLE_SECONDS 30
#define HOP_TRANSACTIONS_MOST 1000 /* on one connection */
#define HOP_WAIT_SECONDS 60 /* then 451 4.4.5 */
#define HOP_CONNECT_SECONDS 30 /* all addresses together */

TAILQ_HEAD(connections, connection);

struct hop {
	enum next_hop kind;
	const char *name; /* for the log */
	struct connections idle, others;
	size_t idle_count, total;
	size_t opening; /* of the others: not ready yet */
	size_t most; /* lowered for a while when the peer wants no more */
	struct copies waiting;
	size_t waiting_count;
	struct event tick; /* once a second, while somebody waits */
	struct addresses addresses;
	uint64_t addresses_until; /* milliseconds */
	uint64_t most_until, clear_until; /* the same */
	int resolving;
};

/* Once; and when there is a new setup. */
void hops_init(void);
void hops_configure(void);
/* Ends idle connections; others end when they are. */
void hops_shut_down(void);

/* Finds a connection for a copy, now or later. */
void hop_submit(struct copy *);
/* The copy is given up, wherever it is: it has no connection afterwards. */
void hop_withdraw(struct copy *);

/* By a connection: it may be used (again). */
void hop_ready(struct connection *);
/* It is gone; where it never was ready, the reply says why. */
void hop_lost(struct connection *, const struct client_reply *);

/* A reply of our own, temporary: "4.4.1" and a text. */
void hop_reply(struct client_reply *, const char *enhanced, const char *text);

/* Milliseconds of a clock that is never set back. */
uint64_t hop_clock(void);

#endif
