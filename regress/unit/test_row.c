/* SPDX-License-Identifier: ISC */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>

#include "lib/row.h"

static void
carries_fields(void **state)
{
	static const struct {
		const char *key, *value;
		enum row_type type;
	} expected[] = {
	    {"remote", "al@b.example", ROW_TEXT},
	    {"count", "18446744073709551615", ROW_NUMBER},
	    {"issued", "1700000000000", ROW_TIME},
	    {"expires", "", ROW_TIME},
	    {"good", "1", ROW_BOOLEAN},
	};
	uint8_t data[256];
	struct list_writer row;
	struct row_field field;
	struct bytes rest;
	size_t i;

	(void)state;
	list_init(&row, data, sizeof(data));
	assert_int_equal(
	    row_text(&row, "remote", bytes_text("al@b.example")), 0);
	assert_int_equal(row_number(&row, "count", UINT64_MAX), 0);
	assert_int_equal(row_time(&row, "issued", 1700000000000), 0);
	assert_int_equal(row_time(&row, "expires", 0), 0);
	assert_int_equal(row_boolean(&row, "good", 5), 0);
	rest = list_bytes(&row);
	for (i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		assert_int_equal(row_next(&rest, &field), 1);
		assert_true(
		    bytes_equal(field.key, bytes_text(expected[i].key)));
		assert_true(
		    bytes_equal(field.value, bytes_text(expected[i].value)));
		assert_int_equal(field.type, expected[i].type);
	}
	assert_int_equal(row_next(&rest, &field), 0);
}

static void
a_full_row_stays_whole(void **state)
{
	uint8_t data[12];
	struct list_writer row;

	(void)state;
	list_init(&row, data, sizeof(data));
	assert_int_equal(row_text(&row, "key", bytes_text("value")), -1);
	assert_int_equal(row.length, 0);
	assert_int_equal(row_text(&row, "key", bytes_text("va")), 0);
	assert_int_equal(row_number(&row, "key", 1), -1);
	assert_int_equal(row.length, 12);
}

static void
refuses_what_is_malformed(void **state)
{
	static const char *const bad[] = {"\3\0key", "\3\0key\1\0s",
	    "\3\0key\1\0x\1\0v", "\0\0\1\0s\1\0v", "\3\0key\2\0ss\1\0v",
	    "\3\0key\1\0n\1\0v", "\3\0key\1\0n\0\0", "\3\0key\1\0b\2\0-1",
	    "\3\0key\1\0t\1\0v"};
	static const size_t lengths[] = {5, 8, 11, 8, 12, 11, 10, 12, 11};
	struct row_field field;
	struct bytes rest;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		rest = bytes_of(bad[i], lengths[i]);
		assert_int_equal(row_next(&rest, &field), -1);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(carries_fields),
	    cmocka_unit_test(a_full_row_stays_whole),
	    cmocka_unit_test(refuses_what_is_malformed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
