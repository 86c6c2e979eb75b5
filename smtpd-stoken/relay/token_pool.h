/* SPDX-License-Identifier: ISC */
/*
 * Connections to token servers, by domain: kept for a while, since whoever
 * is logged in by one token may deliver by others in further transactions
 * (S1-68), and never more than a bound. What they tell goes to the route
 * that has them.
 */
#ifndef RELAY_TOKEN_POOL_H
#define RELAY_TOKEN_POOL_H

#include <stdint.h>

#include "smtpd-stoken/relay/server.h"
#include "smtpd-stoken/relay/smtp/client.h"
#include "smtpd-stoken/relay/smtp/delivered.h"

#define TOKEN_CONNECTIONS 128 /* in all */
#define TOKEN_CONNECTIONS_DOMAIN 32
/* So many of a domain wait long for the next message, more of them shortly. */
#define TOKEN_IDLE_DOMAIN 8
#define TOKEN_SURPLUS_MILLISECONDS 1000
#define TOKEN_IDLE_MILLISECONDS 30000

struct route;
struct token_connection;

enum token_end {
	TOKEN_QUIT = 1,
	/* No connection, no TLS, no STOKEN; lost; too slow; nonsense. */
	TOKEN_FAILED,
	TOKEN_REFUSED, /* this token, by 535 or 550 */
	TOKEN_DECLINED /* AUTH, by another code */
};

/* One that is ready, for the route; or NULL. */
struct token_connection *
token_pool_take(const char *domain, struct route *route);

/* A new one: route_ready() or route_over() follows. NULL: too many. */
struct token_connection *
token_pool_open(const char *domain, const struct servers *,
    const char *recipient, const char *token, struct route *route);

/*
 * A transaction with one recipient, by his token and, unless it is "", ours
 * for the way back. Returns 0; the answer may come from within. -1: none will.
 */
struct token_recipient {
	uint32_t id;
	const char *address, *token, *mine;
};
int token_pool_begin(struct token_connection *, const struct client_mail *,
    const struct token_recipient *);
/* As client_data() and so on. */
void token_pool_data(struct token_connection *, const struct client_message *);
void token_pool_release(struct token_connection *);

/* The route lets it go: the transaction is over, or is given up. */
void token_pool_leave(struct token_connection *);
void token_pool_abandon(struct token_connection *);

/* "mail.b.example[192.0.2.1]:465", of the one that is tried, or was last. */
const char *token_pool_name(const struct token_connection *);
/* It had transactions before. */
int token_pool_was_used(const struct token_connection *);
/* Is any other connection of the domain logged in? */
int token_pool_serves(const char *domain, const struct token_connection *but);

/* Ends those that nobody needs; after _stop() others are not kept either. */
void token_pool_clear(void);
void token_pool_stop(void);

#endif
