/* SPDX-License-Identifier: ISC */
/*
 * objects: tokend/auth/exchanges.o tokend/auth/exchange.o tokend/auth/saslprep.o tokend/auth/users.o tokend/auth/rights.o tokend/auth/source.o tokend/auth/name_map.o tokend/auth/login.o tokend/auth/scheme.o tokend/auth/scram_key.o
 * libs: -lidn2 -lcrypto -lcrypt
 */
#include <sys/wait.h>

#include <event.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "tokend/auth/exchanges.h"
#include "tokend/auth/hasher.c" /* for the pid of a worker */

#define SECRET "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"

static struct {
	uint64_t session;
	bool matches;
} answers[HASHER_QUEUE_MAX + 16];
static size_t answered, expected, deaths;

static void
take_answer(uint64_t session, bool matches)
{
	answers[answered].session = session;
	answers[answered++].matches = matches;
	if (answered == expected)
		(void)event_loopbreak();
}

static void
take_death(void)
{
	deaths++;
	(void)event_loopbreak();
}

static int
ask(uint64_t session, const char *password)
{
	struct password_check check = {.known = true, .secret = SECRET};

	check.scheme = scheme_find("BLF-CRYPT", 9);
	(void)strlcpy(check.password, password, sizeof(check.password));
	return hasher_ask(session, &check);
}

static int
set_up(void **state)
{
	(void)state;
	answered = deaths = 0;
	return event_init() == NULL ||
	    hasher_start(2, take_answer, take_death) == -1;
}

static int
tear_down(void **state)
{
	(void)state;
	hasher_stop();
	event_base_free(NULL);
	return 0;
}

static void
answers_each_question(void **state)
{
	size_t i;

	(void)state;
	expected = 20;
	for (i = 0; i < expected; i++)
		assert_int_equal(ask(i, i % 2 ? "secret" : "wrong"), 0);
	(void)event_dispatch();
	assert_int_equal(answered, expected);
	for (i = 0; i < expected; i++)
		assert_int_equal(answers[i].matches, answers[i].session % 2);
}

static void
bounds_the_queue(void **state)
{
	size_t i;

	(void)state;
	/* Two are with the workers, the others wait. */
	for (i = 0; i < HASHER_QUEUE_MAX + 2; i++)
		assert_int_equal(ask(i, "wrong"), 0);
	assert_int_equal(ask(i, "wrong"), -1);
	for (i = 2; i < HASHER_QUEUE_MAX + 2; i++)
		hasher_forget(i);
	assert_int_equal(ask(1000, "secret"), 0);
	expected = 3;
	(void)event_dispatch();
	assert_int_equal(answered, 3);
	for (i = 0; i < answered; i++)
		assert_int_equal(
		    answers[i].matches, answers[i].session == 1000);
}

static void
a_forgotten_session_gets_no_answer(void **state)
{
	(void)state;
	assert_int_equal(ask(1, "secret"), 0); /* with a worker already */
	hasher_forget(1);
	assert_int_equal(ask(2, "secret"), 0);
	assert_int_equal(ask(3, "secret"), 0);
	expected = 2;
	(void)event_dispatch();
	assert_int_equal(answered, 2);
	assert_int_not_equal(answers[0].session, 1);
	assert_int_not_equal(answers[1].session, 1);
}

/* Its number is that of another session now, which knows no password. */
static void
a_number_used_again_gets_no_old_answer(void **state)
{
	uint64_t i;

	(void)state;
	for (i = 1; i <= 6; i++) /* some with a worker, some in the queue */
		assert_int_equal(ask(i, "secret"), 0);
	hasher_forget_all();
	for (i = 1; i <= 6; i++)
		assert_int_equal(ask(i, "wrong"), 0);
	expected = 6;
	(void)event_dispatch();
	assert_int_equal(answered, 6);
	for (i = 0; i < answered; i++)
		assert_false(answers[i].matches);
}

static void
a_dead_worker_is_noticed(void **state)
{
	(void)state;
	assert_int_equal(kill(workers[1].pid, SIGKILL), 0);
	expected = 1;
	(void)event_dispatch();
	assert_int_equal(answered, 0);
	assert_int_equal(deaths, 1);
}

static size_t expired;

static void
count_expired(uint64_t session)
{
	(void)session;
	expired++;
}

static void
exchanges_are_bounded_in_number_and_time(void **state)
{
	struct exchange *exchange;
	uint64_t i;

	(void)state;
	for (i = 0; i < EXCHANGES_MAX; i++)
		assert_non_null(exchanges_new(i, 100 + (time_t)(i / 2048)));
	assert_null(exchanges_new(i, 101));
	exchange = exchanges_find(7);
	assert_non_null(exchange);
	exchange->step = 3;
	/* A session has one: the new one takes the old one's place. */
	exchange = exchanges_new(7, 101);
	assert_non_null(exchange);
	assert_int_equal(exchange->step, 0);
	assert_int_equal(
	    exchanges_expire(99 + EXCHANGE_SECONDS, NULL), EXCHANGES_MAX);
	assert_int_equal(
	    exchanges_expire(100 + EXCHANGE_SECONDS, count_expired), 2049);
	assert_int_equal(expired, 2047);
	assert_null(exchanges_find(8));
	assert_non_null(exchanges_find(7));
	exchanges_drop(7);
	assert_null(exchanges_find(7));
	exchanges_drop(7);
	exchanges_clear();
	assert_int_equal(exchanges_expire(0, NULL), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		answers_each_question, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		bounds_the_queue, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		a_forgotten_session_gets_no_answer, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		a_number_used_again_gets_no_old_answer, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		a_dead_worker_is_noticed, set_up, tear_down),
	    cmocka_unit_test(exchanges_are_bounded_in_number_and_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
