/* SPDX-License-Identifier: ISC */
/*
 * A connection to a token server: a dialogue with one of a domain's servers,
 * which proves that it is one (D-S14), LHLO, AUTH STOKEN; then transactions,
 * one at a time, each by its own token (S1-68). For token_pool.c.
 */
#ifndef RELAY_TOKEN_CONNECTION_H
#define RELAY_TOKEN_CONNECTION_H

#include <sys/queue.h>

#include "smtpd-stoken/relay/token_pool.h"

struct dialogue;
struct setup;

struct token_connection {
	TAILQ_ENTRY(token_connection) entry;
	struct dialogue *dialogue;
	struct setup *setup;
	struct route *route; /* or NULL */
	struct servers servers;
	const struct server *server; /* that is tried, or was last */
	int ready; /* it is logged in */
	int idle; /* and nobody has it */
	unsigned int transactions;
	char name[400];
	char domain[256];
	char recipient[330]; /* who logs in, */
	char token[DELIVERED_TOKEN_MAX + 1]; /* by this, until he is */
};

/* What is told of it goes to the route. NULL: no memory. */
struct token_connection *
token_connection_new(const char *domain, const struct servers *,
    const char *recipient, const char *token, struct route *);

/* By it: nobody has it any more; it is being freed. */
void token_connection_unused(struct token_connection *);
void token_connection_gone(struct token_connection *);

#endif
