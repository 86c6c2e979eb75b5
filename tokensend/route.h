/* SPDX-License-Identifier: ISC */
/*
 * One session with the token server of a domain: TLS, whose certificate is
 * that of the domain (D-S14), AUTH STOKEN with the token of the first
 * recipient, one transaction with all of them. Everyone gets his answer.
 */
#ifndef TOKENSEND_ROUTE_H
#define TOKENSEND_ROUTE_H

#include <sys/types.h>

#include "smtpd-stoken/relay/server.h"
#include "smtpd-stoken/relay/smtp/client.h"
#include "tokensend/message.h"
#include "tokensend/options.h"
#include "tokensend/tokens.h"

#define ROUTE_MILLISECONDS 10000 /* until the recipients are answered */

enum fate {
	FATE_OPEN, /* nothing is known yet */
	FATE_AGAIN, /* by another token, in a session of its own (S1-50) */
	FATE_DELIVERED,
	FATE_ORDINARY /* the ordinary route is to be taken */
};

struct recipient {
	char address[MAILBOX_SIZE]; /* as it was given, without <> */
	char canonical[MAILBOX_SIZE];
	const char *domain; /* in `canonical` */
	char token[TOKEN_SIZE]; /* "": there is none */
	char mine[TOKEN_SIZE]; /* ours for him (S1-14), or "" */
	unsigned int refusals; /* tokens of his that were no good */
	enum fate fate;
	struct recipient *twin; /* the same one, named before; or NULL */
};

/* What all sessions share; recipient_...() tell of each once. */
struct sending {
	const struct options *options;
	struct message *message;
	struct trust *trust;
	char hostname[256]; /* for LHLO */
	struct recipient *recipients;
	size_t count;
	uint64_t deadline; /* of the domain: clock_milliseconds() */
	uint64_t end; /* of all */
	/* Answered 250; the token in it, or "". */
	void (*delivered)(struct sending *, struct recipient *,
	    const struct client_reply *, const char *token);
	void (*ordinary)(struct sending *, struct recipient *, const char *why);
	/* His token is no good. 1: there is another one in its place. */
	int (*refused)(struct sending *, struct recipient *);
	void *owner;
};

/*
 * Runs a session, and the event loop with it, for those recipients of the
 * domain that are open and have a token. Returns 1 if it is to be run again
 * for those who are still open, with another token to log in.
 */
int route_run(struct sending *, const struct servers *, const char *domain);

#endif
