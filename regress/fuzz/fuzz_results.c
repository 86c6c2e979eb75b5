/* SPDX-License-Identifier: ISC */
/*
 * Authentication-Results: no octet behind the field is read; and one that
 * vouches for an address does so with a comment and a fold in front too, in
 * nobody else's name, and not with a comment behind it that has no end.
 * sources: smtpd-stoken/engine/smtp/field.c smtpd-stoken/engine/smtp/results.c lib/address.c
 * libs: -lidn2
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "smtpd-stoken/engine/smtp/results.h"

#define SIZE 2048
#define AUTHSERV "mx.a.example"
#define FROM "al@news.b.example"

static int
vouches(const char *value, size_t length, const char *authserv)
{
	struct results_field field = {value, length};
	struct results one = {&field, 1, 0};

	return results_vouch(&one, authserv, FROM);
}

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char more[SIZE + 32];
	char *copy;

	if (size > SIZE || (copy = malloc(size + (size == 0))) == NULL)
		return 0;
	memcpy(copy, data, size);
	if (vouches(copy, size, AUTHSERV)) {
		memcpy(more, " (;\n\\))\n\t", 9);
		memcpy(more + 9, copy, size);
		if (!vouches(more, size + 9, AUTHSERV) ||
		    vouches(copy, size, "mx.b.example"))
			abort();
		memcpy(more, copy, size);
		memcpy(more + size, "(", 1);
		if (vouches(more, size + 1, AUTHSERV))
			abort();
	}
	free(copy);
	return 0;
}
