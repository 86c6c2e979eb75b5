/* SPDX-License-Identifier: ISC */
/*
 * Settings travel whole, and nobody is told what it has no use for.
 * objects: lib/settings.o imsg/messages.o
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/settings.h"

static int
take(void *context, uint16_t number, struct bytes value)
{
	return settings_take(context, number, value);
}

static struct settings *
sample(void)
{
	struct settings *s = settings_new();

	assert_non_null(s);
	s->hostname = strdup("mx.a.example");
	s->users_file = strdup("/etc/users");
	s->store = strdup("/var/db");
	s->maildir = strdup("/var/vmail/%{user}");
	s->limit_sessions = 10000;
	s->temporary_lifetime = UINT64_MAX;
	assert_int_equal(text_list_add(&s->domains, "a.example", 9), 0);
	assert_int_equal(text_list_add(&s->domains, "b.example", 9), 0);
	return s;
}

static struct settings *
told(const struct settings *all, enum role role)
{
	struct settings *s = settings_new();

	assert_int_equal(settings_each(all, role, take, s), 0);
	return s;
}

static void
each_is_told_its_own(void **state)
{
	struct settings *all = sample(), *s;

	(void)state;
	s = told(all, ROLE_TOKEND);
	assert_string_equal(s->store, "/var/db");
	assert_null(s->users_file);
	assert_null(s->maildir);
	assert_true(s->limit_sessions == 10000);
	assert_true(s->temporary_lifetime == UINT64_MAX);
	assert_int_equal(s->domains.count, 2);
	assert_true(text_list_has(&s->domains, "b.example"));
	assert_false(text_list_has(&s->domains, "c.example"));
	settings_free(s);
	s = told(all, ROLE_AUTH);
	assert_string_equal(s->users_file, "/etc/users");
	assert_null(s->store);
	settings_free(s);
	s = told(all, ROLE_SIGN);
	assert_null(s->hostname);
	assert_null(s->store);
	assert_int_equal(s->domains.count, 0);
	settings_free(s);
	settings_free(all);
}

static void
nonsense_is_refused(void **state)
{
	struct settings *s = settings_new();

	(void)state;
	assert_int_equal(settings_take(s, 9999, bytes_text("x")), -1);
	assert_int_equal(settings_take(s, 1, bytes_of("a\0b", 3)), -1);
	assert_int_equal(settings_take(s, 19, bytes_text("short")), -1);
	settings_free(s);
	settings_free(NULL);
}

static void
no_number_is_used_twice(void **state)
{
	static const uint16_t numbers[] = {
#define NUMBER(number, name, who) number,
#define TEXT(number, name, who) number,
#define LIST(number, name, who) number,
#include "lib/settings.def"
#undef NUMBER
#undef TEXT
#undef LIST
	};
	size_t i, k;

	(void)state;
	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		for (k = 0; k < i; k++)
			assert_int_not_equal(numbers[i], numbers[k]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_is_told_its_own),
	    cmocka_unit_test(nonsense_is_refused),
	    cmocka_unit_test(no_number_is_used_twice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
