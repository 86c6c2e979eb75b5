/* SPDX-License-Identifier: ISC */
/*
 * objects: tokend/auth/aliases.o tokend/auth/route.o tokend/auth/users.o tokend/auth/rights.o tokend/auth/source.o tokend/auth/name_map.o tokend/auth/login.o tokend/auth/scheme.o tokend/auth/scram_key.o
 * libs: -lidn2 -lcrypto -lcrypt
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>

#include "regress/unit/auth_file.h"
#include "tokend/auth/aliases.h"
#include "tokend/auth/route.h"
#include "tokend/auth/site.h"
#include "tokend/auth/users.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const char users_text[] = "alice@a.example:{CRYPT}*\n"
				 "bob@a.example:{CRYPT}*\n"
				 "bob+work@a.example:{CRYPT}*\n"
				 "carol@b.example:{CRYPT}*\n"
				 "dora@a.example:{CRYPT}*::::::receive=no\n";

static const char aliases_text[] =
    "# who gets what\n"
    "\n"
    "sales@a.example: alice@a.example, bob@a.example\n"
    "Info@A.example :alice@a.example\n"
    "all@a.example: sales@a.example,carol@b.example ,info@a.example\r\n"
    "alice+list@a.example: carol@b.example\n"
    "carol@b.example: carol@b.example, alice@a.example\n"
    "away@a.example: carol@elsewhere.example\n"
    "both@a.example: alice@a.example, x@elsewhere.example\n"
    "gone@a.example: alice@a.example, nobody@a.example\n"
    "boss@a.example: info@a.example\n"
    "detail@a.example: alice+x@a.example\n"
    "\"quoted,comma:colon\"@a.example: bob@a.example\n"
    "loop@a.example: loop+x@a.example\n"
    "self@a.example: self@a.example\n"
    "post@a.example: dora@a.example\n"
    "pair@a.example: dora@a.example, alice@a.example\n";

static struct site
open_site(char **users_path, char **aliases_path, const char *text)
{
	struct site site = {.domains = &two_domains};

	*users_path = new_file(users_text);
	*aliases_path = new_file(text);
	site.users = users_open(*users_path, site.domains, &report);
	site.aliases = aliases_open(*aliases_path, site.domains, &report);
	return site;
}

static void
close_site(struct site *site, char *users_path, char *aliases_path)
{
	users_close(site->users);
	aliases_close(site->aliases);
	drop_file(users_path);
	drop_file(aliases_path);
}

/* The users of a site, who are known at once. */
static enum found
find_now(void *context, const char *address, struct user_facts *facts)
{
	const struct site *site = context;
	const struct user *user = users_find(site->users, address);

	facts_init(facts);
	if (user == NULL)
		return FOUND_NO;
	facts->rights = user->rights;
	return FOUND_YES;
}

static int
resolve(struct site *site, const char *address, struct targets *targets)
{
	const struct finder finder = {find_now, site};

	return route_resolve(site, &finder, address, targets);
}

/* Or only when they were asked for before. */
static struct {
	const struct site *site;
	char known[4096], asked[4096]; /* each with a blank behind it */
} slow;

static const struct site *
next_round(void)
{
	memcpy(slow.known, slow.asked, sizeof(slow.known));
	return slow.site;
}

static enum found
find_slowly(void *context, const char *address, struct user_facts *facts)
{
	char word[ADDRESS_SIZE + 1];

	(void)context;
	(void)snprintf(word, sizeof(word), "%s ", address);
	if (strstr(slow.known, word) != NULL)
		return find_now((void *)(uintptr_t)slow.site, address, facts);
	(void)strlcat(slow.asked, word, sizeof(slow.asked));
	return FOUND_LATER;
}

static enum found
find_nobody_now(void *context, const char *address, struct user_facts *facts)
{
	(void)context;
	(void)address;
	(void)facts;
	return FOUND_TEMPORARY;
}

static const struct {
	const char *address;
	enum address_lookup lookup;
	const char *targets; /* joined by spaces */
} routes[] = {
    {"alice@a.example", LOOKUP_MAILBOXES, "alice@a.example"},
    {"alice+x@a.example", LOOKUP_MAILBOXES, "alice@a.example"},
    {"alice+x+y@a.example", LOOKUP_MAILBOXES, "alice@a.example"},
    {"sales@a.example", LOOKUP_MAILBOXES, "alice@a.example bob@a.example"},
    {"sales+x@a.example", LOOKUP_MAILBOXES, "alice@a.example bob@a.example"},
    {"info@a.example", LOOKUP_MAILBOXES, "alice@a.example"},
    /* Each mailbox once. */
    {"all@a.example", LOOKUP_MAILBOXES,
	"alice@a.example bob@a.example carol@b.example"},
    /* An alias or a user with the + wins over the base address. */
    {"alice+list@a.example", LOOKUP_MAILBOXES,
	"carol@b.example alice@a.example"},
    {"bob+work@a.example", LOOKUP_MAILBOXES, "bob+work@a.example"},
    {"bob+work+x@a.example", LOOKUP_MAILBOXES, "bob@a.example"},
    /* An alias that names itself means its own mailbox. */
    {"carol@b.example", LOOKUP_MAILBOXES, "carol@b.example alice@a.example"},
    {"detail@a.example", LOOKUP_MAILBOXES, "alice@a.example"},
    {"\"quoted,comma:colon\"@a.example", LOOKUP_MAILBOXES, "bob@a.example"},
    /* Outside. */
    {"away@a.example", LOOKUP_OUTSIDE, "carol@elsewhere.example"},
    {"both@a.example", LOOKUP_OUTSIDE, "alice@a.example x@elsewhere.example"},
    {"x@elsewhere.example", LOOKUP_OUTSIDE, "x@elsewhere.example"},
    {"alice@sub.a.example", LOOKUP_OUTSIDE, "alice@sub.a.example"},
    /* receive=no. */
    {"dora@a.example", LOOKUP_DISABLED, "dora@a.example"},
    {"dora+x@a.example", LOOKUP_DISABLED, "dora@a.example"},
    {"pair@a.example", LOOKUP_DISABLED, "dora@a.example alice@a.example"},
    /* All or nothing. */
    {"gone@a.example", LOOKUP_UNKNOWN, ""},
    {"nobody@a.example", LOOKUP_UNKNOWN, ""},
    {"nobody+x@a.example", LOOKUP_UNKNOWN, ""},
    {"alice@b.example", LOOKUP_UNKNOWN, ""},
    {"self@a.example", LOOKUP_UNKNOWN, ""},
    /* A circle that shows only through the base address. */
    {"loop@a.example", LOOKUP_TEMPORARY, ""},
};

static void
finds_where_mail_goes(void **state)
{
	char *users_path, *aliases_path, joined[4096];
	struct targets targets;
	struct site site;
	size_t i, k;

	(void)state;
	site = open_site(&users_path, &aliases_path, aliases_text);
	assert_string_equal(faults, "");
	for (i = 0; i < COUNT(routes); i++) {
		assert_int_equal(resolve(&site, routes[i].address, &targets),
		    routes[i].lookup);
		joined[0] = '\0';
		for (k = 0; k < targets.count; k++) {
			if (k > 0)
				(void)strlcat(joined, " ", sizeof(joined));
			(void)strlcat(
			    joined, targets.addresses[k], sizeof(joined));
		}
		assert_string_equal(joined, routes[i].targets);
	}
	close_site(&site, users_path, aliases_path);
}

static const struct {
	const char *login, *address;
	bool own;
} owners[] = {
    {"alice@a.example", "alice@a.example", true},
    {"alice@a.example", "alice+x@a.example", true},
    {"alice@a.example", "info@a.example", true},
    {"alice@a.example", "info+x@a.example", true},
    {"alice@a.example", "boss@a.example", true},
    {"alice@a.example", "detail@a.example", true},
    {"alice@a.example", "sales@a.example", false}, /* bob's, too */
    {"alice@a.example", "both@a.example", false},
    {"alice@a.example", "alice+list@a.example", false}, /* carol's */
    {"alice@a.example", "bob@a.example", false},
    {"alice@a.example", "gone@a.example", false},
    {"alice@a.example", "nobody@a.example", false},
    {"alice@a.example", "alice@elsewhere.example", false},
    {"bob@a.example", "bob+work@a.example", false}, /* another user */
    {"bob@a.example", "bob+home@a.example", true},
    {"carol@b.example", "carol@b.example", true}, /* though it is shared */
    {"carol@b.example", "carol+x@b.example", true},
    {"carol@b.example", "carol@elsewhere.example", false},
    {"dora@a.example", "post@a.example", true},
};

static void
knows_what_is_ones_own(void **state)
{
	char *users_path, *aliases_path;
	struct finder finder = {find_now, NULL};
	struct site site;
	size_t i;

	(void)state;
	finder.context = &site;
	site = open_site(&users_path, &aliases_path, aliases_text);
	for (i = 0; i < COUNT(owners); i++)
		assert_int_equal(route_own(&site, &finder, owners[i].login,
				     owners[i].address),
		    owners[i].own ? OWNER_YES : OWNER_NO);
	close_site(&site, users_path, aliases_path);
}

/* What has to be asked for comes to the same in the end. */
static void
waits_for_a_slow_back_end(void **state)
{
	static const struct finder slowly = {find_slowly, NULL},
				   nobody = {find_nobody_now, NULL};
	char *users_path, *aliases_path;
	struct targets targets;
	struct site site;
	int lookup, own;
	size_t i;

	(void)state;
	site = open_site(&users_path, &aliases_path, aliases_text);
	slow.site = &site;
	for (i = 0; i < COUNT(routes); i++) {
		slow.asked[0] = '\0';
		while ((lookup = route_resolve(next_round(), &slowly,
			    routes[i].address, &targets)) == LOOKUP_LATER)
			assert_int_equal(targets.count, 0);
		assert_int_equal(lookup, routes[i].lookup);
	}
	for (i = 0; i < COUNT(owners); i++) {
		slow.asked[0] = '\0';
		do {
			own = route_own(next_round(), &slowly, owners[i].login,
			    owners[i].address);
		} while (own == OWNER_LATER);
		assert_int_equal(own, owners[i].own ? OWNER_YES : OWNER_NO);
	}
	/* All targets are asked for at once. */
	slow.asked[0] = '\0';
	assert_int_equal(
	    route_resolve(next_round(), &slowly, "sales@a.example", &targets),
	    LOOKUP_LATER);
	assert_string_equal(slow.asked, "alice@a.example bob@a.example ");

	assert_int_equal(
	    route_resolve(&site, &nobody, "alice@a.example", &targets),
	    LOOKUP_TEMPORARY);
	assert_false(targets.too_deep);
	assert_int_equal(
	    route_own(&site, &nobody, "alice@a.example", "alice+x@a.example"),
	    OWNER_TEMPORARY);
	assert_int_equal(
	    route_own(&site, &nobody, "alice@a.example", "info@a.example"),
	    OWNER_TEMPORARY);
	assert_int_equal(
	    route_own(&site, &nobody, "alice@a.example", "loop@a.example"),
	    OWNER_TEMPORARY);
	close_site(&site, users_path, aliases_path);
}

static const struct {
	const char *text, *fault;
} bad[] = {
    {"sales@a.example alice@a.example\n",
	"1: no colon, expected NAME: TARGET, TARGET\n"},
    {"sales@c.example: alice@a.example\n",
	"1: bad name \"sales@c.example\", expected an address in one of the "
	"site's domains\n"},
    {"sales: alice@a.example\n",
	"1: bad name \"sales\", expected an address in one of the site's "
	"domains\n"},
    {"sales@a.example:\n",
	"1: bad target \"\", expected an address like alice@a.example\n"},
    {"sales@a.example: alice@a.example,\n",
	"1: bad target \"\", expected an address like alice@a.example\n"},
    {"sales@a.example: |/bin/sh\n",
	"1: bad target \"|/bin/sh\", expected an address like "
	"alice@a.example\n"},
    {"x@a.example: alice@a.example\nX@A.example: bob@a.example\n",
	"2: x@a.example is in line 1 already, expected each alias once\n"},
    {"x@a.example: y@a.example\ny@a.example: z@a.example\n"
     "z@a.example: x@a.example\n",
	"1: x@a.example leads to a circle of aliases, expected at most 16 "
	"behind one another\n"
	"2: y@a.example leads to a circle of aliases, expected at most 16 "
	"behind one another\n"
	"3: z@a.example leads to a circle of aliases, expected at most 16 "
	"behind one another\n"},
};

static void
names_the_line_and_what_was_expected(void **state)
{
	char *path;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(bad); i++) {
		path = new_file(bad[i].text);
		assert_null(aliases_open(path, &two_domains, &report));
		assert_string_equal(faults, bad[i].fault);
		drop_file(path);
	}
}

/* A chain of n aliases that ends at alice. */
static int
chain(int n)
{
	char text[4096], *users_path, *aliases_path;
	struct targets targets;
	struct site site;
	size_t have;
	int i, result;

	text[0] = '\0';
	for (i = 1; i <= n; i++) {
		have = strlen(text);
		(void)snprintf(text + have, sizeof(text) - have,
		    i == n ? "c%d@a.example: alice@a.example\n"
			   : "c%d@a.example: c%d@a.example\n",
		    i, i + 1);
	}
	site = open_site(&users_path, &aliases_path, text);
	if (site.aliases == NULL)
		result = -1;
	else
		result = (int)resolve(&site, "c1@a.example", &targets);
	close_site(&site, users_path, aliases_path);
	return result;
}

static void
bounds_what_a_question_costs(void **state)
{
	char text[8192], *users_path, *aliases_path;
	struct targets targets;
	struct site site;
	size_t have;
	int level, i;

	(void)state;
	assert_int_equal(chain(ALIAS_DEPTH_MAX), LOOKUP_MAILBOXES);
	assert_int_equal(chain(ALIAS_DEPTH_MAX + 1), -1);

	/* Ten levels, each of which names the next one ten times. */
	text[0] = '\0';
	for (level = 0; level < 10; level++) {
		have = strlen(text);
		(void)snprintf(
		    text + have, sizeof(text) - have, "w%d@a.example:", level);
		for (i = 0; i < 10; i++) {
			have = strlen(text);
			(void)snprintf(text + have, sizeof(text) - have,
			    "%s w%d@a.example", i > 0 ? "," : "", level + 1);
		}
		(void)strlcat(text, "\n", sizeof(text));
	}
	(void)strlcat(text, "w10@a.example: alice@a.example\n", sizeof(text));
	site = open_site(&users_path, &aliases_path, text);
	assert_string_equal(faults, "");
	assert_int_equal(
	    resolve(&site, "w0@a.example", &targets), LOOKUP_TEMPORARY);
	assert_int_equal(
	    resolve(&site, "w9@a.example", &targets), LOOKUP_MAILBOXES);
	close_site(&site, users_path, aliases_path);
}

static void
reloads_and_keeps_the_old_for_a_broken_one(void **state)
{
	char *users_path, *aliases_path;
	struct targets targets;
	struct site site;

	(void)state;
	site =
	    open_site(&users_path, &aliases_path, "x@a.example: bob@a.example");
	assert_int_equal(
	    resolve(&site, "x@a.example", &targets), LOOKUP_MAILBOXES);
	replace_file(aliases_path, "y@a.example: bob@a.example\n");
	aliases_refresh(site.aliases, &report);
	assert_int_equal(
	    resolve(&site, "x@a.example", &targets), LOOKUP_UNKNOWN);
	replace_file(aliases_path, "nonsense\n");
	aliases_refresh(site.aliases, &report);
	assert_string_equal(
	    faults, "1: no colon, expected NAME: TARGET, TARGET\n");
	assert_int_equal(
	    resolve(&site, "y@a.example", &targets), LOOKUP_MAILBOXES);
	close_site(&site, users_path, aliases_path);
}

static void
works_without_a_file(void **state)
{
	struct aliases *aliases = aliases_open(NULL, &one_domain, &report);

	(void)state;
	aliases_refresh(aliases, &report);
	assert_null(aliases_targets(aliases, "x@a.example"));
	aliases_close(aliases);
}

/* What etc/ has for users to copy works as it stands. */
static void
the_samples_are_good(void **state)
{
	struct site site = {.domains = &one_domain};
	struct targets targets;
	const struct user *alice;

	(void)state;
	faults[0] = '\0';
	site.users = users_open("etc/users", site.domains, &report);
	site.aliases = aliases_open("etc/aliases", site.domains, &report);
	assert_string_equal(faults, "");
	assert_int_equal(
	    resolve(&site, "hostmaster@a.example", &targets), LOOKUP_MAILBOXES);
	assert_int_equal(targets.count, 2);
	alice = users_find(site.users, "alice@a.example");
	/* Nobody gets in with a password that is in the sample. */
	assert_string_equal(alice->secret, "*");
	users_close(site.users);
	aliases_close(site.aliases);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(finds_where_mail_goes),
	    cmocka_unit_test(knows_what_is_ones_own),
	    cmocka_unit_test(waits_for_a_slow_back_end),
	    cmocka_unit_test(names_the_line_and_what_was_expected),
	    cmocka_unit_test(bounds_what_a_question_costs),
	    cmocka_unit_test(reloads_and_keeps_the_old_for_a_broken_one),
	    cmocka_unit_test(works_without_a_file),
	    cmocka_unit_test(the_samples_are_good),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
