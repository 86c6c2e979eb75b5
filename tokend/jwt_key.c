/* SPDX-License-Identifier: ISC */
/* The keys of JWTs: one for each token key, made from it when needed. */
#include <stdio.h>
#include <string.h>

#include "lib/base64.h"
#include "tokend/jwt.h"

#define COORDINATE BASE64_SIZE(ES256_OCTETS)

static struct jwt_key kept[KEYRING_MAX];

/* RFC 7638 3: the required members in order, and nothing else. */
static int
name_key(struct jwt_key *key)
{
	char x[COORDINATE], y[COORDINATE], text[256];
	uint8_t hash[SHA256_DIGEST_LENGTH];
	char name[BASE64_SIZE(sizeof(hash))];

	if (base64url_encode(x, sizeof(x), key->es256.x, ES256_OCTETS) == -1 ||
	    base64url_encode(y, sizeof(y), key->es256.y, ES256_OCTETS) == -1)
		return -1;
	snprintf(text, sizeof(text),
	    "{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"%s\",\"y\":\"%s\"}", x,
	    y);
	SHA256((const uint8_t *)text, strlen(text), hash);
	if (base64url_encode(name, sizeof(name), hash, sizeof(hash)) == -1)
		return -1;
	memcpy(key->kid, name, JWT_KID);
	key->kid[JWT_KID] = '\0';
	return 0;
}

static int
jwt_key_make(struct jwt_key *jwt_key, const struct key *key)
{
	memset(jwt_key, 0, sizeof(*jwt_key));
	if (es256_derive(&jwt_key->es256, &key->hmac) == -1)
		return -1;
	jwt_key->id = key->id;
	if (name_key(jwt_key) == 0)
		return 0;
	es256_clear(&jwt_key->es256);
	return -1;
}

const struct jwt_key *
jwt_key_of(const struct key *key)
{
	struct jwt_key *unused = NULL;
	size_t i;

	for (i = 0; i < KEYRING_MAX; i++) {
		if (kept[i].es256.key == NULL)
			unused = &kept[i];
		else if (kept[i].id == key->id)
			return &kept[i];
	}
	if (unused == NULL) { /* keys that were retired meanwhile */
		jwt_key_forget(0);
		unused = &kept[0];
	}
	return jwt_key_make(unused, key) == 0 ? unused : NULL;
}

void
jwt_key_forget(uint16_t id)
{
	size_t i;

	for (i = 0; i < KEYRING_MAX; i++)
		if (kept[i].es256.key != NULL && (id == 0 || kept[i].id == id))
			es256_clear(&kept[i].es256);
}

/* SubjectPublicKeyInfo (RFC 5480) of a point of P-256. */
static int
pem(const struct jwt_key *key, char *out, size_t size)
{
	static const uint8_t head[] = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a,
	    0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
	    0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04};
	uint8_t der[sizeof(head) + 2 * ES256_OCTETS];
	char text[BASE64_SIZE(sizeof(der))];
	int n;

	memcpy(der, head, sizeof(head));
	memcpy(der + sizeof(head), key->es256.x, ES256_OCTETS);
	memcpy(der + sizeof(head) + ES256_OCTETS, key->es256.y, ES256_OCTETS);
	if (base64_encode(text, sizeof(text), der, sizeof(der)) == -1)
		return -1;
	n = snprintf(out, size,
	    "-----BEGIN PUBLIC KEY-----\\n%.64s\\n%s\\n"
	    "-----END PUBLIC KEY-----\\n",
	    text, text + 64);
	return n < 0 || (size_t)n >= size ? -1 : 0;
}

int
jwt_key_print(const struct jwt_key *key, char *out, size_t size)
{
	char x[COORDINATE], y[COORDINATE], file[256];
	int n;

	if (base64url_encode(x, sizeof(x), key->es256.x, ES256_OCTETS) == -1 ||
	    base64url_encode(y, sizeof(y), key->es256.y, ES256_OCTETS) == -1 ||
	    pem(key, file, sizeof(file)) == -1)
		return -1;
	n = snprintf(out, size,
	    "{\"kty\":\"EC\",\"crv\":\"P-256\",\"use\":\"sig\","
	    "\"alg\":\"ES256\",\"kid\":\"%s\",\"x\":\"%s\",\"y\":\"%s\","
	    "\"pem\":\"%s\"}",
	    key->kid, x, y, file);
	return n < 0 || (size_t)n >= size ? -1 : 0;
}
