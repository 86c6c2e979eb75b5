/* SPDX-License-Identifier: ISC */
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base64.h"
#include "smtpd-stoken/relay/smtp/scram.h"

#define HASH 32 /* octets of SHA-256 */
#define SALT_MAX 256

/* server-first-message = r=NONCE,s=SALT,i=COUNT [,extensions] */
struct server_first {
	const char *nonce;
	size_t nonce_length;
	uint8_t salt[SALT_MAX];
	size_t salt_length;
	int iterations;
};

void
scram_client_nonce(struct scram_client *scram)
{
	uint8_t random[24];

	arc4random_buf(random, sizeof(random));
	(void)base64url_encode(
	    scram->nonce, sizeof(scram->nonce), random, sizeof(random));
}

/* saslname: "," and "=" are written in another way. Returns 0 or -1. */
static int
escape(char *out, size_t size, const char *user)
{
	size_t n = 0;

	for (; *user != '\0'; user++) {
		if (n + 4 > size)
			return -1;
		if (*user == ',' || *user == '=') {
			memcpy(out + n, *user == ',' ? "=2C" : "=3D", 3);
			n += 3;
		} else
			out[n++] = *user;
	}
	out[n] = '\0';
	return 0;
}

ssize_t
scram_client_first(struct scram_client *scram, const char *user, char *out,
    size_t size, const char **problem)
{
	char name[SCRAM_CLIENT_MESSAGE_MAX - 128];
	int n = -1;

	*problem = "the user's name is too long";
	if (escape(name, sizeof(name), user) == 0)
		n = snprintf(scram->first, sizeof(scram->first), "n=%s,r=%s",
		    name, scram->nonce);
	if (n < 0 || (size_t)n >= sizeof(scram->first))
		return -1;
	n = snprintf(out, size, "n,,%s", scram->first);
	return n < 0 || (size_t)n >= size ? -1 : n;
}

/* The value of "LETTER=value," at the front of *text, which it is cut off. */
static int
attribute(const char **text, size_t *length, char letter, const char **value,
    size_t *value_length)
{
	const char *comma = memchr(*text, ',', *length);
	size_t n = comma == NULL ? *length : (size_t)(comma - *text);

	if (n < 2 || (*text)[0] != letter || (*text)[1] != '=')
		return -1;
	*value = *text + 2;
	*value_length = n - 2;
	*text += n + (comma != NULL);
	*length -= n + (comma != NULL);
	return 0;
}

static int
parse_count(const char *text, size_t length)
{
	int count = 0;
	size_t i;

	if (length == 0 || length > 8 || text[0] == '0')
		return -1;
	for (i = 0; i < length; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -1;
		count = count * 10 + (text[i] - '0');
	}
	return count;
}

/* Returns NULL or what is wrong. "m=" in front is no nonce, and so fails. */
static const char *
parse_first(const struct scram_client *scram, struct server_first *first,
    const char *text, size_t length)
{
	size_t ours = strlen(scram->nonce), n;
	const char *value;
	ssize_t salt;

	if (attribute(
		&text, &length, 'r', &first->nonce, &first->nonce_length) == -1)
		return "the server's challenge has no nonce";
	if (first->nonce_length <= ours ||
	    memcmp(first->nonce, scram->nonce, ours) != 0)
		return "the server's nonce is not made from ours";
	if (attribute(&text, &length, 's', &value, &n) == -1 ||
	    (salt = base64_decode(
		 first->salt, sizeof(first->salt), value, n)) <= 0)
		return "the server's challenge has no salt";
	first->salt_length = (size_t)salt;
	if (attribute(&text, &length, 'i', &value, &n) == -1 ||
	    (first->iterations = parse_count(value, n)) == -1)
		return "the server's challenge has no iteration count";
	if (first->iterations < SCRAM_CLIENT_ITERATIONS_MIN)
		return "the server wants too few iterations";
	if (first->iterations > SCRAM_CLIENT_ITERATIONS_MAX)
		return "the server wants too many iterations";
	return NULL;
}

static int
hmac(
    uint8_t out[HASH], const uint8_t key[HASH], const char *text, size_t length)
{
	unsigned int n = HASH;

	return HMAC(EVP_sha256(), key, HASH, (const uint8_t *)text, length, out,
		   &n) == NULL
	    ? -1
	    : 0;
}

/*
 * RFC 5802 section 3. Writes the ClientProof for an AuthMessage, and keeps
 * the ServerSignature that must come back.
 */
static int
prove(struct scram_client *scram, const struct server_first *first,
    const char *password, const char *message, size_t length,
    uint8_t proof[HASH])
{
	uint8_t salted[HASH], client[HASH], stored[HASH], server[HASH];
	uint8_t signature[HASH];
	int i, result = -1;

	if (PKCS5_PBKDF2_HMAC(password, (int)strlen(password), first->salt,
		(int)first->salt_length, first->iterations, EVP_sha256(), HASH,
		salted) == 1 &&
	    hmac(client, salted, "Client Key", 10) == 0 &&
	    SHA256(client, HASH, stored) != NULL &&
	    hmac(signature, stored, message, length) == 0 &&
	    hmac(server, salted, "Server Key", 10) == 0 &&
	    hmac(scram->server_signature, server, message, length) == 0) {
		for (i = 0; i < HASH; i++)
			proof[i] = client[i] ^ signature[i];
		result = 0;
	}
	explicit_bzero(salted, sizeof(salted));
	explicit_bzero(client, sizeof(client));
	explicit_bzero(stored, sizeof(stored));
	explicit_bzero(server, sizeof(server));
	explicit_bzero(signature, sizeof(signature));
	return result;
}

ssize_t
scram_client_final(struct scram_client *scram, const char *password,
    const char *server_first, size_t length, char *out, size_t size,
    const char **problem)
{
	char message[3 * SCRAM_CLIENT_MESSAGE_MAX];
	char text[BASE64_SIZE(HASH)];
	struct server_first first;
	uint8_t proof[HASH];
	int n, without;

	*problem = parse_first(scram, &first, server_first, length);
	if (*problem != NULL)
		return -1;
	*problem = "the server's challenge is too long";
	if (length >= SCRAM_CLIENT_MESSAGE_MAX)
		return -1;
	/* c= is "n,,": no channel binding, and we say that we know of none. */
	without = snprintf(
	    out, size, "c=biws,r=%.*s", (int)first.nonce_length, first.nonce);
	if (without < 0 || (size_t)without >= size)
		return -1;
	n = snprintf(message, sizeof(message), "%s,%.*s,%s", scram->first,
	    (int)length, server_first, out);
	if (n < 0 || (size_t)n >= sizeof(message))
		return -1;
	*problem = "SCRAM cannot be computed";
	if (prove(scram, &first, password, message, (size_t)n, proof) == -1 ||
	    base64_encode(text, sizeof(text), proof, sizeof(proof)) == -1)
		return -1;
	n = snprintf(out + without, size - (size_t)without, ",p=%s", text);
	if (n < 0 || (size_t)n >= size - (size_t)without)
		return -1;
	return without + n;
}

int
scram_client_check(const struct scram_client *scram, const char *server_final,
    size_t length, const char **problem)
{
	uint8_t signature[HASH];
	const char *value;
	size_t n;

	*problem = "the server does not prove that it knows the password";
	if (attribute(&server_final, &length, 'v', &value, &n) == -1 ||
	    base64_decode(signature, sizeof(signature), value, n) != HASH ||
	    CRYPTO_memcmp(signature, scram->server_signature, HASH) != 0)
		return -1;
	return 0;
}
