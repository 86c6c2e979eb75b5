/* SPDX-License-Identifier: ISC */
/*
 * objects: tokend/auth/scheme.o tokend/auth/scram_key.o
 * libs: -lcrypto -lcrypt
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "lib/base64.h"
#include "tokend/auth/scheme.h"
#include "tokend/auth/scram_key.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define SALT "W22ZaJ0SNY7soEsUEjb6gQ=="
#define STORED "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY="
#define SERVER "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
#define PENCIL "4096," SALT "," STORED "," SERVER

static const struct {
	const char *scheme, *text, *password;
	size_t cost;
} good[] = {
    {"SCRAM-SHA-256", PENCIL, "pencil", 5},
    {"BLF-CRYPT",
	"$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW",
	"secret", 7},
    {"SHA512-CRYPT",
	"$6$rounds=1000$saltsalt$LAV5VE5Y7w1d73x1mFNspYWUpazfmwv2SoepNXNKJ/"
	"otop/Zok96Hr8Q13LEv0DRY/x8v0/crpIjl8NJSAqXV/",
	"secret", 15},
    {"SHA512-CRYPT",
	"$6$saltsalt$TVLlQcbpFVof5W3Yz4DTP6gRstiNuHwwTt6GLc1E5n0U0aDehy0S5knV8"
	"wiOQSpT0Y77vwPZN.Pq.H91p5hVO1",
	"secret", 3},
    {"CRYPT", "$y$j75$saltsalt$0gBD67sgmJgRX3RZ6wHHO7sHimQEWGCWN85o4Twogh2",
	"secret", 7},
    {"CRYPT", "$1$saltsalt$9xy1btjgzLYfb7hivXtC//", "secret", 3},
};

static void
matches_the_password_and_no_other(void **state)
{
	const struct scheme *scheme;
	char wrong[64];
	size_t i, length;

	(void)state;
	for (i = 0; i < COUNT(good); i++) {
		length = strlen(good[i].text);
		scheme = scheme_find(good[i].scheme, strlen(good[i].scheme));
		assert_non_null(scheme);
		assert_ptr_equal(scheme_at(scheme_number(scheme)), scheme);
		assert_null(scheme->check(good[i].text, length));
		assert_int_equal(
		    scheme->cost(good[i].text, length), good[i].cost);
		assert_true(
		    scheme->matches(good[i].text, length, good[i].password));
		(void)snprintf(wrong, sizeof(wrong), "%sx", good[i].password);
		assert_false(scheme->matches(good[i].text, length, wrong));
		assert_false(scheme->matches(good[i].text, length, ""));
	}
	assert_null(scheme_at(scheme_count));
}

/* What crypt(3) cannot use never matches. */
static void
locked_accounts_never_match(void **state)
{
	static const char *const locked[] = {"*", "!", "*0", "*1", "x", "$2b$"};
	const struct scheme *scheme = scheme_find("CRYPT", 5);
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(locked); i++) {
		assert_null(scheme->check(locked[i], strlen(locked[i])));
		assert_false(
		    scheme->matches(locked[i], strlen(locked[i]), locked[i]));
	}
}

static void
scram_keys_are_strict(void **state)
{
	static const char *const bad[] = {"", "4096", "4096," SALT,
	    "4096," SALT "," STORED, "4096," SALT "," STORED ",", PENCIL ",",
	    PENCIL ",x", " " PENCIL, "+" PENCIL, "4096,," STORED "," SERVER,
	    "4096,!!!!," STORED "," SERVER, "4096," SALT "," SALT "," SERVER,
	    "4096," SALT "," STORED "," SALT, "0," SALT "," STORED "," SERVER,
	    "99999999," SALT "," STORED "," SERVER,
	    "429496729600," SALT "," STORED "," SERVER};
	struct scram_key key;
	char text[SCRAM_TEXT_SIZE];
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(bad); i++)
		assert_non_null(scram_key_parse(&key, bad[i], strlen(bad[i])));
	assert_null(scram_key_parse(&key, PENCIL, strlen(PENCIL)));
	assert_int_equal(key.iterations, 4096);
	assert_int_equal(key.salt_length, 16);
	assert_int_equal(scram_key_format(&key, text, sizeof(text)), 0);
	assert_string_equal(text, PENCIL);
	assert_int_equal(scram_key_format(&key, text, strlen(PENCIL)), -1);
	memset(key.stored_key, 0, sizeof(key.stored_key));
	memset(key.server_key, 0, sizeof(key.server_key));
	assert_int_equal(scram_key_make(&key, "pencil", 6), 0);
	assert_int_equal(scram_key_format(&key, text, sizeof(text)), 0);
	assert_string_equal(text, PENCIL);
}

static void
names_are_known_in_any_case(void **state)
{
	(void)state;
	assert_non_null(scheme_find("blf-crypt", 9));
	assert_null(scheme_find("BLF-CRYPT", 8));
	assert_null(scheme_find("PLAIN", 5));
	assert_null(scheme_find("", 0));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(matches_the_password_and_no_other),
	    cmocka_unit_test(locked_accounts_never_match),
	    cmocka_unit_test(scram_keys_are_strict),
	    cmocka_unit_test(names_are_known_in_any_case),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
