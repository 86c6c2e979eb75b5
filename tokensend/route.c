/* SPDX-License-Identifier: ISC */
#include <sys/types.h>

#include <event.h>
#include <stdio.h>
#include <string.h>

#include "lib/clock.h"
#include "smtpd-stoken/relay/dialogue.h"
#include "smtpd-stoken/relay/smtp/delivered.h"
#include "smtpd-stoken/relay/token_answer.h"
#include "tokensend/fail.h"
#include "tokensend/find.h"
#include "tokensend/route.h"

/* For an address, when there are more to be tried. */
#define ADDRESS_MILLISECONDS 3000
#define QUIT_MILLISECONDS 2000
/* RFC 5321 section 4.5.3.2. */
#define DATA_SECONDS 120
#define BLOCK_SECONDS 180
#define FINAL_SECONDS 600

struct route {
	struct sending *sending;
	const struct servers *servers;
	const struct server *server; /* that is tried, or was last */
	const char *domain;
	struct recipient *first; /* whose token logs in */
	struct dialogue *dialogue; /* NULL: it is gone */
	int over;
	int began; /* the transaction */
	size_t open, accepted; /* recipients: asked, taken */
	uint64_t sent; /* when the message began to go out, or 0 */
	unsigned int refused; /* the code of AUTH, or 0 */
	char why[1400]; /* why it ended */
	char peer[128];
};

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
	uint64_t now = clock_milliseconds();

	return now < deadline ? deadline - now : 0;
}

/* There is one time for all until the recipients are answered. */
static uint64_t
on_patience(void *owner, const char *awaited)
{
	const struct route *route = owner;
	uint64_t left = until(route->sending->end),
		 allowed = BLOCK_SECONDS * 1000;
	size_t i;

	for (i = 0; i < sizeof(patience) / sizeof(patience[0]); i++) {
		if (strcmp(awaited, patience[i].awaited) == 0)
			allowed = patience[i].seconds * 1000;
	}
	if (route->sent == 0)
		allowed = until(route->sending->deadline);
	return allowed < left ? allowed : left;
}

static int
has(const struct route *route, const struct recipient *recipient)
{
	return recipient->fate == FATE_OPEN && recipient->token[0] != '\0' &&
	    strcmp(recipient->domain, route->domain) == 0;
}

static const struct address *
on_address(void *owner, size_t nth)
{
	struct route *route = owner;

	route->server = &route->servers->list[nth];
	(void)address_text(
	    &route->server->address, route->peer, sizeof(route->peer));
	tell("%s: connecting to %s[%s]", route->domain, route->server->host,
	    route->peer);
	return &route->server->address;
}

static enum client_tls
on_connected(void *owner)
{
	const struct route *route = owner;

	tell("%s: connected", route->peer);
	return route->server->implicit ? CLIENT_TLS_ON : CLIENT_TLS_DEMANDED;
}

/* Whatever the host is called: the certificate is the domain's (D-S14). */
static struct trust_names
on_names(void *owner)
{
	const struct route *route = owner;

	return server_names(route->server, route->domain);
}

/* Whatever a peer says, no token is shown. */
static void
hide(const struct route *route, struct client_reply *reply)
{
	size_t i;

	for (i = 0; i < route->sending->count; i++) {
		delivered_hide(reply, route->sending->recipients[i].token);
		delivered_hide(reply, route->sending->recipients[i].mine);
	}
}

static void
refuse(struct route *route, struct recipient *recipient,
    const struct client_reply *reply)
{
	char why[CLIENT_TEXT_MAX + 64];

	(void)snprintf(why, sizeof(why), "%u %s %s", reply->code,
	    reply->enhanced, reply->text);
	route->sending->ordinary(route->sending, recipient, why);
}

static void
note(struct route *route, const char *why)
{
	struct client_reply shown = {.code = 0};

	(void)strlcpy(shown.text, why, sizeof(shown.text));
	hide(route, &shown);
	tell("%s: %s", route->peer, shown.text);
	(void)strlcpy(route->why, shown.text, sizeof(route->why));
}

static void
on_dropped(void *owner, const char *why)
{
	note(owner, why);
}

static void
give_up(struct route *route)
{
	(void)strlcpy(route->why, "out of memory", sizeof(route->why));
	route->over = 1;
	dialogue_close(route->dialogue);
}

static void
add_recipient(struct route *route, uint32_t id)
{
	const struct recipient *recipient = &route->sending->recipients[id];
	char parameters[2 * TOKEN_SIZE + 32];

	(void)snprintf(parameters, sizeof(parameters), "STOKEN=%s%s%s",
	    recipient->token,
	    recipient->mine[0] == '\0' ? "" : " MYSTOKEN=", recipient->mine);
	if (dialogue_recipient(
		route->dialogue, id, recipient->address, parameters) == -1)
		give_up(route);
	explicit_bzero(parameters, sizeof(parameters));
}

/* Where it cannot be said the others still get theirs. */
static int
some_utf8(const struct route *route)
{
	const struct sending *sending = route->sending;
	const char *c;
	size_t i;
	int some = 0;

	for (i = 0; i < sending->count; i++) {
		if (!has(route, &sending->recipients[i]))
			continue;
		for (c = sending->recipients[i].address; *c != '\0'; c++)
			some |= (*c & 0x80) != 0;
	}
	return some && dialogue_offers(route->dialogue, "SMTPUTF8");
}

static void
begin(struct route *route)
{
	const struct sending *sending = route->sending;
	struct client_mail mail = {.sender = sending->options->sender,
	    .body = sending->message->has_8bit ? RELAY_BODY_8BITMIME
					       : RELAY_BODY_7BIT,
	    .utf8 = sending->message->header_8bit || some_utf8(route),
	    .size = sending->message->size + sending->message->ends,
	    .parameters = ""};
	size_t i;

	tell("%s: logged in by the token of %s", route->peer,
	    route->first->address);
	route->began = 1;
	if (dialogue_mail(route->dialogue, &mail) == -1) {
		give_up(route);
		return;
	}
	for (i = 0; i < sending->count; i++) {
		if (has(route, &sending->recipients[i]))
			route->open++;
	}
	for (i = 0; i < sending->count && !route->over; i++) {
		if (!has(route, &sending->recipients[i]))
			continue;
		add_recipient(route, (uint32_t)i);
	}
}

static void
on_ready(void *owner)
{
	struct route *route = owner;

	if (!route->began)
		begin(route);
	else
		dialogue_quit(route->dialogue);
}

static void
send_message(struct route *route)
{
	struct message *message = route->sending->message;
	struct client_message all = {
	    .size = message->size, .read = message_piece, .reader = message};

	route->sent = clock_milliseconds();
	dialogue_data(route->dialogue, &all);
}

static void
on_recipient(void *owner, uint32_t id, const struct client_reply *reply)
{
	struct route *route = owner;
	struct recipient *recipient = &route->sending->recipients[id];
	struct client_reply shown = *reply;

	hide(route, &shown);
	tell("%s: RCPT <%s>: %u %s %s", route->peer, recipient->address,
	    shown.code, shown.enhanced, shown.text);
	route->open--;
	if (reply->code / 100 == 2)
		route->accepted++;
	else if (token_answer_refuses(TOKEN_AT_RCPT, reply) &&
	    route->sending->refused(route->sending, recipient))
		recipient->fate = FATE_AGAIN;
	else
		refuse(route, recipient, &shown);
	if (route->open == 0 && route->accepted > 0)
		send_message(route);
	else if (route->open == 0)
		dialogue_abandon(route->dialogue);
}

static void
on_held(void *owner)
{
	(void)owner;
}

static void
on_result(void *owner, uint32_t id, const struct client_reply *reply)
{
	struct route *route = owner;
	struct sending *sending = route->sending;
	struct recipient *recipient = &sending->recipients[id];
	struct client_reply shown = *reply;
	char token[DELIVERED_TOKEN_MAX + 1];

	(void)delivered_take(&shown, recipient->address, token);
	hide(route, &shown);
	delivered_hide(&shown, token);
	tell("%s: <%s>: %u %s %s", route->peer, recipient->address, shown.code,
	    shown.enhanced, shown.text);
	if (reply->code / 100 != 2)
		refuse(route, recipient, &shown);
	else
		sending->delivered(sending, recipient, &shown, token);
	explicit_bzero(token, sizeof(token));
}

static void
on_over(void *owner, const struct dialogue_end *end)
{
	struct route *route = owner;

	route->over = 1;
	route->refused = end->login_refused;
	if (end->reply == NULL)
		tell("%s: %s", route->peer, end->reason);
	else if (!end->unreached)
		note(route, end->reason);
}

static void
on_gone(void *owner)
{
	struct route *route = owner;

	route->dialogue = NULL;
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

/* For those whom another token may help; the message's time is not theirs. */
static int
again(const struct route *route)
{
	struct sending *sending = route->sending;
	struct recipient *recipient;
	size_t i;
	int some = 0;

	if (route->sent != 0)
		sending->deadline += clock_milliseconds() - route->sent;
	if (sending->deadline > sending->end)
		sending->deadline = sending->end;
	for (i = 0; i < sending->count; i++) {
		recipient = &sending->recipients[i];
		if (recipient->fate == FATE_AGAIN)
			recipient->fate = FATE_OPEN;
		some |= has(route, recipient);
	}
	return some;
}

/* Those who were told nothing take the ordinary route. */
static int
finish(struct route *route)
{
	struct sending *sending = route->sending;
	struct recipient *recipient;
	unsigned int refused = route->refused;
	size_t i;

	if (route->why[0] == '\0')
		(void)strlcpy(route->why, "the server cannot be reached",
		    sizeof(route->why));
	for (i = 0; i < sending->count; i++) {
		recipient = &sending->recipients[i];
		if (!has(route, recipient))
			continue;
		/* Of the others' tokens nothing was said. */
		if (refused / 100 == 5 && recipient != route->first)
			continue;
		if ((refused != 535 && refused != 550) ||
		    !sending->refused(sending, recipient))
			sending->ordinary(sending, recipient, route->why);
	}
	return again(route);
}

static struct dialogue *
begin_dialogue(struct route *route)
{
	struct dialogue_settings settings = {.addresses = route->servers->count,
	    .all = until(route->sending->deadline),
	    .each = ADDRESS_MILLISECONDS,
	    .quit = QUIT_MILLISECONDS,
	    .trust = route->sending->trust,
	    .thorough = 1};

	settings.client = (struct client_settings) {.lmtp = 1,
	    .hostname = route->sending->hostname,
	    .user = route->first->address,
	    .password = route->first->token,
	    .stoken = 1};
	return dialogue_open(&settings, &actions, route);
}

int
route_run(
    struct sending *sending, const struct servers *servers, const char *domain)
{
	struct route route = {
	    .sending = sending, .servers = servers, .domain = domain};
	size_t i;

	for (i = 0; i < sending->count && route.first == NULL; i++) {
		if (has(&route, &sending->recipients[i]))
			route.first = &sending->recipients[i];
	}
	if (route.first == NULL)
		return 0;
	route.dialogue = begin_dialogue(&route);
	while (route.dialogue != NULL)
		(void)event_loop(EVLOOP_ONCE);
	return finish(&route);
}
