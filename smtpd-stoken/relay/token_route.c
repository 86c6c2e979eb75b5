/* SPDX-License-Identifier: ISC */
#include "smtpd-stoken/relay/token_route.h"

#include <sys/time.h>

#include <event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "smtpd-stoken/relay/discover.h"
#include "smtpd-stoken/relay/held.h"
#include "smtpd-stoken/relay/hop.h"
#include "smtpd-stoken/relay/setup.h"
#include "smtpd-stoken/relay/smtp/delivered.h"
#include "smtpd-stoken/relay/token_answer.h"
#include "smtpd-stoken/relay/token_domain.h"
#include "smtpd-stoken/relay/token_log.h"
#include "smtpd-stoken/relay/token_pool.h"

/* How long tokend may take to keep a new token. */
#define KEEP_SECONDS 10
#define ADDRESS_ROOM 321
#define TOKENS_MOST 4 /* alternatives that are tried (S1-50) */

enum route_state {
	ROUTE_ASKS, /* tokend, for a token */
	ROUTE_SEEKS, /* the server */
	ROUTE_CONNECTS, /* up to the login */
	ROUTE_OPENS, /* MAIL and RCPT */
	ROUTE_OPEN,
	ROUTE_SENDS, /* the message, and waits for its answer */
	ROUTE_KEEPS /* it is delivered: tokend keeps a new token */
};

/* For the log: where it failed. */
static const char *const state_names[] = {
    "token", "dns", "connect", "rcpt", "data", "data", "keep"};

struct route {
	struct copy *copy;
	enum route_state state;
	struct held_request *request;
	struct discovery *discovery;
	struct token_connection *connection;
	struct held_right right;
	uint64_t began; /* milliseconds */
	int blames; /* what fails now is the server's fault */
	unsigned int refusals; /* of tokens */
	char refusal[512]; /* the last */
	int fresh; /* a kept connection was lost: on a new one */
	int unknown; /* whether it was delivered */
	struct client_reply reply; /* ROUTE_KEEPS */
	struct event timer;
	char sender[ADDRESS_ROOM];
	char recipient[ADDRESS_ROOM];
	char domain[TOKEN_DOMAIN_SIZE];
	char server[320]; /* for the log */
	char token[DELIVERED_TOKEN_MAX + 1];
	char mine[DELIVERED_TOKEN_MAX + 1];
};

static void finish(struct route *, int has_new, int kept);

static void
set_timer(struct route *route, uint64_t seconds)
{
	struct timeval wait = {.tv_sec = (time_t)seconds};

	(void)evtimer_add(&route->timer, &wait);
}

static void
note_server(struct route *route)
{
	if (route->connection != NULL)
		(void)strlcpy(route->server, token_pool_name(route->connection),
		    sizeof(route->server));
}

/* Lets go of everything but the connection. */
static void
route_free(struct route *route)
{
	held_cancel(route->request);
	discover_cancel(route->discovery);
	(void)evtimer_del(&route->timer);
	route->copy->route = NULL;
	freezero(route, sizeof(*route));
}

static struct token_story
story_of(const struct route *route)
{
	return (struct token_story) {.session = route->right.session,
	    .refusals = route->refusals,
	    .recipient = route->recipient,
	    .server = route->server[0] == '\0' ? route->domain : route->server,
	    .milliseconds = hop_clock() - route->began};
}

static void
log_success(const struct route *route, int has_new, int kept)
{
	struct token_story story = story_of(route);

	token_log_delivered(&story, !has_new ? "no" : kept ? "kept" : "lost");
}

/* S1-01: the ordinary way, for this recipient. */
static void
give_up(struct route *route, const char *why)
{
	struct copy *copy = route->copy;
	struct token_connection *connection = route->connection;
	struct token_story story;

	note_server(route);
	story = story_of(route);
	token_log_failure(&story, state_names[route->state], why);
	if (route->blames && !token_pool_serves(route->domain, connection))
		discover_blame(route->domain, why);
	route_free(route);
	if (connection != NULL)
		token_pool_abandon(connection);
	copy_begin_again(copy);
}

static void
forget_token(const struct route *route)
{
	held_refused(&route->right, bytes_text(route->token));
}

static void on_token(void *, struct bytes token, struct bytes mine);

/* S1-50: the sender may hold another one, which is asked for behind that. */
static int
try_another(struct route *route, const char *why)
{
	forget_token(route);
	(void)strlcpy(route->refusal, why, sizeof(route->refusal));
	if (++route->refusals >= TOKENS_MOST)
		return 0;
	route->request = held_ask(&route->right, on_token, route);
	if (route->request == NULL)
		return 0;
	route->state = ROUTE_ASKS;
	route->copy->state = COPY_WAITS;
	return 1;
}

static void
open_connection(struct route *route, const struct servers *servers)
{
	route->connection = token_pool_open(
	    route->domain, servers, route->recipient, route->token, route);
	if (route->connection == NULL) {
		route->blames = 0;
		give_up(route, "too many connections");
		return;
	}
	route->state = ROUTE_CONNECTS;
}

static void
on_servers(void *owner, const struct servers *servers, const char *why)
{
	struct route *route = owner;

	route->discovery = NULL;
	route->blames = 0; /* it is remembered by its TTL */
	if (why != NULL)
		give_up(route, why);
	else {
		route->blames = 1;
		open_connection(route, servers);
	}
}

static void
seek(struct route *route)
{
	struct discovery *discovery;

	route->state = ROUTE_SEEKS;
	route->blames = 1; /* for the time that the DNS takes */
	if (!route->fresh)
		route->connection = token_pool_take(route->domain, route);
	if (route->connection != NULL) {
		route->state = ROUTE_CONNECTS;
		route_ready(route);
		return;
	}
	discovery = discover(route->domain, on_servers, route);
	if (discovery != NULL)
		route->discovery = discovery;
}

static void
on_token(void *owner, struct bytes token, struct bytes mine)
{
	struct route *route = owner;

	route->request = NULL;
	if (token.length == 0 ||
	    bytes_copy(route->token, sizeof(route->token), token) == -1 ||
	    bytes_copy(route->mine, sizeof(route->mine), mine) == -1)
		give_up(
		    route, route->refusals > 0 ? route->refusal : "no token");
	else
		seek(route);
}

/* The 10 seconds are over, or tokend does not answer. */
static void
on_timer(int fd, short what, void *context)
{
	struct route *route = context;

	(void)fd;
	(void)what;
	if (route->state == ROUTE_KEEPS)
		finish(route, 1, 0);
	else
		give_up(route, "it takes too long");
}

static int
is_wanted(const struct copy *copy, const struct msg_relay_open *m)
{
	const struct setup *setup = setup_current();

	return m->shared != RELAY_SHARED &&
	    copy->mail->next_hop == NEXT_HOP_RELAY &&
	    setup->token_trust != NULL && m->sender.length > 0 &&
	    m->ticket.length == TICKET_LENGTH;
}

static int
take_names(struct route *route, const struct msg_relay_open *m)
{
	if (bytes_copy(route->sender, sizeof(route->sender), m->sender) == -1 ||
	    bytes_copy(
		route->recipient, sizeof(route->recipient), m->address) == -1 ||
	    token_domain(route->recipient, route->domain) == -1)
		return -1;
	return 0;
}

int
route_begin(struct copy *copy, const struct msg_relay_open *m)
{
	struct route *route;
	uint64_t most = setup_current()->timeout;

	if (!is_wanted(copy, m) || (route = calloc(1, sizeof(*route))) == NULL)
		return 0;
	route->copy = copy;
	route->began = hop_clock();
	route->right.session = m->session;
	route->right.expires = m->expires;
	route->right.sender = route->sender;
	route->right.recipient = route->recipient;
	memcpy(route->right.ticket, m->ticket.data, TICKET_LENGTH);
	if (take_names(route, m) == -1 ||
	    (route->request = held_ask(&route->right, on_token, route)) ==
		NULL) {
		freezero(route, sizeof(*route));
		return 0;
	}
	evtimer_set(&route->timer, on_timer, route);
	set_timer(route, most < ROUTE_SECONDS ? most : ROUTE_SECONDS);
	copy->route = route;
	copy->state = COPY_WAITS;
	return 1;
}

void
route_ready(struct route *route)
{
	struct copy *copy = route->copy;
	const struct recipient *recipient = TAILQ_FIRST(&copy->recipients);
	struct token_recipient to;

	if (route->state != ROUTE_CONNECTS || recipient == NULL) {
		give_up(route, "the transaction ended");
		return;
	}
	route->state = ROUTE_OPENS;
	copy->state = COPY_OPEN;
	to = (struct token_recipient) {.id = recipient->number,
	    .address = route->recipient,
	    .token = route->token,
	    .mine = route->mine};
	if (token_pool_begin(route->connection, &copy->mail->envelope, &to) ==
	    -1)
		give_up(route, "it cannot be said");
}

/* A kept connection may have been closed while nobody looked. */
static int
try_afresh(struct route *route)
{
	if (route->state != ROUTE_OPENS || route->fresh ||
	    !token_pool_was_used(route->connection))
		return 0;
	route->fresh = 1;
	route->connection = NULL;
	route->copy->state = COPY_WAITS;
	seek(route);
	return 1;
}

/* What it says is for the log: a token that it repeats is not. */
static void
refused(struct route *route, enum token_stage at, struct client_reply reply)
{
	struct token_connection *connection = route->connection;
	char why[TOKEN_ANSWER_TEXT];
	int is_token = token_answer_refuses(at, &reply);

	route->blames = 0;
	note_server(route);
	token_answer_hide(&reply, route->token, route->mine);
	token_answer_text(why, &reply);
	if (is_token && at == TOKEN_AT_RCPT && try_another(route, why)) {
		route->connection = NULL;
		token_pool_abandon(connection);
		return;
	}
	if (is_token && at == TOKEN_AT_END)
		forget_token(route);
	give_up(route, why);
}

void
route_recipient(struct route *route, const struct client_reply *reply)
{
	struct copy *copy = route->copy;
	const struct recipient *recipient = TAILQ_FIRST(&copy->recipients);
	struct client_reply safe = *reply;

	if (route->state != ROUTE_OPENS || recipient == NULL ||
	    reply->source == CLIENT_LOST)
		return; /* route_over() follows */
	if (reply->code / 100 != 2) {
		refused(route, TOKEN_AT_RCPT, safe);
		return;
	}
	(void)evtimer_del(&route->timer);
	route->blames = 1;
	route->state = ROUTE_OPEN;
	token_answer_hide(&safe, route->token, route->mine);
	copy_answered(copy, recipient->number, &safe);
}

void
route_data(struct copy *copy, int hold)
{
	struct route *route = copy->route;
	struct client_message message = {.head = copy->head,
	    .head_length = copy->head_length,
	    .size = mail_size(copy->mail),
	    .exact = copy->mail->exact,
	    .hold = hold,
	    .read = mail_read,
	    .reader = copy->mail,
	    .metadata = &copy->mail->containers};

	route->state = ROUTE_SENDS;
	copy->state = hold ? COPY_SENDS : COPY_RELEASED;
	token_pool_data(route->connection, &message);
}

void
route_held(struct route *route)
{
	copy_held(route->copy);
}

void
route_release(struct copy *copy)
{
	copy->state = COPY_RELEASED;
	token_pool_release(copy->route->connection);
}

static void
finish(struct route *route, int has_new, int kept)
{
	struct copy *copy = route->copy;
	struct client_reply reply = route->reply;
	uint32_t number = TAILQ_FIRST(&copy->recipients)->number;

	log_success(route, has_new, kept);
	route_free(route);
	copy_result(copy, number, &reply);
}

static void
on_kept(void *owner, int ok)
{
	struct route *route = owner;

	route->request = NULL;
	finish(route, 1, ok);
}

/*
 * Delivered. The new token is durable before the sender hears of it (S1-31);
 * meanwhile the connection serves others.
 */
static void
delivered(struct route *route, const struct client_reply *reply)
{
	char token[DELIVERED_TOKEN_MAX + 1];
	int has_new;

	note_server(route);
	(void)strlcpy(route->copy->via, "token:", sizeof(route->copy->via));
	(void)strlcat(
	    route->copy->via, route->server, sizeof(route->copy->via));
	token_pool_leave(route->connection);
	route->connection = NULL;
	route->reply = *reply;
	has_new = delivered_take(&route->reply, route->recipient, token);
	token_answer_hide(&route->reply, route->token, route->mine);
	if (has_new)
		route->request =
		    held_new(&route->right, bytes_text(token), on_kept, route);
	explicit_bzero(token, sizeof(token));
	route->state = ROUTE_KEEPS;
	if (route->request != NULL)
		set_timer(route, KEEP_SECONDS);
	else
		finish(route, has_new, 0);
}

void
route_result(struct route *route, const struct client_reply *reply)
{
	if (route->state != ROUTE_OPEN && route->state != ROUTE_SENDS)
		return;
	route->unknown = reply->source == CLIENT_UNKNOWN;
	if (reply->source == CLIENT_LOST || route->unknown)
		return; /* route_over() follows */
	if (reply->code / 100 == 2) {
		delivered(route, reply);
		return;
	}
	refused(route, TOKEN_AT_END, *reply);
}

void
route_over(struct route *route, enum token_end how, const char *reason)
{
	struct client_reply safe = {.code = 0};
	char why[CLIENT_TEXT_MAX + 64];

	safe.cut =
	    strlcpy(safe.text, reason, sizeof(safe.text)) >= sizeof(safe.text);
	token_answer_hide(&safe, route->token, route->mine);
	note_server(route);
	if (how == TOKEN_FAILED && try_afresh(route))
		return;
	route->blames = how == TOKEN_FAILED;
	route->connection = NULL;
	if (how == TOKEN_REFUSED && try_another(route, safe.text))
		return;
	snprintf(why, sizeof(why), "%s%s", safe.text,
	    route->unknown ? " (it may come twice)" : "");
	give_up(route, why);
}

void
route_withdraw(struct copy *copy)
{
	struct token_connection *connection = copy->route->connection;

	route_free(copy->route);
	if (connection != NULL)
		token_pool_abandon(connection);
}
