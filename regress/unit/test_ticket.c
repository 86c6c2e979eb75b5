/* SPDX-License-Identifier: ISC */
/*
 * Delivery tickets: DESIGN section 2.
 * libs: -lcrypto
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>

#include "lib/ticket.h"

static const uint8_t key[TICKET_KEY_LENGTH] = "a key of thirty-two octets, yes";
static const uint8_t other[TICKET_KEY_LENGTH] =
    "another key, also of 32 octets";

static struct ticket_subject
subject(const char *message, const char *mailbox)
{
	struct ticket_subject s = {.kind = TICKET_DELIVER,
	    .message = message,
	    .message_length = strlen(message),
	    .mailbox = mailbox,
	    .mailbox_length = strlen(mailbox),
	    .expires = 5000};

	return s;
}

static enum ticket_verdict
check(const uint8_t *ticket, struct ticket_subject s, uint64_t now)
{
	return ticket_check(ticket, TICKET_LENGTH, key, &s, now);
}

static void
good_until_it_expires(void **state)
{
	struct ticket_subject s = subject("m1", "alice@a.example");
	uint8_t ticket[TICKET_LENGTH];

	(void)state;
	assert_int_equal(ticket_make(ticket, key, &s), 0);
	assert_int_equal(check(ticket, s, 1), TICKET_GOOD);
	assert_int_equal(check(ticket, s, 4999), TICKET_GOOD);
	assert_int_equal(check(ticket, s, 5000), TICKET_EXPIRED);
	assert_int_equal(check(ticket, s, UINT64_MAX), TICKET_EXPIRED);
	/* No clock: nothing is good. */
	assert_int_equal(check(ticket, s, 0), TICKET_BAD);
}

/* The HMAC of RFC 4231's function over the text that ticket.h describes. */
static void
format_is_fixed(void **state)
{
	static const uint8_t expected[TICKET_LENGTH] = {0x95, 0x94, 0x23, 0x33,
	    0xb6, 0x34, 0x90, 0x0f, 0x78, 0x79, 0xe8, 0x9a, 0x2f, 0xd5, 0x01,
	    0xe4};
	struct ticket_subject s = subject("m1", "alice@a.example");
	uint8_t ticket[TICKET_LENGTH];

	(void)state;
	assert_int_equal(ticket_make(ticket, key, &s), 0);
	assert_memory_equal(ticket, expected, TICKET_LENGTH);
}

static void
bound_to_every_part(void **state)
{
	struct ticket_subject s = subject("m1", "alice@a.example"), t;
	uint8_t ticket[TICKET_LENGTH];

	(void)state;
	assert_int_equal(ticket_make(ticket, key, &s), 0);
	assert_int_equal(
	    check(ticket, subject("m2", "alice@a.example"), 1), TICKET_BAD);
	assert_int_equal(
	    check(ticket, subject("m1", "bob@a.example"), 1), TICKET_BAD);
	/* The same octets, cut elsewhere. */
	assert_int_equal(
	    check(ticket, subject("m1a", "lice@a.example"), 1), TICKET_BAD);
	t = s;
	t.expires++;
	assert_int_equal(check(ticket, t, 1), TICKET_BAD);
	t = s;
	t.kind = TICKET_RELAY;
	assert_int_equal(check(ticket, t, 1), TICKET_BAD);
	assert_int_equal(
	    ticket_check(ticket, TICKET_LENGTH, other, &s, 1), TICKET_BAD);
	for (size_t i = 0; i < TICKET_LENGTH * 8; i++) {
		ticket[i / 8] ^= (uint8_t)(1 << i % 8);
		assert_int_equal(check(ticket, s, 1), TICKET_BAD);
		ticket[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	assert_int_equal(check(ticket, s, 1), TICKET_GOOD);
}

static void
odd_lengths(void **state)
{
	static char long_name[1026];
	struct ticket_subject s = subject("m1", "alice@a.example");
	uint8_t ticket[TICKET_LENGTH + 1] = {0};

	(void)state;
	assert_int_equal(ticket_make(ticket, key, &s), 0);
	for (size_t length = 0; length <= TICKET_LENGTH + 1; length++)
		assert_int_equal(ticket_check(ticket, length, key, &s, 1),
		    length == TICKET_LENGTH ? TICKET_GOOD : TICKET_BAD);
	memset(long_name, 'a', sizeof(long_name) - 1);
	s = subject("m1", long_name);
	assert_int_equal(ticket_make(ticket, key, &s), -1);
	assert_int_equal(check(ticket, s, 1), TICKET_BAD);
	long_name[256] = '\0';
	s = subject(long_name, "");
	assert_int_equal(ticket_make(ticket, key, &s), -1);
	/* Empty is a subject like any other. */
	s = subject("", "");
	assert_int_equal(ticket_make(ticket, key, &s), 0);
	assert_int_equal(check(ticket, s, 1), TICKET_GOOD);
}

static void
clock_goes_forward(void **state)
{
	uint64_t before = ticket_clock(), after = ticket_clock();

	(void)state;
	assert_true(before > 0);
	assert_true(after >= before);
	assert_true(after - before < 60000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(good_until_it_expires),
	    cmocka_unit_test(format_is_fixed),
	    cmocka_unit_test(bound_to_every_part),
	    cmocka_unit_test(odd_lengths),
	    cmocka_unit_test(clock_goes_forward),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
