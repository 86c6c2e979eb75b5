/* SPDX-License-Identifier: ISC */
#ifndef RELAY_SMTP_STATE_H
#define RELAY_SMTP_STATE_H

#include "smtpd-stoken/relay/smtp/body.h"
#include "smtpd-stoken/relay/smtp/extension.h"
#include "smtpd-stoken/relay/smtp/login.h"
#include "smtpd-stoken/relay/smtp/reply.h"

/* What the files of this folder share about a connection. */

enum client_state {
	STATE_GREETING,
	STATE_EHLO,
	STATE_HELO,
	STATE_STARTTLS,
	STATE_TLS, /* the caller does TLS */
	STATE_LOGIN,
	STATE_READY, /* the transaction's phase says more */
	STATE_QUIT,
	STATE_OVER
};

enum phase {
	PHASE_NONE, /* no transaction */
	PHASE_ENVELOPE,
	PHASE_DATA, /* DATA is said, 354 awaited */
	PHASE_BODY,
	PHASE_FINAL, /* the last octets are out */
	PHASE_RSET
};

enum mail_state {
	MAIL_UNSENT,
	MAIL_SENT,
	MAIL_TAKEN,
	MAIL_REFUSED
};

enum recipient_state {
	RECIPIENT_QUEUED,
	RECIPIENT_SENT,
	RECIPIENT_ACCEPTED,
	RECIPIENT_DONE /* refused, or its result was told */
};

struct recipient {
	uint32_t id;
	enum recipient_state state;
	char *address; /* NULL once it was said */
	char *parameters;
};

struct transaction {
	enum phase phase;
	int abandoned; /* nothing is told of it */
	char *sender;
	char *parameters;
	enum relay_body body;
	int utf8;
	uint64_t size;
	enum mail_state mail;
	struct client_reply mail_reply; /* the refusal of MAIL */
	struct recipient *recipients;
	size_t count, room;
	size_t said; /* those before it are not QUEUED */
	size_t answered; /* those before it are not SENT */
	size_t sent; /* SENT now */
	size_t accepted; /* ACCEPTED now */
	size_t told; /* those before it have their LMTP result */
	int data; /* client_data() was called */
	int released;
	int told_held;
	int body_out; /* all of it but the dot */
	unsigned int chunks; /* without an answer */
	int failed; /* RSET is due */
	int refused; /* a chunk was, with the last octets out: */
	struct client_reply chunk_reply; /* so */
	int containers; /* not all are out yet */
	int traced; /* that of ours is */
	uint64_t taken; /* octets of the others */
	struct body message;
};

#define BATCH_SIZE 4096 /* commands for one write */

struct client {
	const struct client_settings *settings;
	const struct client_actions *actions;
	void *owner;
	enum client_state state;
	int tls; /* it stands */
	unsigned int replies; /* that have come */
	int spoke; /* during the input under way */
	int busy; /* a call is under way: it will see to the rest */
	int told_tls, told_ready;
	int quitting;
	int blocked; /* write said: enough */
	struct reply_parser parser;
	struct extensions extensions;
	unsigned int mechanisms; /* of those offered, not tried */
	unsigned int login_refused; /* the code, or 0 */
	struct login login;
	struct transaction transaction;
	size_t batched;
	char batch[BATCH_SIZE];
};

/* client.c: does what can be done now. */
void client_advance(struct client *);
/* Ends the connection; `why` is what open recipients are told. */
void
client_end(struct client *, const struct client_reply *why, const char *reason);
/* The same, with a reply of ours made of the parts (CLIENT_LOST, 451). */
void client_fail(struct client *, const char *enhanced, const char *text,
    const char *reason);
/* The same: the peer's reply was no answer to what we said. */
void client_fault(struct client *, const char *what);

/* output.c: commands are gathered, and go out in one write. */
void client_say(struct client *, const char *format, ...)
    __attribute__((__format__(printf, 2, 3)));
void client_flush(struct client *);
/* The same for what is to be wiped everywhere; in a write of its own. */
void client_say_private(struct client *, const char *format, ...)
    __attribute__((__format__(printf, 2, 3)));
/* Base 64 of a secret behind the command, if any; wiped. */
int client_say_secret(
    struct client *, const char *command, const char *secret, size_t length);

/* greeting.c: replies up to STATE_READY. */
void greeting_reply(struct client *);
void greeting_line(struct client *); /* one of several lines */
void greeting_hello(struct client *);

/* envelope.c */
int envelope_step(struct client *); /* 1: something was done */
void envelope_reply(struct client *, const struct client_reply *);
void envelope_free(struct transaction *);
/* Says RSET, or, when the peer knows of no transaction, just forgets it. */
void envelope_over(struct client *);
int client_awaits_reply(const struct client *);

/* metadata.c */
void metadata_begin(struct client *);
/*
 * Writes the next container to out, which has BODY_OUT octets. Returns its
 * octets; 0: that was the last; -1: it cannot be read.
 */
ssize_t metadata_take(struct client *, char *out);

/* transfer.c */
void transfer_begin(struct client *);
int transfer_step(struct client *);
void transfer_reply(struct client *, const struct client_reply *);

#endif
