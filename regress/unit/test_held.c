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

#include "tokend/seal.h"

#define AL "al@b.example"
#define BOB "bob@a.example"

static void
expect_held(struct fixture *f, const char *remote, const char *wanted)
{
	uint8_t out[HELD_TOKEN_MAX];
	size_t length;
	int found;

	found = held_get(&f->issuer, text(remote), text(BOB), out, &length);
	if (wanted == NULL) {
		assert_int_equal(found, 1);
		return;
	}
	assert_int_equal(found, 0);
	assert_true(bytes_equal(bytes_of(out, length), text(wanted)));
}

static int
find_any(struct bytes key, struct bytes value, void *argument)
{
	(void)key;
	(void)value;
	(void)argument;
	return 1;
}

static int
hold(struct fixture *f, const char *remote, const char *token)
{
	return held_put(
	    &f->issuer, text(remote), text(BOB), text(token), HELD_FIELD, NOW);
}

/* S1-74, D-S24: kept for (local, remote), the last one wins. */
static void
keeps_the_last_one(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(hold(f, AL, "first"), 0);
	assert_int_equal(hold(f, AL, "second;opaque!"), 0);
	fixture_commit(f);
	fixture_reopen(f);
	expect_held(f, AL, "second;opaque!");
	expect_held(f, "eve@b.example", NULL);
}

static int
forget(struct fixture *f, const char *token)
{
	return held_forget(&f->issuer, text(AL), text(BOB), text(token));
}

/* S1-50: the newest is tried; a refused one goes, and another has its turn. */
static void
holds_alternatives(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(hold(f, AL, "one"), 0);
	assert_int_equal(hold(f, AL, "two"), 0);
	assert_int_equal(hold(f, AL, "three"), 0);
	assert_int_equal(hold(f, AL, "one"), 0);
	expect_held(f, AL, "three");
	assert_int_equal(held_put(&f->issuer, text(AL), text(BOB), text("one"),
			     HELD_MYSTOKEN, NOW),
	    0);
	expect_held(f, AL, "one");
	assert_int_equal(forget(f, "on"), 1);
	assert_int_equal(forget(f, "four"), 1);
	assert_int_equal(forget(f, "two"), 0);
	expect_held(f, AL, "one");
	assert_int_equal(forget(f, "one"), 0);
	expect_held(f, AL, "three");
	assert_int_equal(forget(f, "three"), 0);
	expect_held(f, AL, NULL);
	assert_int_equal(forget(f, "three"), 1);
	assert_int_equal(
	    store_each(f->store, text("h"), text("h"), find_any, NULL), 0);
}

static void
the_oldest_makes_room(void **state)
{
	struct fixture *f = *state;
	char token[HELD_TOKEN_MAX + 1];
	int i;

	memset(token, 'x', sizeof(token));
	token[HELD_TOKEN_MAX] = '\0';
	for (i = 0; i <= HELD_LIST_MAX; i++) {
		token[0] = (char)('a' + i);
		assert_int_equal(hold(f, AL, token), 0);
	}
	for (; i-- > 1;) {
		token[0] = (char)('a' + i);
		expect_held(f, AL, token);
		assert_int_equal(forget(f, token), 0);
	}
	expect_held(f, AL, NULL);
}

/* A correspondent gives the same one with every delivery: no flush for it. */
static void
the_same_again_is_not_written(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(hold(f, AL, "one"), 0);
	fixture_commit(f);
	assert_int_equal(hold(f, AL, "one"), 0);
	assert_false(store_dirty(f->store));
	assert_int_equal(held_put(&f->issuer, text(AL), text(BOB), text("one"),
			     HELD_FIELD, NOW + 8 * 86400000ULL),
	    0);
	assert_true(store_dirty(f->store));
}

/*
 * The peer's MYSTOKEN stays in front of what its fields have, which is another
 * one in each message; and it is no news.
 */
static void
fields_stand_behind_mystoken(void **state)
{
	struct fixture *f = *state;
	struct bytes remote = text(AL), local = text(BOB), mine = text("mine");
	static const char *const fields[] = {"f1", "f2", "f3"};
	size_t i;

	assert_false(held_is_settled(&f->issuer, remote, local, mine, NOW));
	assert_int_equal(
	    held_put(&f->issuer, remote, local, mine, HELD_MYSTOKEN, NOW), 0);
	for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		assert_int_equal(held_put_behind(&f->issuer, remote, local,
				     text(fields[i]), mine, NOW),
		    0);
		assert_true(
		    held_is_settled(&f->issuer, remote, local, mine, NOW));
	}
	assert_false(
	    held_is_settled(&f->issuer, remote, local, text("f3"), NOW));
	assert_false(held_is_settled(
	    &f->issuer, remote, local, mine, NOW + 8 * 86400000ULL));
	expect_held(f, AL, "mine");
	assert_int_equal(forget(f, "mine"), 0);
	expect_held(f, AL, "f3");
	/* It is not in front, or gone: they come first, the newest before. */
	assert_int_equal(
	    held_put_behind(&f->issuer, remote, local, text("f4"), mine, NOW),
	    0);
	expect_held(f, AL, "f4");
}

static void
old_ones_go(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(hold(f, AL, "one"), 0);
	assert_int_equal(held_put(&f->issuer, text(AL), text(BOB), text("two"),
			     HELD_RETURNED, NOW + HELD_LIFE),
	    0);
	assert_int_equal(forget(f, "one"), 1);
	expect_held(f, AL, "two");
}

static size_t
prune(struct fixture *f, size_t limit, uint64_t now, size_t *calls)
{
	struct record_key cursor = {.length = 0};
	size_t count = 0;
	int more;

	*calls = 0;
	do {
		more = held_prune_some(
		    &f->issuer, &cursor, limit, HELD_LIFE, now, &count);
		++*calls;
	} while (more == 1);
	assert_int_equal(more, 0);
	assert_int_equal(cursor.length, 0);
	return count;
}

static void
old_pairs_go(void **state)
{
	struct fixture *f = *state;
	char remote[32];
	size_t i, calls;

	assert_int_equal(prune(f, 10, NOW + HELD_LIFE, &calls), 0);
	for (i = 0; i < 100; i++) {
		snprintf(remote, sizeof(remote), "al%zu@b.example", i);
		assert_int_equal(held_put(&f->issuer, text(remote), text(BOB),
				     text("x"), HELD_FIELD, NOW + (i % 3 == 0)),
		    0);
	}
	assert_int_equal(prune(f, 1000, NOW + HELD_LIFE - 1, &calls), 100);
	assert_int_equal(calls, 1);
	assert_int_equal(prune(f, 7, NOW + HELD_LIFE - 1, &calls), 100);
	assert_int_equal(calls, 15);
	assert_int_equal(prune(f, 7, NOW + HELD_LIFE, &calls), 34);
	assert_int_equal(prune(f, 1000, NOW + HELD_LIFE, &calls), 34);
	expect_held(f, "al3@b.example", "x");
	expect_held(f, "al4@b.example", NULL);
	assert_int_equal(prune(f, 1000, NOW + HELD_LIFE + 1, &calls), 0);
	expect_held(f, "al3@b.example", NULL);
}

static void
takes_what_the_protocol_allows(void **state)
{
	struct fixture *f = *state;
	char longest[HELD_TOKEN_MAX + 2];

	memset(longest, 'x', sizeof(longest));
	longest[HELD_TOKEN_MAX] = '\0';
	assert_int_equal(hold(f, AL, longest), 0);
	expect_held(f, AL, longest);
	longest[HELD_TOKEN_MAX] = 'x';
	longest[HELD_TOKEN_MAX + 1] = '\0';
	assert_int_equal(hold(f, AL, longest), -1);
	assert_int_equal(hold(f, AL, ""), -1);
	assert_int_equal(hold(f, AL, "a b"), -1);
	assert_int_equal(hold(f, AL, "a=b"), -1);
	assert_int_equal(hold(f, AL, "a\tb"), -1);
	assert_int_equal(hold(f, AL, "a\x7f"), -1);
	assert_int_equal(hold(f, AL, "\xc3\xa4"), -1);
	longest[HELD_TOKEN_MAX] = '\0';
	expect_held(f, AL, longest);
}

static int
find_clear(struct bytes key, struct bytes value, void *argument)
{
	(void)key;
	return memmem(value.data, value.length, argument, strlen(argument)) !=
	    NULL;
}

/* DESIGN 6: no secret is in clear in the database. */
static void
store_does_not_show_it(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(hold(f, AL, "peer-secret"), 0);
	assert_int_equal(store_each(f->store, text("h"), text("h"), find_clear,
			     "peer-secret"),
	    0);
}

/* What is sealed for one pair opens for no other, and no bit may change. */
static void
seal_is_bound_to_its_context(void **state)
{
	struct fixture *f = *state;
	const struct key *key = keyring_active(&f->ring);
	uint8_t sealed[4 + SEAL_EXTRA], out[4];
	struct bytes all = bytes_of(sealed, sizeof(sealed));
	size_t i;

	assert_int_equal(seal(key, text("pair"), text("text"), sealed), 0);
	assert_int_equal(seal_open(key, text("pair"), all, out), 0);
	assert_memory_equal(out, "text", 4);
	assert_int_equal(seal_open(key, text("pai"), all, out), -1);
	assert_int_equal(
	    seal_open(key, text("pair"), bytes_of(sealed, SEAL_EXTRA - 1), out),
	    -1);
	for (i = 0; i < sizeof(sealed); i++) {
		sealed[i] ^= 1;
		assert_int_equal(seal_open(key, text("pair"), all, out), -1);
		sealed[i] ^= 1;
	}
	keyring_add(&f->ring, 1);
	assert_int_equal(
	    seal_open(keyring_active(&f->ring), text("pair"), all, out), -1);
}

static void
survives_the_retiring_of_its_key(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(hold(f, AL, "older"), 0);
	assert_int_equal(hold(f, AL, "one"), 0);
	assert_int_equal(hold(f, "eve@b.example", "two"), 0);
	keyring_add(&f->ring, 1);
	assert_int_equal(hold(f, "x@y.example", "three"), 0);
	assert_int_equal(held_reseal(&f->issuer, 1), 0);
	keyring_remove(&f->ring, 1);
	expect_held(f, AL, "one");
	assert_int_equal(forget(f, "one"), 0);
	expect_held(f, AL, "older");
	expect_held(f, "eve@b.example", "two");
	expect_held(f, "x@y.example", "three");
}

static void
is_lost_with_its_key_and_says_so(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(hold(f, AL, "one"), 0);
	keyring_add(&f->ring, 1);
	keyring_remove(&f->ring, 1);
	expect_held(f, AL, NULL);
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(keeps_the_last_one),
	    TEST(holds_alternatives),
	    TEST(the_oldest_makes_room),
	    TEST(the_same_again_is_not_written),
	    TEST(fields_stand_behind_mystoken),
	    TEST(old_ones_go),
	    TEST(old_pairs_go),
	    TEST(takes_what_the_protocol_allows),
	    TEST(store_does_not_show_it),
	    TEST(seal_is_bound_to_its_context),
	    TEST(survives_the_retiring_of_its_key),
	    TEST(is_lost_with_its_key_and_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
