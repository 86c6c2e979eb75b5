/* SPDX-License-Identifier: ISC */
/*
 * When one syncfs() is better than an fsync() of each.
 * objects: lmtpd/flush.o
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "lmtpd/flush.h"

static void
few_are_flushed_singly(void **state)
{
	struct flush_history h = {0};

	(void)state;
	assert_false(flush_prefers_all(&h, 1));
	assert_false(flush_prefers_all(&h, 2));
	assert_true(flush_prefers_all(&h, 3));
	assert_true(flush_prefers_all(&h, 1000));
}

/* Somebody else's gigabytes are on the same file system. */
static void
slow_syncfs_is_avoided_for_a_while(void **state)
{
	struct flush_history h = {.one_us = 200};
	int tries = 0;

	(void)state;
	flush_learn(&h, 1, 10, 10000); /* one that is slow is no news yet */
	assert_true(flush_prefers_all(&h, 10));
	flush_learn(&h, 1, 10, 1000000);
	while (!flush_prefers_all(&h, 10))
		assert_true(++tries < 100);
	assert_true(tries > 3);
	/* It is still slow; for so many files it is the better way though. */
	flush_learn(&h, 1, 10, 1000000);
	assert_true(flush_prefers_all(&h, 10000));
	assert_false(flush_prefers_all(&h, 10));
	/* The backup is over. */
	for (tries = 0; !flush_prefers_all(&h, 10) || h.all_us > 2000;
	     tries++) {
		assert_true(tries < 1000);
		if (h.avoided == 0)
			flush_learn(&h, 1, 10, 1000);
	}
	assert_true(flush_prefers_all(&h, 10));
	/* Single flushes are slow as well: then it is no worse. */
	h = (struct flush_history) {.one_us = 100000, .all_us = 500000};
	assert_true(flush_prefers_all(&h, 10));
}

static void
errors_are_each_entry_s_own(void **state)
{
	struct flush flush = {0};
	char name[] = "/tmp/flush-test-XXXXXX";
	int good = mkstemp(name), bad = open("/proc/self/status", O_RDONLY);
	struct stat st;

	(void)state;
	assert_true(good >= 0 && bad >= 0);
	assert_int_equal(unlink(name), 0);
	assert_int_equal(fstat(good, &st), 0);
	for (int i = 0; i < 100; i++)
		assert_int_equal(flush_add(&flush, good, st.st_dev), i);
	/* On another file system, of a kind that cannot be flushed. */
	assert_int_equal(flush_add(&flush, bad, st.st_dev + 1), 100);
	flush_run(&flush, good, st.st_dev);
	assert_int_equal(flush_error(&flush, 0, 100), 0);
	assert_int_equal(flush_error(&flush, 100, 1), EINVAL);
	assert_int_equal(flush_error(&flush, 0, 101), EINVAL);
	flush_reset(&flush);
	assert_int_equal(flush.count, 0);
	flush_free(&flush);
	(void)close(good);
	(void)close(bad);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(few_are_flushed_singly),
	    cmocka_unit_test(slow_syncfs_is_avoided_for_a_while),
	    cmocka_unit_test(errors_are_each_entry_s_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
