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

#define AL "al@b.example"
#define EVE "eve@b.example"
#define BOB "bob@a.example"
#define SUE "sue@a.example"

static void
mint(struct fixture *f, const char *remote, const char *local, uint64_t now,
    char out[TOKEN_LENGTH + 1])
{
	assert_int_equal(
	    issue_temporary(&f->issuer, text(remote), text(local), now, out),
	    0);
}

static int
lasting(struct fixture *f, uint64_t now, char out[TOKEN_LENGTH + 1])
{
	return issue_permanent(&f->issuer, text(AL), text(BOB), now, out);
}

static void
expect(struct fixture *f, const char *token, const char *remote,
    const char *local, uint64_t now, const char *result)
{
	struct token read;

	assert_string_equal(check_name(check_pair(&f->issuer, text(token),
				text(remote), text(local), now, &read)),
	    result);
}

static void
expect_auth(struct fixture *f, const char *token, const char *local,
    uint64_t now, const char *result)
{
	struct token read;

	assert_string_equal(check_name(check_token(&f->issuer, text(token),
				text(local), now, &read)),
	    result);
}

static uint64_t
do_revoke(struct fixture *f, enum mark_scope scope, const char *remote,
    const char *local, uint64_t now)
{
	uint64_t before;

	assert_int_equal(issue_revocation(&f->issuer, scope, text(remote),
			     text(local), now, &before),
	    0);
	return before;
}

/* Every scope: whom it covers at AUTH and at RCPT, and whom not (S1-44). */
static void
each_scope_covers_what_it_says(void **state)
{
	static const struct {
		enum mark_scope scope;
		const char *remote, *local;
		const char *auth, *rcpt; /* al's token for bob */
		const char *eve, *sue,
		    *far; /* eve to bob, al to sue, x@y to bob */
	} cases[] = {
	    {MARK_PAIR, AL, BOB, "revoked-pair", "revoked-pair", "good", "good",
		"good"},
	    {MARK_LOCAL, "", BOB, "revoked-local", "revoked-local",
		"revoked-local", "good", "revoked-local"},
	    {MARK_REMOTE, AL, "", "revoked-remote", "revoked-remote", "good",
		"revoked-remote", "good"},
	    {MARK_DOMAIN, "b.example", "", "good", "revoked-domain",
		"revoked-domain", "revoked-domain", "good"},
	    {MARK_ALL, "", "", "revoked-all", "revoked-all", "revoked-all",
		"revoked-all", "revoked-all"},
	};
	char bob[TOKEN_LENGTH + 1], eve[TOKEN_LENGTH + 1],
	    sue[TOKEN_LENGTH + 1], far[TOKEN_LENGTH + 1];
	struct fixture *f = *state;
	uint64_t now = NOW;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		now += 1000;
		mint(f, AL, BOB, now, bob);
		mint(f, EVE, BOB, now, eve);
		mint(f, AL, SUE, now, sue);
		mint(f, "x@y.example", BOB, now, far);
		expect_auth(f, bob, BOB, now, "good");
		expect(f, bob, AL, BOB, now, "good");
		do_revoke(
		    f, cases[i].scope, cases[i].remote, cases[i].local, now);
		expect_auth(f, bob, BOB, now, cases[i].auth);
		expect(f, bob, AL, BOB, now, cases[i].rcpt);
		expect(f, eve, EVE, BOB, now, cases[i].eve);
		expect(f, sue, AL, SUE, now, cases[i].sue);
		expect(f, far, "x@y.example", BOB, now, cases[i].far);
		/* One that is made right after it, in the same ms, is good. */
		mint(f, AL, BOB, now, bob);
		expect_auth(f, bob, BOB, now, "good");
		expect(f, bob, AL, BOB, now, "good");
	}
}

static void
marks_are_there_after_a_restart(void **state)
{
	char one[TOKEN_LENGTH + 1], two[TOKEN_LENGTH + 1];
	struct fixture *f = *state;

	mint(f, AL, BOB, NOW, one);
	do_revoke(f, MARK_PAIR, AL, BOB, NOW);
	mint(f, AL, BOB, NOW, two);
	fixture_commit(f);
	fixture_reopen(f);
	assert_int_equal(marks_count(f->marks), 1);
	expect_auth(f, one, BOB, NOW, "revoked-pair");
	expect(f, one, AL, BOB, NOW, "revoked-pair");
	expect(f, two, AL, BOB, NOW, "good");
}

/* The clock is set back over a restart: still nothing escapes a mark. */
static void
clock_that_goes_back_saves_no_token(void **state)
{
	char one[TOKEN_LENGTH + 1], two[TOKEN_LENGTH + 1];
	struct fixture *f = *state;

	mint(f, AL, BOB, NOW, one);
	fixture_commit(f);
	fixture_reopen(f);
	do_revoke(f, MARK_PAIR, AL, BOB, NOW - DAY);
	mint(f, AL, BOB, NOW - DAY, two);
	expect(f, one, AL, BOB, NOW, "revoked-pair");
	expect(f, two, AL, BOB, NOW, "good");
	fixture_commit(f);
	fixture_reopen(f);
	do_revoke(f, MARK_PAIR, AL, BOB, NOW - DAY);
	expect(f, two, AL, BOB, NOW, "revoked-pair");
}

/* S1-24: a million would leave no more than this. */
static void
temporary_tokens_leave_no_trace(void **state)
{
	struct store_numbers before, after;
	char out[TOKEN_LENGTH + 1];
	struct fixture *f = *state;
	int i;

	mint(f, AL, BOB, NOW, out);
	fixture_commit(f);
	store_numbers(f->store, &before);
	for (i = 0; i < 10000; i++)
		mint(f, AL, BOB, NOW + (uint64_t)i, out);
	assert_false(store_dirty(f->store));
	store_numbers(f->store, &after);
	assert_int_equal(before.writes, after.writes);
}

/* S1-34, D-S08: the identical one, as long as it is good. */
static void
permanent_token_is_the_same_again(void **state)
{
	char one[TOKEN_LENGTH + 1], two[TOKEN_LENGTH + 1];
	struct fixture *f = *state;

	assert_int_equal(lasting(f, NOW, one), 0);
	assert_int_equal(lasting(f, NOW + DAY, two), 1);
	assert_string_equal(one, two);
	fixture_commit(f);
	fixture_reopen(f);
	assert_int_equal(lasting(f, NOW + 364 * DAY, two), 1);
	assert_string_equal(one, two);
	expect(f, one, AL, BOB, NOW + 364 * DAY, "good");
	expect(f, one, AL, BOB, NOW + 365 * DAY, "expired");
	assert_int_equal(lasting(f, NOW + 365 * DAY, two), 0);
	assert_string_not_equal(one, two);
	expect(f, two, AL, BOB, NOW + 365 * DAY, "good");
}

static void
permanent_token_is_new_after_a_revocation(void **state)
{
	char one[TOKEN_LENGTH + 1], two[TOKEN_LENGTH + 1];
	struct fixture *f = *state;

	lasting(f, NOW, one);
	do_revoke(f, MARK_LOCAL, "", BOB, NOW);
	expect(f, one, AL, BOB, NOW, "revoked-local");
	assert_int_equal(lasting(f, NOW, two), 0);
	expect(f, two, AL, BOB, NOW, "good");
	expect(f, one, AL, BOB, NOW, "revoked-local");
}

/* D-S13: renewed on delivery; the old one is good for seven days more. */
static void
renewal_has_a_grace_period(void **state)
{
	const uint64_t late = NOW + 276 * DAY;
	char one[TOKEN_LENGTH + 1], two[TOKEN_LENGTH + 1];
	struct fixture *f = *state;
	struct bytes al = text(AL), bob = text(BOB);

	lasting(f, NOW, one);
	assert_int_equal(
	    issue_refreshed(&f->issuer, al, bob, NOW + 274 * DAY, two), 1);
	assert_string_equal(one, two);
	assert_int_equal(issue_refreshed(&f->issuer, al, bob, late, two), 0);
	assert_string_not_equal(one, two);
	expect(f, one, AL, BOB, late + 7 * DAY - 1, "good");
	expect(f, one, AL, BOB, late + 7 * DAY, "superseded");
	expect_auth(f, one, BOB, late + 7 * DAY - 1, "good");
	expect_auth(f, one, BOB, late + 7 * DAY, "superseded");
	expect(f, two, AL, BOB, late + 7 * DAY, "good");
	assert_int_equal(lasting(f, late + DAY, one), 1);
	assert_string_equal(one, two);
}

static void
old_keys_check_and_retired_ones_do_not(void **state)
{
	char one[TOKEN_LENGTH + 1], two[TOKEN_LENGTH + 1],
	    three[TOKEN_LENGTH + 1];
	struct fixture *f = *state;

	lasting(f, NOW, one);
	mint(f, EVE, BOB, NOW, three);
	keyring_add(&f->ring, NOW / 1000);
	expect(f, one, AL, BOB, NOW, "good");
	assert_int_equal(lasting(f, NOW, two), 1);
	assert_string_equal(one, two);
	assert_int_equal(issue_horizon(&f->issuer, 1), NOW + 366 * DAY);
	assert_int_equal(issue_horizon(&f->issuer, 2), 1);
	do_revoke(f, MARK_PAIR, EVE, BOB, NOW);
	expect_auth(f, three, BOB, NOW, "revoked-pair");
	keyring_remove(&f->ring, 1);
	expect(f, one, AL, BOB, NOW, "unknown-key");
	assert_int_equal(lasting(f, NOW, two), 0);
	expect(f, two, AL, BOB, NOW, "good");
	mint(f, EVE, BOB, NOW, three);
	expect_auth(f, three, BOB, NOW, "good");
	do_revoke(f, MARK_PAIR, EVE, BOB, NOW);
	expect_auth(f, three, BOB, NOW, "revoked-pair");
}

/* A mark lives as long as what it covers, whatever the config says then. */
static void
marks_are_pruned_when_needless(void **state)
{
	char out[TOKEN_LENGTH + 1];
	struct fixture *f = *state;

	lasting(f, NOW, out);
	do_revoke(f, MARK_PAIR, AL, BOB, NOW);
	do_revoke(f, MARK_PAIR, EVE, BOB, NOW);
	do_revoke(f, MARK_REMOTE, AL, "", NOW);
	fixture_commit(f);
	f->issuer.lifetimes.permanent = DAY;
	assert_int_equal(
	    marks_prune(f->marks, f->store, NOW + 365 * DAY, 100), 0);
	expect(f, out, AL, BOB, NOW + 364 * DAY, "revoked-remote");
	do_revoke(f, MARK_LOCAL, "", BOB, NOW + 1);
	assert_int_equal(marks_prune(f->marks, f->store, NOW + DAY, 2), 1);
	assert_int_equal(marks_prune(f->marks, f->store, NOW + DAY, 2), 1);
	assert_int_equal(marks_count(f->marks), 2);
	assert_int_equal(
	    marks_prune(f->marks, f->store, NOW + 367 * DAY, 100), 2);
	assert_int_equal(marks_count(f->marks), 0);
	fixture_commit(f);
	fixture_reopen(f);
	assert_int_equal(marks_count(f->marks), 0);
}

/* A token that never expires keeps its mark for ever. */
static void
marks_on_eternal_tokens_stay(void **state)
{
	char out[TOKEN_LENGTH + 1];
	struct fixture *f = *state;

	f->issuer.lifetimes.permanent = 0;
	lasting(f, NOW, out);
	expect(f, out, AL, BOB, NOW + 100000 * DAY, "good");
	do_revoke(f, MARK_PAIR, AL, BOB, NOW);
	assert_int_equal(
	    marks_prune(f->marks, f->store, NOW + 100000 * DAY, 9), 0);
	expect(f, out, AL, BOB, NOW + 100000 * DAY, "revoked-pair");
}

static void
one_user_cannot_fill_the_store(void **state)
{
	struct fixture *f = *state;
	char remote[32];
	uint64_t before;
	int i;

	for (i = 0; i < MARKS_PER_LOCAL; i++) {
		snprintf(remote, sizeof(remote), "r%d@b.example", i);
		/* Counting is left to the last ones: it takes its time. */
		if (i < MARKS_PER_LOCAL - 10) {
			struct record_key key;
			struct record_value value;
			struct mark_times times = {NOW, 0};

			record_key_mark(
			    &key, MARK_PAIR, text(remote), text(BOB));
			mark_encode(&times, &value);
			store_put(f->store, record_key_bytes(&key),
			    record_value_bytes(&value));
			continue;
		}
		if (i == MARKS_PER_LOCAL - 10)
			assert_int_equal(marks_load(f->marks, f->store), 0);
		do_revoke(f, MARK_PAIR, remote, BOB, NOW);
	}
	assert_int_equal(issue_revocation(&f->issuer, MARK_PAIR, text(AL),
			     text(BOB), NOW, &before),
	    1);
	do_revoke(f, MARK_PAIR, "r1@b.example", BOB, NOW);
	do_revoke(f, MARK_PAIR, AL, SUE, NOW);
	do_revoke(f, MARK_LOCAL, "", BOB, NOW);
}

/* A prefix of an address is another address. */
static void
addresses_are_compared_whole(void **state)
{
	char out[TOKEN_LENGTH + 1];
	struct fixture *f = *state;

	mint(f, AL, BOB, NOW, out);
	do_revoke(f, MARK_PAIR, AL, BOB "s", NOW);
	do_revoke(f, MARK_PAIR, AL "s", BOB, NOW);
	do_revoke(f, MARK_REMOTE, "l@b.example", "", NOW);
	do_revoke(f, MARK_LOCAL, "", "ob@a.example", NOW);
	do_revoke(f, MARK_DOMAIN, "example", "", NOW);
	do_revoke(f, MARK_DOMAIN, "c.b.example", "", NOW);
	expect_auth(f, out, BOB, NOW, "good");
	expect(f, out, AL, BOB, NOW, "good");
}

static void
records_refuse_what_they_do_not_know(void **state)
{
	struct permanent permanent = {1, 2, 3, {0}}, read;
	struct bytes remote, local, none = {NULL, 0};
	struct record_value value;
	struct record_key key;
	struct mark_times times;
	struct held_list held;
	size_t i;

	(void)state;
	permanent_encode(&permanent, &value);
	assert_int_equal(
	    permanent_decode(&read, record_value_bytes(&value)), 0);
	assert_int_equal(read.key_id, 1);
	assert_int_equal(read.issued, 2);
	assert_int_equal(read.expires, 3);
	for (i = 0; i < value.length; i++)
		assert_int_equal(
		    permanent_decode(&read, bytes_of(value.data, i)), -1);
	assert_int_equal(
	    permanent_decode(&read, bytes_of(value.data, value.length + 1)),
	    -1);
	value.data[0] = 2;
	assert_int_equal(
	    permanent_decode(&read, record_value_bytes(&value)), -1);
	assert_int_equal(mark_decode(&times, record_value_bytes(&value)), -1);
	assert_int_equal(held_decode(&held, record_value_bytes(&value)), -1);
	assert_int_equal(held_decode(&held, none), -1);
	assert_int_equal(record_key_pair(&key, 'p', none, text("a")), -1);
	assert_int_equal(
	    record_key_pair(&key, 'p', bytes_of("a\0b", 3), text("a")), -1);
	assert_int_equal(record_key_pair(&key, 'p', text("r"), text("l")), 0);
	assert_int_equal(
	    record_key_split(record_key_bytes(&key), &remote, &local), 0);
	assert_true(bytes_equal(remote, text("r")));
	assert_true(bytes_equal(local, text("l")));
	assert_int_equal(record_key_split(text("pabc"), &remote, &local), -1);
	assert_int_equal(record_key_split(none, &remote, &local), -1);
}

/* What cannot be read must not pass for "not revoked". */
static void
broken_mark_stops_the_start(void **state)
{
	struct fixture *f = *state;

	store_put(f->store, text("mlbob@a.example"), text("\001xx"));
	assert_int_not_equal(marks_load(f->marks, f->store), 0);
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(each_scope_covers_what_it_says),
	    TEST(marks_are_there_after_a_restart),
	    TEST(clock_that_goes_back_saves_no_token),
	    TEST(temporary_tokens_leave_no_trace),
	    TEST(permanent_token_is_the_same_again),
	    TEST(permanent_token_is_new_after_a_revocation),
	    TEST(renewal_has_a_grace_period),
	    TEST(old_keys_check_and_retired_ones_do_not),
	    TEST(marks_are_pruned_when_needless),
	    TEST(marks_on_eternal_tokens_stay),
	    TEST(one_user_cannot_fill_the_store),
	    TEST(addresses_are_compared_whole),
	    TEST(records_refuse_what_they_do_not_know),
	    TEST(broken_mark_stops_the_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
