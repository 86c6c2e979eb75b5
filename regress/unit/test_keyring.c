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

#include <sys/stat.h>

#include <fcntl.h>

#define K1 "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define K2 "//79/Pv6+fj39vX08/Lx8O/u7ezr6uno5+bl5OPi4eA="

static void
write_keys(struct fixture *f, const char *content, mode_t mode)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/keys", f->dir);
	unlink(path);
	assert_non_null(file = fopen(path, "w"));
	fputs(content, file);
	assert_int_equal(fchmod(fileno(file), mode), 0);
	fclose(file);
}

static void
reads_what_it_wrote(void **state)
{
	struct fixture *f = *state;
	struct keyring ring;
	struct stat st;
	char path[128];

	keyring_add(&f->ring, 1);
	assert_int_equal(keyring_save(&f->ring, f->dir, &f->problem), 0);
	assert_int_equal(keyring_load(&ring, f->dir, &f->problem), 0);
	assert_int_equal(ring.count, 2);
	assert_memory_equal(ring.keys, f->ring.keys, 2 * sizeof(ring.keys[0]));
	snprintf(path, sizeof(path), "%s/keys", f->dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	strlcat(path, ".tmp", sizeof(path));
	assert_int_equal(access(path, F_OK), -1);
}

static void
reads_the_documented_form(void **state)
{
	struct fixture *f = *state;
	struct keyring ring;

	write_keys(f, "1 1700000000 " K1 "\n7 1600000000 " K2 "\n", 0600);
	assert_int_equal(keyring_load(&ring, f->dir, &f->problem), 0);
	assert_int_equal(ring.count, 2);
	assert_int_equal(keyring_active(&ring)->id, 1);
	assert_int_equal(keyring_find(&ring, 7)->created, 1600000000);
	assert_int_equal(keyring_find(&ring, 7)->secret[31], 0xe0);
	assert_null(keyring_find(&ring, 2));
}

static void
says_that_there_is_none(void **state)
{
	struct fixture *f = *state;
	struct keyring ring;

	assert_int_equal(keyring_load(&ring, f->dir, &f->problem), 1);
}

static void
refuses_garbage_with_its_line(void **state)
{
	static const struct {
		const char *content, *expected;
	} cases[] = {
	    {"", "no key in it"},
	    {"1 1 " K1, "keys:1: the last line has no end"},
	    {"1 1\n", "keys:1: expected: id created base64-key"},
	    {"\n", "keys:1: expected: id created"},
	    {"1 1 " K1 " x\n", "keys:1: expected nothing after"},
	    {"1 1 " K1 "\n1 2 " K2 "\n", "keys:2: this id is there twice"},
	    {"0 1 " K1 "\n", "keys:1: the id must be"},
	    {"65536 1 " K1 "\n", "keys:1: the id must be"},
	    {"a 1 " K1 "\n", "keys:1: the id must be"},
	    {"1 -1 " K1 "\n", "keys:1: the time must be"},
	    {"1 1 AAAA\n", "keys:1: the key must be"},
	    {"1 1 " K1 "AAAA\n", "keys:1: the key must be"},
	    {"1 1 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9=\n",
		"keys:1: the key must be"},
	    {"# keys\n1 1 " K1 "\n", "keys:1: "},
	};
	struct fixture *f = *state;
	struct keyring ring;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		write_keys(f, cases[i].content, 0600);
		assert_int_equal(keyring_load(&ring, f->dir, &f->problem), -1);
		if (strstr(f->problem.text, cases[i].expected) == NULL)
			fail_msg("%zu: %s", i, f->problem.text);
		assert_null(strstr(f->problem.text, "AAEC"));
		assert_int_equal(ring.count, 0);
	}
}

static void
refuses_a_file_open_to_others(void **state)
{
	static const mode_t modes[] = {0640, 0604, 0620, 0666, 0610};
	struct fixture *f = *state;
	struct keyring ring;
	size_t i;

	for (i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		write_keys(f, "1 1 " K1 "\n", modes[i]);
		assert_int_equal(keyring_load(&ring, f->dir, &f->problem), -1);
		assert_non_null(strstr(f->problem.text, "expected 0600"));
	}
}

static void
refuses_another_owner_and_other_files(void **state)
{
	struct fixture *f = *state;
	struct keyring ring;
	char path[128], other[128];

	snprintf(path, sizeof(path), "%s/keys", f->dir);
	snprintf(other, sizeof(other), "%s/other", f->dir);
	write_keys(f, "1 1 " K1 "\n", 0600);
	if (geteuid() == 0) {
		assert_int_equal(chown(path, 1, 1), 0);
		assert_int_equal(keyring_load(&ring, f->dir, &f->problem), -1);
		assert_non_null(strstr(f->problem.text, "belongs to"));
	}
	assert_int_equal(rename(path, other), 0);
	assert_int_equal(symlink(other, path), 0);
	assert_int_equal(keyring_load(&ring, f->dir, &f->problem), -1);
	unlink(path);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(keyring_load(&ring, f->dir, &f->problem), -1);
	assert_non_null(strstr(f->problem.text, "not a regular file"));
}

static void
newest_key_is_active_even_if_the_clock_goes_back(void **state)
{
	struct fixture *f = *state;
	const struct key *key;

	key = keyring_add(&f->ring, NOW / 1000 - 5000);
	assert_ptr_equal(keyring_active(&f->ring), key);
	assert_int_equal(key->id, 2);
	assert_int_equal(keyring_remove(&f->ring, 2), 0);
	assert_int_equal(keyring_remove(&f->ring, 2), -1);
	assert_int_equal(keyring_active(&f->ring)->id, 1);
}

static void
ring_has_an_end(void **state)
{
	struct fixture *f = *state;

	while (f->ring.count < KEYRING_MAX)
		assert_non_null(keyring_add(&f->ring, 1));
	assert_null(keyring_add(&f->ring, 1));
	assert_int_equal(keyring_save(&f->ring, f->dir, &f->problem), 0);
	assert_int_equal(keyring_load(&f->ring, f->dir, &f->problem), 0);
	f->ring.keys[0].id = UINT16_MAX;
	keyring_remove(&f->ring, 5);
	assert_int_equal(keyring_add(&f->ring, 1)->id, 1);
}

/* A directory that cannot be written leaves the old file whole. */
static void
failed_save_changes_nothing(void **state)
{
	struct fixture *f = *state;
	struct keyring ring;
	char path[128];

	assert_int_equal(keyring_save(&f->ring, f->dir, &f->problem), 0);
	snprintf(path, sizeof(path), "%s/keys.tmp", f->dir);
	assert_int_equal(mkdir(path, 0700), 0);
	ring = f->ring;
	keyring_add(&ring, 1);
	assert_int_equal(keyring_save(&ring, f->dir, &f->problem), -1);
	rmdir(path);
	assert_int_equal(keyring_load(&ring, f->dir, &f->problem), 0);
	assert_int_equal(ring.count, 1);
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(reads_what_it_wrote),
	    TEST(reads_the_documented_form),
	    TEST(says_that_there_is_none),
	    TEST(refuses_garbage_with_its_line),
	    TEST(refuses_a_file_open_to_others),
	    TEST(refuses_another_owner_and_other_files),
	    TEST(newest_key_is_active_even_if_the_clock_goes_back),
	    TEST(ring_has_an_end),
	    TEST(failed_save_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
