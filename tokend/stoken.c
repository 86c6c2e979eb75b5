/* SPDX-License-Identifier: ISC */
#include "tokend/stoken.h"

#include <string.h>

int
stoken_split(
    struct bytes response, struct bytes *recipient, struct bytes *token)
{
	const uint8_t *at;
	size_t i, separator = 1;

	if (response.length == 0)
		return -1;
	at = memchr(response.data, 0, response.length);
	/* The draft's own samples hold a backslash and a zero (a.1, 1). */
	for (i = response.length - 1; at == NULL && i > 0; i--) {
		if (memcmp(response.data + i - 1, "\\0", 2) != 0)
			continue;
		at = response.data + i - 1;
		separator = 2;
	}
	if (at == NULL)
		return -1;
	*recipient = bytes_of(response.data, (size_t)(at - response.data));
	*token = bytes_of(
	    at + separator, response.length - recipient->length - separator);
	return 0;
}
