/* SPDX-License-Identifier: ISC */
/*
 * Mails as the engines name them: session, transaction and next hop. A mail
 * has copies, each of which is one transaction with the next hop; a copy has
 * recipients. What the engine is told, and when the last octets of a copy may
 * go out, is decided here.
 */
#ifndef RELAY_MAIL_H
#define RELAY_MAIL_H

#include <sys/types.h>
#include <sys/queue.h>

#include <stddef.h>
#include <stdint.h>

#include "imsg/channel.h"
#include "imsg/messages.h"
#include "smtpd-stoken/relay/smtp/client.h"

struct connection;
struct hop;
struct route;

#define CONTAINERS_MOST 64

/* Where in the file the containers of METADATA are. */
struct mail_metadata {
	uint64_t offset, size; /* of all of them, with their lengths */
	/* The header fields of type 0 among them, in order. */
	struct {
		uint64_t offset, size;
	} fields[CONTAINERS_MOST];
	size_t count;
};

/* Of each engine. More is refused with 451 4.3.2. */
#define MAILS_MOST 16384
#define RECIPIENTS_MOST 65536
#define MAIL_RECIPIENTS_MOST 1000
#define MAIL_COPIES_MOST 128

enum recipient_state {
	RECIPIENT_ASKED, /* RELAY_OPENED is due */
	RECIPIENT_ACCEPTED, /* RELAY_RESULT is due */
	RECIPIENT_SETTLED /* the same, and known: `result` */
};

/* What is to be told of a recipient, until it may be. */
struct verdict {
	enum relay_outcome outcome;
	uint16_t code;
	char enhanced[16];
	char route[128]; /* "": by the next hop */
	uint8_t reports; /* that knows DSN */
	char *text;
};

struct recipient {
	TAILQ_ENTRY(recipient) entry; /* of its copy */
	uint32_t number; /* the engine's */
	enum recipient_state state;
	uint8_t opened; /* RELAY_OPENED was sent; it is asked for once more */
	struct verdict verdict;
	uint64_t expires; /* of its ticket; 0: never */
	char *parameters; /* behind the address, in the same memory */
	char address[];
};

enum copy_state {
	COPY_NEW,
	COPY_WAITS, /* for a connection, in the queue of its hop */
	COPY_OPEN, /* MAIL and RCPT */
	COPY_SENDS, /* and the message */
	COPY_HELD, /* all but the last octets are out */
	COPY_RELEASED,
	COPY_OVER /* no transaction any more; results may be left to tell */
};

struct copy {
	TAILQ_ENTRY(copy) entry; /* of its mail, in the order of opening */
	TAILQ_ENTRY(copy) queued; /* while it waits */
	struct mail *mail;
	struct hop *hop; /* while it waits */
	struct connection *connection;
	struct route *route; /* the token route, while it is tried */
	char via[128]; /* how it went, when not by the next hop */
	enum copy_state state;
	uint8_t shared; /* with others, unless it goes by token */
	uint8_t fresh; /* wants a connection that was not used before */
	uint8_t answered; /* the next hop has answered something */
	uint8_t reports; /* the next hop knows DSN, and was told NOTIFY */
	uint64_t since; /* milliseconds, when it began to wait */
	TAILQ_HEAD(, recipient)
	recipients;
	size_t count;
	char *head;
	size_t head_length;
};

TAILQ_HEAD(copies, copy);

struct mail {
	LIST_ENTRY(mail) entry; /* in a bucket of its engine */
	struct engine *engine;
	uint64_t session;
	uint32_t transaction;
	enum next_hop next_hop;
	struct client_mail envelope;
	char *sender;
	char *parameters;
	char message[33]; /* the message id */
	struct copies copies;
	size_t copy_count, count; /* of copies and recipients */
	size_t connections; /* that its copies hold */
	int busy; /* a walk over its copies: it is not freed */
	/* RELAY_DATA */
	int fd; /* -1 before it */
	uint8_t exact, one_by_one;
	uint8_t sent; /* a copy was accepted */
	uint8_t stopped; /* none will go out any more */
	uint8_t holds; /* tickets are looked at once more, before the end */
	uint64_t offset, size; /* of the message in the file */
	struct mail_metadata *metadata; /* RELAY_METADATA, or NULL */
	struct client_metadata containers; /* the same for the client */
};

/*
 * Adds a recipient, whose ticket is good, and asks the next hop for him; the
 * answer may come from within, and free the mail. `expires` is 0 where the
 * ticket is not looked at again. Returns 0, or -1: too many, or no memory;
 * the mail is as before.
 */
int mail_add(struct mail *, const struct msg_relay_open *, uint64_t expires);
/* Frees a mail that has no recipients. */
void mail_check(struct mail *);
/* The copy of a recipient, or NULL. */
struct copy *mail_copy_of(struct mail *, uint32_t number);
/* RELAY_DATA came: everything that is to be known is in the mail. */
void mail_send(struct mail *);
/* No more is told of it. Frees it. */
void mail_abandon(struct mail *);

/*
 * Of a copy's transaction, by the connection that it is on, or by its hop
 * when it never got one. Each may free the copy and its mail.
 */
void copy_answered(struct copy *, uint32_t number, const struct client_reply *);
void copy_held(struct copy *);
/* Its token route has failed: by the next hop, as if nothing had been. */
void copy_begin_again(struct copy *);
/* It got its connection after RELAY_DATA had come. */
void copy_may_send(struct copy *);
void copy_result(struct copy *, uint32_t number, const struct client_reply *);
/* No connection could be had, or it was lost: for all that are left. */
void copy_failed(struct copy *, const struct client_reply *);

/*
 * metadata.c: client_message.read, whose reader is the mail, gives mail_size()
 * octets: the header fields of containers, then the message. The others give
 * the message alone, and the containers.
 */
int mail_read(void *mail, uint64_t offset, void *buffer, size_t size);
uint64_t mail_size(const struct mail *);
int mail_read_content(void *mail, uint64_t offset, void *buffer, size_t size);
int
mail_read_containers(void *mail, uint64_t offset, void *buffer, size_t size);

/*
 * mail_find_metadata: finds the containers in the mail's file, which is open
 * by now. Returns 0, or -1 when they are malformed.
 */
int mail_find_metadata(struct mail *);

#endif
