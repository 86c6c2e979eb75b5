/* SPDX-License-Identifier: ISC */
/* What the client of a session wants done, and what it tells. */
#include <stdio.h>
#include <string.h>

#include "smtpd-stoken/relay/smtp/delivered.h"
#include "smtpd-stoken/relay/token_answer.h"
#include "tokensend/fail.h"
#include "tokensend/find.h"
#include "tokensend/route.h"

static int
on_write(void *owner, const void *data, size_t length)
{
	struct route *route = owner;

	return link_write(route->link, data, length, 0) != 0;
}

static void
on_write_secret(void *owner, const void *data, size_t length)
{
	struct route *route = owner;

	(void)link_write(route->link, data, length, 1);
}

static void
on_start_tls(void *owner)
{
	route_start_tls(owner);
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
add_recipient(struct route *route, uint32_t id)
{
	const struct recipient *recipient = &route->sending->recipients[id];
	char parameters[2 * TOKEN_SIZE + 32];

	(void)snprintf(parameters, sizeof(parameters), "STOKEN=%s%s%s",
	    recipient->token,
	    recipient->mine[0] == '\0' ? "" : " MYSTOKEN=", recipient->mine);
	if (client_recipient(
		route->client, id, recipient->address, parameters) == -1)
		route_give_up(route, "out of memory");
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
		if (!route_has(route, &sending->recipients[i]))
			continue;
		for (c = sending->recipients[i].address; *c != '\0'; c++)
			some |= (*c & 0x80) != 0;
	}
	return some && client_offers(route->client, "SMTPUTF8");
}

static void
begin(struct route *route)
{
	const struct sending *sending = route->sending;
	struct client_mail mail = {.sender = sending->options->sender,
	    .body = sending->message->has_8bit ? RELAY_BODY_8BITMIME
					       : RELAY_BODY_7BIT,
	    .utf8 = sending->message->header_8bit || some_utf8(route),
	    .size = sending->message->size,
	    .parameters = ""};
	size_t i;

	tell("%s: logged in by the token of %s", route->peer,
	    route->first->address);
	route->began = 1;
	if (client_mail(route->client, &mail) == -1) {
		route_give_up(route, "out of memory");
		return;
	}
	for (i = 0; i < sending->count; i++) {
		if (route_has(route, &sending->recipients[i]))
			route->open++;
	}
	for (i = 0; i < sending->count && !route->over; i++) {
		if (!route_has(route, &sending->recipients[i]))
			continue;
		add_recipient(route, (uint32_t)i);
	}
}

static void
on_ready(void *owner)
{
	struct route *route = owner;

	if (!route->began) {
		begin(route);
		return;
	}
	route->stage = STAGE_ENDS;
	route_patience(route);
	client_quit(route->client);
}

static void
send_message(struct route *route)
{
	struct message *message = route->sending->message;
	struct client_message all = {
	    .size = message->size, .read = message_piece, .reader = message};

	route->sent = find_clock();
	route->stage = STAGE_DATA;
	(void)client_data(route->client, &all);
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
		client_abandon(route->client);
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
on_over(void *owner, const struct client_reply *reply, const char *reason)
{
	struct route *route = owner;
	struct client_reply shown = {.code = 0};

	(void)strlcpy(shown.text, reason, sizeof(shown.text));
	hide(route, &shown);
	tell("%s: %s", route->peer, shown.text);
	route_give_up(route, reply == NULL ? "" : shown.text);
}

const struct client_actions route_actions = {
    .write = on_write,
    .write_secret = on_write_secret,
    .start_tls = on_start_tls,
    .ready = on_ready,
    .recipient = on_recipient,
    .held = on_held,
    .result = on_result,
    .over = on_over,
};
