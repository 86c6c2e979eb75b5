/* SPDX-License-Identifier: ISC */
/* objects: smtpd-stoken/frontend/address_count.o */
/* Half-open sessions for each address: IPv6 by /64, IPv4 one by one. */
#include <sys/types.h>

#include <arpa/inet.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "smtpd-stoken/frontend/address_count.h"

static const uint8_t *
at(const char *text)
{
	static uint8_t address[16];

	assert_int_equal(inet_pton(AF_INET6, text, address), 1);
	return address;
}

static void
test_counts(void **state)
{
	(void)state;
	assert_int_equal(address_count_add(at("::ffff:192.0.2.1"), 2), 0);
	assert_int_equal(address_count_add(at("::ffff:192.0.2.1"), 2), 0);
	assert_int_equal(address_count_add(at("::ffff:192.0.2.1"), 2), -1);
	assert_int_equal(address_count_add(at("::ffff:192.0.2.2"), 2), 0);
	address_count_remove(at("::ffff:192.0.2.1"));
	assert_int_equal(address_count_add(at("::ffff:192.0.2.1"), 2), 0);
	address_count_remove(at("::ffff:192.0.2.1"));
	address_count_remove(at("::ffff:192.0.2.1"));
	address_count_remove(at("::ffff:192.0.2.2"));
	/* more than there were do no harm */
	address_count_remove(at("::ffff:192.0.2.2"));
	assert_int_equal(address_count_add(at("::ffff:192.0.2.1"), 0), -1);
}

static void
test_prefix(void **state)
{
	(void)state;
	assert_int_equal(address_count_add(at("2001:db8:0:1::1"), 1), 0);
	assert_int_equal(address_count_add(at("2001:db8:0:1:9::2"), 1), -1);
	assert_int_equal(address_count_add(at("2001:db8:0:2::1"), 1), 0);
	address_count_remove(at("2001:db8:0:1:7::3"));
	assert_int_equal(address_count_add(at("2001:db8:0:1::1"), 1), 0);
	address_count_remove(at("2001:db8:0:1::1"));
	address_count_remove(at("2001:db8:0:2::1"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_counts),
	    cmocka_unit_test(test_prefix),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
