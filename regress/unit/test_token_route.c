/* SPDX-License-Identifier: ISC */
/*
 * The token route of copies (S1-01, S1-52): random walks over what tokend, the
 * DNS, a token server and the relay host may say, in whatever order. Each
 * recipient is told once; what was delivered is delivered once, but where the
 * answer itself was lost; a token is forgotten only when it was refused.
 * Everything around mail.c and token_route.c is played here.
 *
 * objects: smtpd-stoken/relay/mail.o smtpd-stoken/relay/sharing.o smtpd-stoken/relay/token_route.o smtpd-stoken/relay/token_answer.o smtpd-stoken/relay/token_domain.o smtpd-stoken/relay/token_log.o smtpd-stoken/relay/smtp/?*.o
 * libs: -lcrypto -lidn2
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <event.h>

#include "smtpd-stoken/relay/connection.h"
#include "smtpd-stoken/relay/discover.h"
#include "smtpd-stoken/relay/engines.h"
#include "smtpd-stoken/relay/held.h"
#include "smtpd-stoken/relay/hop.h"
#include "smtpd-stoken/relay/setup.h"
#include "smtpd-stoken/relay/token_answer.h"
#include "smtpd-stoken/relay/token_pool.h"
#include "smtpd-stoken/relay/token_route.h"

#define RECIPIENTS 4
#define WALKS 30000

static struct engine engine;
static struct mail *mail;
static struct trust *const some_trust = (struct trust *)&engine;
static struct setup setup = {.timeout = 300};
static int sending;

static struct {
	int opened, accepted, told;
	enum relay_outcome outcome;
	int taken; /* by whatever server: surely */
	int unknown; /* the answer behind the end was lost */
	int refused_tokens;
	struct copy *copy; /* while it waits for, or has, the relay host */
	struct connection connection;
} seen[RECIPIENTS];

/* The one request, discovery and connection that a route may have. */
struct held_request {
	const struct held_right *right;
	held_token_function *token;
	held_kept_function *kept;
	void *owner;
	int used;
} requests[RECIPIENTS];
struct discovery {
	discover_function *done;
	void *owner;
	int used;
} discoveries[RECIPIENTS];
struct token_connection {
	struct route *route;
	int used, ready, transactions, said_mail, held, sent, released;
} connections[RECIPIENTS * 8];
static int blames, was_used;

static unsigned int
upto(unsigned int most)
{
	return (unsigned int)random() % (most + 1);
}

struct setup *
setup_current(void)
{
	return &setup;
}

uint64_t
hop_clock(void)
{
	return 1000;
}

void
hop_reply(struct client_reply *reply, const char *enhanced, const char *text)
{
	memset(reply, 0, sizeof(*reply));
	reply->source = CLIENT_LOST;
	reply->code = 451;
	(void)strlcpy(reply->enhanced, enhanced, sizeof(reply->enhanced));
	(void)strlcpy(reply->text, text, sizeof(reply->text));
}

/* The engine. */
void
engine_tell_opened(const struct mail *m, uint32_t number, unsigned int code,
    const char *enhanced, const char *text)
{
	(void)m;
	(void)enhanced;
	(void)text;
	assert_false(seen[number].opened);
	seen[number].opened = 1;
	seen[number].accepted = code / 100 == 2;
}

void
engine_tell_result(const struct mail *m, uint32_t number,
    const struct verdict *verdict, int last)
{
	(void)m;
	(void)last;
	assert_true(sending && seen[number].accepted);
	assert_false(seen[number].told);
	seen[number].told = 1;
	seen[number].outcome = verdict->outcome;
	/* What was said is what was: nothing is lost. */
	if (verdict->outcome == RELAY_SENT)
		assert_int_equal(seen[number].taken, 1);
	else
		assert_int_equal(seen[number].taken, 0);
}

void
engine_remove(struct mail *m)
{
	assert_ptr_equal(m, mail);
	if (m->fd != -1)
		close(m->fd);
	free(m);
	mail = NULL;
}

/* tokend */
static struct held_request *
add_request(const struct held_right *right, void *owner)
{
	size_t i;

	for (i = 0; i < RECIPIENTS && requests[i].used; i++)
		continue;
	assert_true(i < RECIPIENTS);
	memset(&requests[i], 0, sizeof(requests[i]));
	requests[i].used = 1;
	requests[i].right = right;
	requests[i].owner = owner;
	return &requests[i];
}

struct held_request *
held_ask(const struct held_right *right, held_token_function *done, void *owner)
{
	struct held_request *request;

	assert_memory_equal(right->ticket, "0123456789abcdef", TICKET_LENGTH);
	assert_string_equal(right->sender, "alice@a.example");
	if (upto(9) == 0)
		return NULL;
	request = add_request(right, owner);
	request->token = done;
	return request;
}

struct held_request *
held_new(const struct held_right *right, struct bytes token,
    held_kept_function *done, void *owner)
{
	struct held_request *request;

	assert_true(bytes_equal(token, bytes_text("new-token")));
	if (upto(9) == 0)
		return NULL;
	request = add_request(right, owner);
	request->kept = done;
	return request;
}

void
held_cancel(struct held_request *request)
{
	if (request == NULL)
		return;
	assert_true(request->used);
	request->used = 0;
}

static uint32_t
number_of(const char *address)
{
	return (uint32_t)(address[1] - '0');
}

void
held_refused(const struct held_right *right, struct bytes token)
{
	uint32_t number = number_of(right->recipient);

	assert_true(token.length > 0);
	assert_true(seen[number].refused_tokens > 0);
	seen[number].refused_tokens--;
}

/* The DNS. */
struct discovery *
discover(const char *domain, discover_function *done, void *owner)
{
	struct servers servers = {.count = 1};
	size_t i;

	assert_string_equal(domain, "b.example");
	if (upto(3) == 0) {
		servers.count = upto(1);
		done(owner, &servers, servers.count == 0 ? "none" : NULL);
		return NULL;
	}
	for (i = 0; i < RECIPIENTS && discoveries[i].used; i++)
		continue;
	assert_true(i < RECIPIENTS);
	discoveries[i].used = 1;
	discoveries[i].done = done;
	discoveries[i].owner = owner;
	return &discoveries[i];
}

void
discover_cancel(struct discovery *discovery)
{
	if (discovery == NULL)
		return;
	assert_true(discovery->used);
	discovery->used = 0;
}

void
discover_blame(const char *domain, const char *why)
{
	(void)domain;
	assert_non_null(why);
	blames++;
}

/* Connections to token servers. */
static struct token_connection *
new_connection(struct route *route)
{
	size_t i;

	for (i = 0; i < RECIPIENTS * 8 && connections[i].used; i++)
		continue;
	assert_true(i < RECIPIENTS * 8);
	memset(&connections[i], 0, sizeof(connections[i]));
	connections[i].used = 1;
	connections[i].route = route;
	return &connections[i];
}

struct token_connection *
token_pool_take(const char *domain, struct route *route)
{
	struct token_connection *c;

	(void)domain;
	if (upto(3) != 0)
		return NULL;
	c = new_connection(route);
	c->ready = 1;
	c->transactions = 1;
	return c;
}

struct token_connection *
token_pool_open(const char *domain, const struct servers *servers,
    const char *recipient, const char *token, struct route *route)
{
	(void)domain;
	assert_true(servers->count > 0 && recipient[0] != '\0');
	assert_true(token[0] != '\0');
	return upto(9) == 0 ? NULL : new_connection(route);
}

int
token_pool_begin(struct token_connection *c, const struct client_mail *m,
    const struct token_recipient *to)
{
	(void)m;
	assert_true(c->ready && c->route != NULL && to->token[0] != '\0');
	c->transactions++;
	if (upto(19) == 0)
		return -1;
	c->said_mail = 1;
	return 0;
}

void
token_pool_data(struct token_connection *c, const struct client_message *m)
{
	assert_true(c->said_mail && !c->sent && sending);
	c->sent = 1;
	c->released = !m->hold;
}

void
token_pool_release(struct token_connection *c)
{
	assert_true(c->sent && c->held && !c->released);
	c->released = 1;
}

void
token_pool_leave(struct token_connection *c)
{
	assert_non_null(c->route);
	c->route = NULL;
}

void
token_pool_abandon(struct token_connection *c)
{
	assert_non_null(c->route);
	c->route = NULL;
	c->used = 0;
}

const char *
token_pool_name(const struct token_connection *c)
{
	assert_true(c->used);
	return "host[127.0.0.1]:465";
}

int
token_pool_was_used(const struct token_connection *c)
{
	was_used++;
	return c->transactions > 1;
}

int
token_pool_serves(const char *domain, const struct token_connection *but)
{
	(void)domain;
	(void)but;
	return upto(1) == 0;
}

/* The relay host. */
static uint32_t
number_in(const struct copy *copy)
{
	return TAILQ_FIRST(&copy->recipients)->number;
}

void
hop_submit(struct copy *copy)
{
	assert_null(copy->route);
	copy->state = COPY_WAITS;
	seen[number_in(copy)].copy = copy;
}

void
connection_finish(struct connection *c)
{
	c->copy->connection = NULL;
	c->copy->mail->connections--;
	c->copy = NULL;
}

void
hop_withdraw(struct copy *copy)
{
	size_t i;

	assert_null(copy->route);
	if (copy->connection != NULL)
		connection_finish(copy->connection);
	else if (copy->state == COPY_WAITS)
		copy->state = COPY_NEW;
	for (i = 0; i < RECIPIENTS; i++)
		if (seen[i].copy == copy)
			seen[i].copy = NULL;
}

void
connection_recipient(struct connection *c, const struct recipient *recipient)
{
	(void)c;
	(void)recipient;
	fail();
}

void
connection_data(struct connection *c, int hold)
{
	c->copy->state = hold ? COPY_SENDS : COPY_RELEASED;
}

void
connection_release(struct connection *c)
{
	assert_int_equal(c->copy->state, COPY_HELD);
	c->copy->state = COPY_RELEASED;
}

int
mail_read(void *m, uint64_t offset, void *buffer, size_t size)
{
	(void)m;
	(void)offset;
	(void)buffer;
	(void)size;
	return -1;
}

uint64_t
mail_size(const struct mail *m)
{
	return m->size;
}

static void
say(struct client_reply *reply, unsigned int code, const char *text)
{
	memset(reply, 0, sizeof(*reply));
	reply->source = CLIENT_SAID;
	reply->code = code;
	(void)snprintf(
	    reply->enhanced, sizeof(reply->enhanced), "%u.0.0", code / 100);
	(void)strlcpy(reply->text, text, sizeof(reply->text));
}

/*
 * A refusal by the server, of the token or of something else. Only the first
 * may make anybody forget the token.
 */
static void
refuse(struct client_reply *reply, uint32_t number, const char *rcpt,
    const char *end, int at_end)
{
	const char *enhanced = at_end ? end : rcpt;

	if (reply->code != 550)
		return;
	if (upto(1)) {
		(void)strlcpy(reply->enhanced, at_end ? "5.0.0" : "5.1.1", 16);
		return;
	}
	(void)strlcpy(reply->enhanced, enhanced, sizeof(reply->enhanced));
	seen[number].refused_tokens++;
}

static unsigned int
any_code(void)
{
	static const unsigned int codes[] = {250, 250, 250, 250, 451, 550};

	return codes[upto(sizeof(codes) / sizeof(codes[0]) - 1)];
}

/* One step of the relay host for a copy. */
static void
step_relay(uint32_t number)
{
	struct copy *copy = seen[number].copy;
	struct client_reply reply;

	if (upto(19) == 0) {
		hop_reply(&reply, "4.4.2", "lost");
		if (copy->connection == NULL && copy->state == COPY_WAITS)
			copy->state = COPY_NEW;
		seen[number].copy = NULL;
		copy_failed(copy, &reply);
		return;
	}
	say(&reply, any_code(), "relay host");
	switch (copy->state) {
	case COPY_WAITS:
		seen[number].connection.copy = copy;
		copy->connection = &seen[number].connection;
		copy->state = COPY_OPEN;
		copy->mail->connections++;
		copy_answered(copy, number, &reply);
		if (seen[number].copy == copy && sending && mail != NULL)
			copy_may_send(copy);
		break;
	case COPY_SENDS:
		copy_held(copy);
		break;
	case COPY_RELEASED:
		if (reply.code / 100 == 2)
			seen[number].taken++;
		seen[number].copy = NULL;
		copy_result(copy, number, &reply);
		break;
	default:
		break;
	}
}

static uint32_t
number_of_route(const struct route *route)
{
	const struct copy *copy;

	TAILQ_FOREACH (copy, &mail->copies, entry)
		if (copy->route == route)
			return number_in(copy);
	fail();
	return 0;
}

static void
lose(struct token_connection *c, uint32_t number)
{
	struct route *route = c->route;
	enum token_end how =
	    c->ready ? TOKEN_FAILED : (enum token_end)(TOKEN_FAILED + upto(2));

	if (c->released)
		seen[number].unknown = 1;
	if (how == TOKEN_REFUSED)
		seen[number].refused_tokens++;
	route_over(route, how, "it ended");
	c->used = 0;
}

static void
step_server(struct token_connection *c)
{
	struct route *route = c->route;
	uint32_t number = number_of_route(route);
	struct client_reply reply;

	if (upto(9) == 0) {
		lose(c, number);
		return;
	}
	say(&reply, any_code(), "server");
	if (!c->ready) {
		c->ready = 1;
		route_ready(route);
	} else if (c->said_mail == 1) {
		c->said_mail = 2;
		refuse(&reply, number, upto(1) ? "5.7.8" : "5.0.0", "", 0);
		route_recipient(route, &reply);
	} else if (c->sent && !c->held && !c->released) {
		c->held = 1;
		route_held(route);
	} else if (c->released) {
		refuse(&reply, number, "", "5.7.1", 1);
		if (reply.code / 100 == 2)
			seen[number].taken++;
		if (reply.code == 250 && upto(1)) {
			(void)strlcpy(
			    reply.enhanced, "2.1.13", sizeof(reply.enhanced));
			(void)snprintf(reply.text, sizeof(reply.text),
			    "<r%u@b.example> new-token id yes", number);
		}
		route_result(route, &reply);
	}
}

static void
step_request(struct held_request *request)
{
	struct bytes token = bytes_text(upto(3) == 0 ? "" : "held-token");

	request->used = 0;
	if (request->kept != NULL)
		request->kept(request->owner, (int)upto(1));
	else
		request->token(
		    request->owner, token, bytes_text(upto(1) ? "mine" : ""));
}

static void
step_discovery(struct discovery *discovery)
{
	struct servers servers = {.count = upto(2)};

	discovery->used = 0;
	discovery->done(
	    discovery->owner, &servers, servers.count == 0 ? "none" : NULL);
}

static int
can_go_on(const struct token_connection *c)
{
	return c->used && c->route != NULL &&
	    !(c->said_mail == 2 && !c->sent) && !(c->held && !c->released);
}

static int
relay_can(const struct copy *copy)
{
	return copy != NULL && copy->state != COPY_OPEN &&
	    copy->state != COPY_HELD;
}

#define EVENTS (RECIPIENTS * 11)

/* Returns 1 if the event of that number could happen, and did. */
static int
happen(size_t event)
{
	if (event < RECIPIENTS && requests[event].used) {
		step_request(&requests[event]);
		return 1;
	}
	if (event < RECIPIENTS)
		return 0;
	event -= RECIPIENTS;
	if (event < RECIPIENTS && discoveries[event].used) {
		step_discovery(&discoveries[event]);
		return 1;
	}
	if (event < RECIPIENTS)
		return 0;
	event -= RECIPIENTS;
	if (event < RECIPIENTS && relay_can(seen[event].copy)) {
		step_relay((uint32_t)event);
		return 1;
	}
	if (event < RECIPIENTS)
		return 0;
	event -= RECIPIENTS;
	if (!can_go_on(&connections[event]))
		return 0;
	step_server(&connections[event]);
	return 1;
}

/* Something that can happen happens; 0: nothing can. */
static int
step(void)
{
	size_t i, start = upto(EVENTS - 1);

	for (i = 0; i < EVENTS && mail != NULL; i++)
		if (happen((start + i) % EVENTS))
			return 1;
	return 0;
}

static void
begin_walk(size_t count)
{
	char address[64];
	struct msg_relay_open m = {.session = 7,
	    .transaction = 1,
	    .next_hop = NEXT_HOP_RELAY,
	    .sender = bytes_text("alice@a.example"),
	    .rcpt_parameters = bytes_text(""),
	    .ticket = bytes_text("0123456789abcdef")};
	uint32_t i;

	memset(seen, 0, sizeof(seen));
	memset(requests, 0, sizeof(requests));
	memset(discoveries, 0, sizeof(discoveries));
	memset(connections, 0, sizeof(connections));
	memset(&engine, 0, sizeof(engine));
	sending = 0;
	mail = calloc(1, sizeof(*mail));
	assert_non_null(mail);
	mail->engine = &engine;
	mail->next_hop = NEXT_HOP_RELAY;
	mail->fd = -1;
	TAILQ_INIT(&mail->copies);
	mail->busy++; /* refusals of RCPT come from within */
	for (i = 0; i < count; i++) {
		snprintf(address, sizeof(address), "r%u@b.example", i);
		m.address = bytes_text(address);
		m.recipient = i;
		assert_int_equal(mail_add(mail, &m, 0), 0);
	}
	mail->busy--;
}

static size_t
waiting(size_t count)
{
	size_t i, n = 0;

	for (i = 0; i < count; i++)
		n += !seen[i].opened;
	return n;
}

static void
walk(size_t count)
{
	size_t i;
	int abandons = upto(9) == 0;

	begin_walk(count);
	while (waiting(count) > 0 && step())
		if (abandons && upto(5) == 0)
			break;
	if (abandons && mail != NULL) {
		mail_abandon(mail);
		assert_null(mail);
	} else
		assert_int_equal(waiting(count), 0);
	if (mail != NULL) {
		sending = 1;
		mail->fd = dup(0);
		mail->size = 5;
		mail->one_by_one = 1;
		mail_send(mail);
	}
	while (mail != NULL && step())
		continue;
	assert_null(mail);
	for (i = 0; i < count; i++) {
		assert_true(!seen[i].accepted || seen[i].told || abandons);
		assert_true(seen[i].taken <= 1);
		assert_false(requests[i].used);
		assert_false(discoveries[i].used);
	}
	for (i = 0; i < RECIPIENTS * 8; i++)
		assert_true(
		    !connections[i].used || connections[i].route == NULL);
}

static void
walks(void **state)
{
	unsigned int i;

	(void)state;
	for (i = 0; i < WALKS; i++) {
		srandom(i);
		walk(1 + i % RECIPIENTS);
	}
	assert_true(blames > 0 && was_used > 0);
}

/* Which refusals are about the token: see token_answer.c. */
static void
refusals(void **state)
{
	static const struct {
		unsigned int code;
		const char *enhanced;
		int rcpt, end;
	} table[] = {
	    {550, "5.7.1", 1, 1},
	    {550, "5.7.8", 1, 0},
	    {550, "5.7.10", 1, 0},
	    {550, "5.7.0", 1, 0},
	    {550, "5.0.0", 1, 0},
	    {550, "5.1.1", 0, 0},
	    {550, "5.2.1", 0, 0},
	    {550, "5.6.0", 0, 0},
	    {550, "5.70.1", 0, 0},
	    {554, "5.7.1", 0, 0},
	    {501, "5.5.4", 0, 0},
	    {555, "5.5.4", 0, 0},
	    {451, "4.7.1", 0, 0},
	    {250, "2.7.1", 0, 0},
	};
	struct client_reply reply;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		say(&reply, table[i].code, "no");
		(void)strlcpy(reply.enhanced, table[i].enhanced, 16);
		assert_int_equal(
		    token_answer_refuses(TOKEN_AT_RCPT, &reply), table[i].rcpt);
		assert_int_equal(
		    token_answer_refuses(TOKEN_AT_END, &reply), table[i].end);
		/* What the server did not say is no answer of its. */
		reply.source = CLIENT_DECIDED;
		assert_false(token_answer_refuses(TOKEN_AT_RCPT, &reply));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(refusals),
	    cmocka_unit_test(walks),
	};

	(void)event_init();
	setup.token_trust = some_trust;
	setup.hostname = NULL;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
