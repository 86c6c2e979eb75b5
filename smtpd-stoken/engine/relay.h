/* SPDX-License-Identifier: ISC */
#ifndef ENGINE_RELAY_H
#define ENGINE_RELAY_H

#include <sys/types.h>
#include <sys/queue.h>

#include <stddef.h>
#include <stdint.h>

#include "imsg/channel.h"
#include "smtpd-stoken/engine/smtp/smtp.h"

/*
 * What relay is asked to bring to a next hop, and what it says of it. A mail
 * is a session's, for one next hop; an outlet is an address that it goes to.
 */
struct session;
struct relay_mail;

enum outlet_state {
	OUTLET_OPENING, /* RELAY_OPENED is awaited */
	OUTLET_OPEN,
	OUTLET_REFUSED, /* by RELAY_OPENED, or it could not be opened */
	OUTLET_SENT,
	OUTLET_FAILED, /* after RELAY_DATA */
	OUTLET_UNTRIED /* because another failed */
};

struct outlet {
	char *address; /* as it goes out */
	char *token; /* for its Submission-Token field, or NULL */
	uint32_t owner; /* number of the recipient that it stands for */
	uint8_t state; /* enum outlet_state */
	uint8_t shared; /* enum relay_sharing */
	uint16_t code; /* what was said of it last; 0: nothing */
	char enhanced[16];
	char *text; /* or NULL */
	char *route; /* "token:HOST[ADDRESS]:PORT"; NULL: by the next hop */
	uint8_t reports; /* OUTLET_SENT to who knows NOTIFY */
};

struct relay_events {
	/* An outlet is not OUTLET_OPENING any more. NULL: not told. */
	void (*opened)(struct relay_mail *, struct outlet *);
	/* After relay_data(): no outlet is open any more. */
	void (*done)(struct relay_mail *);
	/* Relay is gone: no outlet is open any more. Not `opened` or `done`. */
	void (*lost)(struct relay_mail *);
};

struct relay_mail {
	LIST_ENTRY(relay_mail) of_session;
	struct session *session;
	const struct relay_events *events;
	void *owner; /* the events' */
	struct outlet *outlets;
	size_t count, room;
	uint32_t transaction;
	uint8_t next_hop;
	uint8_t sent; /* RELAY_DATA is */
	uint8_t known; /* relay has heard of it, and not the end */
	uint8_t exact; /* its body is binary (F-17) */
};

LIST_HEAD(relay_mails, relay_mail);

/* What RELAY_OPEN says; struct outlet keeps none of it. */
struct relay_opening {
	struct bytes address;
	struct bytes ticket;
	uint64_t expires;
	uint64_t size;
	const char *sender;
	const char *message; /* id, or NULL */
	const char *mail_parameters, *rcpt_parameters; /* or NULL */
	uint32_t owner;
	uint8_t shared; /* enum relay_sharing */
	uint8_t body, utf8;
};

/* Handlers of relay's answers. */
extern const struct channel_handler relay_handlers[];

/* relay_mail_new: NULL when memory is short. relay_mail_free: gives it up. */
struct relay_mail *relay_mail_new(struct session *, enum next_hop,
    uint32_t transaction, const struct relay_events *, void *owner);
void relay_mail_free(struct relay_mail *);

/*
 * Asks for one more outlet. Returns it (valid until the next one), refused
 * for now when relay is away, or NULL when memory is short.
 */
struct outlet *relay_open(struct relay_mail *, const struct relay_opening *);

/* The fields in front of an outlet's copy, or of the shared one. */
int relay_head(struct relay_mail *, const struct outlet *, const char *fields,
    size_t length);

/*
 * Where in the file of relay_data(), which follows, the containers of
 * METADATA are. Returns as that does.
 */
int relay_metadata(struct relay_mail *, uint64_t offset, uint64_t size);

/*
 * The message: `size` octets of fd (which stays the caller's) from `offset`
 * on. Returns 0; -1 when nothing was sent: all open outlets have failed then,
 * and no event tells.
 */
int relay_data(struct relay_mail *, int fd, uint64_t offset, uint64_t size,
    int one_by_one, const char *message);

/* How many outlets are in this state. */
size_t relay_count(const struct relay_mail *, enum outlet_state);

/* What is to be said of an outlet that was refused or has failed. */
void outlet_passed(const struct outlet *, struct smtp_passed *);

/* Wipes it; there is none then. */
void outlet_forget_token(struct outlet *);

/* Relay is gone. */
void relay_gone(void);
int relay_is_full(void);

#endif
