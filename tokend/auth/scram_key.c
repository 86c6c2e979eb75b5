/* SPDX-License-Identifier: ISC */
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base64.h"
#include "tokend/auth/scram_key.h"

#define FORM "expected iterations,salt,StoredKey,ServerKey in base 64"

static const char client_label[] = "Client Key";
static const char server_label[] = "Server Key";

/* Cuts the field up to the next comma, or the rest, off *text. */
static size_t
field(const char **text, size_t *length, const char **start)
{
	const char *comma = memchr(*text, ',', *length);
	size_t n = comma == NULL ? *length : (size_t)(comma - *text);

	*start = *text;
	*text += n + (comma != NULL);
	*length -= n + (comma != NULL);
	return n;
}

static int
parse_iterations(const char *text, size_t length, uint32_t *iterations)
{
	uint32_t value = 0;
	size_t i;

	if (length == 0 || length > 8)
		return -1;
	for (i = 0; i < length; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -1;
		value = value * 10 + (uint32_t)(text[i] - '0');
	}
	*iterations = value;
	return 0;
}

const char *
scram_key_parse(struct scram_key *key, const char *text, size_t length)
{
	const char *start;
	size_t n;
	ssize_t salt;

	n = field(&text, &length, &start);
	if (parse_iterations(start, n, &key->iterations) == -1)
		return FORM;
	if (key->iterations < SCRAM_ITERATIONS_MIN ||
	    key->iterations > SCRAM_ITERATIONS_MAX)
		return "expected at least 4096 iterations (RFC 7677) and at "
		       "most 10000000";
	n = field(&text, &length, &start);
	salt = base64_decode(key->salt, sizeof(key->salt), start, n);
	if (salt <= 0)
		return FORM " (a salt of 1 to 64 octets)";
	key->salt_length = (size_t)salt;
	n = field(&text, &length, &start);
	if (base64_decode(key->stored_key, SCRAM_KEY_LENGTH, start, n) !=
	    SCRAM_KEY_LENGTH)
		return FORM " (a StoredKey of 32 octets)";
	if (base64_decode(key->server_key, SCRAM_KEY_LENGTH, text, length) !=
	    SCRAM_KEY_LENGTH)
		return FORM " (a ServerKey of 32 octets, and nothing more)";
	return NULL;
}

int
scram_key_format(const struct scram_key *key, char *out, size_t size)
{
	char salt[BASE64_SIZE(SCRAM_SALT_MAX)];
	char stored[BASE64_SIZE(SCRAM_KEY_LENGTH)];
	char server[BASE64_SIZE(SCRAM_KEY_LENGTH)];
	int n;

	if (base64_encode(salt, sizeof(salt), key->salt, key->salt_length) ==
		-1 ||
	    base64_encode(stored, sizeof(stored), key->stored_key,
		SCRAM_KEY_LENGTH) == -1 ||
	    base64_encode(server, sizeof(server), key->server_key,
		SCRAM_KEY_LENGTH) == -1)
		return -1;
	n = snprintf(out, size, "%" PRIu32 ",%s,%s,%s", key->iterations, salt,
	    stored, server);
	explicit_bzero(stored, sizeof(stored));
	explicit_bzero(server, sizeof(server));
	return n < 0 || (size_t)n >= size ? -1 : 0;
}

int
scram_hmac(uint8_t *out, const void *key, size_t key_length, const void *data,
    size_t length)
{
	unsigned int out_length = SCRAM_KEY_LENGTH;

	return HMAC(EVP_sha256(), key, (int)key_length, data, length, out,
		   &out_length) == NULL
	    ? -1
	    : 0;
}

int
scram_key_make(struct scram_key *key, const char *password, size_t length)
{
	uint8_t salted[SCRAM_KEY_LENGTH], client[SCRAM_KEY_LENGTH];
	int result = -1;

	if (PKCS5_PBKDF2_HMAC(password, (int)length, key->salt,
		(int)key->salt_length, (int)key->iterations, EVP_sha256(),
		sizeof(salted), salted) != 1)
		goto done;
	if (scram_hmac(client, salted, sizeof(salted), client_label,
		sizeof(client_label) - 1) == -1 ||
	    scram_hmac(key->server_key, salted, sizeof(salted), server_label,
		sizeof(server_label) - 1) == -1)
		goto done;
	if (SHA256(client, sizeof(client), key->stored_key) != NULL)
		result = 0;
done:
	explicit_bzero(salted, sizeof(salted));
	explicit_bzero(client, sizeof(client));
	return result;
}

bool
scram_key_matches(
    const struct scram_key *key, const char *password, size_t length)
{
	struct scram_key made = *key;
	bool matches;

	matches = scram_key_make(&made, password, length) == 0 &&
	    CRYPTO_memcmp(made.stored_key, key->stored_key, SCRAM_KEY_LENGTH) ==
		0;
	explicit_bzero(&made, sizeof(made));
	return matches;
}

bool
scram_proof_matches(const struct scram_key *key, const void *message,
    size_t length, const uint8_t proof[SCRAM_KEY_LENGTH],
    uint8_t signature[SCRAM_KEY_LENGTH])
{
	uint8_t client[SCRAM_KEY_LENGTH], stored[SCRAM_KEY_LENGTH];
	bool matches;
	size_t i;

	if (scram_hmac(client, key->stored_key, SCRAM_KEY_LENGTH, message,
		length) == -1 ||
	    scram_hmac(signature, key->server_key, SCRAM_KEY_LENGTH, message,
		length) == -1)
		return false;
	for (i = 0; i < SCRAM_KEY_LENGTH; i++)
		client[i] ^= proof[i];
	matches = SHA256(client, sizeof(client), stored) != NULL &&
	    CRYPTO_memcmp(stored, key->stored_key, sizeof(stored)) == 0;
	explicit_bzero(client, sizeof(client));
	return matches;
}
