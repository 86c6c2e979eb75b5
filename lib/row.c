/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/row.h"

static int
append(struct list_writer *row, const char *key, char type, struct bytes value)
{
	size_t before = row->length;

	if (list_add(row, bytes_text(key)) == 0 &&
	    list_add(row, bytes_of(&type, 1)) == 0 && list_add(row, value) == 0)
		return 0;
	row->length = before;
	return -1;
}

int
row_text(struct list_writer *row, const char *key, struct bytes value)
{
	return append(row, key, ROW_TEXT, value);
}

static int
append_number(
    struct list_writer *row, const char *key, char type, uint64_t value)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%" PRIu64, value);
	return append(row, key, type, bytes_text(text));
}

int
row_number(struct list_writer *row, const char *key, uint64_t value)
{
	return append_number(row, key, ROW_NUMBER, value);
}

int
row_decimal(struct list_writer *row, const char *key, uint64_t millionths)
{
	char text[32];

	(void)snprintf(text, sizeof(text), "%" PRIu64 ".%06u",
	    millionths / 1000000, (unsigned int)(millionths % 1000000));
	return append(row, key, ROW_DECIMAL, bytes_text(text));
}

int
row_time(struct list_writer *row, const char *key, uint64_t milliseconds)
{
	if (milliseconds == 0)
		return append(row, key, ROW_TIME, bytes_of(NULL, 0));
	return append_number(row, key, ROW_TIME, milliseconds);
}

int
row_boolean(struct list_writer *row, const char *key, int value)
{
	return append(row, key, ROW_BOOLEAN, bytes_text(value ? "1" : "0"));
}

static int
is_decimal(struct bytes value)
{
	size_t i;

	for (i = 0; i < value.length; i++) {
		if (value.data[i] < '0' || value.data[i] > '9')
			return 0;
	}
	return value.length > 0 && value.length <= 20;
}

static int
is_fraction(struct bytes value)
{
	return value.length > 7 && value.data[value.length - 7] == '.' &&
	    is_decimal(bytes_of(value.data, value.length - 7)) &&
	    is_decimal(bytes_of(value.data + value.length - 6, 6));
}

int
row_next(struct bytes *rest, struct row_field *field)
{
	struct bytes type;
	int more;

	if ((more = list_next(rest, &field->key)) != 1)
		return more;
	if (field->key.length == 0 || list_next(rest, &type) != 1 ||
	    type.length != 1 || list_next(rest, &field->value) != 1)
		return -1;
	field->type = (enum row_type)type.data[0];
	switch (field->type) {
	case ROW_TEXT:
		return 1;
	case ROW_TIME:
		if (field->value.length == 0)
			return 1;
		return is_decimal(field->value) ? 1 : -1;
	case ROW_DECIMAL:
		return is_fraction(field->value) ? 1 : -1;
	case ROW_NUMBER:
	case ROW_BOOLEAN:
		return is_decimal(field->value) ? 1 : -1;
	}
	return -1;
}
