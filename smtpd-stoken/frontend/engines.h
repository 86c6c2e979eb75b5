/* SPDX-License-Identifier: ISC */
#ifndef FRONTEND_ENGINES_H
#define FRONTEND_ENGINES_H

#include <sys/queue.h>

#include <stddef.h>
#include <stdint.h>

#include "imsg/channel.h"

struct session;
struct tls_facts;

/* An engine, for as long as its channel stands. */
struct engine {
	TAILQ_ENTRY(engine) entry;
	LIST_HEAD(engine_sessions, session)
	sessions;
	struct channel *channel;
	size_t count; /* of sessions */
};

/* From the process skeleton, for channels to engines. */
void engine_new(struct channel *);
void engine_gone(struct channel *);

/* Is there one that takes a session now? */
int engine_available(void);

/*
 * Gives a session to the engine with the fewest: makes the pair, keeps one end
 * and sends the other with what is known of the client (facts: NULL in clear).
 * Returns 0, or -1 when no engine takes it or descriptors are short.
 */
int engine_open_session(struct session *, const struct tls_facts *);

/* TLS stands after STARTTLS: a fresh pair to the same engine. 0 or -1. */
int engine_session_tls(struct session *, const struct tls_facts *);

/* The client went away before TLS stood. */
void engine_session_lost(struct session *);

/* The session is over. */
void engine_forget(struct session *);

/*
 * A client of the trusted socket goes to the engine as it is, without a
 * session here. Takes the descriptor. Returns 0 or -1.
 */
int engine_give_client(int client, uint16_t listener_port);

/* Has the engine died, though its channel has not been read to its end? */
int engine_is_dead(const struct engine *);

extern const struct channel_handler engine_handlers[];

#endif
