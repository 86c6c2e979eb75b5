/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/address.h"
#include "tokenctl/print.h"

/* A decimal of at most 20 digits (lib/row.h). */
static uint64_t
decimal(struct bytes text)
{
	uint64_t value = 0;
	size_t i;

	for (i = 0; i < text.length; i++)
		value = value * 10 + (uint64_t)(text.data[i] - '0');
	return value;
}

/* RFC 3339 in UTC, to the second. Returns 0, or -1 for no time. */
static int
format_time(char *out, size_t size, struct bytes value)
{
	time_t seconds = (time_t)(decimal(value) / 1000);
	struct tm tm;

	if (decimal(value) == 0 || gmtime_r(&seconds, &tm) == NULL ||
	    strftime(out, size, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		return -1;
	return 0;
}

/* Octets of the UTF-8 character at the start, or 0 when there is none. */
static size_t
character(struct bytes text)
{
	size_t n;

	for (n = 1; n <= 4 && n <= text.length; n++) {
		if (utf8_valid((const char *)text.data, n))
			return n;
	}
	return 0;
}

void
print_json_text(FILE *to, struct bytes text)
{
	size_t n;

	(void)fputc('"', to);
	for (; text.length > 0; text.data += n, text.length -= n) {
		n = character(text);
		if (text.data[0] < ' ' || text.data[0] == 0x7f) {
			(void)fprintf(to, "\\u%04x", text.data[0]);
			n = 1;
		} else if (n == 0) {
			(void)fputs("\\ufffd", to);
			n = 1;
		} else {
			if (text.data[0] == '"' || text.data[0] == '\\')
				(void)fputc('\\', to);
			(void)fwrite(text.data, 1, n, to);
		}
	}
	(void)fputc('"', to);
}

void
print_json(FILE *to, const struct row_field *field)
{
	char text[32];

	switch (field->type) {
	case ROW_TEXT:
		if (field->value.length == 0)
			(void)fputs("null", to);
		else
			print_json_text(to, field->value);
		break;
	case ROW_DECIMAL:
		(void)fwrite(field->value.data, 1, field->value.length, to);
		break;
	case ROW_NUMBER:
		(void)fprintf(to, "%" PRIu64, decimal(field->value));
		break;
	case ROW_BOOLEAN:
		(void)fputs(decimal(field->value) ? "true" : "false", to);
		break;
	case ROW_TIME:
		if (format_time(text, sizeof(text), field->value) == -1)
			(void)fputs("null", to);
		else
			(void)fprintf(to, "\"%s\"", text);
		break;
	}
}

/* Room for every octet as \ooo. */
static char *
safe_text(struct bytes text)
{
	char *out = malloc(text.length * 4 + 1), *end = out;
	size_t n;

	if (out == NULL)
		return NULL;
	for (; text.length > 0; text.data += n, text.length -= n) {
		n = character(text);
		/* C1 controls are two octets, the first of which is 0xc2. */
		if (n == 0 || text.data[0] < ' ' || text.data[0] == 0x7f ||
		    (text.data[0] == 0xc2 && text.data[1] < 0xa0)) {
			end += snprintf(end, 5, "\\%03o", text.data[0]);
			n = 1;
		} else {
			memcpy(end, text.data, n);
			end += n;
		}
	}
	*end = '\0';
	return out;
}

char *
print_text(const struct row_field *field)
{
	char text[32];

	switch (field->type) {
	case ROW_TIME:
		if (format_time(text, sizeof(text), field->value) == -1)
			return strdup("never");
		return strdup(text);
	case ROW_BOOLEAN:
		return strdup(decimal(field->value) ? "yes" : "no");
	default:
		return field->value.length == 0 ? strdup("-")
						: safe_text(field->value);
	}
}

size_t
print_width(const char *text)
{
	size_t n = 0;

	for (; *text != '\0'; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}
