/* SPDX-License-Identifier: ISC */
#include "smtpd-stoken/relay/token_connection.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "smtpd-stoken/relay/dialogue.h"
#include "smtpd-stoken/relay/setup.h"
#include "smtpd-stoken/relay/smtp/hide.h"
#include "smtpd-stoken/relay/token_route.h"

#define QUIT_MILLISECONDS 2000
/* For an address, when there are more to be tried. */
#define ADDRESS_MILLISECONDS 3000
/*
 * In a millisecond. The other recipients of a message wait for all (DESIGN
 * section 11), so that a server that reads slowly enough would stop them.
 */
#define OCTETS_LEAST 100
/* Longer words of a server may be a token. */
#define WORD_MAX 24

static uint64_t
bounded(const struct setup *setup, uint64_t seconds)
{
	return 1000 * (setup->timeout < seconds ? setup->timeout : seconds);
}

static void
set_name(struct token_connection *c)
{
	char address[128], *colon;

	(void)address_text(&c->server->address, address, sizeof(address));
	colon = strrchr(address, ':');
	if (colon != NULL)
		*colon++ = '\0';
	snprintf(c->name, sizeof(c->name), "%s%s%s%s:%s", c->server->host,
	    address[0] == '[' ? "" : "[", address, address[0] == '[' ? "" : "]",
	    colon != NULL ? colon : "");
}

static const struct address *
on_address(void *owner, size_t nth)
{
	struct token_connection *c = owner;

	c->server = &c->servers.list[nth];
	set_name(c);
	return &c->server->address;
}

static enum client_tls
on_connected(void *owner)
{
	const struct token_connection *c = owner;

	return c->server->implicit ? CLIENT_TLS_ON : CLIENT_TLS_DEMANDED;
}

/* Whatever the host is called: the certificate is the domain's (D-S14). */
static struct trust_names
on_names(void *owner)
{
	const struct token_connection *c = owner;

	return server_names(c->server, c->domain);
}

static void
on_dropped(void *owner, const char *why)
{
	const struct token_connection *c = owner;
	char text[256];

	(void)strlcpy(text, why, sizeof(text));
	(void)hide_long_words(text, WORD_MAX);
	log_debug("token server %s: %s", c->name, text);
}

static uint64_t
on_patience(void *owner, const char *awaited)
{
	const struct token_connection *c = owner;

	return bounded(c->setup,
	    strcmp(awaited, "end of message") == 0 ? ROUTE_LAST_SECONDS
						   : ROUTE_SECONDS);
}

static void
on_ready(void *owner)
{
	struct token_connection *c = owner;

	explicit_bzero(c->token, sizeof(c->token)); /* it was said */
	c->ready = 1;
	if (c->route != NULL)
		route_ready(c->route);
	else
		token_connection_unused(c);
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

static enum token_end
how_it_ended(const struct dialogue_end *end)
{
	unsigned int code = end->login_refused;

	if (end->reply == NULL)
		return TOKEN_QUIT;
	if (code == 535 || code == 550)
		return TOKEN_REFUSED;
	return code != 0 ? TOKEN_DECLINED : TOKEN_FAILED;
}

static void
on_over(void *owner, const struct dialogue_end *end)
{
	struct token_connection *c = owner;

	c->ready = c->idle = 0;
	if (c->route != NULL)
		route_over(c->route, how_it_ended(end), end->reason);
	else
		on_dropped(c, end->reason);
}

static void
on_gone(void *owner)
{
	struct token_connection *c = owner;

	token_connection_gone(c);
	setup_release(c->setup);
	freezero(c, sizeof(*c));
}

static const struct dialogue_actions actions = {
    .address = on_address,
    .tls = on_connected,
    .names = on_names,
    .dropped = on_dropped,
    .patience = on_patience,
    .ready = on_ready,
    .recipient = on_recipient,
    .held = on_held,
    .result = on_result,
    .over = on_over,
    .gone = on_gone,
};

static int
take_names(struct token_connection *c, const char *domain,
    const char *recipient, const char *token)
{
	if (strlcpy(c->domain, domain, sizeof(c->domain)) >=
		sizeof(c->domain) ||
	    strlcpy(c->recipient, recipient, sizeof(c->recipient)) >=
		sizeof(c->recipient) ||
	    strlcpy(c->token, token, sizeof(c->token)) >= sizeof(c->token))
		return -1;
	return 0;
}

static struct dialogue *
begin_dialogue(struct token_connection *c)
{
	struct dialogue_settings settings = {.addresses = c->servers.count,
	    .all = bounded(c->setup, ROUTE_SECONDS),
	    .each = ADDRESS_MILLISECONDS,
	    .quit = QUIT_MILLISECONDS,
	    .least = OCTETS_LEAST,
	    .slack = 1000 * ROUTE_LAST_SECONDS,
	    .trust = c->setup->token_trust,
	    .thorough = 1};

	settings.client = (struct client_settings) {.lmtp = 1,
	    .hostname = c->setup->hostname,
	    .user = c->recipient,
	    .password = c->token,
	    .stoken = 1};
	return dialogue_open(&settings, &actions, c);
}

struct token_connection *
token_connection_new(const char *domain, const struct servers *servers,
    const char *recipient, const char *token, struct route *route)
{
	struct token_connection *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->setup = setup_current();
	c->route = route;
	c->servers = *servers;
	if (take_names(c, domain, recipient, token) == -1 ||
	    (c->dialogue = begin_dialogue(c)) == NULL) {
		freezero(c, sizeof(*c));
		return NULL;
	}
	setup_hold(c->setup);
	return c;
}

int
token_pool_begin(struct token_connection *c, const struct client_mail *mail,
    const struct token_recipient *to)
{
	char parameters[2 * DELIVERED_TOKEN_MAX + 32];
	int result;

	c->transactions++;
	if (!delivered_is_token(to->token) ||
	    (to->mine[0] != '\0' && !delivered_is_token(to->mine)))
		return -1;
	snprintf(parameters, sizeof(parameters), "STOKEN=%s%s%s", to->token,
	    to->mine[0] == '\0' ? "" : " MYSTOKEN=", to->mine);
	dialogue_enter(c->dialogue);
	result = dialogue_mail(c->dialogue, mail);
	if (result == 0)
		result = dialogue_recipient(
		    c->dialogue, to->id, to->address, parameters);
	dialogue_leave(c->dialogue);
	explicit_bzero(parameters, sizeof(parameters));
	return result;
}

void
token_pool_data(
    struct token_connection *c, const struct client_message *message)
{
	dialogue_data(c->dialogue, message);
}

void
token_pool_release(struct token_connection *c)
{
	dialogue_release(c->dialogue);
}

const char *
token_pool_name(const struct token_connection *c)
{
	return c->name;
}

int
token_pool_was_used(const struct token_connection *c)
{
	return c->transactions > 1;
}
