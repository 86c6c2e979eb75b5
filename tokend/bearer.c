/* SPDX-License-Identifier: ISC */
#include "tokend/bearer.h"

#include <string.h>
#include <strings.h>

#define SEPARATOR 0x01 /* kvsep */

/* Cuts what stands before an octet off *rest. Returns -1 without one. */
static int
cut(struct bytes *rest, uint8_t octet, struct bytes *part)
{
	const uint8_t *end;

	if (rest->length == 0 ||
	    (end = memchr(rest->data, octet, rest->length)) == NULL)
		return -1;
	part->data = rest->data;
	part->length = (size_t)(end - rest->data);
	rest->data = end + 1;
	rest->length -= part->length + 1;
	return 0;
}

/* Is that how it starts? Then that is taken off, in any letter case. */
static int
begins(struct bytes *text, const char *start)
{
	size_t length = strlen(start);

	if (text->length < length ||
	    strncasecmp((const char *)text->data, start, length) != 0)
		return 0;
	text->data += length;
	text->length -= length;
	return 1;
}

/* RFC 6750 2.1: b64token. */
static int
is_token(struct bytes token)
{
	size_t i;

	for (i = 0; i < token.length; i++)
		if (token.data[i] <= ' ' || token.data[i] > '~')
			return 0;
	return token.length > 0;
}

/* The pairs, each behind the one before, and one more separator. */
static int
read_pairs(struct bytes rest, struct bearer *bearer)
{
	struct bytes pair;
	int found = 0;

	while (cut(&rest, SEPARATOR, &pair) == 0) {
		if (pair.length == 0)
			return rest.length == 0 && found ? 0 : -1;
		if (!begins(&pair, "auth="))
			continue; /* host, port: what the client thinks */
		if (found || !begins(&pair, "bearer "))
			return -1;
		while (begins(&pair, " ")) /* RFC 6750 2.1: 1*SP */
			continue;
		if (!is_token(pair))
			return -1;
		bearer->token = pair;
		found = 1;
	}
	return -1;
}

/* RFC 5801 4: saslname, with =2C and =3D for "," and "=". */
static int
read_name(struct bytes name, char out[ADDRESS_SIZE])
{
	size_t n = 0;

	while (name.length > 0) {
		if (n + 1 >= ADDRESS_SIZE || name.data[0] == '\0')
			return -1;
		if (begins(&name, "=2C")) {
			out[n++] = ',';
		} else if (begins(&name, "=3D")) {
			out[n++] = '=';
		} else if (name.data[0] == '=') {
			return -1;
		} else {
			out[n++] = (char)name.data[0];
			name.data++;
			name.length--;
		}
	}
	out[n] = '\0';
	return 0;
}

int
oauthbearer_read(struct bytes message, struct bearer *bearer)
{
	struct bytes flag, name, nothing;

	memset(bearer, 0, sizeof(*bearer));
	if (cut(&message, ',', &flag) == -1 || flag.length != 1 ||
	    (flag.data[0] != 'n' && flag.data[0] != 'y') ||
	    cut(&message, ',', &name) == -1 ||
	    cut(&message, SEPARATOR, &nothing) == -1 || nothing.length != 0)
		return -1;
	if (name.length > 0 &&
	    (!begins(&name, "a=") || read_name(name, bearer->user) == -1))
		return -1;
	return read_pairs(message, bearer);
}

int
xoauth2_read(struct bytes message, struct bearer *bearer)
{
	struct bytes name;

	memset(bearer, 0, sizeof(*bearer));
	if (cut(&message, SEPARATOR, &name) == -1 || !begins(&name, "user=") ||
	    name.length == 0 ||
	    bytes_copy(bearer->user, sizeof(bearer->user), name) == -1)
		return -1;
	return read_pairs(message, bearer);
}
