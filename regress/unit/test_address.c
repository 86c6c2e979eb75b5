/* SPDX-License-Identifier: ISC */
/* libs: -lidn2 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>

#include "lib/address.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define TEN "aaaaaaaaaa"
#define SIXTY TEN TEN TEN TEN TEN TEN

/* D-S04: one form for all ways to write an address. */
static const struct {
	const char *text, *canonical;
} good[] = {
    {"user@example.com", "user@example.com"},
    {"User@Example.COM", "user@example.com"},
    {"a.b.c+Detail@x", "a.b.c+detail@x"},
    {"!#$%&'*+-/=?^_`{|}~@a.example", "!#$%&'*+-/=?^_`{|}~@a.example"},
    {"\"bob\"@a.example", "bob@a.example"},
    {"\"b\\ob\"@a.example", "bob@a.example"},
    {"\"b.o.b\"@a.example", "b.o.b@a.example"},
    {"\"b..b\"@a.example", "\"b..b\"@a.example"},
    {"\"B b\"@a.example", "\"b b\"@a.example"},
    {"\"\\b \\\"\\\\\"@a.example", "\"b \\\"\\\\\"@a.example"},
    {"\"\"@a.example", "\"\"@a.example"},
    {"\"a@b\"@a.example", "\"a@b\"@a.example"},
    {"u@b\xc3\xbc"
     "cher.example",
	"u@xn--bcher-kva.example"},
    {"u@B\xc3\x9c"
     "CHER.example",
	"u@xn--bcher-kva.example"},
    {"u@XN--bcher-KVA.example", "u@xn--bcher-kva.example"},
    {"J\xc3\xb6rg@a.example", "j\xc3\xb6rg@a.example"},
    {"\"J\xc3\xb6rg\"@a.example", "j\xc3\xb6rg@a.example"},
    {"u@1.2.3.4", "u@1.2.3.4"},
    {"u@a-b--c.example", "u@a-b--c.example"},
    {SIXTY "aaaa@x.example", SIXTY "aaaa@x.example"},
};

static const char *const bad[] = {"", "a", "a@", "@", "@b", "a@b@c", "a b@c",
    "a@b c", "a.@b", ".a@b", "a..b@c", "remoteuser..@example.com", "<a@b>",
    "a@b..c", "user@example.com.", "a@.b", "a@-b", "a@b-", "a@b.-c", "a@b-.c",
    "a@.", "a@b..", "a@b_c", "\"a@b", "\"a\"b@c", "a\"b\"@c", "\"a\\\"@b",
    "\"a\tb\"@c", "\"a\\\tb\"@c", "a\x7f@b", "a\xff@b", "a\xc0\x80@b",
    "a\xed\xa0\x80@b", "\"\\\xc3\xb6\"@b", "a@b\xff", "a@b,c", "a,b@c",
    "a@[1.2.3]", "a@[", "a@[]", "a@[1.2.3.4", "a@[1.2.3.4]x", "a@[IPv6:]",
    "a@[IPv6:1::2::3]", "a@[::1]", "a@[x:y]", SIXTY "aaaaa@b.example",
    "a@" SIXTY "aaaa.example", "a@x\xe3\x80\x82\xe3\x80\x82y"};

static void
one_canonical_form(void **state)
{
	char out[ADDRESS_SIZE], again[ADDRESS_SIZE];
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(good); i++) {
		assert_int_equal(address_canonical_text(
				     good[i].text, strlen(good[i].text), out),
		    0);
		assert_string_equal(out, good[i].canonical);
		assert_int_equal(
		    address_canonical_text(out, strlen(out), again), 0);
		assert_string_equal(again, out);
	}
}

static void
refuses_malformed(void **state)
{
	char out[ADDRESS_SIZE];
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(bad); i++)
		if (address_canonical_text(bad[i], strlen(bad[i]), out) != -1)
			fail_msg("accepted: %s", bad[i]);
	assert_int_equal(address_canonical_text("a\0@b", 4, out), -1);
	assert_int_equal(address_canonical_text("a@b\0", 4, out), -1);
}

static void
literals_are_no_tokens_address(void **state)
{
	static const char *const literals[] = {
	    "a@[192.0.2.1]", "a@[IPv6:2001:db8::1]", "a@[ipv6:::1]"};
	struct address address;
	char out[ADDRESS_SIZE];
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(literals); i++) {
		assert_int_equal(
		    address_parse(&address, literals[i], strlen(literals[i])),
		    0);
		assert_true(address.literal);
		assert_int_equal(address_canonical(&address, out), -1);
	}
}

/* F-95: 64, 255 and 254 octets are the most. */
static void
limits(void **state)
{
	char text[400], out[ADDRESS_DOMAIN_MAX + 1];
	size_t n;

	(void)state;
	strcpy(text, "u@");
	for (n = 0; n < 25; n++)
		strcat(text, TEN ".");
	assert_true(strlen(text) == 277);
	assert_int_equal(address_canonical_text(text, 254, out), 0);
	assert_int_equal(address_canonical_text(text, 255, out), -1);
	assert_int_equal(domain_canonical(text + 2, 255, out), 0);
	assert_int_equal(domain_canonical(text + 2, 256, out), -1);
	assert_int_equal(domain_canonical("X.y.", 4, out), 0);
	assert_string_equal(out, "x.y");
	assert_int_equal(domain_canonical("x..", 3, out), -1);
	assert_int_equal(domain_canonical("", 0, out), -1);
	assert_int_equal(domain_canonical(".", 1, out), -1);
}

static void
paths(void **state)
{
	static const struct {
		const char *text;
		size_t octets, length, domain;
	} rows[] = {{"<a@b> SIZE=1", 5, 3, 1}, {"<>", 2, 0, 0},
	    {"<> X", 2, 0, 0}, {"<@x,@y.z:a@b>", 13, 3, 1},
	    {"<Postmaster>", 12, 10, 0}, {"<\"a>b\"@c>", 9, 7, 1},
	    {"<a@[192.0.2.1]>", 15, 13, 11}, {"<a>", 0, 0, 0},
	    {"<a@b", 0, 0, 0}, {"a@b", 0, 0, 0}, {"<", 0, 0, 0}, {"", 0, 0, 0},
	    {"<@x:>", 0, 0, 0}, {"<@x,y:a@b>", 0, 0, 0}, {"<a@b >", 0, 0, 0},
	    {"< a@b>", 0, 0, 0}, {"<a@b>>", 5, 3, 1}, {"<@@a@b>", 0, 0, 0}};
	struct address address;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		assert_int_equal(
		    path_parse(&address, rows[i].text, strlen(rows[i].text)),
		    rows[i].octets);
		if (rows[i].octets == 0)
			continue;
		assert_int_equal(address.length, rows[i].length);
		assert_int_equal(address.domain_length, rows[i].domain);
	}
}

static void
base_without_detail(void **state)
{
	static const struct {
		const char *text, *base;
		int had;
	} rows[] = {{"a+b@c", "a@c", 1}, {"a+b+c@d", "a@d", 1},
	    {"a@c", "a@c", 0}, {"+a@c", "+a@c", 0},
	    {"\"a+b \"@c", "\"a+b \"@c", 0}, {"a+@c", "a@c", 1},
	    {"a.+b@c", "a.+b@c", 0}};
	char out[ADDRESS_SIZE];
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		assert_int_equal(address_base(rows[i].text, out), rows[i].had);
		assert_string_equal(out, rows[i].base);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(one_canonical_form),
	    cmocka_unit_test(refuses_malformed),
	    cmocka_unit_test(literals_are_no_tokens_address),
	    cmocka_unit_test(limits),
	    cmocka_unit_test(paths),
	    cmocka_unit_test(base_without_detail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
