/* SPDX-License-Identifier: ISC */
#include "smtpd-stoken/relay/token_pool.h"

#include <sys/types.h>
#include <sys/queue.h>

#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "smtpd-stoken/relay/setup.h"
#include "smtpd-stoken/relay/token_route.h"

struct token_connection {
	TAILQ_ENTRY(token_connection) entry;
	struct token_link *link;
	struct setup *setup;
	struct route *route; /* or NULL */
	int ready; /* it is logged in */
	int idle; /* and nobody has it */
	unsigned int transactions;
	char domain[256];
};

static TAILQ_HEAD(token_connections, token_connection)
connections = TAILQ_HEAD_INITIALIZER(connections);
static size_t total;
static int stopping;

static size_t
count(const char *domain, int idle)
{
	const struct token_connection *c;
	size_t n = 0;

	TAILQ_FOREACH (c, &connections, entry)
		n += strcmp(c->domain, domain) == 0 && (!idle || c->idle);
	return n;
}

int
token_pool_serves(const char *domain, const struct token_connection *but)
{
	const struct token_connection *c;

	TAILQ_FOREACH (c, &connections, entry)
		if (c != but && c->ready && strcmp(c->domain, domain) == 0)
			return 1;
	return 0;
}

static void
forget(struct token_connection *c)
{
	TAILQ_REMOVE(&connections, c, entry);
	total--;
	setup_release(c->setup);
	free(c);
}

static void
on_ready(void *owner)
{
	struct token_connection *c = owner;

	c->ready = 1;
	if (c->route != NULL) {
		route_ready(c->route);
		return;
	}
	if (stopping || c->setup != setup_current() ||
	    count(c->domain, 1) >= TOKEN_IDLE_DOMAIN) {
		token_link_quit(c->link);
		return;
	}
	c->idle = 1;
	token_link_keep(c->link, TOKEN_IDLE_MILLISECONDS);
}

static void
on_recipient(void *owner, uint32_t id, const struct client_reply *reply)
{
	struct token_connection *c = owner;

	(void)id;
	if (c->route != NULL)
		route_recipient(c->route, reply);
}

static void
on_held(void *owner)
{
	struct token_connection *c = owner;

	if (c->route != NULL)
		route_held(c->route);
}

static void
on_result(void *owner, uint32_t id, const struct client_reply *reply)
{
	struct token_connection *c = owner;

	(void)id;
	if (c->route != NULL)
		route_result(c->route, reply);
}

static void
on_over(void *owner, enum token_link_end how, const char *reason)
{
	struct token_connection *c = owner;
	struct route *route = c->route;

	c->ready = c->idle = 0;
	if (route != NULL)
		route_over(route, how, reason);
	else
		log_debug("token server of %s: %s", c->domain, reason);
	forget(c);
}

static const struct token_link_actions actions = {
    .ready = on_ready,
    .recipient = on_recipient,
    .held = on_held,
    .result = on_result,
    .over = on_over,
};

struct token_connection *
token_pool_take(const char *domain, struct route *route)
{
	struct token_connection *c;

	TAILQ_FOREACH (c, &connections, entry)
		if (c->idle && c->setup == setup_current() &&
		    strcmp(c->domain, domain) == 0)
			break;
	if (c == NULL)
		return NULL;
	c->idle = 0;
	c->route = route;
	return c;
}

static uint64_t
patience(const struct setup *setup, uint64_t seconds)
{
	return 1000 * (setup->timeout < seconds ? setup->timeout : seconds);
}

struct token_connection *
token_pool_open(const char *domain, const struct servers *servers,
    const char *recipient, const char *token, struct route *route)
{
	struct setup *setup = setup_current();
	struct token_link_settings settings = {.domain = domain,
	    .hostname = setup->hostname,
	    .recipient = recipient,
	    .token = token,
	    .trust = setup->token_trust,
	    .patience = patience(setup, ROUTE_SECONDS),
	    .last_patience = patience(setup, ROUTE_LAST_SECONDS)};
	struct token_connection *c;

	if (total >= TOKEN_CONNECTIONS ||
	    count(domain, 0) >= TOKEN_CONNECTIONS_DOMAIN ||
	    (c = calloc(1, sizeof(*c))) == NULL)
		return NULL;
	(void)strlcpy(c->domain, domain, sizeof(c->domain));
	c->link = token_link_open(servers, &settings, &actions, c);
	if (c->link == NULL) {
		free(c);
		return NULL;
	}
	c->route = route;
	c->setup = setup;
	setup_hold(setup);
	total++;
	TAILQ_INSERT_HEAD(&connections, c, entry);
	return c;
}

int
token_pool_begin(struct token_connection *c, const struct client_mail *mail,
    const struct token_recipient *to)
{
	c->transactions++;
	return token_link_begin(c->link, mail, to);
}

void
token_pool_data(
    struct token_connection *c, const struct client_message *message)
{
	token_link_data(c->link, message);
}

void
token_pool_release(struct token_connection *c)
{
	token_link_release(c->link);
}

void
token_pool_leave(struct token_connection *c)
{
	c->route = NULL;
}

/* One that is not logged in serves nobody else: its token is this one's. */
void
token_pool_abandon(struct token_connection *c)
{
	c->route = NULL;
	if (c->ready)
		token_link_abandon(c->link);
	else {
		token_link_close(c->link);
		forget(c);
	}
}

const char *
token_pool_name(const struct token_connection *c)
{
	return token_link_name(c->link);
}

int
token_pool_was_used(const struct token_connection *c)
{
	return c->transactions > 1;
}

void
token_pool_clear(void)
{
	struct token_connection *c;

	do {
		TAILQ_FOREACH (c, &connections, entry)
			if (c->idle)
				break;
		if (c != NULL) {
			c->idle = 0;
			token_link_quit(c->link);
		}
	} while (c != NULL);
}

void
token_pool_stop(void)
{
	stopping = 1;
	token_pool_clear();
}
