/* SPDX-License-Identifier: ISC */
/*
 * A message's header in one piece and in pieces: the same comes out, and
 * none of it is what is to be taken out. The first octet picks what is done,
 * and the pieces.
 * sources: smtpd-stoken/engine/smtp/?*.c lib/address.c lib/base64.c
 * libs: -lidn2
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "smtpd-stoken/engine/smtp/field.h"
#include "smtpd-stoken/engine/smtp/header.h"

#define SIZE 16384

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

struct output {
	char text[SIZE + 512];
	size_t length;
};

static void
collect(void *context, const void *text, size_t length)
{
	struct output *output = context;

	if (length == 0 || output->length + length > sizeof(output->text))
		abort();
	memcpy(output->text + output->length, text, length);
	output->length += length;
}

static struct header *
run(const struct header_rules *rules, const char *text, size_t length,
    size_t piece, struct output *output)
{
	struct header *header = header_new(rules);
	const char *end;
	size_t i, n;
	int over = 0;

	if (header == NULL)
		abort();
	output->length = 0;
	for (i = 0; i < length && !over; i += n) {
		n = 1;
		if (text[i] == '\n') {
			over = header_newline(header, collect, output);
			continue;
		}
		end = memchr(text + i, '\n', length - i);
		n = end != NULL ? (size_t)(end - text) - i : length - i;
		if (n > piece)
			n = piece;
		over = header_text(header, text + i, n, collect, output);
	}
	if (!over)
		header_end(header, collect, output);
	else if (i < length)
		collect(output, text + i, length - i);
	return header;
}

static void
compare(const struct header *a, const struct header *b)
{
	size_t i;

	if (strcmp(header_from(a), header_from(b)) != 0 ||
	    header_hops(a) != header_hops(b) ||
	    header_is_authentic(a) != header_is_authentic(b))
		abort();
	for (i = 0; header_token(a, i) != NULL; i++)
		if (header_token(b, i) == NULL ||
		    strcmp(header_token(a, i), header_token(b, i)) != 0 ||
		    strlen(header_token(a, i)) > FIELD_TOKEN_MAX)
			abort();
	if (header_token(b, i) != NULL)
		abort();
}

/* What came out goes through as it is: there is nothing left to be done. */
static void
repeat(const struct header_rules *rules, const struct output *output)
{
	static struct output again;
	struct header *header;

	header = run(rules, output->text, output->length, SIZE, &again);
	if (again.length != output->length ||
	    memcmp(again.text, output->text, again.length) != 0 ||
	    header_token(header, 0) != NULL)
		abort();
	header_free(header);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct output whole, pieces;
	struct header_rules rules = {
	    .hostname = "mx.a.example", .id = "ID", .now = 1700000000};
	struct header *a, *b;

	if (size == 0 || size > SIZE)
		return 0;
	rules.submission = data[0] & 1;
	rules.tokens = rules.submission || (data[0] & 4);
	rules.results = rules.submission || (data[0] & 2);
	rules.learn = !rules.submission;
	rules.authserv = rules.results ? NULL : "mx.a.example";
	a = run(&rules, (const char *)data + 1, size - 1, SIZE, &whole);
	b = run(&rules, (const char *)data + 1, size - 1,
	    (size_t)(data[0] >> 2) + 1, &pieces);
	if (whole.length != pieces.length ||
	    memcmp(whole.text, pieces.text, whole.length) != 0)
		abort();
	compare(a, b);
	header_free(a);
	header_free(b);
	if (rules.submission)
		repeat(&rules, &whole);
	return 0;
}
