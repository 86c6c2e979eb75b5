/* SPDX-License-Identifier: ISC */
/* What every directive's parser needs: texts, lists, numbers, errors. */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "smtpd-stoken/config-parse.h"

/* What every system has room for. */
#define SOCKET_PATH_MAX 103

int
parse_error(
    struct parser *parser, const struct place *place, const char *format, ...)
{
	va_list arguments;

	parser->error_count++;
	fprintf(parser->errors, "%s:%d: ", place->file, place->line);
	va_start(arguments, format);
	vfprintf(parser->errors, format, arguments);
	va_end(arguments);
	fputc('\n', parser->errors);
	return -1;
}

struct place
parse_place(const struct parser *parser)
{
	struct place place = {parser->lexeme.file, parser->lexeme.line};

	return place;
}

/* A lexeme that is none is reported here, once, and left out. */
void
parse_next(struct parser *parser)
{
	struct place place;

	for (;;) {
		lexer_next(parser->lexer, &parser->lexeme);
		if (parser->lexeme.kind != LEXEME_BAD)
			return;
		place = parse_place(parser);
		parse_error(parser, &place, "%s", parser->lexeme.text);
	}
}

const char *
parse_describe(const struct parser *parser, char text[LEXEME_MAX + 2])
{
	static const char *const signs[] = {
	    [LEXEME_EOF] = "the end of the file",
	    [LEXEME_NEWLINE] = "the end of the line",
	    [LEXEME_OPEN] = "\"{\"",
	    [LEXEME_CLOSE] = "\"}\"",
	    [LEXEME_COMMA] = "\",\"",
	    [LEXEME_EQUALS] = "\"=\"",
	};
	enum lexeme_kind kind = parser->lexeme.kind;

	if (kind != LEXEME_WORD && kind != LEXEME_STRING)
		return signs[kind];
	snprintf(text, LEXEME_MAX + 2, "\"%s\"", parser->lexeme.text);
	return text;
}

int
parse_accept(struct parser *parser, const char *word)
{
	if (parser->lexeme.kind != LEXEME_WORD ||
	    strcmp(parser->lexeme.text, word) != 0)
		return 0;
	parse_next(parser);
	return 1;
}

int
parse_text(struct parser *parser, char text[LEXEME_MAX], const char *expected)
{
	struct place place = parse_place(parser);
	char found[LEXEME_MAX + 2];

	if (parser->lexeme.kind != LEXEME_WORD &&
	    parser->lexeme.kind != LEXEME_STRING)
		return parse_error(parser, &place, "found %s, expected %s",
		    parse_describe(parser, found), expected);
	strlcpy(text, parser->lexeme.text, LEXEME_MAX);
	parse_next(parser);
	return 0;
}

char *
parse_string(struct parser *parser, const char *expected)
{
	struct place place = parse_place(parser);
	char text[LEXEME_MAX], *copy;

	if (parse_text(parser, text, expected) == -1)
		return NULL;
	if ((copy = strdup(text)) == NULL)
		parse_error(parser, &place, "%s", strerror(errno));
	return copy;
}

/* The processes leave the directory where they were started. */
int
parse_absolute(struct parser *parser, char **path)
{
	struct place place = parse_place(parser);
	char *text;

	if ((text = parse_string(parser, "an absolute path")) == NULL)
		return -1;
	if (text[0] != '/') {
		parse_error(parser, &place,
		    "\"%s\" is not absolute, expected a path from \"/\"", text);
		free(text);
		return -1;
	}
	free(*path);
	*path = text;
	return 0;
}

int
parse_socket(struct parser *parser, char **path)
{
	struct place place = parse_place(parser);

	if (parse_absolute(parser, path) == -1)
		return -1;
	if (strlen(*path) > SOCKET_PATH_MAX)
		return parse_error(parser, &place,
		    "\"%s\" is too long for a socket, expected at most %d "
		    "octets",
		    *path, SOCKET_PATH_MAX);
	return 0;
}

/* Items up to the closing brace, on as many lines as it takes. */
static int
list_items(struct parser *parser, const char *expected,
    int (*item)(struct parser *, const char *text, const struct place *))
{
	char text[LEXEME_MAX];
	struct place place;
	int result = 0;

	for (;;) {
		place = parse_place(parser);
		if (parser->lexeme.kind == LEXEME_NEWLINE ||
		    parser->lexeme.kind == LEXEME_COMMA) {
			parse_next(parser);
			continue;
		}
		if (parser->lexeme.kind == LEXEME_CLOSE) {
			parse_next(parser);
			return result;
		}
		if (parse_text(parser, text, expected) == -1)
			return -1;
		if (item(parser, text, &place) == -1)
			result = -1;
	}
}

int
parse_list(struct parser *parser, const char *expected,
    int (*item)(struct parser *, const char *text, const struct place *))
{
	struct place place = parse_place(parser);
	char text[LEXEME_MAX];

	if (parser->lexeme.kind == LEXEME_OPEN) {
		parse_next(parser);
		return list_items(parser, expected, item);
	}
	if (parse_text(parser, text, expected) == -1)
		return -1;
	return item(parser, text, &place);
}

/* Digits, then nothing or one of `units`. 0, or -1: not of that form. */
static int
number_with_unit(const char *text, const char *units, const uint64_t *factors,
    uint64_t *value)
{
	const char *unit;
	uint64_t factor = 1;
	char *end;

	if (!isdigit((unsigned char)text[0]))
		return -1;
	errno = 0;
	*value = strtoull(text, &end, 10);
	if (errno != 0)
		return -1;
	if (*end != '\0') {
		if (end[1] != '\0' || (unit = strchr(units, *end)) == NULL)
			return -1;
		factor = factors[unit - units];
	} else if (units[0] == 's' && *value != 0)
		return -1; /* a duration says its unit */
	if (*value > UINT64_MAX / 2 / factor)
		return -1;
	*value *= factor;
	return 0;
}

int
parse_number(struct parser *parser, uint64_t *value, uint64_t minimum,
    uint64_t maximum, const char *expected)
{
	static const uint64_t factors[] = {1ULL << 10, 1ULL << 20, 1ULL << 30};
	struct place place = parse_place(parser);
	char text[LEXEME_MAX];

	if (parse_text(parser, text, expected) == -1)
		return -1;
	if (number_with_unit(
		text, expected[0] == 'S' ? "KMG" : "", factors, value) == -1 ||
	    *value < minimum || *value > maximum)
		return parse_error(parser, &place,
		    "found \"%s\", expected %s from %llu to %llu", text,
		    expected[0] == 'S' ? "octets (K, M, G)" : "a number",
		    (unsigned long long)minimum, (unsigned long long)maximum);
	return 0;
}

int
parse_duration_value(struct parser *parser, uint64_t *value)
{
	static const uint64_t factors[] = {
	    1, 60, 3600, 86400, 7 * 86400, 365 * 86400};
	static const char expected[] =
	    "a duration as 30s, 5m, 1h, 7d, 2w, 1y, or 0 for never";
	struct place place = parse_place(parser);
	char text[LEXEME_MAX];

	if (parse_text(parser, text, expected) == -1)
		return -1;
	if (number_with_unit(text, "smhdwy", factors, value) == -1 ||
	    *value > 100ULL * 365 * 86400)
		return parse_error(parser, &place,
		    "\"%s\" is not a duration, expected %s", text, expected);
	return 0;
}

static size_t
least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* How many letters differ: insertions, removals, replacements. */
static size_t
distance(const char *a, const char *b)
{
	size_t row[32], i, j, above, diagonal;

	if (strlen(b) >= sizeof(row) / sizeof(row[0]))
		return SIZE_MAX;
	for (j = 0; j <= strlen(b); j++)
		row[j] = j;
	for (i = 1; i <= strlen(a); i++) {
		diagonal = row[0];
		row[0] = i;
		for (j = 1; j <= strlen(b); j++) {
			above = row[j];
			row[j] = least(least(above, row[j - 1]) + 1,
			    diagonal + (a[i - 1] != b[j - 1]));
			diagonal = above;
		}
	}
	return row[strlen(b)];
}

const char *
parse_nearest(const char *word,
    const char *(*candidate)(const void *context, size_t index),
    const void *context)
{
	const char *name, *best = NULL;
	size_t i, how, best_how = 3;

	if (strlen(word) > 40)
		return NULL;
	for (i = 0; (name = candidate(context, i)) != NULL; i++) {
		how = distance(word, name);
		if (how < best_how && how < strlen(name)) {
			best_how = how;
			best = name;
		}
	}
	return best;
}
