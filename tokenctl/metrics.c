/* SPDX-License-Identifier: ISC */
#include "tokenctl/metrics.h"

#include <string.h>

#include "lib/row.h"

/* What stands in every row, in this order, in front of the labels. */
struct head {
	struct row_field metric, type, help, sample;
};

static int
take(struct bytes *row, struct row_field *field, const char *key)
{
	return row_next(row, field) == 1 && field->type == ROW_TEXT &&
		bytes_equal(field->key, bytes_text(key))
	    ? 0
	    : -1;
}

static int
take_head(struct bytes *row, struct head *head)
{
	if (take(row, &head->metric, "metric") == -1 ||
	    take(row, &head->type, "type") == -1 ||
	    take(row, &head->help, "help") == -1 ||
	    take(row, &head->sample, "sample") == -1)
		return -1;
	return 0;
}

/* A back-slash, a quote and a line feed are escaped; help has no quotes. */
static void
print_escaped(FILE *to, struct bytes text)
{
	size_t i;

	for (i = 0; i < text.length; i++) {
		if (text.data[i] == '\n') {
			(void)fputs("\\n", to);
			continue;
		}
		if (text.data[i] == '\\' || text.data[i] == '"')
			(void)fputc('\\', to);
		(void)fputc(text.data[i], to);
	}
}

static void
print_plain(FILE *to, struct bytes text)
{
	(void)fwrite(text.data, 1, text.length, to);
}

static void
print_head(FILE *to, const struct head *head)
{
	(void)fputs("# HELP ", to);
	print_plain(to, head->metric.value);
	(void)fputc(' ', to);
	print_escaped(to, head->help.value);
	(void)fputs("\n# TYPE ", to);
	print_plain(to, head->metric.value);
	(void)fputc(' ', to);
	print_plain(to, head->type.value);
	(void)fputc('\n', to);
}

/* The labels, up to the value, which is last. */
static int
print_sample(FILE *to, struct bytes row)
{
	struct row_field field;
	int more, count = 0;

	while ((more = row_next(&row, &field)) == 1 &&
	    !bytes_equal(field.key, bytes_text("value"))) {
		(void)fputc(count++ == 0 ? '{' : ',', to);
		print_plain(to, field.key);
		(void)fputs("=\"", to);
		print_escaped(to, field.value);
		(void)fputc('"', to);
	}
	if (more != 1 || row.length != 0)
		return -1;
	(void)fputs(count == 0 ? " " : "} ", to);
	print_plain(to, field.value);
	(void)fputc('\n', to);
	return 0;
}

int
metrics_print(FILE *to, struct bytes row, char *previous)
{
	struct head head;

	if (take_head(&row, &head) == -1)
		return -1;
	if (!bytes_equal(head.metric.value, bytes_text(previous))) {
		print_head(to, &head);
		if (bytes_copy(previous, METRIC_NAME_SIZE, head.metric.value) ==
		    -1)
			return -1;
	}
	print_plain(to, head.sample.value);
	return print_sample(to, row);
}
