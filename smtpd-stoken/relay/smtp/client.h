/* SPDX-License-Identifier: ISC */
#ifndef RELAY_SMTP_CLIENT_H
#define RELAY_SMTP_CLIENT_H

#include <stddef.h>
#include <stdint.h>

#include "imsg/verdicts.h" /* enum relay_body */
#include "smtpd-stoken/relay/smtp/message.h"

/*
 * SMTP and LMTP as a client speaks them: one connection to a next hop.
 * Octets in, actions out: no descriptor, no event loop, no TLS and no other
 * process is known here. The peer may be broken or hostile: whatever it says,
 * every recipient gets exactly one answer to its RCPT, and every one that
 * was accepted exactly one result; and what is bounded stays bounded.
 */

struct client;

/* How an answer came to be. */
enum client_source {
	CLIENT_SAID = 1, /* the peer's own reply */
	CLIENT_DECIDED, /* we did not ask: the peer lacks what is needed */
	CLIENT_LOST, /* 421, fault, time-out, lost: surely not delivered */
	CLIENT_UNKNOWN /* the same, behind the last octets: it may have been */
};

#define CLIENT_TEXT_MAX 1024 /* octets */

struct client_reply {
	enum client_source source;
	/*
	 * 2yz, 4yz, 5yz. 421 and what concerns our login (530, 534, 535, 538)
	 * is 451 here: to our own client it would mean something else.
	 */
	unsigned int code;
	char enhanced[16]; /* of the code's class; "4.0.0" when it said none */
	/* Printable ASCII, cut; lines joined by a blank; first line first. */
	char text[CLIENT_TEXT_MAX + 1];
	int altered; /* "?" stands in it for what is not printable */
	int cut; /* it went on */
	size_t first; /* octets of the text that are its first line's */
	unsigned int lines;
};

enum client_tls {
	CLIENT_TLS_NEVER, /* a socket of the file system, loopback */
	CLIENT_TLS_WANTED, /* STARTTLS where it is offered */
	CLIENT_TLS_DEMANDED, /* STARTTLS, or no mail */
	CLIENT_TLS_ON /* from the first octet: it stands already */
};

struct client_settings {
	int lmtp; /* LHLO, and a reply per recipient */
	enum client_tls tls;
	const char *hostname; /* for EHLO */
	const char *user, *password; /* AUTH; user NULL: none. Only with TLS */
	/*
	 * A token server: user is a recipient, password his token. Who does
	 * not list STOKEN is left (S1-64). Parameters of RCPT are secret.
	 */
	int stoken;
};

/*
 * What a connection wants done, and what it tells. All is valid until the
 * call returns. From within an action any client_...() may be called but
 * client_free(); from within write, write_secret and a message's read none.
 */
struct client_actions {
	/*
	 * Octets for the peer. Not 0: that is enough of a message for now;
	 * go on at client_drained(). Commands come all the same.
	 */
	int (*write)(void *owner, const void *data, size_t length);
	/* The same; wiped once it is sent. */
	void (*write_secret)(void *owner, const void *data, size_t length);
	/* What was written in clear, then TLS, then client_on_tls() */
	void (*start_tls)(void *owner);
	/* No transaction is open, and one may begin: keep it, or use it. */
	void (*ready)(void *owner);
	/* The one answer to client_recipient(); accepted if 2yz. */
	void (*recipient)(
	    void *owner, uint32_t id, const struct client_reply *);
	/* All but the last octets are out: client_release() sends them. */
	void (*held)(void *owner);
	/* The one result of an accepted one; before client_data(): lost. */
	void (*result)(void *owner, uint32_t id, const struct client_reply *);
	/*
	 * Once, last: close it, and free the client when no call into it is
	 * under way. NULL: after QUIT. reason is printable, for the log.
	 */
	void (*over)(
	    void *owner, const struct client_reply *reply, const char *reason);
};

/* NULL: no memory. Nothing is copied: all must outlive it. */
struct client *client_new(
    const struct client_settings *, const struct client_actions *, void *owner);
void client_free(struct client *);
/*
 * What the peer sent, all of which is used up; more of the message may be
 * written; TLS stands, and the peer is who it should be; the connection ended,
 * or TLS failed: why in a few words for the log.
 */
void client_input(struct client *, const void *data, size_t length);
void client_drained(struct client *);
void client_on_tls(struct client *);
void client_lost(struct client *, const char *why);
/* The peer took too long. Which answer is awaited: client_awaits(). */
void client_timeout(struct client *);

/* One transaction at a time. */
struct client_mail {
	const char *sender; /* "" is <> */
	enum relay_body body;
	int utf8; /* SMTPUTF8 was said */
	uint64_t size; /* octets, 0: not known */
	const char *parameters; /* RET= ENVID=, blanks between; or "" */
};

/*
 * client_mail: begins a transaction; before ready too: it waits then. MAIL
 * goes out in one write with the first RCPT where the peer allows that.
 * Strings are copied. Returns 0; -1: no memory, a transaction is open, or
 * the connection is over; nothing is told then.
 */
int client_mail(struct client *, const struct client_mail *);

/*
 * client_recipient: adds a recipient; until client_data(). id is the
 * caller's; parameters are NOTIFY= ORCPT= or "", or as `stoken` has them.
 * Parameters that the peer does not know are left out. The answer may come
 * from within the call. Returns 0; -1 as above, and with CLIENT_RECIPIENTS_MAX of them.
 */
#define CLIENT_RECIPIENTS_MAX 4096
int client_recipient(
    struct client *, uint32_t id, const char *address, const char *parameters);

/*
 * client_data: sends the message to the recipients that were accepted, when
 * all have been answered. head and reader must live until the transaction's
 * end. Returns 0; -1: no transaction, twice, or the connection is over.
 */
int client_data(struct client *, const struct client_message *);
/* Lets the last octets go; before held too. */
void client_release(struct client *);

/*
 * client_abandon: gives the transaction up; nothing more is told of its
 * recipients. In the middle of DATA the connection is over then; behind the
 * last octets it only stops telling. ready follows, or over.
 */
void client_abandon(struct client *);

/* QUIT; over follows. With a transaction open: client_abandon() first. */
void client_quit(struct client *);

/* For the log: what is awaited, "greeting", "RCPT" ..., "" when nothing. */
const char *client_awaits(const struct client *);
int client_is_ready(const struct client *); /* no transaction, and usable */
/* The code that AUTH was refused with; 0: it was not. */
unsigned int client_login_refused(const struct client *);
/* How many replies have come, whole ones. */
unsigned int client_replies(const struct client *);
/* Whether the peer knows an extension, for instance "CHUNKING". */
int client_offers(const struct client *, const char *keyword);
#endif
