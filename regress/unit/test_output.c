/* SPDX-License-Identifier: ISC */
/*
 * objects: tokenctl/output.o tokenctl/findings.o tokenctl/metrics.o tokenctl/zone.o tokenctl/print.o
 * libs: -lidn2
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "lib/row.h"
#include "tokenctl/output.h"

static char *text;
static size_t text_length;
static FILE *memory;

static struct output *
open_output(enum shape shape, int json)
{
	free(text);
	memory = open_memstream(&text, &text_length);
	return output_open(memory, shape, json);
}

static const char *
close_output(struct output *output)
{
	assert_int_equal(output_close(output), 0);
	assert_int_equal(fclose(memory), 0);
	return text;
}

static int
give(struct output *output, const char *remote, uint64_t count,
    uint64_t expires, int good)
{
	uint8_t data[512];
	struct list_writer row;

	list_init(&row, data, sizeof(data));
	assert_int_equal(row_text(&row, "remote", bytes_text(remote)), 0);
	assert_int_equal(row_number(&row, "count", count), 0);
	assert_int_equal(row_time(&row, "expires", expires), 0);
	assert_int_equal(row_boolean(&row, "good", good), 0);
	return output_row(output, list_bytes(&row));
}

static void
a_list_has_columns(void **state)
{
	struct output *output = open_output(SHAPE_LIST, 0);

	(void)state;
	assert_int_equal(give(output, "al@b.example", 7, 1700000000123, 1), 0);
	assert_int_equal(give(output,
			     "gr\xc3\xbc\xc3\x9f"
			     "e@b",
			     123456, 0, 0),
	    0);
	assert_string_equal(close_output(output),
	    "REMOTE         COUNT  EXPIRES               GOOD\n"
	    "al@b.example       7  2023-11-14T22:13:20Z  yes\n"
	    "gr\xc3\xbc\xc3\x9f"
	    "e@b       123456  never                 no\n");
	output = open_output(SHAPE_LIST, 0);
	assert_string_equal(close_output(output), "");
}

static void
a_list_is_a_json_array(void **state)
{
	struct output *output = open_output(SHAPE_LIST, 1);

	(void)state;
	assert_int_equal(give(output, "al@b.example", 7, 1700000000123, 1), 0);
	assert_int_equal(give(output, "x", 0, 0, 0), 0);
	assert_string_equal(close_output(output),
	    "[\n"
	    "{\"remote\": \"al@b.example\", \"count\": 7, \"expires\": "
	    "\"2023-11-14T22:13:20Z\", \"good\": true},\n"
	    "{\"remote\": \"x\", \"count\": 0, \"expires\": null, \"good\": "
	    "false}\n"
	    "]\n");
	output = open_output(SHAPE_LIST, 1);
	assert_string_equal(close_output(output), "[]\n");
}

static void
an_object_has_lines(void **state)
{
	struct output *output = open_output(SHAPE_OBJECT, 0);

	(void)state;
	assert_int_equal(give(output, "x", 1, 0, 1), 0);
	assert_int_equal(give(output, "", 2, 0, 1), 0);
	assert_string_equal(close_output(output),
	    "remote:  x\ncount:   1\nexpires: never\ngood:    yes\n"
	    "remote:  -\ncount:   2\nexpires: never\ngood:    yes\n");
	output = open_output(SHAPE_OBJECT, 1);
	assert_int_equal(give(output, "x", 1, 0, 1), 0);
	assert_string_equal(close_output(output),
	    "{\"remote\": \"x\", \"count\": 1, \"expires\": null, \"good\": "
	    "true}\n");
	output = open_output(SHAPE_OBJECT, 1);
	assert_string_equal(close_output(output), "{}\n");
}

/* DESIGN section 11: generate prints exactly the token. */
static void
a_value_is_nothing_else(void **state)
{
	struct output *output = open_output(SHAPE_VALUE, 0);

	(void)state;
	assert_int_equal(give(output, "AVQBZV0r_-", 1, 0, 1), 0);
	assert_string_equal(close_output(output), "AVQBZV0r_-\n");
}

/* What came from outside does nothing to a terminal or a parser. */
static void
values_are_made_safe(void **state)
{
	static const char bad[] = "a\"\\\033[1m\n\x7f\xff\xc2\x9b\xc3\xa4";
	struct output *output = open_output(SHAPE_VALUE, 0);

	(void)state;
	assert_int_equal(give(output, bad, 1, 0, 1), 0);
	assert_string_equal(close_output(output),
	    "a\"\\\\033[1m\\012\\177\\377\\302\\233\xc3\xa4\n");
	output = open_output(SHAPE_VALUE, 1);
	assert_int_equal(give(output, bad, 1, 0, 1), 0);
	assert_memory_equal(close_output(output),
	    "{\"remote\": \"a\\\"\\\\\\u001b[1m\\u000a\\u007f\\ufffd\xc2\x9b"
	    "\xc3\xa4\"",
	    49);
}

static void
refuses_rows_that_do_not_fit(void **state)
{
	uint8_t data[64];
	struct list_writer row;
	struct output *output = open_output(SHAPE_LIST, 0);

	(void)state;
	assert_int_equal(give(output, "x", 1, 0, 1), 0);
	list_init(&row, data, sizeof(data));
	assert_int_equal(row_text(&row, "local", bytes_text("y")), 0);
	assert_int_equal(output_row(output, list_bytes(&row)), -1);
	output_abandon(output);
	output = output_open(memory, SHAPE_LIST, 0);
	assert_int_equal(output_row(output, bytes_of("\1", 1)), -1);
	output_abandon(output);
	output = output_open(memory, SHAPE_OBJECT, 1);
	assert_int_equal(output_row(output, bytes_of("\1", 1)), -1);
	output_abandon(output);
	assert_int_equal(fclose(memory), 0);
	free(text);
	text = NULL;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_list_has_columns),
	    cmocka_unit_test(a_list_is_a_json_array),
	    cmocka_unit_test(an_object_has_lines),
	    cmocka_unit_test(a_value_is_nothing_else),
	    cmocka_unit_test(values_are_made_safe),
	    cmocka_unit_test(refuses_rows_that_do_not_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
