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

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char more[SIZE + 32];
	char *copy;

	if (size > SIZE || (copy = malloc(size + (size == 0))) == NULL)
		return 0;
	memcpy(copy, data, size);
	if (results_vouch(copy, size, AUTHSERV, FROM)) {
		memcpy(more, " (;\n\\))\n\t", 9);
		memcpy(more + 9, copy, size);
		if (!results_vouch(more, size + 9, AUTHSERV, FROM) ||
		    results_vouch(copy, size, "mx.b.example", FROM))
			abort();
		memcpy(more, copy, size);
		memcpy(more + size, "(", 1);
		if (results_vouch(more, size + 1, AUTHSERV, FROM))
			abort();
	}
	free(copy);
	return 0;
}
