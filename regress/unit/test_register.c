/* SPDX-License-Identifier: ISC */
/*
 * What tokend knows of clients, flights and STOKEN responses.
 * objects: tokend/client.o tokend/flight.o tokend/stoken.o tokend/revoke.o tokend/records.o tokend/token.o tokend/hmac.o tokend/store_db.o tokend/store_db_backup.o tokend/problem.o
 * libs: -lcrypto -ldb
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <event.h>
#include <stdio.h>
#include <string.h>

#include "lib/ticket.h"
#include "tokend/client.h"
#include "tokend/flight.h"
#include "tokend/stoken.h"

#define LIMIT 5

static struct bytes
text(const char *string)
{
	return bytes_text(string);
}

static void
counts_sessions_of_an_address(void **state)
{
	struct client *one, *two, *six, *other;

	(void)state;
	one = client_enter(text("192.0.2.1"), 1);
	assert_ptr_equal(client_enter(text("192.0.2.1"), 1), one);
	two = client_enter(text("192.0.2.2"), 1);
	assert_ptr_not_equal(one, two);
	assert_int_equal(client_sessions(one), 2);
	/* A /64 is one client. */
	six = client_enter(text("2001:db8::1"), 1);
	assert_ptr_equal(client_enter(text("2001:db8::ffff:1"), 1), six);
	other = client_enter(text("2001:db8:0:1::1"), 1);
	assert_ptr_not_equal(other, six);
	assert_int_equal(clients_count(), 4);
	client_leave(one, 1);
	assert_int_equal(client_sessions(one), 1);
	client_leave(one, 1);
	client_leave(two, 1);
	client_leave(six, 1);
	client_leave(six, 1);
	client_leave(other, 1);
	assert_int_equal(clients_count(), 0);
}

/* DESIGN 11: repeats of the same wrong secret count once. */
static void
blocks_after_different_secrets(void **state)
{
	struct client *client = client_enter(text("192.0.2.1"), 0);
	uint64_t i;

	(void)state;
	for (i = 0; i < 100; i++)
		client_failed(client, 7, LIMIT, i);
	assert_false(client_blocked(client, 100));
	for (i = 0; i < LIMIT - 2; i++)
		client_failed(client, 100 + i, LIMIT, 100);
	assert_false(client_blocked(client, 100));
	client_failed(client, 200, LIMIT, 100);
	assert_true(client_blocked(client, 100));
	/* It outlives its sessions, for a minute. */
	client_leave(client, 200);
	client = client_enter(text("192.0.2.1"), 300);
	assert_true(client_blocked(client, 300));
	assert_false(client_blocked(client, 60100));
	client_leave(client, 300);
	clients_sweep(60099);
	assert_int_equal(clients_count(), 1);
	clients_sweep(60101);
	assert_int_equal(clients_count(), 0);
}

static void
forgets_after_a_minute(void **state)
{
	struct client *client = client_enter(text("192.0.2.1"), 0);
	uint64_t i;

	(void)state;
	for (i = 0; i < 20; i++)
		client_failed(client, i, LIMIT, i * 20000);
	assert_false(client_blocked(client, 380000));
	for (i = 0; i < 20; i++)
		client_failed(client, 100 + i, 0, 380000);
	assert_false(client_blocked(client, 380000));
	client_leave(client, 999999);
	assert_int_equal(clients_count(), 0);
}

static void
many_addresses_are_bounded(void **state)
{
	struct client *client;
	char name[32];
	int i;

	(void)state;
	for (i = 0; i < 20000; i++) {
		snprintf(name, sizeof(name), "10.%d.%d.%d", i >> 16,
		    i >> 8 & 255, i & 255);
		client = client_enter(text(name), 1);
		client_failed(client, 1, LIMIT, 1);
		client_leave(client, 1);
	}
	assert_in_range(clients_count(), 16000, 16384);
	clients_sweep(100000);
	assert_int_equal(clients_count(), 0);
}

static int finals;

static void
count_final(void *argument)
{
	(void)argument;
	finals++;
}

static void
wait_for(enum mark_scope scope, const char *remote, const char *local)
{
	assert_int_equal(
	    flights_wait(scope, text(remote), text(local), count_final, NULL),
	    0);
}

/* A revocation waits for what it covers, and for nothing else. */
static void
revocation_waits_for_its_flights(void **state)
{
	struct flight *one, *two;

	(void)state;
	finals = 0;
	one = flight_begin(ticket_clock() + TICKET_LIFE);
	flight_add(one, "al@b.example", "bob@a.example");
	flight_add(one, "al@b.example", "sue@a.example");
	wait_for(MARK_PAIR, "eve@b.example", "bob@a.example");
	wait_for(MARK_LOCAL, "", "tom@a.example");
	wait_for(MARK_DOMAIN, "c.example", "");
	assert_int_equal(finals, 3);
	wait_for(MARK_PAIR, "al@b.example", "sue@a.example");
	wait_for(MARK_LOCAL, "", "bob@a.example");
	wait_for(MARK_REMOTE, "al@b.example", "");
	wait_for(MARK_DOMAIN, "b.example", "");
	wait_for(MARK_ALL, "", "");
	assert_int_equal(finals, 3);
	/* One that begins later was checked against the mark. */
	two = flight_begin(ticket_clock() + TICKET_LIFE);
	flight_add(two, "al@b.example", "bob@a.example");
	flight_end(one);
	assert_int_equal(finals, 8);
	flight_end(two);
}

/* One that nobody will end counts until its tickets have expired. */
static void
forgotten_flight_counts_until_its_tickets_expire(void **state)
{
	uint64_t begin = ticket_clock();
	struct flight *flight = flight_begin(begin + 300);

	(void)state;
	finals = 0;
	flight_add(flight, "al@b.example", "bob@a.example");
	flight_forget(flight);
	wait_for(MARK_ALL, "", "");
	assert_int_equal(finals, 0);
	while (finals == 0)
		event_loop(EVLOOP_ONCE);
	assert_in_range(ticket_clock(), begin + 300, begin + 1500);
	wait_for(MARK_ALL, "", "");
	assert_int_equal(finals, 2);
}

/* After a restart nobody knows what is under way. */
static void
unknown_flights_make_all_wait(void **state)
{
	uint64_t begin = ticket_clock();

	(void)state;
	finals = 0;
	flights_unknown_until(begin + 300);
	wait_for(MARK_PAIR, "x@y.example", "z@a.example");
	assert_int_equal(finals, 0);
	while (finals == 0)
		event_loop(EVLOOP_ONCE);
	assert_in_range(ticket_clock(), begin + 300, begin + 1500);
}

/* S1-67, D-S15: NUL, or the last literal \0 as the draft's samples have it. */
static void
splits_a_stoken_response(void **state)
{
	static const struct {
		const char *in;
		size_t length;
		const char *recipient, *token;
	} cases[] = {
	    {"a@b\0tok", 7, "a@b", "tok"},
	    {"a@b\\0tok", 8, "a@b", "tok"},
	    {"a\\0b@c\\0tok", 11, "a\\0b@c", "tok"},
	    {"a\\0b@c\0tok", 10, "a\\0b@c", "tok"},
	    {"\0tok", 4, "", "tok"},
	    {"a@b\0", 4, "a@b", ""},
	    {"a@b\\0", 5, "a@b", ""},
	    {"\\0", 2, "", ""},
	    {"a\0b\0c", 5, "a", NULL},
	    {"", 0, NULL, NULL},
	    {"\\", 1, NULL, NULL},
	    {"0", 1, NULL, NULL},
	    {"a@b tok", 7, NULL, NULL},
	};
	struct bytes recipient, token;
	size_t i;
	int result;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		result = stoken_split(
		    bytes_of(cases[i].in, cases[i].length), &recipient, &token);
		if (cases[i].recipient == NULL) {
			assert_int_equal(result, -1);
			continue;
		}
		assert_int_equal(result, 0);
		assert_true(bytes_equal(recipient, text(cases[i].recipient)));
		if (cases[i].token != NULL)
			assert_true(bytes_equal(token, text(cases[i].token)));
		else
			assert_true(bytes_equal(token, bytes_of("b\0c", 3)));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(counts_sessions_of_an_address),
	    cmocka_unit_test(blocks_after_different_secrets),
	    cmocka_unit_test(forgets_after_a_minute),
	    cmocka_unit_test(many_addresses_are_bounded),
	    cmocka_unit_test(revocation_waits_for_its_flights),
	    cmocka_unit_test(forgotten_flight_counts_until_its_tickets_expire),
	    cmocka_unit_test(unknown_flights_make_all_wait),
	    cmocka_unit_test(splits_a_stoken_response),
	};

	event_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
