/* SPDX-License-Identifier: ISC */
#include "tokenctl/zone.h"

#include <stdlib.h>
#include <string.h>

#include "lib/row.h"
#include "tokenctl/print.h"

static const char *const keys[] = {
    "domain", "record", "state", "found", "certificate", "advice"};

enum {
	DOMAIN,
	RECORD,
	STATE,
	FOUND,
	CERTIFICATE,
	ADVICE,
	KEYS
};

static void
print_field(FILE *to, const struct row_field *field)
{
	char *text = print_text(field);

	(void)fputs(text == NULL ? "?" : text, to);
	free(text);
}

/* Each line of it as a comment. */
static void
print_comments(FILE *to, const struct row_field *field)
{
	struct row_field line = *field;
	const uint8_t *end;

	while (field->value.length > 0 && line.value.length > 0) {
		end = memchr(line.value.data, '\n', line.value.length);
		line.value.length = end == NULL
		    ? line.value.length
		    : (size_t)(end - line.value.data);
		(void)fputs(";   ", to);
		print_field(to, &line);
		(void)fputc('\n', to);
		if (end == NULL)
			break;
		line.value = bytes_of(end + 1,
		    (size_t)(field->value.data + field->value.length -
			(end + 1)));
	}
}

int
zone_print(FILE *to, struct bytes row)
{
	struct row_field fields[KEYS];
	size_t i;

	for (i = 0; i < KEYS; i++)
		if (row_next(&row, &fields[i]) != 1 ||
		    !bytes_equal(fields[i].key, bytes_text(keys[i])))
			return -1;
	(void)fputs("; ", to);
	print_field(to, &fields[DOMAIN]);
	(void)fputs(": ", to);
	print_field(to, &fields[STATE]);
	if (fields[FOUND].value.length > 0) {
		(void)fputs(": ", to);
		print_field(to, &fields[FOUND]);
	}
	(void)fputc('\n', to);
	print_comments(to, &fields[ADVICE]);
	if (fields[RECORD].value.length > 0) {
		print_field(to, &fields[RECORD]);
		(void)fputc('\n', to);
	}
	return 0;
}
