/* SPDX-License-Identifier: ISC */
/*
 * A canonical address is canonical, and short enough.
 * sources: lib/address.c
 * libs: -lidn2
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/address.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1); /* ends where the data end */
	char out[ADDRESS_SIZE], again[ADDRESS_SIZE], base[ADDRESS_SIZE];
	struct address address;
	size_t n;

	if (text == NULL)
		abort();
	text = realloc(text, size > 0 ? size : 1);
	memcpy(text, data, size);
	if ((n = path_parse(&address, text, size)) > size)
		abort();
	if (n > 0 && address.length > 0 &&
	    (address.text < text || address.text + address.length > text + n))
		abort();
	if (address_canonical_text(text, size, out) == 0) {
		if (strlen(out) > ADDRESS_MAX ||
		    address_canonical_text(out, strlen(out), again) == -1 ||
		    strcmp(out, again) != 0)
			abort();
		if (address_base(out, base) &&
		    address_canonical_text(base, strlen(base), again) == -1)
			abort();
	}
	free(text);
	return 0;
}
