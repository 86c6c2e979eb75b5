/* SPDX-License-Identifier: ISC */
#include <sys/types.h>
#include <sys/time.h>

#include <errno.h>
#include <string.h>

#include "smtpd-stoken/relay/trust.h"
#include "tokensend/fail.h"
#include "tokensend/find.h"
#include "tokensend/route.h"

/* RFC 5321 section 4.5.3.2. */
#define DATA_SECONDS 120
#define BLOCK_SECONDS 180
#define FINAL_SECONDS 600
#define QUIT_SECONDS 2

static const struct link_actions link_actions;

static const struct {
	const char *awaited; /* client_awaits() */
	uint64_t seconds;
} patience[] = {
    {"DATA", DATA_SECONDS},
    {"message", BLOCK_SECONDS},
    {"end of message", FINAL_SECONDS},
};

static uint64_t
until(uint64_t deadline)
{
	uint64_t now = find_clock();

	return now < deadline ? deadline - now : 0;
}

/* Milliseconds for what is awaited. */
static uint64_t
allowed(const struct route *route)
{
	const char *awaited;
	size_t i;

	if (route->stage == STAGE_CONNECTS)
		return until(route->sending->deadline);
	if (route->stage == STAGE_ENDS)
		return QUIT_SECONDS * 1000;
	awaited = client_awaits(route->client);
	for (i = 0; i < sizeof(patience) / sizeof(patience[0]); i++) {
		if (strcmp(awaited, patience[i].awaited) == 0)
			return patience[i].seconds * 1000;
	}
	return BLOCK_SECONDS * 1000;
}

/* There is one for all until the recipients are answered. */
void
route_patience(struct route *route)
{
	uint64_t milliseconds = allowed(route),
		 left = until(route->sending->end);
	struct timeval wait;

	if (milliseconds > left)
		milliseconds = left;
	wait.tv_sec = (time_t)(milliseconds / 1000);
	wait.tv_usec = (suseconds_t)(milliseconds % 1000 * 1000);
	(void)evtimer_add(&route->timer, &wait);
}

int
route_has(const struct route *route, const struct recipient *recipient)
{
	return recipient->fate == FATE_OPEN && recipient->token[0] != '\0' &&
	    strcmp(recipient->domain, route->domain) == 0;
}

void
route_give_up(struct route *route, const char *why)
{
	if (!route->over)
		(void)strlcpy(route->why, why, sizeof(route->why));
	route->over = 1;
}

static void
enter(struct route *route)
{
	route->depth++;
}

static void
leave(struct route *route)
{
	if (route->depth == 1 && route->link != NULL)
		link_flush(route->link);
	route->depth--;
	if (route->over)
		(void)event_loopbreak();
}

/* The next server that a connection can be begun to. */
static void
try_next(struct route *route)
{
	while (route->next < route->servers->count &&
	    find_clock() < route->sending->deadline) {
		route->server = &route->servers->list[route->next++];
		(void)address_text(
		    &route->server->address, route->peer, sizeof(route->peer));
		tell("%s: connecting to %s[%s]", route->domain,
		    route->server->host, route->peer);
		route->link = link_open(
		    (const struct sockaddr *)&route->server->address.address,
		    route->server->address.length, &link_actions, route);
		if (route->link != NULL) {
			route_patience(route);
			return;
		}
		(void)strlcpy(route->why, strerror(errno), sizeof(route->why));
		tell("%s: %s", route->peer, route->why);
	}
	route->over = 1;
}

static void
make_client(struct route *route)
{
	struct client_settings *settings = &route->settings;

	settings->lmtp = settings->stoken = 1;
	settings->tls =
	    route->server->implicit ? CLIENT_TLS_ON : CLIENT_TLS_DEMANDED;
	settings->hostname = route->sending->hostname;
	settings->user = route->first->address;
	settings->password = route->first->token;
	route->client = client_new(settings, &route_actions, route);
	if (route->client == NULL)
		route_give_up(route, "out of memory");
}

/* Whatever the host is called: the certificate is the domain's (D-S14). */
void
route_start_tls(struct route *route)
{
	struct trust_names names = server_names(route->server, route->domain);

	route->shaking = 1;
	link_start_tls(route->link, route->sending->trust, &names);
}

static void
on_connected(void *owner)
{
	struct route *route = owner;

	enter(route);
	tell("%s: connected", route->peer);
	if (route->server->implicit)
		route_start_tls(route);
	else
		make_client(route);
	leave(route);
}

static void
on_tls(void *owner)
{
	struct route *route = owner;

	enter(route);
	route->shaking = 0;
	tell("%s: TLS stands, the certificate is for %s", route->peer,
	    route->domain);
	if (route->client == NULL)
		make_client(route);
	else
		client_on_tls(route->client);
	leave(route);
}

static void
on_input(void *owner, const void *data, size_t length)
{
	struct route *route = owner;

	enter(route);
	if (!route->over) {
		client_input(route->client, data, length);
		if (!route->over)
			route_patience(route);
	}
	leave(route);
}

static void
on_drained(void *owner, int below_mark)
{
	struct route *route = owner;

	enter(route);
	if (!route->over && below_mark)
		client_drained(route->client);
	if (!route->over)
		route_patience(route);
	leave(route);
}

/* Before anything was said the next server may do. */
static void
drop(struct route *route, const char *why)
{
	tell("%s: %s", route->peer, why);
	(void)strlcpy(route->why, why, sizeof(route->why));
	link_free(route->link);
	route->link = NULL;
	client_free(route->client);
	route->client = NULL;
	route->shaking = 0;
	try_next(route);
}

static void
on_closed(void *owner, const char *why)
{
	struct route *route = owner;

	enter(route);
	if (route->over)
		;
	else if (route->client == NULL || route->shaking)
		drop(route, why);
	else
		client_lost(route->client, why);
	leave(route);
}

static const struct link_actions link_actions = {
    .connected = on_connected,
    .on_tls = on_tls,
    .input = on_input,
    .drained = on_drained,
    .closed = on_closed,
};

static void
on_timer(int fd, short what, void *context)
{
	struct route *route = context;

	(void)fd;
	(void)what;
	enter(route);
	if (route->client == NULL || route->shaking)
		route_give_up(route, "it takes too long");
	else
		client_timeout(route->client);
	leave(route);
}

/* For those whom another token may help; the message's time is not theirs. */
static int
again(const struct route *route)
{
	struct sending *sending = route->sending;
	struct recipient *recipient;
	size_t i;
	int some = 0;

	if (route->sent != 0)
		sending->deadline += find_clock() - route->sent;
	if (sending->deadline > sending->end)
		sending->deadline = sending->end;
	for (i = 0; i < sending->count; i++) {
		recipient = &sending->recipients[i];
		if (recipient->fate == FATE_AGAIN)
			recipient->fate = FATE_OPEN;
		some |= route_has(route, recipient);
	}
	return some;
}

/* Those who were told nothing take the ordinary route. */
static int
finish(struct route *route)
{
	struct sending *sending = route->sending;
	struct recipient *recipient;
	unsigned int refused = 0;
	size_t i;

	if (route->client != NULL)
		refused = client_login_refused(route->client);
	if (route->why[0] == '\0')
		(void)strlcpy(route->why, "the server cannot be reached",
		    sizeof(route->why));
	for (i = 0; i < sending->count; i++) {
		recipient = &sending->recipients[i];
		if (!route_has(route, recipient))
			continue;
		/* Of the others' tokens nothing was said. */
		if (refused / 100 == 5 && recipient != route->first)
			continue;
		if ((refused != 535 && refused != 550) ||
		    !sending->refused(sending, recipient))
			sending->ordinary(sending, recipient, route->why);
	}
	(void)evtimer_del(&route->timer);
	link_free(route->link);
	client_free(route->client);
	return again(route);
}

int
route_run(
    struct sending *sending, const struct servers *servers, const char *domain)
{
	struct route route = {
	    .sending = sending, .servers = servers, .domain = domain};
	size_t i;

	for (i = 0; i < sending->count && route.first == NULL; i++) {
		if (route_has(&route, &sending->recipients[i]))
			route.first = &sending->recipients[i];
	}
	if (route.first == NULL)
		return 0;
	evtimer_set(&route.timer, on_timer, &route);
	enter(&route);
	try_next(&route);
	route.depth--;
	while (!route.over)
		(void)event_loop(EVLOOP_ONCE);
	return finish(&route);
}
