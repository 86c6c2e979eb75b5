/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "tokend/auth/scram_text.h"

struct bytes
scram_next(struct bytes *rest)
{
	struct bytes part = *rest;
	const uint8_t *comma = NULL;

	if (rest->length > 0)
		comma = memchr(rest->data, ',', rest->length);
	if (comma == NULL) {
		*rest = bytes_of(NULL, 0);
		return part;
	}
	part.length = (size_t)(comma - part.data);
	rest->data = comma + 1;
	rest->length -= part.length + 1;
	return part;
}

int
scram_value(struct bytes attribute, char letter, struct bytes *value)
{
	if (attribute.length < 2 || attribute.data[0] != letter ||
	    attribute.data[1] != '=')
		return -1;
	*value = bytes_of(attribute.data + 2, attribute.length - 2);
	return 0;
}

ssize_t
scram_unescape(char *out, size_t size, struct bytes in)
{
	size_t i, n = 0;

	for (i = 0; i < in.length; i++) {
		if (n == size)
			return -1;
		if (in.data[i] != '=') {
			out[n++] = (char)in.data[i];
			continue;
		}
		if (in.length - i < 3)
			return -1;
		if (memcmp(in.data + i, "=2C", 3) == 0)
			out[n++] = ',';
		else if (memcmp(in.data + i, "=3D", 3) == 0)
			out[n++] = '=';
		else
			return -1;
		i += 2;
	}
	return (ssize_t)n;
}

bool
scram_nonce_is_good(struct bytes nonce)
{
	size_t i;

	for (i = 0; i < nonce.length; i++) {
		if (nonce.data[i] <= ' ' || nonce.data[i] >= 0x7f)
			return false;
	}
	return nonce.length > 0 && nonce.length <= SCRAM_NONCE_MAX;
}

const uint8_t *
scram_find_proof(struct bytes message)
{
	size_t i = message.length;

	while (i > 0 && message.data[i - 1] != ',')
		i--;
	if (i == 0 || message.length - i < 2 ||
	    memcmp(message.data + i, "p=", 2) != 0)
		return NULL;
	return message.data + i - 1;
}
