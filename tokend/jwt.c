/* SPDX-License-Identifier: ISC */
#include "tokend/jwt.h"

#include <stdio.h>
#include <string.h>

#include "lib/base64.h"

#define HEADER 96 /* octets of the text of a header, with room */
#define SIGNATURE 86 /* characters of a signature */
#define TIME_MOST 253402300799ULL /* the year 9999 ends */

static int
write_header(const struct jwt_key *key, char out[HEADER])
{
	char text[HEADER];

	snprintf(text, sizeof(text),
	    "{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"%s\"}", key->kid);
	return base64url_encode(
		   out, HEADER, (const uint8_t *)text, strlen(text)) == -1
	    ? -1
	    : 0;
}

/* RFC 8259 7. An address has no control characters; -1 if it had. */
static int
add_string(char *out, size_t size, const char *text)
{
	size_t n = strlen(out);

	for (; *text != '\0'; text++) {
		if ((unsigned char)*text < 0x20 || n + 3 > size)
			return -1;
		if (*text == '"' || *text == '\\')
			out[n++] = '\\';
		out[n++] = *text;
	}
	out[n] = '\0';
	return 0;
}

static int
write_claims(const struct jwt *jwt, char *out, size_t size)
{
	char rest[160];

	snprintf(rest, sizeof(rest),
	    "\",\"aud\":\"" JWT_AUDIENCE
	    "\",\"iat\":%llu,\"exp\":%llu,\"jti\":\"%s\"}",
	    (unsigned long long)jwt->issued, (unsigned long long)jwt->expires,
	    jwt->id);
	(void)strlcpy(out, "{\"iss\":\"", size);
	if (add_string(out, size, jwt->issuer) == -1 ||
	    strlcat(out, "\",\"sub\":\"", size) >= size ||
	    add_string(out, size, jwt->subject) == -1 ||
	    strlcat(out, rest, size) >= size)
		return -1;
	return 0;
}

int
jwt_write(
    const struct jwt_key *key, const struct jwt *jwt, char out[JWT_MAX + 1])
{
	char header[HEADER], claims[JWT_MAX], part[BASE64_SIZE(JWT_MAX)];
	char signature[BASE64_SIZE(ES256_SIGNATURE)];
	uint8_t octets[ES256_SIGNATURE];
	int n;

	if (write_header(key, header) == -1 ||
	    write_claims(jwt, claims, sizeof(claims)) == -1 ||
	    base64url_encode(part, sizeof(part), (const uint8_t *)claims,
		strlen(claims)) == -1)
		return -1;
	n = snprintf(out, JWT_MAX + 1, "%s.%s", header, part);
	if (n < 0 || n + 1 + SIGNATURE > JWT_MAX ||
	    es256_sign(&key->es256, out, (size_t)n, octets) == -1 ||
	    base64url_encode(
		signature, sizeof(signature), octets, sizeof(octets)) == -1)
		return -1;
	(void)strlcat(out, ".", JWT_MAX + 1);
	(void)strlcat(out, signature, JWT_MAX + 1);
	return (int)strlen(out);
}

/* The places of the two dots. Returns 0, or -1 when there are not two. */
static int
find_dots(struct bytes text, size_t *first, size_t *second)
{
	size_t i, dots = 0;

	for (i = 0; i < text.length; i++) {
		if (text.data[i] != '.')
			continue;
		if (++dots == 1)
			*first = i;
		*second = i;
	}
	return dots == 2 ? 0 : -1;
}

int
jwt_is(struct bytes text)
{
	size_t first, second;

	return find_dots(text, &first, &second) == 0;
}

/* The key whose header this is, to the letter; NULL: none. */
static const struct jwt_key *
key_of_header(const struct keyring *ring, struct bytes header)
{
	const struct jwt_key *key, *found = NULL;
	char ours[HEADER];
	size_t i;

	for (i = 0; i < ring->count; i++) {
		key = jwt_key_of(&ring->keys[i]);
		if (key != NULL && write_header(key, ours) == 0 &&
		    bytes_equal(header, bytes_text(ours)))
			found = key;
	}
	return found;
}

/* Cuts this off the front of the claims. */
static int
take(const char **claims, const char *what)
{
	size_t length = strlen(what);

	if (strncmp(*claims, what, length) != 0)
		return -1;
	*claims += length;
	return 0;
}

static int
take_string(const char **claims, char *out, size_t size)
{
	size_t n = 0;

	for (; **claims != '\0' && **claims != '"'; (*claims)++) {
		if (**claims == '\\' && *++*claims != '"' && **claims != '\\')
			return -1;
		if ((unsigned char)**claims < 0x20 || n + 1 >= size)
			return -1;
		out[n++] = **claims;
	}
	out[n] = '\0';
	return 0;
}

static int
take_number(const char **claims, uint64_t *number)
{
	const char *start = *claims;

	for (*number = 0; **claims >= '0' && **claims <= '9'; (*claims)++) {
		*number = *number * 10 + (uint64_t)(**claims - '0');
		if (*number > TIME_MOST)
			return -1;
	}
	if (*claims == start || (*start == '0' && *claims != start + 1))
		return -1;
	return 0;
}

/* Of the form that write_claims() gives them. */
static int
read_claims(const char *claims, struct jwt *jwt)
{
	if (take(&claims, "{\"iss\":\"") == -1 ||
	    take_string(&claims, jwt->issuer, sizeof(jwt->issuer)) == -1 ||
	    take(&claims, "\",\"sub\":\"") == -1 ||
	    take_string(&claims, jwt->subject, sizeof(jwt->subject)) == -1 ||
	    take(&claims, "\",\"aud\":\"" JWT_AUDIENCE "\",\"iat\":") == -1 ||
	    take_number(&claims, &jwt->issued) == -1 ||
	    take(&claims, ",\"exp\":") == -1 ||
	    take_number(&claims, &jwt->expires) == -1 ||
	    take(&claims, ",\"jti\":\"") == -1 ||
	    take_string(&claims, jwt->id, sizeof(jwt->id)) == -1 ||
	    strlen(jwt->id) != JWT_ID || strcmp(claims, "\"}") != 0)
		return -1;
	return 0;
}

int
jwt_read(const struct keyring *ring, struct bytes text, struct jwt *jwt)
{
	uint8_t octets[ES256_SIGNATURE], claims[JWT_MAX + 1];
	const struct jwt_key *key = NULL, *any;
	size_t first = 0, second = 0;
	ssize_t length;
	int good;

	memset(jwt, 0, sizeof(*jwt));
	/* Numbers in their range: zeros would be refused without the work. */
	memset(octets, 1, sizeof(octets));
	if (text.length > JWT_MAX)
		text.length = 0;
	if (find_dots(text, &first, &second) == 0 &&
	    base64url_decode(octets, sizeof(octets),
		(const char *)text.data + second + 1,
		text.length - second - 1) == ES256_SIGNATURE)
		key = key_of_header(ring, bytes_of(text.data, first));
	if ((any = key) == NULL)
		any = jwt_key_of(keyring_active(ring));
	good =
	    any != NULL && es256_verify(&any->es256, text.data, second, octets);
	if (!good || key == NULL)
		return -1;
	length = base64url_decode(claims, JWT_MAX,
	    (const char *)text.data + first + 1, second - first - 1);
	if (length == -1 || memchr(claims, '\0', (size_t)length) != NULL)
		return -1;
	claims[length] = '\0';
	return read_claims((const char *)claims, jwt);
}
