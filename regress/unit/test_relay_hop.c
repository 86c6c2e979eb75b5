/* SPDX-License-Identifier: ISC */
/*
 * How many connections relay makes, who gets one, and who waits how long.
 * Connections, names and mails are played here.
 *
 * objects: smtpd-stoken/relay/hop.o
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "smtpd-stoken/relay/connection.h"
#include "smtpd-stoken/relay/hop.h"

#define COPIES 400

static struct setup setup = {.relay_host = (char[]) {"mx.example"},
    .relay_port = 25,
    .lmtp_address = (char[]) {"127.0.0.1:24"}};
static struct mail mails[COPIES];
static struct copy copies[COPIES];
static size_t failures, asked;
static struct connection *last_quit, *closed; /* by the peer, unseen */
static struct client_reply last_failure;
static struct {
	resolve_function *done;
	void *owner;
} question;

struct setup *
setup_current(void)
{
	return &setup;
}

struct connection *
connection_new(struct hop *hop)
{
	struct connection *c = calloc(1, sizeof(*c));

	assert_non_null(c);
	c->hop = hop;
	c->setup = &setup;
	c->opening = 1;
	return c;
}

void
connection_begin(struct connection *c, struct copy *copy)
{
	c->copy = copy;
	c->transactions++;
	copy->connection = c;
	copy->state = COPY_OPEN;
	copy->mail->connections++;
}

static void
finish(struct connection *c)
{
	c->copy->connection = NULL;
	c->copy->mail->connections--;
	c->copy->state = COPY_OVER;
	c->copy = NULL;
}

static void
lose(struct connection *c)
{
	struct client_reply reply;

	hop_reply(&reply, "4.4.1", "lost");
	if (c->copy != NULL)
		finish(c);
	hop_lost(c, &reply);
	free(c);
}

void
connection_abandon(struct connection *c)
{
	finish(c);
}

void
connection_keep(struct connection *c, uint64_t milliseconds)
{
	(void)c;
	(void)milliseconds;
}

int
connection_look(struct connection *c)
{
	if (c != closed)
		return 1;
	closed = NULL;
	lose(c);
	return 0;
}

void
connection_quit(struct connection *c)
{
	last_quit = c;
}

void
copy_failed(struct copy *copy, const struct client_reply *reply)
{
	assert_null(copy->connection);
	copy->state = COPY_OVER;
	last_failure = *reply;
	failures++;
}

int
resolve_literal(struct addresses *to, const char *text, uint16_t port)
{
	(void)to;
	(void)text;
	(void)port;
	return -1;
}

int
resolve_lmtp(struct addresses *to, const char *text)
{
	(void)text;
	to->count = 1;
	to->ttl = UINT32_MAX;
	return 0;
}

void
resolve_host(
    const char *name, uint16_t port, resolve_function *done, void *owner)
{
	assert_string_equal(name, "mx.example");
	assert_int_equal(port, 25);
	question.done = done;
	question.owner = owner;
	asked++;
}

static struct copy *
copy_of(size_t i, enum next_hop hop)
{
	copies[i].mail = &mails[i];
	mails[i].next_hop = hop;
	return &copies[i];
}

static struct hop *
hop_of_copy(const struct copy *copy)
{
	return copy->connection != NULL ? copy->connection->hop : copy->hop;
}

/* The first that is opening becomes ready, or is lost. */
static struct connection *
first_opening(struct hop *hop)
{
	struct connection *c;

	TAILQ_FOREACH (c, &hop->others, entry) {
		if (c->opening)
			return c;
	}
	return NULL;
}

static void
lose_all(struct hop *hop)
{
	struct connection *c;

	while ((c = TAILQ_FIRST(&hop->others)) != NULL ||
	    (c = TAILQ_FIRST(&hop->idle)) != NULL) {
		c->opening = 0;
		hop->opening = 0;
		lose(c);
	}
}

static int
clean(void **state)
{
	static struct event_base *base;

	(void)state;
	memset(mails, 0, sizeof(mails));
	memset(copies, 0, sizeof(copies));
	failures = asked = 0;
	last_quit = closed = NULL;
	if (base != NULL)
		event_base_free(base);
	base = event_init();
	hops_init();
	hops_configure();
	return 0;
}

/* One for each that waits, up to the bound; kept ones serve the others. */
static void
test_bound(void **state)
{
	struct connection *c;
	struct hop *hop;
	size_t i;

	(void)state;
	for (i = 0; i < 80; i++) {
		hop_submit(copy_of(i, NEXT_HOP_LMTP));
		copies[i].since *= 2; /* it has patience */
	}
	hop = hop_of_copy(&copies[0]);
	assert_int_equal(hop->total, HOP_CONNECTIONS);
	while ((c = first_opening(hop)) != NULL)
		hop_ready(c);
	assert_int_equal(hop->waiting_count, 30);
	for (i = 0; i < 30; i++) {
		assert_int_equal(copies[50 + i].state, COPY_WAITS);
		c = copies[i].connection;
		finish(c);
		hop_ready(c);
		assert_ptr_equal(copies[50 + i].connection, c);
	}
	for (i = 30; i < 80; i++) {
		c = copies[i].connection;
		finish(c);
		hop_ready(c);
		assert_int_equal(c == last_quit,
		    hop->idle_count == HOP_IDLE_MOST && !c->idle);
	}
	assert_int_equal(hop->idle_count, HOP_IDLE_MOST);
	/* The last used is used first. */
	c = TAILQ_FIRST(&hop->idle);
	hop_submit(copy_of(100, NEXT_HOP_LMTP));
	assert_ptr_equal(copies[100].connection, c);
	lose_all(hop);
	assert_int_equal(hop->total, 0);
	assert_int_equal(failures, 0);
}

/* A mail that keeps connections from others gets what it needs. */
static void
test_beyond_the_bound(void **state)
{
	struct connection *c;
	struct hop *hop;
	size_t i;

	(void)state;
	for (i = 0; i < HOP_CONNECTIONS; i++)
		hop_submit(copy_of(i, NEXT_HOP_LMTP));
	hop = hop_of_copy(&copies[0]);
	while ((c = first_opening(hop)) != NULL)
		hop_ready(c);
	hop_submit(copy_of(200, NEXT_HOP_LMTP));
	assert_int_equal(hop->total, HOP_CONNECTIONS);
	copies[200].since *= 2; /* it has patience */
	copies[201].mail = &mails[0];
	hop_submit(&copies[201]);
	assert_int_equal(hop->total, HOP_CONNECTIONS + 1);
	hop_ready(first_opening(hop));
	assert_non_null(copies[201].connection);
	assert_int_equal(copies[200].state, COPY_WAITS);
	/* Its patience ends. */
	copies[200].since = 0;
	hop_submit(copy_of(202, NEXT_HOP_LMTP));
	assert_int_equal(hop->total, HOP_CONNECTIONS + 3);
	hop_ready(first_opening(hop));
	assert_non_null(copies[200].connection);
	hop_withdraw(&copies[202]);
	assert_int_equal(hop->waiting_count, 0);
	lose_all(hop);
}

/* All fail that wait, once none is left; and the next one tries again. */
static void
test_nobody_there(void **state)
{
	struct connection *c;
	struct hop *hop;
	size_t i;

	(void)state;
	for (i = 0; i < 5; i++)
		hop_submit(copy_of(i, NEXT_HOP_LMTP));
	hop = hop_of_copy(&copies[0]);
	assert_int_equal(hop->opening, 5);
	for (i = 0; (c = first_opening(hop)) != NULL; i++) {
		assert_int_equal(failures, 0);
		lose(c);
	}
	assert_int_equal(i, 5);
	assert_int_equal(failures, 5);
	assert_string_equal(last_failure.enhanced, "4.4.1");
	assert_int_equal(hop->most, HOP_CONNECTIONS);
	hop_submit(copy_of(6, NEXT_HOP_LMTP));
	assert_int_equal(hop->opening, 1);
	hop_withdraw(&copies[6]);
	lose_all(hop);
}

/* The peer serves some and no more: the rest waits for these. */
static void
test_fewer(void **state)
{
	struct connection *c;
	struct hop *hop;
	size_t i;

	(void)state;
	for (i = 0; i < 5; i++)
		hop_submit(copy_of(i, NEXT_HOP_LMTP));
	hop = hop_of_copy(&copies[0]);
	hop_ready(first_opening(hop));
	hop_ready(first_opening(hop));
	while ((c = first_opening(hop)) != NULL)
		lose(c);
	assert_int_equal(hop->most, 2);
	assert_int_equal(hop->total, 2);
	assert_int_equal(hop->waiting_count, 3);
	assert_int_equal(failures, 0);
	for (i = 0; i < 5; i++) {
		c = copies[i].connection;
		assert_non_null(c);
		finish(c);
		hop_ready(c);
	}
	assert_int_equal(hop->total, 2);
	lose_all(hop);
}

/* One that the peer has closed meanwhile is not begun on. */
static void
test_look(void **state)
{
	struct connection *older;
	struct hop *hop;
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++)
		hop_submit(copy_of(i, NEXT_HOP_LMTP));
	hop = hop_of_copy(&copies[0]);
	for (i = 0; i < 2; i++)
		hop_ready(first_opening(hop));
	older = copies[0].connection;
	closed = copies[1].connection;
	for (i = 0; i < 2; i++) {
		struct connection *c = copies[i].connection;

		finish(c);
		hop_ready(c);
	}
	hop_submit(copy_of(2, NEXT_HOP_LMTP));
	assert_null(closed);
	assert_ptr_equal(copies[2].connection, older);
	assert_int_equal(hop->total, 1);
	assert_int_equal(hop->idle_count, 0);
	closed = older;
	finish(older);
	hop_ready(older);
	hop_submit(copy_of(3, NEXT_HOP_LMTP));
	assert_int_equal(copies[3].state, COPY_WAITS);
	hop_ready(first_opening(hop));
	assert_non_null(copies[3].connection);
	lose_all(hop);
}

/* After a stale connection only a fresh one will do. */
static void
test_fresh(void **state)
{
	struct connection *c, *used;
	struct hop *hop;

	(void)state;
	hop_submit(copy_of(0, NEXT_HOP_LMTP));
	hop = hop_of_copy(&copies[0]);
	used = first_opening(hop);
	hop_ready(used);
	finish(used);
	hop_ready(used);
	assert_true(used->idle);
	copies[1].fresh = 1;
	hop_submit(copy_of(1, NEXT_HOP_LMTP));
	assert_ptr_equal(last_quit, used);
	assert_int_equal(copies[1].state, COPY_WAITS);
	c = first_opening(hop);
	hop_ready(c);
	assert_ptr_equal(copies[1].connection, c);
	lose_all(hop);
}

static void
test_waited_too_long(void **state)
{
	struct hop *hop;

	(void)state;
	hop_submit(copy_of(0, NEXT_HOP_LMTP));
	hop_submit(copy_of(1, NEXT_HOP_LMTP));
	hop = hop_of_copy(&copies[0]);
	copies[0].since = 0;
	if (hop_clock() <= HOP_WAIT_SECONDS * 1000)
		skip(); /* the machine has just been started */
	while (failures == 0)
		assert_int_equal(event_loop(EVLOOP_ONCE), 0);
	assert_int_equal(failures, 1);
	assert_int_equal(copies[0].state, COPY_OVER);
	assert_int_equal(copies[1].state, COPY_WAITS);
	assert_string_equal(last_failure.enhanced, "4.4.5");
	hop_withdraw(&copies[1]);
	lose_all(hop);
}

/* One question for all who wait; its answer is used for its time. */
static void
test_names(void **state)
{
	struct addresses found = {.count = 1, .ttl = 300};
	struct addresses none = {.count = 0};
	struct hop *hop;

	(void)state;
	hop_submit(copy_of(0, NEXT_HOP_RELAY));
	hop_submit(copy_of(1, NEXT_HOP_RELAY));
	hop = hop_of_copy(&copies[0]);
	assert_int_equal(asked, 1);
	assert_int_equal(hop->total, 0);
	question.done(question.owner, &none, "no such name");
	assert_int_equal(failures, 2);
	assert_string_equal(last_failure.enhanced, "4.4.3");
	hop_submit(copy_of(2, NEXT_HOP_RELAY));
	assert_int_equal(asked, 2);
	question.done(question.owner, &found, NULL);
	assert_int_equal(hop->total, 1);
	hop_submit(copy_of(3, NEXT_HOP_RELAY));
	assert_int_equal(asked, 2);
	assert_int_equal(hop->total, 2);
	hop_withdraw(&copies[2]);
	hop_withdraw(&copies[3]);
	lose_all(hop);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_bound, clean),
	    cmocka_unit_test_setup(test_beyond_the_bound, clean),
	    cmocka_unit_test_setup(test_nobody_there, clean),
	    cmocka_unit_test_setup(test_fewer, clean),
	    cmocka_unit_test_setup(test_look, clean),
	    cmocka_unit_test_setup(test_fresh, clean),
	    cmocka_unit_test_setup(test_waited_too_long, clean),
	    cmocka_unit_test_setup(test_names, clean),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
