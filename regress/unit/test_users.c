/* SPDX-License-Identifier: ISC */
/*
 * objects: tokend/auth/users.o tokend/auth/rights.o tokend/auth/source.o tokend/auth/name_map.o tokend/auth/login.o tokend/auth/scheme.o tokend/auth/scram_key.o
 * libs: -lidn2 -lcrypto -lcrypt
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>

#include "imsg/verdicts.h"
#include "regress/unit/auth_file.h"
#include "tokend/auth/users.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* The password of RFC 7677 section 3, "pencil", and others of "secret". */
#define SCRAM                                           \
	"{SCRAM-SHA-256}4096,W22ZaJ0SNY7soEsUEjb6gQ==," \
	"WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=," \
	"wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
#define BLF                                        \
	"{BLF-CRYPT}$2b$04$abcdefghijklmnopqrstuu" \
	"2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"
#define SHA512                                       \
	"{SHA512-CRYPT}$6$rounds=1000$saltsalt$"     \
	"LAV5VE5Y7w1d73x1mFNspYWUpazfmwv2SoepNXNKJ/" \
	"otop/Zok96Hr8Q13LEv0DRY/x8v0/crpIjl8NJSAqXV/"

static void
reads_the_form_of_dovecot(void **state)
{
	static const char text[] =
	    "# users\n\nalice@a.example:" SCRAM "\n"
	    "Bob@A.Example:" BLF ":1000:1000::/home/bob::extra=1\r\n"
	    "carol:" SHA512 ":::::\n"
	    "dave@b.example:{crypt}$1$x$y";
	char *path = new_file(text);
	struct users *users = users_open(path, &one_domain, &report);
	const struct user *user;

	(void)state;
	assert_string_equal(faults, "");
	assert_non_null(users);
	assert_int_equal(users_count(users), 4);
	user = users_find(users, "alice@a.example");
	assert_string_equal(user->scheme->name, "SCRAM-SHA-256");
	assert_int_equal(user->line, 3);
	user = users_find(users, "bob@a.example");
	assert_string_equal(user->scheme->name, "BLF-CRYPT");
	assert_int_equal(user->secret_length, 60);
	assert_string_equal(
	    users_find(users, "carol@a.example")->name, "carol@a.example");
	assert_string_equal(
	    users_find(users, "dave@b.example")->secret, "$1$x$y");
	assert_null(users_find(users, "carol"));
	assert_null(users_find(users, "erin@a.example"));
	users_close(users);
	drop_file(path);
}

/* What stands where in a line; Dovecot's own fields pass. */
static void
reads_the_extra_fields(void **state)
{
	static const char text[] =
	    "alice:" BLF ":1000:1000::/home/alice::submit=no receive=no "
	    "messages_per_hour=20 recipients_per_hour=0\n"
	    "bob:" BLF "::::::userdb_mail=maildir:~/Maildir nopassword "
	    "messages_per_hour=7 allow_nets=::1,10.0.0.0/8 submit=yes\n"
	    "carol:" BLF ":::::submit=no:\n"
	    "dave:" BLF "::::::\terin= userdb_submit=no  receive=no \n"
	    "erin:" BLF "\n";
	char *path = new_file(text);
	struct users *users = users_open(path, &one_domain, &report);
	const struct user *user;

	(void)state;
	assert_string_equal(faults, "");
	assert_non_null(users);
	user = users_find(users, "alice@a.example");
	assert_true(user->rights.no_submit && user->rights.no_receive);
	assert_int_equal(user->rights.messages_per_hour, 20);
	assert_int_equal(user->rights.recipients_per_hour, 0);
	user = users_find(users, "bob@a.example");
	assert_false(user->rights.no_submit || user->rights.no_receive);
	assert_int_equal(user->rights.messages_per_hour, 7);
	assert_int_equal(user->rights.recipients_per_hour, LIMIT_SITE);
	user = users_find(users, "carol@a.example"); /* that is the shell */
	assert_false(user->rights.no_submit);
	user = users_find(users, "dave@a.example");
	assert_true(user->rights.no_receive && !user->rights.no_submit);
	user = users_find(users, "erin@a.example");
	assert_false(user->rights.no_submit || user->rights.no_receive);
	assert_int_equal(user->rights.messages_per_hour, LIMIT_SITE);
	users_close(users);
	drop_file(path);
}

static const struct {
	const char *line, *fault;
} bad[] = {
    {"a@a.example:" BLF "::::::submit=never\n",
	"1: bad extra field submit=never, expected yes or no\n"},
    {"a@a.example:" BLF "::::::receive messages_per_hour=-1\n",
	"1: bad extra field receive=, expected yes or no\n"
	"1: bad extra field messages_per_hour=-1, expected a number, or 0 for "
	"no limit\n"},
    {"alice@a.example\n", "1: no colon, expected NAME:{SCHEME}secret\n"},
    {"alice@a.example:secret\n",
	"1: no scheme before the secret, expected {SCRAM-SHA-256}, "
	"{BLF-CRYPT}, {SHA512-CRYPT} or {CRYPT}\n"},
    {"alice@a.example:{PLAIN}secret\n",
	"1: unknown scheme {PLAIN}, expected {SCRAM-SHA-256}, {BLF-CRYPT}, "
	"{SHA512-CRYPT} or {CRYPT}\n"},
    {"alice@@a.example:" SCRAM "\n",
	"1: bad name \"alice@@a.example\", expected an address like "
	"alice@a.example\n"},
    {"carol:" SCRAM "\n",
	"1: bad name \"carol\", expected an address like alice@a.example\n"},
    {"a@a.example:{CRYPT}\n",
	"1: bad secret for {CRYPT}, expected what crypt(3) makes, or * for no "
	"password\n"},
    {"a@a.example:{BLF-CRYPT}$2b$04$short\n",
	"1: bad secret for {BLF-CRYPT}, expected $2b$, two digits, $ and 53 "
	"characters\n"},
    {"a@a.example:{SHA512-CRYPT}$6$salt$short\n",
	"1: bad secret for {SHA512-CRYPT}, expected $6$, a salt, $ and 86 "
	"characters\n"},
    {"a@a.example:{SCRAM-SHA-256}4095,YWJj,a,b\n",
	"1: bad secret for {SCRAM-SHA-256}, expected at least 4096 iterations "
	"(RFC 7677) and at most 10000000\n"},
    {"a@a.example:" SCRAM "\nb@a.example:" SCRAM "\nA@a.example:" BLF "\n",
	"3: a@a.example is in line 1 already, expected each user once\n"},
    {"one\na@a.example:" SCRAM "\ntwo\n",
	"1: no colon, expected NAME:{SCHEME}secret\n"
	"3: no colon, expected NAME:{SCHEME}secret\n"},
};

static void
names_the_line_and_what_was_expected(void **state)
{
	char *path;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(bad); i++) {
		path = new_file(bad[i].line);
		assert_null(users_open(path, &two_domains, &report));
		assert_string_equal(faults, bad[i].fault);
		drop_file(path);
	}
	assert_null(users_open("/nonexistent/users", &one_domain, &report));
}

static void
takes_a_changed_file_and_keeps_the_old_for_a_broken_one(void **state)
{
	char *path = new_file("alice@a.example:" SCRAM "\n");
	struct users *users = users_open(path, &one_domain, &report);

	(void)state;
	replace_file(path, "bob@a.example:" SCRAM "\n");
	users_refresh(users, &report);
	assert_null(users_find(users, "alice@a.example"));
	assert_non_null(users_find(users, "bob@a.example"));

	replace_file(path, "nonsense\n");
	users_refresh(users, &report);
	assert_string_not_equal(faults, "");
	assert_non_null(users_find(users, "bob@a.example"));
	usleep(50000);
	users_refresh(users, &report);
	faults[0] = '\0';
	users_refresh(users, &report); /* said once */
	assert_string_equal(faults, "");

	assert_int_equal(unlink(path), 0);
	users_refresh(users, &report);
	assert_string_not_equal(faults, "");
	faults[0] = '\0';
	users_refresh(users, &report);
	assert_string_equal(faults, "");
	assert_non_null(users_find(users, "bob@a.example"));

	replace_file(path, "carol@a.example:" SCRAM "\n");
	users_refresh(users, &report);
	assert_non_null(users_find(users, "carol@a.example"));
	users_close(users);
	drop_file(path);
}

/* Within one tick of the clock, in place, and with the same size. */
static void
sees_a_change_that_the_time_does_not_show(void **state)
{
	char *path = new_file("alice@a.example:" SCRAM "\n");
	struct users *users = users_open(path, &one_domain, &report);
	int fd = open(path, O_WRONLY);

	(void)state;
	assert_int_equal(pwrite(fd, "carol", 5, 0), 5);
	assert_int_equal(close(fd), 0);
	users_refresh(users, &report);
	assert_non_null(users_find(users, "carol@a.example"));
	users_close(users);
	drop_file(path);
}

static void
finds_each_of_many(void **state)
{
	char *path = new_file("");
	FILE *file = fopen(path, "w");
	struct users *users;
	char name[64];
	int i;

	(void)state;
	for (i = 0; i < 5000; i++)
		fprintf(
		    file, "user%d@a.example:%s\n", i, i % 3 == 0 ? SCRAM : BLF);
	assert_int_equal(fclose(file), 0);
	users = users_open(path, &one_domain, &report);
	assert_int_equal(users_count(users), 5000);
	for (i = 0; i < 5000; i++) {
		(void)snprintf(name, sizeof(name), "user%d@a.example", i);
		assert_string_equal(users_find(users, name)->name, name);
	}
	assert_null(users_find(users, "user5000@a.example"));
	/* The usual user is one of the commonest kind. */
	assert_string_equal(
	    users_usual(users, false)->scheme->name, "BLF-CRYPT");
	assert_string_equal(
	    users_usual(users, true)->scheme->name, "SCRAM-SHA-256");
	users_close(users);
	drop_file(path);
}

static void
digests_the_secret(void **state)
{
	static const char text[] = "alice:" BLF "::::::submit=no\n"
				   "bob:" BLF "\n"
				   "carol:{CRYPT}$2b$04$abcdefghijklmnopqrstuu"
				   "2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW\n";
	char *path = new_file(text);
	struct users *users = users_open(path, &one_domain, &report);
	uint8_t a[USER_DIGEST_LENGTH], b[USER_DIGEST_LENGTH];

	(void)state;
	assert_non_null(users);
	users_digest(users_find(users, "alice@a.example"), a);
	users_digest(users_find(users, "bob@a.example"), b);
	assert_memory_equal(a, b, sizeof(a)); /* the salt keeps them apart */
	users_digest(users_find(users, "carol@a.example"), b);
	assert_memory_not_equal(a, b, sizeof(a));
	users_close(users);
	drop_file(path);
}

static void
has_no_usual_user_without_users(void **state)
{
	char *path = new_file("# nobody\n");
	struct users *users = users_open(path, &one_domain, &report);

	(void)state;
	assert_int_equal(users_count(users), 0);
	assert_null(users_usual(users, false));
	assert_null(users_usual(users, true));
	assert_null(users_find(users, "alice@a.example"));
	users_close(users);
	drop_file(path);
}

static void
refuses_octets_that_are_no_text(void **state)
{
	char *path = new_file("alice@a.example:" SCRAM "\n");
	int fd = open(path, O_WRONLY);

	(void)state;
	assert_int_equal(pwrite(fd, "", 1, 3), 1);
	assert_int_equal(close(fd), 0);
	assert_null(users_open(path, &one_domain, &report));
	assert_string_equal(faults, "1: a NUL, expected text\n");
	drop_file(path);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_the_form_of_dovecot),
	    cmocka_unit_test(reads_the_extra_fields),
	    cmocka_unit_test(names_the_line_and_what_was_expected),
	    cmocka_unit_test(
		takes_a_changed_file_and_keeps_the_old_for_a_broken_one),
	    cmocka_unit_test(sees_a_change_that_the_time_does_not_show),
	    cmocka_unit_test(finds_each_of_many),
	    cmocka_unit_test(digests_the_secret),
	    cmocka_unit_test(has_no_usual_user_without_users),
	    cmocka_unit_test(refuses_octets_that_are_no_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
