/* SPDX-License-Identifier: ISC */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "lib/row.h"
#include "tokenctl/findings.h"
#include "tokenctl/metrics.h"
#include "tokenctl/output.h"
#include "tokenctl/print.h"
#include "tokenctl/zone.h"

#define COLUMNS_MAX 32

/* One value as it is printed for people. */
struct cell {
	char *text;
	size_t width; /* characters */
};

struct output {
	FILE *to;
	/*
	 * One thing waits for the end of the answer, so that nothing is printed
	 * when that is a refusal. A list may be too long for that.
	 */
	FILE *final; /* or NULL */
	char *buffer;
	size_t buffer_length;
	enum shape shape;
	int json;
	size_t row_count;
	/* Text: everything waits until the widths are known. */
	char *keys[COLUMNS_MAX];
	int numeric[COLUMNS_MAX];
	size_t columns;
	struct cell *cells; /* row_count * columns, for a list */
	size_t cell_count;
	size_t cell_room;
	char metric[METRIC_NAME_SIZE]; /* SHAPE_METRICS: of the last row */
};

static int
is_array(const struct output *output)
{
	return output->shape == SHAPE_LIST || output->shape == SHAPE_FINDINGS ||
	    output->shape == SHAPE_ZONE || output->shape == SHAPE_METRICS;
}

struct output *
output_open(FILE *to, enum shape shape, int json)
{
	struct output *output = calloc(1, sizeof(*output));

	if (output == NULL)
		return NULL;
	output->to = to;
	output->shape = shape;
	output->json = json;
	if (shape == SHAPE_LIST)
		return output;
	output->final = to;
	output->to = open_memstream(&output->buffer, &output->buffer_length);
	if (output->to == NULL) {
		free(output);
		return NULL;
	}
	return output;
}

/* JSON goes out as it comes. */
static int
json_row(struct output *output, struct bytes row)
{
	struct row_field field;
	int more, first = 1;

	if (is_array(output)) {
		(void)fputs(
		    output->row_count == 0 ? "[\n{" : ",\n{", output->to);
	} else if (output->row_count == 0) {
		(void)fputc('{', output->to);
	} else
		first = 0;
	while ((more = row_next(&row, &field)) == 1) {
		(void)fputs(first ? "" : ", ", output->to);
		print_json_text(output->to, field.key);
		(void)fputs(": ", output->to);
		print_json(output->to, &field);
		first = 0;
	}
	if (is_array(output))
		(void)fputc('}', output->to);
	output->row_count++;
	return more;
}

static struct cell *
new_cell(struct output *output)
{
	struct cell *wider;
	size_t room;

	if (output->cell_count == output->cell_room) {
		room = output->cell_room == 0 ? 64 : output->cell_room * 2;
		wider = reallocarray(output->cells, room, sizeof(*wider));
		if (wider == NULL)
			return NULL;
		output->cells = wider;
		output->cell_room = room;
	}
	return &output->cells[output->cell_count];
}

static int
add_cell(struct output *output, const struct row_field *field)
{
	struct cell *cell = new_cell(output);

	if (cell == NULL || (cell->text = print_text(field)) == NULL)
		return -1;
	cell->width = print_width(cell->text);
	output->cell_count++;
	return 0;
}

static int
add_column(struct output *output, const struct row_field *field)
{
	size_t n = output->columns;

	if (n == COLUMNS_MAX)
		return -1;
	output->keys[n] =
	    strndup((const char *)field->key.data, field->key.length);
	if (output->keys[n] == NULL)
		return -1;
	output->numeric[n] = field->type == ROW_NUMBER;
	output->columns++;
	return 0;
}

/* Rows of a list have the keys of its first row. */
static int
list_row(struct output *output, struct bytes row)
{
	struct row_field field;
	size_t column;
	int more;

	for (column = 0; (more = row_next(&row, &field)) == 1; column++) {
		if (output->row_count == 0 && add_column(output, &field) == -1)
			return -1;
		if (column >= output->columns ||
		    !bytes_equal(field.key, bytes_text(output->keys[column])) ||
		    add_cell(output, &field) == -1)
			return -1;
	}
	output->row_count++;
	return more == 0 && column == output->columns ? 0 : -1;
}

/* The longest key of a row, in octets. */
static size_t
key_width(struct bytes row)
{
	struct row_field field;
	size_t width = 0;

	while (row_next(&row, &field) == 1) {
		if (field.key.length > width)
			width = field.key.length;
	}
	return width;
}

static void
pad(FILE *to, size_t n)
{
	while (n-- > 0)
		(void)fputc(' ', to);
}

/* Of SHAPE_VALUE: the first value; of SHAPE_OBJECT: lines. */
static int
object_row(struct output *output, struct bytes row)
{
	struct row_field field;
	size_t width = key_width(row);
	char *text;
	int more;

	while ((more = row_next(&row, &field)) == 1) {
		if ((text = print_text(&field)) == NULL)
			return -1;
		if (output->shape == SHAPE_OBJECT) {
			(void)fprintf(output->to,
			    "%.*s:", (int)field.key.length,
			    (const char *)field.key.data);
			pad(output->to, width - field.key.length + 1);
		}
		(void)fprintf(output->to, "%s\n", text);
		free(text);
		if (output->shape == SHAPE_VALUE)
			break;
	}
	output->row_count++;
	return more == -1 ? -1 : 0;
}

/* Each row is a JWK already: the set (RFC 7517 5) is made around them. */
static int
jwks_row(struct output *output, struct bytes row)
{
	struct row_field field;

	if (row_next(&row, &field) != 1)
		return -1;
	(void)fprintf(output->to, "%s%.*s",
	    output->row_count == 0 ? "{\"keys\": [\n" : ",\n",
	    (int)field.value.length, (const char *)field.value.data);
	output->row_count++;
	return 0;
}

int
output_row(struct output *output, struct bytes row)
{
	if (output->shape == SHAPE_JWKS)
		return jwks_row(output, row);
	if (output->json)
		return json_row(output, row);
	if (output->shape == SHAPE_FINDINGS)
		return findings_print(output->to, row);
	if (output->shape == SHAPE_ZONE)
		return zone_print(output->to, row);
	if (output->shape == SHAPE_METRICS)
		return metrics_print(output->to, row, output->metric);
	return output->shape == SHAPE_LIST ? list_row(output, row)
					   : object_row(output, row);
}

/* A cell, and the space up to the next; none behind the last. */
static void
print_cell(const struct output *output, const char *text, size_t have,
    size_t width, size_t column)
{
	if (output->numeric[column])
		pad(output->to, width - have);
	(void)fputs(text, output->to);
	if (column + 1 == output->columns) {
		(void)fputc('\n', output->to);
		return;
	}
	pad(output->to, (output->numeric[column] ? 0 : width - have) + 2);
}

static void
print_list(struct output *output)
{
	size_t widths[COLUMNS_MAX], i, column;
	char *c;

	for (column = 0; column < output->columns; column++) {
		widths[column] = strlen(output->keys[column]);
		for (c = output->keys[column]; *c != '\0'; c++)
			*c = (char)toupper((unsigned char)*c);
	}
	for (i = 0; i < output->cell_count; i++) {
		if (output->cells[i].width > widths[i % output->columns])
			widths[i % output->columns] = output->cells[i].width;
	}
	for (column = 0; column < output->columns; column++)
		print_cell(output, output->keys[column],
		    strlen(output->keys[column]), widths[column], column);
	for (i = 0; i < output->cell_count; i++) {
		column = i % output->columns;
		print_cell(output, output->cells[i].text,
		    output->cells[i].width, widths[column], column);
	}
}

void
output_abandon(struct output *output)
{
	size_t i;

	if (output == NULL)
		return;
	for (i = 0; i < output->columns; i++)
		free(output->keys[i]);
	for (i = 0; i < output->cell_count; i++)
		free(output->cells[i].text);
	free(output->cells);
	if (output->final != NULL) {
		(void)fclose(output->to);
		free(output->buffer);
	}
	free(output);
}

int
output_close(struct output *output)
{
	int result;

	if (output->shape == SHAPE_JWKS)
		(void)fputs(
		    output->row_count == 0 ? "{\"keys\": []}\n" : "\n]}\n",
		    output->to);
	else if (output->json && is_array(output))
		(void)fputs(
		    output->row_count == 0 ? "[]\n" : "\n]\n", output->to);
	else if (output->json)
		(void)fputs(
		    output->row_count == 0 ? "{}\n" : "}\n", output->to);
	else if (output->columns > 0)
		print_list(output);
	result = fflush(output->to) == EOF || ferror(output->to) ? -1 : 0;
	if (output->final != NULL && result == 0) {
		(void)fwrite(
		    output->buffer, 1, output->buffer_length, output->final);
		if (fflush(output->final) == EOF || ferror(output->final))
			result = -1;
	}
	output_abandon(output);
	return result;
}
