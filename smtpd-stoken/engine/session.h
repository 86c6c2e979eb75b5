/* SPDX-License-Identifier: ISC */
#ifndef ENGINE_SESSION_H
#define ENGINE_SESSION_H

#include <sys/types.h>
#include <sys/queue.h>
#include <sys/tree.h>

#include <event.h>
#include <stdint.h>

#include "imsg/channel.h"
#include "smtpd-stoken/engine/configuration.h"
#include "smtpd-stoken/engine/grants.h"
#include "smtpd-stoken/engine/relay.h"

struct transfer;

/* One client's connection, from SESSION_OPEN to SESSION_END. */
struct session {
	RB_ENTRY(session) by_id;
	TAILQ_ENTRY(session) by_time; /* of the last sign of life */
	TAILQ_ENTRY(session) of_dirty;
	uint64_t id;
	struct smtp_session *smtp;
	struct configuration *configuration;
	struct transfer *transfer; /* the message under way, or NULL */
	struct event readable, writable;
	uint8_t *held; /* input that could not be used yet */
	size_t held_length;
	char *output; /* replies that are not written yet */
	size_t output_length, output_size;
	struct grant *grants; /* of this transaction, by number */
	size_t grant_count, grant_room;
	struct relay_mail *outgoing; /* its outlets, or NULL */
	struct relay_mails mails; /* all that relay has of it */
	const char *reason; /* of its end; NULL while it lives */
	int64_t active; /* engine_now() of the last sign of life */
	int64_t mail_time; /* when the transaction's first RCPT came */
	unsigned long commands; /* at the last sign of life */
	uint64_t since; /* seconds since 1970 */
	uint32_t transaction;
	int fd; /* -1 while there is none */
	uint16_t port, listener;
	uint8_t frontend, kind, tls;
	uint8_t reading; /* readable is added */
	uint8_t dirty; /* in the list of those to be flushed */
	uint8_t admitting; /* tokend's verdict is awaited */
	uint8_t announced; /* tokend knows it */
	uint8_t starting_tls; /* 220 first, then SESSION_STARTTLS */
	uint8_t eof; /* the client says no more */
	uint8_t using; /* what is held is being read */
	uint8_t choked; /* some is held until replies are written */
	uint8_t stale; /* tokend has forgotten the login */
	uint8_t grants_lost; /* and what it granted in this transaction */
	uint8_t exporter_length, endpoint_length;
	uint8_t exporter[32], endpoint[64];
	char message[24]; /* id of the next message, once relay knows it */
	char version[16];
	char address[64];
};

/* session.c */
extern const struct channel_handler session_handlers[];

void sessions_init(void);
struct session *session_find(uint64_t id);
void sessions_each(void (*function)(struct session *, void *), void *context);
size_t session_count(void);
void session_admitted(struct session *, uint8_t admission);
/* Ends it: what is still to be said is written first. */
void session_end(struct session *, const char *reason);
/* Frees it, once nothing is under way for it any more; else later. */
void session_destroy(struct session *);
void session_frontend_gone(uint8_t instance);
void session_alive(struct session *); /* it has moved just now */
/* Milliseconds of a clock that is never set back. */
int64_t engine_now(void);

/* session_io.c: octets in and out. */
void session_attach(struct session *, int fd); /* takes the descriptor */
void session_detach(struct session *);
/* Wipes the input that waited. */
void session_drop_held(struct session *);
/* After any answer to the session: goes on with what is held. */
void session_continue(struct session *);
/* F-114: has it spoken before the greeting? */
int session_is_early(const struct session *);
void session_say(struct session *, const char *text, size_t length);
/* To be looked at when the event's work is done. */
void session_mark(struct session *);
void session_unmark(struct session *);
void session_io_init(void);
/* A channel has room again: sessions may read. */
void session_io_resume(void);
void session_io_flush(void);

/* shutdown.c */
void engine_shutdown(uint32_t seconds);
int engine_is_shutting_down(void);
void engine_check_empty(void); /* exits when the last session is gone */

/* actions.c */
extern const struct smtp_actions session_actions;
/* All that came before STARTTLS is written. */
void session_start_tls_now(struct session *);

#endif
