/* SPDX-License-Identifier: ISC */
#ifndef FRONTEND_SESSION_H
#define FRONTEND_SESSION_H

#include <sys/types.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/tree.h>

#include <event.h>
#include <stddef.h>
#include <stdint.h>

#include "smtpd-stoken/frontend/deadline.h"

struct engine;
struct listener;
struct ssl_st;
struct tls;
struct tls_context;

enum session_state {
	SESSION_HANDSHAKE, /* of TLS */
	SESSION_RELAY, /* octets go both ways, in clear or under TLS */
	SESSION_UPGRADE, /* STARTTLS: the last clear octets go out */
	SESSION_CLOSING, /* the last octets and close_notify go out */
	SESSION_LINGER, /* what the client still sends is thrown away */
	SESSION_ENDED, /* is freed when the current event is done */
	SESSION_STATES
};

/* Octets that a full socket did not take yet; empty when data is NULL. */
struct unsent {
	uint8_t *data;
	uint32_t start;
	uint32_t end;
};

/*
 * A client's connection: its socket on one side, one end of a stream pair to
 * an engine on the other. There may be 10,000 of these: keep it small.
 */
struct session {
	RB_ENTRY(session) by_id;
	LIST_ENTRY(session) of_engine;
	struct deadline deadline;
	struct event client_event;
	struct event pair_event;
	struct engine *engine; /* NULL until there is one */
	struct tls_context *context;
	struct tls *tls; /* NULL in clear */
	struct ssl_st *ssl; /* behind tls */
	struct unsent to_client;
	struct unsent to_engine;
	uint64_t id; /* random */
	int client; /* descriptors; -1: none */
	int pair;
	uint8_t address[16]; /* IPv4 is mapped (RFC 4291 2.5.5.2) */
	uint16_t port;
	uint16_t listener_port;
	uint8_t kind; /* enum listener_kind */
	uint8_t state; /* enum session_state */
	uint8_t client_mask; /* what the events wait for now */
	uint8_t pair_mask;
	uint8_t tls_wants; /* EV_READ or EV_WRITE, in handshake and close */
	unsigned read_needs_write : 1; /* tls_read(3), tls_write(3) */
	unsigned write_needs_read : 1;
	unsigned half_open : 1; /* counted as such */
	unsigned upgrades : 1; /* an engine waits for SESSION_TLS */
	unsigned client_eof : 1; /* it will send no more */
	unsigned eof_told : 1; /* the engine knows that */
	unsigned mid_line : 1; /* the last octet to the client was no LF */
};

/* Once. */
void session_init(void);

/*
 * A client was accepted. Takes over the descriptor (closes it in failure); the
 * context is held, not taken.
 */
void session_new(int client, const struct sockaddr *, uint8_t kind,
    uint16_t listener_port, struct tls_context *);

/* NULL if there is none with this id. */
struct session *session_find(uint64_t id);

size_t session_count(void);

/* How many of one address may be on their way through the handshake. */
void session_limits(size_t half_open_per_address);

/* The engine's channel is gone: tells the client, if it can be told. */
void session_engine_lost(struct session *);

/* SESSION_STARTTLS: `reply` is the 220. */
void
session_starttls(struct session *, const uint8_t *reply, size_t reply_length);

/* Those end that no engine knows yet, and will not: at shutdown. */
void session_end_unserved(void);

/* Everything ends now: at exit. */
void session_end_all(void);

/*
 * For the files that make up a session: after anything that changes what it
 * waits for. Frees an ended one: it must not be used afterwards.
 */
void session_settle(struct session *);

/* Its pair is made: waits for it, too. */
void session_set_pair(struct session *, int pair);
/* The pair is done with. */
void session_close_pair(struct session *);

/* Its state becomes that; the deadline that goes with the state is set. */
void session_become(struct session *, enum session_state);

/* The address in text, at least 46 octets of room. Returns `out`. */
const char *session_address(const struct session *, char *out, size_t size);

/* No longer one of the half-open ones. */
void session_not_half_open(struct session *);

#endif
