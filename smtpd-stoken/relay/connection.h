/* SPDX-License-Identifier: ISC */
/*
 * A connection to a next hop: a link, a client that speaks the protocol on
 * it, and the copy whose transaction is under way. Nothing here is freed
 * while a call of its own goes on.
 */
#ifndef RELAY_CONNECTION_H
#define RELAY_CONNECTION_H

#include <event.h>

#include "smtpd-stoken/relay/hop.h"
#include "smtpd-stoken/relay/link.h"

struct connection {
	TAILQ_ENTRY(connection) entry; /* in its hop */
	struct hop *hop;
	struct setup *setup;
	struct link *link;
	struct client *client;
	struct client_settings settings;
	struct copy *copy;
	struct addresses addresses;
	size_t next; /* of the addresses: to be tried */
	uint64_t deadline; /* to connect: milliseconds */
	unsigned transactions; /* begun */
	unsigned depth; /* calls of ours under way */
	int opening; /* counted so in its hop: never was ready */
	int idle; /* in the list of those */
	int shaking; /* TLS was begun and does not stand yet */
	int quits;
	int again; /* the copy is to be tried on another connection */
	int over;
	struct client_reply failure; /* why it never was ready */
	char peer[128]; /* the address, for the log */
	struct event timer;
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

/* No transaction: says QUIT and goes. */
void connection_quit(struct connection *);

/* Inside: connection_client.c, and what that needs. */
extern const struct client_actions connection_actions;
void connection_begin_tls(struct connection *);
void connection_warn(struct connection *, const char *why);

#endif
