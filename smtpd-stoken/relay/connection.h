/* SPDX-License-Identifier: ISC */
/*
 * A connection to a next hop: a dialogue with it, and the copy whose
 * transaction is under way.
 */
#ifndef RELAY_CONNECTION_H
#define RELAY_CONNECTION_H

#include "smtpd-stoken/relay/hop.h"

struct dialogue;

struct connection {
	TAILQ_ENTRY(connection) entry; /* in its hop */
	struct hop *hop;
	struct setup *setup;
	struct dialogue *dialogue;
	struct copy *copy;
	struct addresses addresses;
	const struct address *address; /* that is tried, or was last */
	unsigned transactions; /* begun */
	int opening; /* counted so in its hop: never was ready */
	int idle; /* in the list of those */
	int tls_failed; /* behind STARTTLS: the next one does without */
	int again; /* the copy is to be tried on another connection */
	struct client_reply failure; /* why it never was ready */
	char peer[128]; /* the address, for the log */
};

/*
 * Connects to the addresses of the hop, one after the other. hop_ready() or
 * hop_lost() follows, not before this returns. NULL: no memory.
 */
struct connection *connection_new(struct hop *);

/* Begins the copy's transaction on a connection that is ready. */
void connection_begin(struct connection *, struct copy *);

/* Of the copy that has it. */
void connection_recipient(struct connection *, const struct recipient *);
void connection_data(struct connection *, int hold);
void connection_release(struct connection *);
/* Lets go of the copy: its transaction is over, or is given up. */
void connection_finish(struct connection *);
void connection_abandon(struct connection *);

/* No transaction: says QUIT and goes; now, or after some time without one. */
void connection_quit(struct connection *);
void connection_keep(struct connection *, uint64_t milliseconds);
/* The same: is it still there? 0: hop_lost() has followed, or will. */
int connection_look(struct connection *);

#endif
