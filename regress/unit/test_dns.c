/* SPDX-License-Identifier: ISC */
/*
 * What is believed of an answer of the DNS: records of the name that was asked
 * for and of what it is an alias of; nothing of failures, halves and nonsense.
 *
 * objects: smtpd-stoken/relay/dns.o
 * libs: -lcares
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "regress/unit/dns_message.h"

#define NAME "_submissions._tcp.b.example"

static struct dns_answer answer;

/* In memory of exactly its size. */
static int
parse_as(const char *name, int type, size_t length)
{
	uint8_t *copy = malloc(length == 0 ? 1 : length);
	int result;

	assert_non_null(copy);
	memcpy(copy, out.data, length);
	result = dns_parse(&answer, name, type, copy, length);
	free(copy);
	if (result == 0)
		assert_true(answer.count <= DNS_RECORDS_MOST);
	return result;
}

static int
parse(void)
{
	return parse_as(NAME, DNS_SRV, out.length);
}

static int
setup(void **state)
{
	(void)state;
	record_owner = NULL;
	begin(NAME, DNS_SRV);
	return 0;
}

static void
takes_records(void **state)
{
	(void)state;
	srv(60, 1, 2, 465, "Mail.B.Example");
	srv(50, 3, 4, 587, "other.example");
	assert_int_equal(parse(), 0);
	assert_int_equal(answer.count, 2);
	assert_int_equal(answer.ttl, 50);
	assert_false(answer.validated);
	assert_string_equal(answer.list[0].target, "mail.b.example");
	assert_int_equal(answer.list[0].priority, 1);
	assert_int_equal(answer.list[0].weight, 2);
	assert_int_equal(answer.list[0].port, 465);
	out.data[3] |= 0x20;
	assert_int_equal(parse(), 0);
	assert_true(answer.validated);
}

static void
names_in_any_case(void **state)
{
	(void)state;
	record_owner = "_SUBMISSIONS._tcp.B.Example";
	srv(60, 1, 2, 465, "mail.b.example");
	assert_int_equal(parse(), 0);
	assert_int_equal(answer.count, 1);
}

static void
not_the_question(void **state)
{
	static const char *const others[] = {"_submissions._tcp.evil.example",
	    "b.example", "_submission._tcp.b.example", "",
	    "x._submissions._tcp.b.example"};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		record_owner = others[i];
		srv(60, 1, 2, 465, "mail.evil.example");
	}
	record_owner = NULL;
	mx(60, 1, "mail.evil.example"); /* another type */
	assert_int_equal(parse(), 0);
	assert_int_equal(answer.count, 0);
	/* Among the additional records, or of those who are responsible. */
	setup(state);
	srv(60, 1, 2, 465, "mail.evil.example");
	out.data[7] = 0;
	out.data[9] = 1;
	assert_int_equal(parse(), 0);
	assert_int_equal(answer.count, 0);
	out.data[9] = 0;
	out.data[11] = 1;
	assert_int_equal(parse(), 0);
	assert_int_equal(answer.count, 0);
}

static void
aliases(void **state)
{
	(void)state;
	/* In no order. */
	record_owner = "two.example";
	srv(60, 1, 2, 465, "mail.b.example");
	record_owner = "one.example";
	cname(40, "TWO.example");
	srv(60, 1, 2, 465, "not.this.example");
	record_owner = NULL;
	cname(50, "one.example");
	assert_int_equal(parse(), 0);
	assert_int_equal(answer.count, 1);
	assert_string_equal(answer.list[0].target, "mail.b.example");
	assert_int_equal(answer.ttl, 40); /* the least of all */
}

static void
aliases_without_end(void **state)
{
	char name[32], next[32];
	int i;

	(void)state;
	cname(60, NAME);
	assert_int_equal(parse(), 0);
	assert_int_equal(answer.count, 0);
	setup(state);
	cname(60, "n0.example");
	for (i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "n%d.example", i);
		snprintf(next, sizeof(next), "n%d.example", i + 1);
		record_owner = name;
		cname(60, next);
	}
	record_owner = next;
	srv(60, 1, 2, 465, "mail.b.example");
	assert_int_equal(parse(), 0);
	assert_int_equal(answer.count, 0);
}

/* RFC 2308: of the zone that the name is in, and no other. */
static void
negative_answers(void **state)
{
	(void)state;
	soa(HOUR, 600); /* of the name itself */
	assert_int_equal(parse(), 0);
	assert_true(answer.has_ttl);
	assert_int_equal(answer.ttl, 600);
	setup(state);
	record_owner = "Example";
	soa(100, 600);
	assert_int_equal(parse(), 0);
	assert_int_equal(answer.ttl, 100);
	setup(state);
	out.data[3] |= 3; /* no such name */
	record_owner = "b.example";
	soa(100, 600);
	assert_int_equal(parse(), 0);
	assert_int_equal(answer.ttl, 100);
	setup(state);
	record_owner = "";
	soa(HOUR, 90);
	assert_int_equal(parse(), 0);
	assert_int_equal(answer.ttl, 90);
	setup(state);
	record_owner = "ample"; /* the end of the name, but not of a label */
	soa(100, 600);
	record_owner = "evil.example";
	soa(100, 600);
	assert_int_equal(parse(), 0);
	assert_false(answer.has_ttl);
}

static void
no_answers(void **state)
{
	int code;

	(void)state;
	srv(60, 1, 2, 465, "mail.b.example");
	for (code = 0; code < 16; code++) {
		out.data[3] = (uint8_t)(0x80 | code);
		assert_int_equal(parse(), code == 0 || code == 3 ? 0 : -1);
	}
	out.data[3] = 0x80;
	out.data[2] = 0x83; /* it was cut off */
	assert_int_equal(parse(), -1);
	out.data[2] = 0x01; /* a question */
	assert_int_equal(parse(), -1);
	out.data[2] = 0x81;
	assert_int_equal(parse(), 0);
	assert_int_equal(parse_as(NAME, DNS_SRV, 11), -1);
	assert_int_equal(parse_as(NAME, DNS_SRV, 0), -1);
	/* Names that point at themselves, and past the end. */
	memcpy(out.data + 12, "\xc0\x0c", 2);
	assert_int_equal(parse(), -1);
	memcpy(out.data + 12, "\xff\xff", 2);
	assert_int_equal(parse(), -1);
}

static void
names_that_point_in_circles(void **state)
{
	size_t start;

	(void)state;
	start = begin_record(DNS_SRV, 60, 0);
	put16(0);
	put16(0);
	put16(465);
	put16(0xc000U + (unsigned int)out.length);
	end_record(start);
	srv(60, 1, 2, 465, "mail.b.example");
	assert_int_equal(parse(), 0);
	assert_int_equal(answer.count, 1);
}

static void
thousands_of_records(void **state)
{
	unsigned int i;

	(void)state;
	for (i = 0; i < 1800; i++)
		srv(60, i, 0, 465, "mail.b.example");
	assert_int_equal(parse(), 0);
	assert_int_equal(answer.count, DNS_RECORDS_MOST);
	setup(state);
	record_owner = "x";
	for (i = 0; i < 1800; i++)
		cname(60, "y");
	record_owner = NULL;
	srv(60, 0, 0, 465, "mail.b.example");
	assert_int_equal(parse(), 0);
	assert_int_equal(answer.count, 0);
}

static void
names_of_no_host(void **state)
{
	(void)state;
	srv(60, 0, 0, 465, "bad name.example");
	srv(60, 0, 0, 465, "a\\.example");
	srv(60, 0, 0, 465, "a\nb.example");
	srv(60, 0, 0, 465, "\xc3\xa9.example");
	assert_int_equal(parse(), 0);
	assert_int_equal(answer.count, 0);
	srv(60, 0, 0, 465, ""); /* it says no */
	assert_int_equal(parse(), 0);
	assert_int_equal(answer.count, 1);
	assert_string_equal(answer.list[0].target, "");
}

/* Every cut, and single octets changed: nothing is read past the end. */
static void
nonsense(void **state)
{
	struct message whole;
	size_t length, i;
	unsigned int round;

	(void)state;
	cname(60, "one.example");
	record_owner = "one.example";
	srv(60, 0, 0, 465, "mail.b.example");
	srv(60, 0, 0, 465, "mail.b.example");
	soa(HOUR, HOUR);
	for (length = 0; length <= out.length; length++)
		(void)parse_as(NAME, DNS_SRV, length);
	assert_int_equal(answer.count, 2);
	whole = out;
	for (round = 0; round < 20000; round++) {
		out = whole;
		for (i = 0; i < 1 + round % 4; i++)
			out.data[arc4random_uniform((uint32_t)out.length)] =
			    (uint8_t)arc4random();
		(void)parse_as(
		    NAME, round % 2 == 0 ? DNS_SRV : DNS_MX, out.length);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(takes_records, setup),
	    cmocka_unit_test_setup(names_in_any_case, setup),
	    cmocka_unit_test_setup(not_the_question, setup),
	    cmocka_unit_test_setup(aliases, setup),
	    cmocka_unit_test_setup(aliases_without_end, setup),
	    cmocka_unit_test_setup(negative_answers, setup),
	    cmocka_unit_test_setup(no_answers, setup),
	    cmocka_unit_test_setup(names_that_point_in_circles, setup),
	    cmocka_unit_test_setup(thousands_of_records, setup),
	    cmocka_unit_test_setup(names_of_no_host, setup),
	    cmocka_unit_test_setup(nonsense, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
