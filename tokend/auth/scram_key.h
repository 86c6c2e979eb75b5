/* SPDX-License-Identifier: ISC */
#ifndef TOKEND_AUTH_SCRAM_KEY_H
#define TOKEND_AUTH_SCRAM_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What a server keeps of a SCRAM-SHA-256 password (RFC 5802 section 3), in
 * the text form that Dovecot gave it: iterations,salt,StoredKey,ServerKey
 * with the last three in base 64.
 */

#define SCRAM_KEY_LENGTH 32 /* of SHA-256 */
#define SCRAM_SALT_MAX 64 /* octets */
#define SCRAM_SALT_MADE 16 /* octets of a salt that we make */
#define SCRAM_ITERATIONS_MIN 4096 /* RFC 7677 section 4 */
#define SCRAM_ITERATIONS_MAX 10000000
/* RFC 7677 section 4: about a tenth of a second when it was written. */
#define SCRAM_ITERATIONS_MADE 15000
#define SCRAM_TEXT_SIZE 256 /* octets of the text form, with its NUL */

struct scram_key {
	uint32_t iterations;
	size_t salt_length; /* octets */
	uint8_t salt[SCRAM_SALT_MAX];
	uint8_t stored_key[SCRAM_KEY_LENGTH];
	uint8_t server_key[SCRAM_KEY_LENGTH];
};

/* Reads the text form. Returns NULL, or what was expected. */
const char *
scram_key_parse(struct scram_key *key, const char *text, size_t length);

/* Writes the text form and a NUL. Returns -1 when it does not fit. */
int scram_key_format(const struct scram_key *key, char *out, size_t size);

/*
 * Fills in the two keys for a password (prepared, `length` octets) from the
 * salt and the iterations that stand in `key`. Slow. Returns 0, or -1 when
 * the library fails.
 */
int scram_key_make(struct scram_key *key, const char *password, size_t length);

/* Is this the password of the key? Slow; the comparison takes equal time. */
bool scram_key_matches(
    const struct scram_key *key, const char *password, size_t length);

/*
 * Does the client's proof belong to this AuthMessage (RFC 5802 section 3)?
 * Writes the ServerSignature. The comparison takes equal time.
 */
bool scram_proof_matches(const struct scram_key *key, const void *message,
    size_t length, const uint8_t proof[SCRAM_KEY_LENGTH],
    uint8_t signature[SCRAM_KEY_LENGTH]);

/* HMAC-SHA-256 of counted octets into 32 octets. Returns 0 or -1. */
int scram_hmac(uint8_t *out, const void *key, size_t key_length,
    const void *data, size_t length);

#endif
