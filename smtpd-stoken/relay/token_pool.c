/* SPDX-License-Identifier: ISC */
#include "smtpd-stoken/relay/token_pool.h"

#include <sys/types.h>
#include <sys/queue.h>

#include <string.h>

#include "smtpd-stoken/relay/dialogue.h"
#include "smtpd-stoken/relay/setup.h"
#include "smtpd-stoken/relay/token_connection.h"

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

void
token_connection_unused(struct token_connection *c)
{
	uint64_t keep = TOKEN_IDLE_MILLISECONDS;

	if (stopping || c->setup != setup_current()) {
		dialogue_quit(c->dialogue);
		return;
	}
	/* As many as were needed at a time are needed again, or soon gone. */
	if (count(c->domain, 1) >= TOKEN_IDLE_DOMAIN)
		keep = TOKEN_SURPLUS_MILLISECONDS;
	c->idle = 1;
	dialogue_keep(c->dialogue, keep);
}

void
token_connection_gone(struct token_connection *c)
{
	TAILQ_REMOVE(&connections, c, entry);
	total--;
}

static struct token_connection *
find_idle(const char *domain)
{
	struct token_connection *c;

	TAILQ_FOREACH (c, &connections, entry)
		if (c->idle && c->setup == setup_current() &&
		    strcmp(c->domain, domain) == 0)
			break;
	return c;
}

struct token_connection *
token_pool_take(const char *domain, struct route *route)
{
	struct token_connection *c;

	while ((c = find_idle(domain)) != NULL) {
		c->idle = 0;
		if (!dialogue_look(c->dialogue))
			continue;
		c->route = route;
		return c;
	}
	return NULL;
}

/* Whoever needs a connection goes before those that nobody needs. */
static int
make_room(void)
{
	struct token_connection *c;

	while (total >= TOKEN_CONNECTIONS) {
		TAILQ_FOREACH_REVERSE(c, &connections, token_connections, entry)
		if (c->idle)
			break;
		if (c == NULL)
			return -1;
		c->idle = 0;
		dialogue_close(c->dialogue);
	}
	return 0;
}

struct token_connection *
token_pool_open(const char *domain, const struct servers *servers,
    const char *recipient, const char *token, struct route *route)
{
	struct token_connection *c;

	if (count(domain, 0) >= TOKEN_CONNECTIONS_DOMAIN || make_room() == -1)
		return NULL;
	c = token_connection_new(domain, servers, recipient, token, route);
	if (c == NULL)
		return NULL;
	total++;
	TAILQ_INSERT_HEAD(&connections, c, entry);
	return c;
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
		dialogue_abandon(c->dialogue);
	else
		dialogue_close(c->dialogue);
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
			dialogue_quit(c->dialogue);
		}
	} while (c != NULL);
}

void
token_pool_stop(void)
{
	stopping = 1;
	token_pool_clear();
}
