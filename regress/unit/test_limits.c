/* SPDX-License-Identifier: ISC */
/* objects: tokend/limits.o */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tokend/limits.h"

#define MINUTE 60000ULL
#define HOUR (60 * MINUTE)

static void
the_hour_slides(void **state)
{
	uint64_t now = 3 * HOUR;
	int i;

	(void)state;
	assert_int_equal(limits_used("a@a", LIMIT_MESSAGES, now), 0);
	for (i = 0; i < 6; i++)
		limits_use("a@a", LIMIT_MESSAGES, now + i * 10 * MINUTE);
	now += 50 * MINUTE;
	assert_int_equal(limits_used("a@a", LIMIT_MESSAGES, now), 6);
	assert_int_equal(limits_used("a@a", LIMIT_RECIPIENTS, now), 0);
	assert_int_equal(limits_used("b@a", LIMIT_MESSAGES, now), 0);
	assert_int_equal(
	    limits_used("a@a", LIMIT_MESSAGES, now + 10 * MINUTE), 5);
	limits_use("a@a", LIMIT_MESSAGES, now + 10 * MINUTE);
	assert_int_equal(
	    limits_used("a@a", LIMIT_MESSAGES, now + 10 * MINUTE), 6);
	assert_int_equal(
	    limits_used("a@a", LIMIT_MESSAGES, now + 40 * MINUTE), 3);
	assert_int_equal(
	    limits_used("a@a", LIMIT_MESSAGES, now + 70 * MINUTE), 0);
	limits_use("a@a", LIMIT_MESSAGES, now + 50 * HOUR);
	assert_int_equal(
	    limits_used("a@a", LIMIT_MESSAGES, now + 50 * HOUR), 1);
	limits_sweep(now + 50 * HOUR + 59 * MINUTE);
	assert_int_equal(limits_users(), 1);
	limits_sweep(now + 52 * HOUR);
	assert_int_equal(limits_users(), 0);
}

/* A machine that was started a moment ago. */
static void
the_clock_may_be_young(void **state)
{
	(void)state;
	limits_use("a@a", LIMIT_MESSAGES, 0);
	limits_use("a@a", LIMIT_MESSAGES, 7 * MINUTE);
	assert_int_equal(limits_used("a@a", LIMIT_MESSAGES, 8 * MINUTE), 2);
	assert_int_equal(limits_used("a@a", LIMIT_MESSAGES, 61 * MINUTE), 1);
	limits_sweep(2 * HOUR);
	assert_int_equal(limits_users(), 0);
}

static void
users_are_bounded(void **state)
{
	char name[32];
	int i;

	(void)state;
	for (i = 0; i < LIMITS_USERS + 10; i++) {
		(void)snprintf(name, sizeof(name), "u%d@a", i);
		limits_use(name, LIMIT_RECIPIENTS, HOUR);
	}
	assert_int_equal(limits_users(), LIMITS_USERS);
	assert_int_equal(limits_used("u9@a", LIMIT_RECIPIENTS, HOUR), 0);
	assert_int_equal(limits_used("u10@a", LIMIT_RECIPIENTS, HOUR), 1);
	assert_int_equal(limits_used(name, LIMIT_RECIPIENTS, HOUR), 1);
	limits_sweep(3 * HOUR);
	assert_int_equal(limits_users(), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_hour_slides),
	    cmocka_unit_test(the_clock_may_be_young),
	    cmocka_unit_test(users_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
