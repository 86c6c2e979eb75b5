/* SPDX-License-Identifier: ISC */
/*
 * The token route of a copy: straight to the recipient's server, where its
 * sender holds a token for him (S1-52). Whatever does not go that way goes by
 * the relay host, for just this recipient, and his sender sees none of it
 * (S1-01). When the answer behind the last octets is lost, it may come twice.
 */
#ifndef RELAY_TOKEN_ROUTE_H
#define RELAY_TOKEN_ROUTE_H

#include "smtpd-stoken/relay/mail.h"
#include "smtpd-stoken/relay/token_pool.h"

/* In all, up to the answer to RCPT; then without any progress. */
#define ROUTE_SECONDS 10
/* For the answer behind the last octets. `timeout relay` bounds both. */
#define ROUTE_LAST_SECONDS 60

struct route;

/*
 * Tries that way, for a copy of one recipient that is not shared. Returns 1:
 * copy_answered() or copy_begin_again() follows, not from within; 0: it is
 * not to be tried.
 */
int route_begin(struct copy *, const struct msg_relay_open *);

/* Of a copy that has a route; as connection_data() and so on. */
void route_data(struct copy *, int hold);
void route_release(struct copy *);
/* The copy is given up: it has no route afterwards. */
void route_withdraw(struct copy *);

/* By token_pool.c, as in struct dialogue_actions. */
void route_ready(struct route *);
void route_recipient(struct route *, const struct client_reply *);
void route_held(struct route *);
void route_result(struct route *, const struct client_reply *);
void route_over(struct route *, enum token_end, const char *reason);

#endif
