/* SPDX-License-Identifier: ISC */
/*
 * Whatever is accepted has one text, and it is this one.
 * sources: lib/base64.c
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base64.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
check(const char *text, size_t length, int url)
{
	uint8_t *data = malloc(length + 1);
	char *again = malloc(BASE64_SIZE(length));
	ssize_t n, m;

	if (data == NULL || again == NULL)
		abort();
	n = url ? base64url_decode(data, length, text, length)
		: base64_decode(data, length, text, length);
	if (n >= 0) {
		m = url ? base64url_encode(
			      again, BASE64_SIZE(length), data, (size_t)n)
			: base64_encode(
			      again, BASE64_SIZE(length), data, (size_t)n);
		if ((size_t)m != length || memcmp(again, text, length) != 0)
			abort();
	}
	free(data);
	free(again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check((const char *)data, size, 0);
	check((const char *)data, size, 1);
	return 0;
}
