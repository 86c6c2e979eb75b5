/* SPDX-License-Identifier: ISC */
/*
 * Counters, and the text that Prometheus reads.
 * objects: tokenctl/metrics.o
 * libs:
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "lib/metrics.h"
#include "lib/row.h"
#include "tokenctl/metrics.h"

static int
clear(void **state)
{
	(void)state;
	memset(metric_values, 0, sizeof(metric_values));
	return 0;
}

static void
counts(void **state)
{
	(void)state;
	metric_count(SESSIONS, 2);
	metric_count(SESSIONS, 2);
	metric_count(SESSIONS, 3); /* there are three listeners */
	metric_count(SESSIONS, SIZE_MAX);
	assert_int_equal(metric_values[METRIC_SESSIONS + 2], 2);
	assert_int_equal(metric_values[METRIC_SESSIONS_LAST + 1], 0);
	metric_count2(AUTH, 11, AUTH, METRIC_AUTH_UNAVAILABLE);
	assert_int_equal(metric_values[METRIC_AUTH_LAST], 1);
	metric_up(IN_FLIGHT, 0);
	metric_up(IN_FLIGHT, 0);
	metric_down(IN_FLIGHT, 0);
	assert_int_equal(metric_values[METRIC_IN_FLIGHT], 1);
	metric_set(KEYS, 0, 7);
	assert_int_equal(metric_values[METRIC_KEYS], 7);
}

static void
histograms(void **state)
{
	const size_t first = METRIC_DELIVERY + 3 * METRIC_SLOTS_HISTOGRAM;

	(void)state;
	metric_time(DELIVERY, 3, 0);
	metric_time(DELIVERY, 3, 1000);
	metric_time(DELIVERY, 3, 1001);
	metric_time(DELIVERY, 3, 60000001);
	metric_time(DELIVERY, 4, 5); /* there are four ways */
	assert_int_equal(metric_values[first], 2);
	assert_int_equal(metric_values[first + 1], 1);
	assert_int_equal(metric_values[first + METRIC_BUCKETS], 1);
	assert_int_equal(metric_values[first + METRIC_BUCKETS + 1], 60002002);
	assert_int_equal(first + METRIC_BUCKETS + 1, METRIC_DELIVERY_LAST);
}

static void
labels(void **state)
{
	const struct metric_row *row;
	size_t i, k, next = 0;

	(void)state;
	assert_int_equal(metric_mechanism("Scram-SHA-256-PLUS"), 4);
	assert_int_equal(metric_mechanism("no-such"), 0);
	for (i = 0; (row = metric_row_at(i)) != NULL; i++) {
		assert_int_equal(row->first, next);
		next += row->slots;
		for (k = 0; k < row->a->count; k++)
			assert_non_null(row->a->words[k]);
		for (k = 0; k < row->b->count; k++)
			assert_non_null(row->b->words[k]);
		assert_true(row->name[0] != '\0' && row->who != 0);
	}
	assert_int_equal(next, METRIC_SLOTS);
}

/* A process that was taken over can count nothing but its own. */
static void
only_its_own(void **state)
{
	static uint64_t values[METRIC_SLOTS];
	static uint8_t octets[METRICS_OCTETS];

	(void)state;
	metric_count(SESSIONS, 0);
	metric_values[METRIC_ISSUED] = 0x0102030405060708;
	metrics_write(metric_values, octets);
	assert_int_equal(
	    metrics_read(values, bytes_of(octets, sizeof(octets)), ROLE_ENGINE),
	    0);
	assert_int_equal(values[METRIC_SESSIONS], 1);
	assert_int_equal(values[METRIC_ISSUED], 0);
	assert_int_equal(
	    metrics_read(values, bytes_of(octets, sizeof(octets)), ROLE_ANY),
	    0);
	assert_true(values[METRIC_ISSUED] == 0x0102030405060708);
	assert_int_equal(metrics_read(values,
			     bytes_of(octets, sizeof(octets) - 1), ROLE_ANY),
	    -1);
}

static void
add_head(struct list_writer *row, const char *metric, const char *help)
{
	(void)row_text(row, "metric", bytes_text(metric));
	(void)row_text(row, "type", bytes_text("gauge"));
	(void)row_text(row, "help", bytes_text(help));
	(void)row_text(row, "sample", bytes_text(metric));
}

static void
text(void **state)
{
	char previous[METRIC_NAME_SIZE] = "", *said = NULL;
	size_t length;
	uint8_t space[512];
	struct list_writer row;
	FILE *to = open_memstream(&said, &length);

	(void)state;
	list_init(&row, space, sizeof(space));
	add_head(&row, "m_a", "Of \\ one.\nTwo.");
	(void)row_text(&row, "pki", bytes_text("a\"b\\c\nd"));
	(void)row_text(&row, "x", bytes_text(""));
	(void)row_decimal(&row, "value", 1000002);
	assert_int_equal(metrics_print(to, list_bytes(&row), previous), 0);
	list_init(&row, space, sizeof(space));
	add_head(&row, "m_a", "Of one.");
	(void)row_number(&row, "value", 5);
	assert_int_equal(metrics_print(to, list_bytes(&row), previous), 0);
	(void)row_number(&row, "more", 5); /* behind the value: nothing */
	assert_int_equal(metrics_print(to, list_bytes(&row), previous), -1);
	assert_int_equal(
	    metrics_print(to, bytes_text("nothing"), previous), -1);
	(void)fflush(to);
	said[strcspn(said, "5") + 2] = '\0';
	assert_string_equal(said,
	    "# HELP m_a Of \\\\ one.\\nTwo.\n# TYPE m_a gauge\n"
	    "m_a{pki=\"a\\\"b\\\\c\\nd\",x=\"\"} 1.000002\n"
	    "m_a 5\n");
	(void)fclose(to);
	free(said);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(counts, clear),
	    cmocka_unit_test_setup(histograms, clear),
	    cmocka_unit_test(labels),
	    cmocka_unit_test_setup(only_its_own, clear),
	    cmocka_unit_test(text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
