/* SPDX-License-Identifier: ISC */
/*
 * objects: tokend/batch.o tokend/check.o tokend/held.o tokend/hmac.o tokend/issue.o tokend/keyfile.o tokend/keyring.o tokend/problem.o tokend/records.o tokend/revoke.o tokend/seal.o tokend/store_db.o tokend/store_db_backup.o tokend/token.o
 * libs: -lcrypto -ldb
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "regress/unit/tokend_fixture.h"

#include <sys/wait.h>

#include <signal.h>

#include "tokend/batch.h"

static void
put(struct fixture *f, const char *key, const char *value)
{
	assert_int_equal(store_put(f->store, text(key), text(value)), 0);
}

static void
expect(struct fixture *f, const char *key, const char *value)
{
	uint8_t data[STORE_VALUE_MAX];
	size_t length;
	int found = store_get(f->store, text(key), data, &length);

	if (value == NULL) {
		assert_int_equal(found, 1);
		return;
	}
	assert_int_equal(found, 0);
	assert_true(bytes_equal(bytes_of(data, length), text(value)));
}

static void
keeps_what_was_committed(void **state)
{
	struct fixture *f = *state;

	put(f, "a", "1");
	put(f, "b", "2");
	expect(f, "a", "1");
	fixture_commit(f);
	put(f, "c", "3");
	assert_true(store_dirty(f->store));
	fixture_reopen(f);
	expect(f, "a", "1");
	expect(f, "b", "2");
	expect(f, "c", NULL);
	assert_int_equal(store_delete(f->store, text("a")), 0);
	assert_int_equal(store_delete(f->store, text("x")), 1);
	store_abort(f->store);
	expect(f, "a", "1");
}

static int
join(struct bytes key, struct bytes value, void *argument)
{
	char *out = argument;

	(void)value;
	strncat(out, (const char *)key.data, key.length);
	strlcat(out, ",", 64);
	return strstr(out, "stop") != NULL ? 7 : 0;
}

static void
goes_through_a_prefix_in_order(void **state)
{
	struct fixture *f = *state;
	char out[64] = "";

	put(f, "a", "");
	put(f, "p2", "");
	put(f, "p1", "");
	put(f, "q", "");
	put(f, "p3stop", "");
	put(f, "p4", "");
	assert_int_equal(
	    store_each(f->store, text("p"), text("p"), join, out), 7);
	assert_string_equal(out, "p1,p2,p3stop,");
	out[0] = '\0';
	assert_int_equal(
	    store_each(f->store, text("p"), text("p4"), join, out), 0);
	assert_string_equal(out, "p4,");
	out[0] = '\0';
	assert_int_equal(
	    store_each(f->store, text("z"), text("z"), join, out), 0);
	assert_string_equal(out, "");
}

/* One that does not fit spoils the transaction for all who share it. */
static void
failed_write_spoils_the_transaction(void **state)
{
	struct fixture *f = *state;
	static const uint8_t large[STORE_VALUE_MAX + 1];

	put(f, "a", "1");
	assert_int_equal(
	    store_put(f->store, text("b"), bytes_of(large, sizeof(large))), -1);
	assert_string_not_equal(store_problem(f->store), "");
	assert_int_equal(store_put(f->store, text("c"), text("3")), -1);
	assert_int_equal(store_commit(f->store), -1);
	put(f, "d", "4");
	assert_int_equal(store_commit(f->store), 0);
	expect(f, "a", NULL);
	expect(f, "c", NULL);
	expect(f, "d", "4");
}

static void
only_one_process_holds_it(void **state)
{
	struct fixture *f = *state;
	struct problem problem;
	int fresh;

	assert_null(store_open(f->dir, 0, &fresh, &problem));
	assert_non_null(strstr(problem.text, "in use by another process"));
}

static void
refuses_a_directory_open_to_others(void **state)
{
	struct fixture *f = *state;
	struct problem problem;
	char command[128];
	int fresh;

	fixture_close(f);
	snprintf(command, sizeof(command), "chmod 0750 %s", f->dir);
	assert_int_equal(system(command), 0);
	assert_null(store_open(f->dir, 0, &fresh, &problem));
	assert_non_null(strstr(problem.text, "expected 0700"));
	assert_null(store_open("/nonexistent/x", 0, &fresh, &problem));
}

/* A child writes, commits and is killed: what it said is there. */
static void
survives_kill_9(void **state)
{
	struct fixture *f = *state;
	char key[16], told = 0;
	int pipes[2], i, fresh, status;
	pid_t child;

	fixture_close(f);
	assert_int_equal(pipe(pipes), 0);
	if ((child = fork()) == 0) {
		f->store = store_open(f->dir, 0, &fresh, &f->problem);
		for (i = 0; i < 5000; i++) {
			snprintf(key, sizeof(key), "x%05d", i);
			store_put(f->store, text(key), text("v"));
			if (i % 10 == 9 && store_commit(f->store) == 0)
				told++;
		}
		store_put(f->store, text("uncommitted"), text("v"));
		write(pipes[1], &told, 1);
		pause();
		_exit(1);
	}
	assert_int_equal(read(pipes[0], &told, 1), 1);
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	close(pipes[0]);
	close(pipes[1]);
	fixture_open(f);
	expect(f, "x00000", "v");
	expect(f, "x04999", "v");
	expect(f, "uncommitted", NULL);
}

static void
copy_into(struct fixture *f, const char *dir, int write_meanwhile)
{
	struct store_backup *backup = store_backup_start(f->store);
	char path[192], key[32];
	uint8_t data[8192];
	const char *name;
	size_t length;
	FILE *file;
	int last, n = 0, result;

	assert_non_null(backup);
	assert_null(store_backup_start(f->store));
	while ((result = store_backup_next(
		    backup, &name, data, sizeof(data), &length, &last)) == 1) {
		snprintf(path, sizeof(path), "%s/%s", dir, name);
		assert_non_null(file = fopen(path, "a"));
		assert_int_equal(fwrite(data, 1, length, file), length);
		fclose(file);
		if (!write_meanwhile || n > 3000)
			continue;
		snprintf(key, sizeof(key), "new%06d", n++);
		put(f, key, "v");
		fixture_commit(f);
		assert_int_equal(store_checkpoint(f->store, 1), 0);
	}
	assert_int_equal(result, 0);
	store_backup_end(backup);
}

/* The copy opens and has at least what was committed before it began. */
static void
hot_backup_can_be_opened(void **state)
{
	struct fixture *f = *state;
	char dir[128], key[32], command[160];
	struct store *copy, *original = f->store;
	int fresh, i;

	for (i = 0; i < 20000; i++) {
		snprintf(key, sizeof(key), "old%06d", i * 7919 % 20000);
		put(f, key, "value");
	}
	fixture_commit(f);
	snprintf(dir, sizeof(dir), "%s/copy", f->base);
	snprintf(command, sizeof(command), "mkdir -m 0700 %s", dir);
	assert_int_equal(system(command), 0);
	copy_into(f, dir, 1);
	copy = store_open(dir, 0, &fresh, &f->problem);
	if (copy == NULL)
		fail_msg("%s", f->problem.text);
	f->store = copy;
	for (i = 0; i < 20000; i++) {
		snprintf(key, sizeof(key), "old%06d", i);
		expect(f, key, "value");
	}
	expect(f, "new000000", "v");
	f->store = original;
	store_close(copy);
}

static int answers;

static void
count_answer(void *argument, int durable)
{
	struct fixture *f = argument;

	answers += durable ? 1 : 100;
	assert_false(store_dirty(f->store));
}

/* Many that wait share one flush; without a write there is none. */
static void
batch_shares_one_flush(void **state)
{
	struct fixture *f = *state;
	struct batch batch = {f->store, NULL, 0, 0};
	struct store_numbers before, after;
	char key[16];
	int i;

	store_numbers(f->store, &before);
	answers = 0;
	for (i = 0; i < 100; i++) {
		snprintf(key, sizeof(key), "k%d", i);
		put(f, key, "v");
		assert_int_equal(batch_wait(&batch, count_answer, f), 0);
	}
	assert_true(batch_pending(&batch));
	assert_int_equal(answers, 0);
	assert_int_equal(batch_flush(&batch), 0);
	assert_int_equal(answers, 100);
	store_numbers(f->store, &after);
	assert_int_equal(after.commits, before.commits + 1);
	batch_wait(&batch, count_answer, f);
	assert_int_equal(batch_flush(&batch), 0);
	assert_int_equal(answers, 101);
	store_numbers(f->store, &after);
	assert_int_equal(after.commits, before.commits + 1);
	assert_false(batch_pending(&batch));
	batch_free(&batch);
}

static void
batch_tells_all_of_a_failure(void **state)
{
	struct fixture *f = *state;
	struct batch batch = {f->store, NULL, 0, 0};
	static const uint8_t large[STORE_VALUE_MAX + 1];

	answers = 0;
	put(f, "a", "v");
	batch_wait(&batch, count_answer, f);
	store_put(f->store, text("b"), bytes_of(large, sizeof(large)));
	batch_wait(&batch, count_answer, f);
	assert_int_equal(batch_flush(&batch), -1);
	assert_int_equal(answers, 200);
	expect(f, "a", NULL);
	batch_free(&batch);
}

static void
checkpoint_drops_old_logs(void **state)
{
	struct fixture *f = *state;
	static const uint8_t large[STORE_VALUE_MAX];
	struct store_numbers numbers;
	char key[16], command[160];
	int i;

	for (i = 0; i < 60000; i++) {
		snprintf(key, sizeof(key), "k%d", i);
		store_put(f->store, text(key), bytes_of(large, sizeof(large)));
		if (i % 500 == 0)
			fixture_commit(f);
		assert_int_equal(store_checkpoint(f->store, 0), 0);
	}
	fixture_commit(f);
	assert_int_equal(store_checkpoint(f->store, 1), 0);
	store_numbers(f->store, &numbers);
	assert_true(numbers.log_octets < 1024 * 1024);
	snprintf(command, sizeof(command), "test $(ls %s/log.* | wc -l) -le 2",
	    f->dir);
	assert_int_equal(system(command), 0);
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(keeps_what_was_committed),
	    TEST(goes_through_a_prefix_in_order),
	    TEST(failed_write_spoils_the_transaction),
	    TEST(only_one_process_holds_it),
	    TEST(refuses_a_directory_open_to_others),
	    TEST(survives_kill_9),
	    TEST(hot_backup_can_be_opened),
	    TEST(batch_shares_one_flush),
	    TEST(batch_tells_all_of_a_failure),
	    TEST(checkpoint_drops_old_logs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
