/* SPDX-License-Identifier: ISC */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "lib/mailbox.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define TEN "aaaaaaaaaa"
#define SIXTY TEN TEN TEN TEN TEN TEN
#define NAME_252 SIXTY SIXTY SIXTY SIXTY TEN "aa"

static const struct {
	const char *template, *mailbox, *root, *path;
} good[] = {
    {"/var/vmail/%{domain}/%{user}", "alice@a.example", "/var/vmail",
	"a.example/alice"},
    {"/var/vmail/%{domain}/%{user}/", "alice@a.example", "/var/vmail",
	"a.example/alice"},
    {"/home/%{user}/Maildir", "alice@a.example", "/home", "alice/Maildir"},
    {"/home/%{user}/Maildir", "alice", "/home", "alice/Maildir"},
    {"/srv/mail/%{user}@%{domain}", "a+b@xn--bcher-kva.example", "/srv/mail",
	"a+b@xn--bcher-kva.example"},
    {"/m/box-%{user}-%{user}", "x@y", "/m", "box-x-x"},
    {"/m/%{user}/.Mail", "b.o.b@y", "/m", "b.o.b/.Mail"},
    /* What looks like a field inside a name stays what it is. */
    {"/m/%{user}", "%{domain}@y", "/m", "%{domain}"},
    {"/m/%{user}",
	"b\xc3\xbc"
	"cher@y",
	"/m",
	"b\xc3\xbc"
	"cher"},
    {"/m/%{user}", SIXTY "aaaa@y", "/m", SIXTY "aaaa"},
};

static void
expands(void **state)
{
	struct mailbox_template template;
	struct mailbox_path path;
	char joined[2048];
	const char *problem;

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		problem = mailbox_template_parse(&template, good[i].template);
		if (problem != NULL)
			fail_msg("%s: %s", good[i].template, problem);
		assert_string_equal(template.root, good[i].root);
		assert_int_equal(mailbox_expand(&path, &template,
				     good[i].mailbox, strlen(good[i].mailbox)),
		    0);
		joined[0] = '\0';
		for (size_t j = 0; j < path.count; j++) {
			if (j > 0)
				strcat(joined, "/");
			strcat(joined, path.component[j]);
		}
		assert_string_equal(joined, good[i].path);
	}
}

static const char *const bad_templates[] = {
    "",
    "var/vmail/%{user}",
    "/",
    "/var/vmail",
    "/var/vmail/%{domain}",
    "/%{user}",
    "/%{domain}/%{user}",
    "/var//%{user}",
    "/var/../%{user}",
    "/var/./%{user}",
    "/var/%{user}/..",
    "/var/%{user}//",
    "/var/%{home}/%{user}",
    "/var/%{user}/%",
    "/var/%{user}/%%",
    "/var/%{user}/%{user",
    "/var/%u",
    "/var/%{user}/1/2/3/4/5/6/7/8",
    "/var/%{user}/" NAME_252 "aaaa",
};

static void
refuses_templates(void **state)
{
	struct mailbox_template template;

	(void)state;
	for (size_t i = 0; i < COUNT(bad_templates); i++) {
		if (mailbox_template_parse(&template, bad_templates[i]) == NULL)
			fail_msg("taken: %s", bad_templates[i]);
	}
}

/* T27: nothing that a file system could take for something else. */
static const struct {
	const char *mailbox;
	size_t length;
} bad_names[] = {
#define NAME(s)                  \
	{                        \
		s, sizeof(s) - 1 \
	}
    NAME(""),
    NAME("@a.example"),
    NAME("alice@"),
    NAME("alice"),
    NAME("../x@a.example"),
    NAME("..@a.example"),
    NAME(".@a.example"),
    NAME(".hidden@a.example"),
    NAME("a/b@a.example"),
    NAME("/@a.example"),
    NAME("a\\b@a.example"),
    NAME("a b@a.example"),
    NAME("\"a\"@a.example"),
    NAME("a:2,S@a.example"),
    NAME("a,b@a.example"),
    NAME("a\0b@a.example"),
    NAME("a@a.example\0"),
    NAME("a\n@a.example"),
    NAME("a\r@a.example"),
    NAME("a\x7f@a.example"),
    NAME("a\x1b[2J@a.example"),
    NAME("a@b@a.example"),
    NAME("alice@.."),
    NAME("alice@."),
    NAME("alice@.example"),
    NAME("alice@a..example"),
    NAME("alice@a.example."),
    NAME("alice@A.example"),
    NAME("alice@a/example"),
    NAME("alice@[192.0.2.1]"),
    NAME("alice@b\xc3\xbc.example"),
    NAME("alice@a_b.example"),
    /* Not UTF-8: cut short, too long a form, surrogate, C1 control. */
    NAME("a\xff@a.example"),
    NAME("a\xc3@a.example"),
    NAME("a\xc0\xaf@a.example"),
    NAME("a\xe0\x80\xaf@a.example"),
    NAME("a\xed\xa0\x80@a.example"),
    NAME("a\xf4\x90\x80\x80@a.example"),
    NAME("a\xc2\x85@a.example"),
    NAME("a\xe2\x82"),
    NAME(SIXTY "aaaaa@a.example"),
    NAME("a@" SIXTY SIXTY SIXTY SIXTY TEN "aaaa"),
#undef NAME
};

static void
refuses_names(void **state)
{
	struct mailbox_template template;
	struct mailbox_path path;

	(void)state;
	assert_null(
	    mailbox_template_parse(&template, "/var/vmail/%{domain}/%{user}"));
	for (size_t i = 0; i < COUNT(bad_names); i++) {
		if (mailbox_expand(&path, &template, bad_names[i].mailbox,
			bad_names[i].length) == 0)
			fail_msg("taken: %s", bad_names[i].mailbox);
	}
}

static void
refuses_what_grows_too_long(void **state)
{
	struct mailbox_template template;
	struct mailbox_path path;
	char text[512];

	(void)state;
	snprintf(text, sizeof(text), "/m/%s%%{user}", SIXTY SIXTY SIXTY TEN);
	assert_null(mailbox_template_parse(&template, text));
	assert_int_equal(
	    mailbox_expand(&path, &template, SIXTY "aaaa@x", 66), 0);
	snprintf(text, sizeof(text), "/m/%sbb%%{user}", SIXTY SIXTY SIXTY TEN);
	assert_null(mailbox_template_parse(&template, text));
	assert_int_equal(
	    mailbox_expand(&path, &template, SIXTY "aaaa@x", 66), -1);
	/* Ten octets fewer fit. */
	assert_int_equal(mailbox_expand(&path, &template, "aaaa@x", 6), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(expands),
	    cmocka_unit_test(refuses_templates),
	    cmocka_unit_test(refuses_names),
	    cmocka_unit_test(refuses_what_grows_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
