/* SPDX-License-Identifier: ISC */
/*
 * Opening the store with its keys: what was lost must not pass unnoticed.
 * objects: tokend/batch.o tokend/check.o tokend/held.o tokend/hmac.o tokend/issue.o tokend/keyfile.o tokend/keyring.o tokend/open.o tokend/problem.o tokend/records.o tokend/revoke.o tokend/seal.o tokend/store_db.o tokend/store_db_backup.o tokend/token.o
 * libs: -lcrypto -ldb
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "regress/unit/tokend_fixture.h"
#include "tokend/open.h"

static int
setup(void **state)
{
	struct fixture *f = malloc(sizeof(*f));

	assert_non_null(f);
	fixture_make(f);
	*state = f;
	return 0;
}

static int
start(struct fixture *f)
{
	int created = -1;

	f->store = open_all(f->dir, 0, &f->ring, &created, &f->problem);
	return f->store == NULL ? -1 : created;
}

static void
stop(struct fixture *f)
{
	store_close(f->store);
	f->store = NULL;
}

static void
remove_file(struct fixture *f, const char *name)
{
	char command[160];

	snprintf(command, sizeof(command), "rm -f %s/%s", f->dir, name);
	assert_int_equal(system(command), 0);
}

static void
first_start_makes_a_key(void **state)
{
	struct fixture *f = *state;
	uint8_t secret[KEY_LENGTH];

	assert_int_equal(start(f), 1);
	assert_int_equal(f->ring.count, 1);
	memcpy(secret, f->ring.keys[0].secret, sizeof(secret));
	stop(f);
	assert_int_equal(start(f), 0);
	assert_int_equal(f->ring.count, 1);
	assert_memory_equal(f->ring.keys[0].secret, secret, sizeof(secret));
	stop(f);
}

/* A store without its keys: never a new key in silence. */
static void
store_without_keys_is_refused(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(start(f), 1);
	stop(f);
	remove_file(f, "keys");
	assert_int_equal(start(f), -1);
	assert_non_null(strstr(f->problem.text, "no file \"keys\""));
	assert_int_equal(f->ring.count, 0);
	assert_int_equal(start(f), -1);
}

/* Keys without their store: what was revoked would be good again. */
static void
keys_without_store_are_refused(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(start(f), 1);
	stop(f);
	remove_file(f, "tokens.db");
	assert_int_equal(start(f), -1);
	assert_non_null(strstr(f->problem.text, "no store"));
	remove_file(f, "log.*");
	assert_int_equal(start(f), -1);
	/* The refusal has made nothing that the next start would take. */
	assert_int_equal(start(f), -1);
}

/* A crash in the first start, before and after the keys were written. */
static void
first_start_that_crashed_goes_on(void **state)
{
	struct fixture *f = *state;
	struct record_key key;
	uint8_t secret[KEY_LENGTH];

	assert_int_equal(start(f), 1);
	record_key_single(&key, RECORD_STARTED);
	assert_int_equal(store_delete(f->store, record_key_bytes(&key)), 0);
	assert_int_equal(store_commit(f->store), 0);
	memcpy(secret, f->ring.keys[0].secret, sizeof(secret));
	stop(f);
	assert_int_equal(start(f), 1);
	assert_memory_equal(f->ring.keys[0].secret, secret, sizeof(secret));
	assert_int_equal(store_delete(f->store, record_key_bytes(&key)), 0);
	assert_int_equal(store_commit(f->store), 0);
	stop(f);
	remove_file(f, "keys");
	assert_int_equal(start(f), 1);
	assert_memory_not_equal(f->ring.keys[0].secret, secret, sizeof(secret));
	stop(f);
}

static void
broken_keys_are_refused(void **state)
{
	struct fixture *f = *state;
	char command[160];

	assert_int_equal(start(f), 1);
	stop(f);
	snprintf(command, sizeof(command), "chmod 644 %s/keys", f->dir);
	assert_int_equal(system(command), 0);
	assert_int_equal(start(f), -1);
	assert_non_null(strstr(f->problem.text, "mode 0644"));
	snprintf(command, sizeof(command),
	    "chmod 600 %s/keys; echo garbage > %s/keys", f->dir, f->dir);
	assert_int_equal(system(command), 0);
	assert_int_equal(start(f), -1);
	assert_non_null(strstr(f->problem.text, "keys:1: "));
}

static void
garbled_database_is_refused(void **state)
{
	struct fixture *f = *state;
	char command[160];

	assert_int_equal(start(f), 1);
	stop(f);
	snprintf(command, sizeof(command),
	    "dd if=/dev/zero of=%s/tokens.db bs=512 count=1 conv=notrunc "
	    "2>/dev/null",
	    f->dir);
	assert_int_equal(system(command), 0);
	assert_int_equal(start(f), -1);
	assert_string_not_equal(f->problem.text, "");
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(first_start_makes_a_key),
	    TEST(store_without_keys_is_refused),
	    TEST(keys_without_store_are_refused),
	    TEST(first_start_that_crashed_goes_on),
	    TEST(broken_keys_are_refused),
	    TEST(garbled_database_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
