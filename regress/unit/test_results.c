/* SPDX-License-Identifier: ISC */
/*
 * Whose word an Authentication-Results field is, and for whom (RFC 8601).
 * objects: smtpd-stoken/engine/smtp/field.o smtpd-stoken/engine/smtp/results.o
 * libs: -lidn2
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>

#include "smtpd-stoken/engine/smtp/results.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define AUTHSERV "mx.a.example"
#define FROM "al@news.b.example"
#define TEN "abcdefghij"
#define HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN

/* As servers write them, and as RFC 8601 appendix B does. */
static const char *const good[] = {
    " mx.a.example; dmarc=pass",
    "mx.a.example;dmarc=pass;",
    " MX.A.EXAMPLE ; DMARC = PASS ; ",
    " mx.a.example 1; dmarc=pass header.from=news.b.example",
    " mx.a.example;\n\tdmarc=pass (p=none dis=none) header.from=news.b.example",
    " \"mx.a.example\"; dmarc/1=pass header.from=\"NEWS.b.example\"",
    " (c (d) \\( ;) mx.a.example (x) 1 (y); (z) dmarc (a) / (b) 1 (c) = (d) "
    "pass (e) header (f) . (g) from (h) = (i) news.b.example (j)",
    " mx.a.example; dmarc=pass reason=\"a; b=c (\" header.from=news.b.example",
    " mx.a.example; dmarc=pass reason=good policy.x=y",
    " mx.a.example; dkim=pass header.d=b.example",
    " mx.a.example; dkim=pass header.d=news.b.example",
    " mx.a.example; dkim=pass header.d=B.Example.",
    " mx.a.example; dkim=pass header.i=@b.example",
    " mx.a.example; dkim=pass header.i=x@news.b.example",
    " mx.a.example; dkim=pass header.i=\"a b\"@news.b.example",
    " mx.a.example; dkim=pass (2048-bit key; unprotected) header.d=b.example"
    " header.i=@elsewhere.example header.a=rsa-sha256 header.s=s1"
    " header.b=\"a/b+c==\"",
    " mx.a.example;\n\tdkim=pass header.d=b.example header.s=x"
    " header.b=a/b+c==;\n\tarc=none;\n\tdmarc=none;\n\tspf=softfail (mx: 1.2.3.4"
    " is neither permitted nor denied by domain of x@y.example)"
    " smtp.mailfrom=x@y.example",
    " mx.a.example; dkim=fail header.d=b.example; dkim=pass header.d=b.example",
    " mx.a.example; iprev=pass (mail.b.example) smtp.remote-ip=2001:db8::1;"
    " auth=none; dkim=pass header.d=b.example",
    " mx.a.example; dkim=temperror header.d=c.example; dmarc=pass",
    " mx.a.example; spf=fail smtp.mailfrom=\xc3\xbc@b.example; dmarc=pass",
};

/* For the same From; and whatever is odd. */
static const char *const bad[] = {
    "",
    " ",
    ";",
    " mx.a.example",
    " mx.a.example;",
    " mx.a.example; none",
    " mx.a.example 1; none",
    " mx.a.example; none; dmarc=pass",
    " mx.a.example; ; dmarc=pass",
    " mx.a.example dmarc=pass",
    " mx.a.examples; dmarc=pass",
    " xmx.a.example; dmarc=pass",
    " a.example; dmarc=pass",
    " mx.b.example; dmarc=pass",
    " mx.b.example mx.a.example; dmarc=pass",
    " \"mx.a.example; dmarc=pass",
    " \"mx.a.example\"x; dmarc=pass",
    " mx.a.example\"x\"; dmarc=pass",
    " mx.a.example 2; dmarc=pass",
    " mx.a.example 10; dmarc=pass",
    " mx.a.example 01; dmarc=pass",
    " mx.a.example 1 1; dmarc=pass",
    " mx.a.example/1; dmarc=pass",
    " mx.a.example; dmarc=fail",
    " mx.a.example; dmarc=passed",
    " mx.a.example; dmarc=pass,fail",
    " mx.a.example; dmarc=\"pass\"",
    " mx.a.example; dmarc=",
    " mx.a.example; dmarc",
    " mx.a.example; dmarc pass",
    " mx.a.example; =pass",
    " mx.a.example; dmarc/2=pass",
    " mx.a.example; dmarc/=pass",
    " mx.a.example; xdmarc=pass",
    " mx.a.example; dmarc=pass; dmarc=pass",
    " mx.a.example; dmarc=fail; dmarc=pass",
    " mx.a.example; dmarc=fail; dkim=pass header.d=b.example",
    " mx.a.example; dmarc=pass; spf",
    " mx.a.example; dmarc=pass (",
    " mx.a.example; dmarc=pass (a(b)",
    " mx.a.example; dmarc=pass )",
    " mx.a.example; dmarc=pass (\\",
    " mx.a.example; dmarc=pass (a)) header.from=news.b.example",
    " mx.a.example; (dmarc=pass)",
    " mx.a.example; spf=none (x) (; dmarc=pass",
    " mx.a.example; spf=none (; dmarc=pass)",
    " mx.a.example; spf=none reason=\"; dmarc=pass\"",
    " mx.a.example; spf=none reason=\"; dmarc=pass",
    " mx.a.example; spf=none reason=\"\\\"; dmarc=pass",
    " mx.a.example; spf=pass smtp.mailfrom=\"; dmarc=pass x.y=\"@c.example",
    " mx.a.example; dmarc=pass header.from=b.example",
    " mx.a.example; dmarc=pass header.from=c.example",
    " mx.a.example; dmarc=pass header.from=al@news.b.example",
    " mx.a.example; dmarc=pass header.from=",
    " mx.a.example; dmarc=pass header.from=\"\"",
    " mx.a.example; dmarc=pass header.from=news.b.example"
    " header.from=c.example",
    " mx.a.example; dmarc=pass header.from=news.b.example/x",
    " mx.a.example; dmarc=pass header.from=\"news.b.example\\",
    " mx.a.example; dmarc=pass header. from",
    " mx.a.example; dmarc=pass header=news.b.example",
    " mx.a.example; dmarc=pass reason",
    " mx.a.example; dmarc=pass reason=",
    " mx.a.example; dmarc=pass (x)(y)reason",
    " mx.a.example; dmarc=pass x.y=z\"",
    " mx.a.example; dmarc=pass x.y=z x",
    " mx.a.example; dmarc=pass\x01",
    " mx.a.example; dmarc=pass (\x01)",
    " mx.a.example; dmarc=pass (\x7f)",
    " mx.a.example; dmarc=pass \r\n",
    " mx.a.example; dmarc=pass, spf=pass",
    " mx.a.example; dmarc=pass <x>",
    " mx.a.example; d\xc3\xbcmarc=pass",
    " mx.a.example; " HUNDRED "=pass; dmarc=pass",
    " mx.a.example; dkim=pass",
    " mx.a.example; dkim=pass header.d=",
    " mx.a.example; dkim=pass header.d=example",
    " mx.a.example; dkim=pass header.d=.",
    " mx.a.example; dkim=pass header.d=.b.example",
    " mx.a.example; dkim=pass header.d=ews.b.example",
    " mx.a.example; dkim=pass header.d=xnews.b.example",
    " mx.a.example; dkim=pass header.d=x.news.b.example",
    " mx.a.example; dkim=pass header.d=other.b.example",
    " mx.a.example; dkim=pass header.d=@b.example",
    " mx.a.example; dkim=pass header.d=c.example header.i=@b.example",
    " mx.a.example; dkim=pass header.i=b.example",
    " mx.a.example; dkim=pass header.i=x@",
    " mx.a.example; dkim=pass header.i=@b.example@c.example",
    " mx.a.example; dkim=pass header.i=@c.example header.i=@b.example",
    " mx.a.example; dkim=pass header.d=c.example header.d=b.example",
    " mx.a.example; dkim=pass smtp.d=b.example",
    " mx.a.example; dkim=pass reason=\"header.d=b.example\"",
    " mx.a.example; dkim=pass (header.d=b.example)",
    " mx.a.example; dkim=fail header.d=b.example",
    " mx.a.example; dkim=neutral header.d=b.example",
    " mx.a.example; spf=pass header.d=b.example",
    " mx.a.example; dkim-atps=pass header.d=b.example",
    " mx.a.example; dkim=pass; spf=fail header.d=b.example",
    " mx.a.example; dkim=pass header.d=" HUNDRED HUNDRED HUNDRED ".b.example",
    " mx.a.example; dkim=pass header.d=b.example; x",
    " mx.a.example; dkim=pass header.d=b.example.,",
};

static int
vouch_octets(const char *value, size_t length, const char *from)
{
	struct results_field field = {value, length};
	struct results one = {&field, 1, 0};

	return results_vouch(&one, AUTHSERV, from);
}

static int
vouch(const char *value, const char *from)
{
	/* Counted octets: what is behind them is not looked at. */
	size_t length = strlen(value);
	char *copy = malloc(length + 1);
	int result;

	assert_non_null(copy);
	memcpy(copy, value, length);
	copy[length] = ';';
	result = vouch_octets(copy, length, from);
	free(copy);
	return result;
}

static void
vouches(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(good); i++) {
		if (!vouch(good[i], FROM))
			print_error("%s\n", good[i]);
		assert_true(vouch(good[i], FROM));
		if (strcasestr(good[i], "dmarc") != NULL)
			continue; /* perhaps for anybody */
		assert_false(vouch(good[i], "al@c.example"));
		assert_false(vouch(good[i], "al@example"));
	}
}

/* dmarc without header.from speaks of whatever From says. */
static void
is_about_one_domain(void **state)
{
	(void)state;
	assert_false(vouch(
	    " mx.a.example; dkim=pass header.d=b.example", "al@ab.example"));
	assert_false(vouch(" mx.a.example; dkim=pass header.d=news.b.example",
	    "al@b.example"));
	assert_true(
	    vouch(" mx.a.example; dkim=pass header.d=xn--bcher-kva.example",
		"al@b\xc3\xbc"
		"cher.example"));
	assert_true(vouch(" mx.a.example; dkim=pass header.d=b\xc3\xbc"
			  "cher.example",
	    "al@xn--bcher-kva.example"));
	assert_true(vouch(" mx.a.example; dkim=pass header.d=b.example",
	    "\"@c.example\"@b.example"));
	assert_false(vouch(" mx.a.example; dkim=pass header.d=c.example",
	    "\"@c.example\"@b.example"));
	assert_true(vouch(" mx.a.example; dmarc=pass", "al@c.example"));
	assert_false(vouch(
	    " mx.a.example; dmarc=pass header.from=b.example", "al@c.example"));
	assert_false(vouch(" mx.a.example; dmarc=pass", "al"));
	assert_false(vouch(" mx.a.example; dmarc=pass", ""));
	assert_false(vouch(" mx.a.example; dmarc=pass", "al@"));
	assert_false(vouch(" mx.a.example; dmarc=pass", "al@[192.0.2.1]"));
}

static void
odd_ones_do_not(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(bad); i++) {
		if (vouch(bad[i], FROM))
			print_error("%s\n", bad[i]);
		assert_false(vouch(bad[i], FROM));
	}
	assert_false(vouch_octets(" mx.a.example; dmarc=pass\0", 26, FROM));
	assert_false(vouch_octets(" mx.a.example; dmarc=pass (\0)", 29, FROM));
}

#define ID " mx.a.example;"
#define DMARC_PASS ID " dmarc=pass header.from=news.b.example"
#define DMARC_NONE ID " dmarc=none header.from=news.b.example"
#define DMARC_FAIL ID " dmarc=fail header.from=news.b.example"
#define DKIM_PASS ID " dkim=pass header.d=b.example"
#define SPF ID " spf=pass smtp.mailfrom=b.example"

/* Of each method the topmost that tells of it; all must be well-formed. */
static void
several(void **state)
{
	static const struct {
		const char *fields[4];
		int vouch, below;
	} rows[] = {{{NULL}, 0, 0}, {{SPF, NULL}, 0, 0},
	    {{DMARC_PASS, SPF, DKIM_PASS, NULL}, 1, 1},
	    {{DMARC_NONE, SPF, DKIM_PASS, NULL}, 1, 1},
	    {{DMARC_NONE, DKIM_PASS, NULL}, 1, 1},
	    {{DKIM_PASS, DMARC_NONE, NULL}, 1, 1},
	    {{SPF, ID " none", DKIM_PASS, NULL}, 1, 0},
	    {{SPF, DMARC_PASS, NULL}, 1, 0},
	    {{ID " dkim=pass header.d=c.example", DMARC_PASS, NULL}, 1, 0},
	    {{SPF, DMARC_NONE, DKIM_PASS, NULL}, 1, 0},
	    {{DMARC_NONE, DMARC_PASS, NULL}, 0, 0},
	    {{ID " dmarc=pass header.from=c.example", DMARC_PASS, NULL}, 0, 0},
	    {{ID " dkim=none", DKIM_PASS, NULL}, 0, 0},
	    {{ID " dkim=pass header.d=c.example", DKIM_PASS, NULL}, 0, 0},
	    {{DKIM_PASS, DMARC_FAIL, NULL}, 0, 0},
	    {{DMARC_FAIL, DKIM_PASS, NULL}, 0, 0},
	    {{DMARC_PASS, DMARC_FAIL, NULL}, 1, 1},
	    {{DMARC_PASS, ID " x", NULL}, 0, 0},
	    {{ID " x", DMARC_PASS, NULL}, 0, 0},
	    {{DMARC_PASS, " mx.b.example; dmarc=pass", NULL}, 0, 0}};
	struct results_field fields[4];
	struct results results = {fields, 0, 0};
	size_t i, n;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		for (n = 0; rows[i].fields[n] != NULL; n++) {
			fields[n].value = rows[i].fields[n];
			fields[n].length = strlen(rows[i].fields[n]);
		}
		results.count = n;
		results.below_received = 0;
		if (results_vouch(&results, AUTHSERV, FROM) != rows[i].vouch)
			fail_msg("row %zu", i);
		results.below_received = 1;
		if (results_vouch(&results, AUTHSERV, FROM) != rows[i].below)
			fail_msg("row %zu, below a hop", i);
	}
}

/* A field that was cut off says something else, or nothing. */
static void
no_end_is_run_over(void **state)
{
	size_t i, j, length;
	char *copy;

	(void)state;
	for (i = 0; i < COUNT(good) + COUNT(bad); i++) {
		const char *text =
		    i < COUNT(good) ? good[i] : bad[i - COUNT(good)];
		length = strlen(text);
		for (j = 0; j <= length; j++) {
			copy = malloc(j + (j == 0));
			assert_non_null(copy);
			memcpy(copy, text, j);
			(void)vouch_octets(copy, j, FROM);
			free(copy);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(vouches),
	    cmocka_unit_test(is_about_one_domain),
	    cmocka_unit_test(odd_ones_do_not),
	    cmocka_unit_test(several),
	    cmocka_unit_test(no_end_is_run_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
