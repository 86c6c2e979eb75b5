/* SPDX-License-Identifier: ISC */
/*
 * The life of a token of REMEMBERME, without a process around it.
 * clauses: R-09 R-15 R-16 H-01 H-02 H-03 H-04 H-05 H-06 H-07 H-09 H-10 H-11
 * clauses: D-R03 D-R04 D-R05 D-R06 D-R07 D-R08 D-R09
 * objects: tokend/es256.o tokend/jwt.o tokend/jwt_key.o tokend/remember.o
 * objects: tokend/remember_check.o tokend/remember_list.o tokend/check.o
 * objects: tokend/hmac.o tokend/issue.o tokend/keyring.o tokend/problem.o
 * objects: tokend/records.o tokend/revoke.o tokend/store_db.o
 * objects: tokend/store_db_backup.o tokend/token.o
 * objects: lib/base64.o lib/address.o imsg/messages.o
 * libs: -ldb -lcrypto -lidn2
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "regress/unit/tokend_fixture.h"
#include "tokend/remember_check.h"

#define ALICE "alice@a.example"
#define BOB "bob@a.example"
#define FROM "192.0.2.7"
#define HOUR 3600000ULL

static const uint8_t secret_one[REMEMBER_DIGEST] = {1},
		     secret_two[REMEMBER_DIGEST] = {2};

static struct bytes
digest(int which)
{
	if (which == 0)
		return bytes_of(NULL, 0);
	return bytes_of(which == 1 ? secret_one : secret_two, REMEMBER_DIGEST);
}

static struct rememberer
rememberer(struct fixture *f)
{
	struct rememberer r = {&f->issuer, "mx.a.example", 90 * DAY, 365 * DAY};

	jwt_key_forget(0);
	return r;
}

/* A token, in `text`, and its id. */
static enum remember_verdict
make(struct rememberer *r, const char *login, enum remember_type type,
    const uint8_t *by, uint64_t now, char *text, uint8_t *id)
{
	struct remember_request request = {login, type, by, digest(1), FROM};

	return remember_make(r, &request, now, text, id);
}

static enum remember_check
bearer(struct rememberer *r, const char *text, int secret, uint64_t now)
{
	struct remember_shown shown;
	int pinned;

	remember_bearer(
	    r, bytes_text(text), 0, REMEMBER_BY_REMEMBERME, now, &shown);
	return remember_use(r, &shown, digest(secret), FROM, now, &pinned);
}

static enum remember_check
prove(struct rememberer *r, const char *login, const char *text,
    const char *pairs, enum remember_mechanism mechanism, uint64_t now)
{
	struct remember_shown shown;
	uint8_t mac[HMAC_LENGTH];
	struct ht2 ht2 = {
	    bytes_text(login), bytes_text(pairs), bytes_of(mac, sizeof(mac))};
	int pinned;

	ht2_mac(bytes_text(text), "Initiator", bytes_text("binding"), ht2.pairs,
	    mac);
	remember_proof(
	    r, &ht2, bytes_text("binding"), login, mechanism, &shown);
	return remember_use(r, &shown, digest(1), FROM, now, &pinned);
}

static void
a_new_one_each_time(void **state)
{
	struct rememberer r = rememberer(*state);
	char one[REMEMBER_MAX + 1], two[REMEMBER_MAX + 1];
	uint8_t id[REMEMBER_ID];

	assert_int_equal(
	    make(&r, ALICE, REMEMBER_RANDOM, NULL, NOW, one, id), REMEMBER_OK);
	assert_int_equal(
	    make(&r, ALICE, REMEMBER_RANDOM, NULL, NOW, two, id), REMEMBER_OK);
	assert_string_not_equal(one, two);
	assert_int_equal(strlen(one), REMEMBER_TEXT);
	assert_int_equal(bearer(&r, one, 1, NOW), REMEMBER_GOOD);
	assert_int_equal(bearer(&r, two, 1, NOW), REMEMBER_GOOD);
	assert_int_equal(bearer(&r, one, 1, NOW + DAY), REMEMBER_GOOD);
	fixture_commit(*state);
	fixture_reopen(*state);
	r = rememberer(*state);
	assert_int_equal(bearer(&r, one, 1, NOW + DAY), REMEMBER_GOOD);
	one[40] ^= 1;
	assert_int_equal(bearer(&r, one, 1, NOW), REMEMBER_WRONG);
	two[0] = two[0] == 'A' ? 'B' : 'A';
	assert_int_equal(bearer(&r, two, 1, NOW), REMEMBER_UNKNOWN);
	two[REMEMBER_TEXT - 1] = '\0';
	assert_int_equal(bearer(&r, two, 1, NOW), REMEMBER_MALFORMED);
	assert_int_equal(bearer(&r, "", 1, NOW), REMEMBER_MALFORMED);
}

/* What a thief of the store has: no secret, no MAC of one, no JWT. */
static int
holds(struct bytes key, struct bytes value, void *argument)
{
	struct bytes secret = bytes_text(argument);

	(void)key;
	return memmem(value.data, value.length, secret.data, 16) != NULL;
}

static void
the_store_holds_no_secret(void **state)
{
	struct fixture *f = *state;
	struct rememberer r = rememberer(f);
	char text[REMEMBER_MAX + 1];
	uint8_t id[REMEMBER_ID];

	(void)make(&r, ALICE, REMEMBER_RANDOM, NULL, NOW, text, id);
	assert_int_equal(store_each(f->store, bytes_of("", 0), bytes_of("", 0),
			     holds, text + REMEMBER_NAME + 1),
	    0);
	(void)make(&r, ALICE, REMEMBER_JWT, NULL, NOW, text, id);
	assert_int_equal(store_each(f->store, bytes_of("", 0), bytes_of("", 0),
			     holds, text + strlen(text) - 40),
	    0);
}

static void
families(void **state)
{
	struct rememberer r = rememberer(*state);
	char a[REMEMBER_MAX + 1], b[REMEMBER_MAX + 1], again[REMEMBER_MAX + 1];
	uint8_t id[REMEMBER_ID], next[REMEMBER_ID], last[REMEMBER_ID];
	enum remember_type type;

	for (type = REMEMBER_RANDOM; type <= REMEMBER_JWT; type++) {
		(void)make(&r, ALICE, type, NULL, NOW, a, id);
		assert_int_equal(make(&r, ALICE, type, id, NOW + 1000, b, next),
		    REMEMBER_OK);
		assert_string_not_equal(a, b);
		assert_int_equal(
		    make(&r, ALICE, type, id, NOW + 2000, again, next),
		    REMEMBER_OK);
		assert_string_equal(b, again);
		assert_int_equal(bearer(&r, a, 1, NOW + 30999), REMEMBER_GOOD);
		assert_int_equal(
		    bearer(&r, a, 1, NOW + 31000), REMEMBER_REPLACED);
		assert_int_equal(bearer(&r, b, 1, NOW + 31000), REMEMBER_GOOD);
		assert_int_equal(
		    make(&r, ALICE, type, id, NOW + HOUR, again, next),
		    REMEMBER_OK);
		assert_string_equal(b, again);
		/* The newest in line, when that was replaced too. */
		assert_int_equal(
		    make(&r, ALICE, type, next, NOW + HOUR, a, last),
		    REMEMBER_OK);
		assert_int_equal(
		    make(&r, ALICE, type, id, NOW + HOUR, again, next),
		    REMEMBER_OK);
		assert_string_equal(a, again);
		assert_int_equal(
		    make(&r, ALICE, type, id, NOW + HOUR + 1000, again, next),
		    REMEMBER_WEAK);
	}
}

/* Nobody gets what is of no use: what a token of another type replaced. */
static void
a_line_that_ended(void **state)
{
	struct rememberer r = rememberer(*state);
	char a[REMEMBER_MAX + 1], b[REMEMBER_MAX + 1], jwt[REMEMBER_MAX + 1];
	uint8_t id[REMEMBER_ID], next[REMEMBER_ID], last[REMEMBER_ID];

	(void)make(&r, ALICE, REMEMBER_RANDOM, NULL, NOW, a, id);
	(void)make(&r, ALICE, REMEMBER_RANDOM, id, NOW, b, next);
	assert_int_equal(
	    make(&r, ALICE, REMEMBER_JWT, next, NOW, jwt, last), REMEMBER_OK);
	assert_int_equal(bearer(&r, b, 1, NOW + 60000), REMEMBER_REPLACED);
	assert_int_equal(
	    make(&r, ALICE, REMEMBER_RANDOM, id, NOW + 60000, a, last),
	    REMEMBER_OK);
	assert_string_not_equal(a, b);
	assert_int_equal(bearer(&r, a, 1, NOW + 60000), REMEMBER_GOOD);
	/* And the same to all that ask. */
	assert_int_equal(
	    make(&r, ALICE, REMEMBER_RANDOM, id, NOW + 61000, b, last),
	    REMEMBER_OK);
	assert_string_equal(a, b);
	assert_int_equal(bearer(&r, jwt, 1, NOW + 61000), REMEMBER_GOOD);
}

/* Sliding and absolute ends, and none at all. */
static void
lifetimes(void **state)
{
	struct rememberer r = rememberer(*state);
	char a[REMEMBER_MAX + 1], jwt[REMEMBER_MAX + 1];
	uint8_t id[REMEMBER_ID], next[REMEMBER_ID];
	uint64_t now = NOW;

	(void)make(&r, ALICE, REMEMBER_RANDOM, NULL, NOW, a, id);
	(void)make(&r, ALICE, REMEMBER_JWT, NULL, NOW, jwt, next);
	assert_int_equal(bearer(&r, a, 1, NOW + 90 * DAY), REMEMBER_EXPIRED);
	assert_int_equal(
	    bearer(&r, jwt, 1, NOW + 90 * DAY - 1000), REMEMBER_GOOD);
	assert_int_equal(bearer(&r, jwt, 1, NOW + 90 * DAY), REMEMBER_EXPIRED);
	for (; now < NOW + 365 * DAY; now += 80 * DAY)
		assert_int_equal(bearer(&r, a, 1, now), REMEMBER_GOOD);
	assert_int_equal(bearer(&r, a, 1, NOW + 365 * DAY), REMEMBER_EXPIRED);
	/* Successors are as old as the login that they come from (D-R06). */
	(void)make(&r, BOB, REMEMBER_RANDOM, NULL, NOW, a, id);
	assert_int_equal(bearer(&r, a, 1, NOW + 80 * DAY), REMEMBER_GOOD);
	assert_int_equal(
	    make(&r, BOB, REMEMBER_RANDOM, id, NOW + 160 * DAY, a, next),
	    REMEMBER_OK);
	r.lifetime = 0;
	assert_int_equal(bearer(&r, a, 1, NOW + 364 * DAY), REMEMBER_GOOD);
	assert_int_equal(bearer(&r, a, 1, NOW + 365 * DAY), REMEMBER_EXPIRED);
	r.maximum = 0;
	assert_int_equal(bearer(&r, a, 1, NOW + 9999 * DAY), REMEMBER_GOOD);
}

static void
thirty_two(void **state)
{
	static char text[REMEMBER_LIVE + 2][REMEMBER_MAX + 1];
	struct rememberer r = rememberer(*state);
	uint8_t id[REMEMBER_ID], first[REMEMBER_ID];
	int i;

	for (i = 0; i < REMEMBER_LIVE; i++)
		(void)make(&r, ALICE, REMEMBER_RANDOM, NULL, NOW + i, text[i],
		    i == 0 ? first : id);
	for (i = 0; i < REMEMBER_LIVE; i++)
		assert_int_equal(
		    bearer(&r, text[i], 1, NOW + 99), REMEMBER_GOOD);
	(void)make(&r, ALICE, REMEMBER_RANDOM, NULL, NOW + 100, text[i++], id);
	assert_int_equal(bearer(&r, text[0], 1, NOW + 101), REMEMBER_UNKNOWN);
	assert_int_equal(bearer(&r, text[1], 1, NOW + 101), REMEMBER_GOOD);
	assert_int_equal(
	    bearer(&r, text[REMEMBER_LIVE], 1, NOW + 101), REMEMBER_GOOD);
	/* What was replaced goes before what is in use. */
	(void)make(&r, ALICE, REMEMBER_RANDOM, id, NOW + 102, text[i++], first);
	assert_int_equal(bearer(&r, text[1], 1, NOW + 103), REMEMBER_UNKNOWN);
	(void)make(&r, ALICE, REMEMBER_RANDOM, NULL, NOW + 104, text[0], first);
	assert_int_equal(
	    bearer(&r, text[REMEMBER_LIVE], 1, NOW + 105), REMEMBER_UNKNOWN);
	assert_int_equal(bearer(&r, text[2], 1, NOW + 105), REMEMBER_GOOD);
}

/* A new password ends it for good, though the old one comes back. */
static void
password_changes(void **state)
{
	struct rememberer r = rememberer(*state);
	char a[REMEMBER_MAX + 1], b[REMEMBER_MAX + 1];
	uint8_t id[REMEMBER_ID], next[REMEMBER_ID];

	(void)make(&r, ALICE, REMEMBER_RANDOM, NULL, NOW, a, id);
	(void)make(&r, ALICE, REMEMBER_RANDOM, NULL, NOW, b, next);
	assert_int_equal(bearer(&r, a, 2, NOW), REMEMBER_PASSWORD);
	assert_int_equal(bearer(&r, a, 1, NOW), REMEMBER_UNKNOWN);
	/* A back-end that does not show it any more ends it as well. */
	assert_int_equal(bearer(&r, b, 0, NOW), REMEMBER_PASSWORD);
	assert_int_equal(bearer(&r, b, 1, NOW), REMEMBER_UNKNOWN);
}

static void
revocation(void **state)
{
	struct rememberer r = rememberer(*state);
	char a[REMEMBER_MAX + 1], b[REMEMBER_MAX + 1], c[REMEMBER_MAX + 1];
	uint8_t id[REMEMBER_ID], next[REMEMBER_ID], other[REMEMBER_ID];

	(void)make(&r, ALICE, REMEMBER_RANDOM, NULL, NOW, a, id);
	(void)make(&r, ALICE, REMEMBER_JWT, id, NOW, b, next);
	(void)make(&r, ALICE, REMEMBER_JWT, NULL, NOW, c, other);
	/* The family goes: what was made of a stolen one is stolen. */
	assert_int_equal(remember_revoke_family(&r, next), 2);
	assert_int_equal(bearer(&r, a, 1, NOW), REMEMBER_UNKNOWN);
	assert_int_equal(bearer(&r, b, 1, NOW), REMEMBER_UNKNOWN);
	assert_int_equal(bearer(&r, c, 1, NOW), REMEMBER_GOOD);
	assert_int_equal(remember_revoke_family(&r, next), 0);
	assert_int_equal(
	    make(&r, ALICE, REMEMBER_JWT, next, NOW, b, id), REMEMBER_WEAK);
	assert_int_equal(remember_revoke_user(&r, bytes_text(ALICE)), 1);
	assert_int_equal(bearer(&r, c, 1, NOW), REMEMBER_UNKNOWN);
	assert_int_equal(remember_revoke_user(&r, bytes_text(ALICE)), 0);
}

static void
pinning(void **state)
{
	struct rememberer r = rememberer(*state);
	char a[REMEMBER_MAX + 1];
	uint8_t id[REMEMBER_ID];

	(void)make(&r, ALICE, REMEMBER_RANDOM, NULL, NOW, a, id);
	assert_int_equal(bearer(&r, a, 1, NOW), REMEMBER_GOOD);
	assert_int_equal(
	    prove(&r, ALICE, a, "d=abc,x=1", REMEMBER_BY_ENDP, NOW),
	    REMEMBER_GOOD);
	assert_int_equal(bearer(&r, a, 1, NOW), REMEMBER_PINNED);
	assert_int_equal(
	    prove(&r, ALICE, a, "", REMEMBER_BY_EXPR, NOW), REMEMBER_PINNED);
	assert_int_equal(
	    prove(&r, ALICE, a, "", REMEMBER_BY_ENDP, NOW), REMEMBER_GOOD);
	(void)make(&r, ALICE, REMEMBER_HT2_EXPR, NULL, NOW, a, id);
	assert_int_equal(bearer(&r, a, 1, NOW), REMEMBER_PINNED);
	assert_int_equal(
	    prove(&r, ALICE, a, "", REMEMBER_BY_NONE, NOW), REMEMBER_PINNED);
	assert_int_equal(
	    prove(&r, ALICE, a, "", REMEMBER_BY_EXPR, NOW), REMEMBER_GOOD);
	/* Another user's name with it; a JWT by proof. */
	assert_int_equal(
	    prove(&r, BOB, a, "", REMEMBER_BY_EXPR, NOW), REMEMBER_WRONG);
	(void)make(&r, ALICE, REMEMBER_JWT, NULL, NOW, a, id);
	a[64] = '\0'; /* as long as an HMAC key of ours may be */
	assert_int_equal(
	    prove(&r, ALICE, a, "", REMEMBER_BY_EXPR, NOW), REMEMBER_WRONG);
}

static void
the_id_may_be_given(void **state)
{
	struct rememberer r = rememberer(*state);
	char a[REMEMBER_MAX + 1], b[REMEMBER_MAX + 1], pair[40];
	uint8_t id[REMEMBER_ID], other[REMEMBER_ID];

	(void)make(&r, ALICE, REMEMBER_RANDOM, NULL, NOW, a, id);
	(void)make(&r, ALICE, REMEMBER_RANDOM, NULL, NOW, b, other);
	snprintf(pair, sizeof(pair), "d=x,id=%.12s,y=z", a);
	assert_int_equal(
	    prove(&r, ALICE, a, pair, REMEMBER_BY_EXPR, NOW), REMEMBER_GOOD);
	assert_int_equal(
	    prove(&r, ALICE, b, pair, REMEMBER_BY_EXPR, NOW), REMEMBER_WRONG);
}

/* H-11: what is counted is the same, whatever is wrong. */
static struct remember_work
work_of(struct rememberer *r, const char *text)
{
	struct remember_work before = remember_work, after;

	(void)bearer(r, text, 1, NOW + 100 * DAY);
	after.macs = remember_work.macs - before.macs;
	after.reads = remember_work.reads - before.reads;
	after.signatures = remember_work.signatures - before.signatures;
	return after;
}

static struct remember_work
work_of_proof(struct rememberer *r, const char *login, const char *text)
{
	struct remember_work before = remember_work, after;

	(void)prove(r, login, text, "", REMEMBER_BY_EXPR, NOW);
	after.macs = remember_work.macs - before.macs;
	after.reads = remember_work.reads - before.reads;
	after.signatures = remember_work.signatures - before.signatures;
	return after;
}

static void
same_work(void **state)
{
	struct rememberer r = rememberer(*state);
	char good[REMEMBER_MAX + 1], text[REMEMBER_MAX + 1];
	const char *words[6];
	struct remember_work first, work;
	uint8_t id[REMEMBER_ID];
	size_t i;

	(void)make(&r, ALICE, REMEMBER_RANDOM, NULL, NOW + 99 * DAY, good, id);
	(void)make(&r, BOB, REMEMBER_RANDOM, NULL, NOW, text, id);
	words[0] = strdup(text); /* expired */
	text[50] ^= 1;
	words[1] = strdup(text); /* of an expired one, wrong */
	(void)make(&r, BOB, REMEMBER_RANDOM, NULL, NOW + 99 * DAY, text, id);
	assert_int_equal(remember_revoke_family(&r, id), 1);
	words[2] = strdup(text); /* revoked */
	(void)strlcpy(text, good, sizeof(text));
	text[50] ^= 1;
	words[3] = strdup(text); /* wrong */
	words[4] = strdup("x.y"); /* malformed */
	words[5] = strdup(good);
	first = work_of(&r, good);
	for (i = 0; i < 6; i++) {
		work = work_of(&r, words[i]);
		assert_memory_equal(&work, &first, sizeof(work));
		free((void *)(uintptr_t)words[i]);
	}
	first = work_of_proof(&r, ALICE, good);
	assert_int_equal(first.reads, 2);
	work = work_of_proof(&r, ALICE, text);
	assert_memory_equal(&work, &first, sizeof(work));
	work = work_of_proof(&r, "carol@a.example", text);
	assert_memory_equal(&work, &first, sizeof(work));
	work = work_of_proof(&r, "", text);
	assert_memory_equal(&work, &first, sizeof(work));
}

static void
jwt_work(void **state)
{
	struct rememberer r = rememberer(*state);
	char text[REMEMBER_MAX + 1];
	struct remember_work first, work;
	uint8_t id[REMEMBER_ID];

	(void)make(&r, ALICE, REMEMBER_JWT, NULL, NOW + 99 * DAY, text, id);
	first = work_of(&r, text);
	assert_int_equal(first.signatures, 1);
	assert_int_equal(remember_revoke_family(&r, id), 1);
	work = work_of(&r, text); /* revoked */
	assert_memory_equal(&work, &first, sizeof(work));
	text[5] ^= 1; /* no header of ours */
	work = work_of(&r, text);
	assert_memory_equal(&work, &first, sizeof(work));
	work = work_of(&r, "..");
	assert_memory_equal(&work, &first, sizeof(work));
}

/* Two NULs split it; the rest is as the grammar says (H-01 to H-04). */
static const struct {
	const char *text;
	size_t length;
	int result;
} messages[] = {
#define MAC "0123456789abcdef0123456789abcdef"
#define M(text, result)                        \
	{                                      \
		text, sizeof(text) - 1, result \
	}
    M("alice\0\0" MAC, 0),
    M("alice\0d=abc,x=1\0" MAC, 0),
    M("alice\0d=/+-_\0" MAC, 0),
    M("alice\0\0"
      "\0,\0,456789abcdef0123456789abcdef",
	0),
    M("alice\0" MAC, -1),
    M("\0\0" MAC, -1),
    M("alice\0\0" MAC "0", -1),
    M("alice\0\0"
      "123456789abcdef0123456789abcdef",
	-1),
    M("alice\0\0", -1),
    M("alice\0", -1),
    M("alice", -1),
    M("", -1),
    M("\0", -1),
    M("\0\0", -1),
    M("alice\0d\0" MAC, -1),
    M("alice\0d=\0" MAC, -1),
    M("alice\0=d\0" MAC, -1),
    M("alice\0d=a,\0" MAC, -1),
    M("alice\0,d=a\0" MAC, -1),
    M("alice\0d=a,,e=b\0" MAC, -1),
    M("alice\0d=a=b\0" MAC, -1),
    M("alice\0d=a b\0" MAC, -1),
    M("alice\0d=\xc3\xa4\0" MAC, -1),
};

static void
initiator_messages(void **state)
{
	uint8_t long_name[300 + 2 + HMAC_LENGTH];
	struct ht2 ht2;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(messages) / sizeof(messages[0]); i++)
		if (ht2_read(bytes_of((const uint8_t *)messages[i].text,
				 messages[i].length),
			&ht2) != messages[i].result)
			fail_msg("message %zu", i);
	for (i = 254; i < 258; i++) {
		memset(long_name, 'a', sizeof(long_name));
		long_name[i] = long_name[i + 1] = '\0';
		assert_int_equal(
		    ht2_read(bytes_of(long_name, i + 2 + HMAC_LENGTH), &ht2),
		    i <= 255 ? 0 : -1);
	}
}

static void
pruning(void **state)
{
	struct fixture *f = *state;
	struct rememberer r = rememberer(f);
	struct record_key cursor = {.length = 0};
	char text[REMEMBER_MAX + 1], login[ADDRESS_SIZE];
	uint8_t old[REMEMBER_ID], young[REMEMBER_ID], next[REMEMBER_ID];
	struct remembered_list list;
	int i;

	for (i = 0; i < 10; i++) {
		snprintf(login, sizeof(login), "u%d@a.example", i);
		(void)make(&r, login, REMEMBER_RANDOM, NULL, NOW, text, old);
		if (i % 2 == 0)
			(void)make(&r, login, REMEMBER_RANDOM, NULL,
			    NOW + 80 * DAY, text, young);
	}
	assert_int_equal(remember_prune_some(&r, &cursor, 100, NOW), 0);
	assert_int_equal(remember_owner(&r, old, login), 0);
	/* Replaced, and still of use to its sessions. */
	(void)make(&r, ALICE, REMEMBER_RANDOM, NULL, NOW + 90 * DAY, text, old);
	(void)make(&r, ALICE, REMEMBER_RANDOM, old, NOW + 90 * DAY, text, next);
	for (i = 0; remember_prune_some(
			&r, &cursor, 3, NOW + 90 * DAY + HOUR / 2) == 1;
	     i++)
		assert_in_range(i, 0, 10);
	for (i = 0; i < 10; i++) {
		snprintf(login, sizeof(login), "u%d@a.example", i);
		assert_int_equal(
		    remember_load(&r, bytes_text(login), &list), 0);
		assert_int_equal(list.count, i % 2 == 0 ? 1 : 0);
	}
	assert_int_equal(remember_load(&r, bytes_text(ALICE), &list), 0);
	assert_int_equal(list.count, 2);
	assert_int_equal(
	    remember_prune_some(&r, &cursor, 100, NOW + 90 * DAY + 2 * HOUR),
	    0);
	assert_int_equal(remember_owner(&r, old, login), 1);
	assert_int_equal(remember_owner(&r, next, login), 0);
	/* The key stays until what it made would have ended at the latest. */
	assert_true(issue_horizon(&f->issuer, 1) >= NOW + 365 * DAY);
}

int
main(void)
{
#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
	    TEST(a_new_one_each_time),
	    TEST(the_store_holds_no_secret),
	    TEST(families),
	    TEST(a_line_that_ended),
	    TEST(lifetimes),
	    TEST(thirty_two),
	    TEST(password_changes),
	    TEST(revocation),
	    TEST(pinning),
	    TEST(the_id_may_be_given),
	    TEST(same_work),
	    TEST(jwt_work),
	    TEST(initiator_messages),
	    TEST(pruning),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
