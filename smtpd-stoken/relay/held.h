/* SPDX-License-Identifier: ISC */
/*
 * What relay asks tokend: the tokens that others gave to our users. Nothing
 * of them stays here longer than the message that goes by them.
 */
#ifndef RELAY_HELD_H
#define RELAY_HELD_H

#include "imsg/channel.h"
#include "imsg/verdicts.h"

/* Of a RELAY_OPEN: what shows tokend that this may be asked. */
struct held_right {
	uint64_t session, expires;
	const char *sender, *recipient;
	uint8_t ticket[TICKET_LENGTH];
};

struct held_request;

/* Either may be empty: there is none. Valid during the call. */
typedef void
held_token_function(void *owner, struct bytes token, struct bytes mine);
typedef void held_kept_function(void *owner, int ok);

/*
 * Both answer once, not from within; NULL: tokend is away (of a question), or
 * no memory.
 */
struct held_request *
held_ask(const struct held_right *, held_token_function *, void *owner);
/* Waits for another tokend when this one dies. */
struct held_request *held_new(const struct held_right *, struct bytes token,
    held_kept_function *, void *owner);
/*
 * Nobody waits for the answer any more; but a new token is kept all the same.
 * NULL is fine.
 */
void held_cancel(struct held_request *);

/* The token was refused. */
void held_refused(const struct held_right *, struct bytes token);

/* The channel to tokend stands, or is gone. */
void held_peer_new(void);
void held_peer_gone(void);

extern const struct channel_handler held_handlers[];

#endif
