/* SPDX-License-Identifier: ISC */
/* Which RSA blocks may be signed: pure, no key is seen here. */
#include <string.h>

#include <openssl/evp.h>

#include "tokend/sign/block.h"

#define HASH_MAX 64 /* SHA-512 */

/* The hashes of TLS signatures, with DER in front of the hash (RFC 8017 9.2
 * note 1). */
static const struct {
	const EVP_MD *(*hash)(void);
	size_t hash_length;
	uint8_t der[19];
} hashes[] = {
    {EVP_sha256, 32,
	{0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03,
	    0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20}},
    {EVP_sha384, 48,
	{0x30, 0x41, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03,
	    0x04, 0x02, 0x02, 0x05, 0x00, 0x04, 0x30}},
    {EVP_sha512, 64,
	{0x30, 0x51, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03,
	    0x04, 0x02, 0x03, 0x05, 0x00, 0x04, 0x40}},
};
#define HASHES (sizeof(hashes) / sizeof(hashes[0]))

/* The mask at one block number: Hash(seed || counter), RFC 8017 B.2.1. */
static int
mgf1_block(const EVP_MD *hash, const uint8_t *seed, size_t length,
    uint8_t counter, uint8_t mask[HASH_MAX])
{
	uint8_t input[HASH_MAX + 4] = {0};

	memcpy(input, seed, length);
	input[length + 3] = counter;
	return EVP_Digest(input, length + 4, mask, NULL, hash, NULL) == 1;
}

/* RFC 8017 9.1.2, steps 3-10, for one hash; em starts at the encoded message. */
static int
pss_with_hash(const uint8_t *em, size_t em_length, uint8_t top_mask,
    const EVP_MD *hash, size_t hash_length)
{
	uint8_t mask[HASH_MAX], octet, wanted;
	size_t db_length, separator, i;

	if (em_length < 2 * hash_length + 2)
		return 0;
	db_length = em_length - hash_length - 1;
	separator = db_length - hash_length - 1;
	for (i = 0; i <= separator; i++) {
		if (i % hash_length == 0 &&
		    !mgf1_block(hash, em + db_length, hash_length,
			(uint8_t)(i / hash_length), mask))
			return 0;
		octet = em[i] ^ mask[i % hash_length];
		if (i == 0)
			octet &= top_mask;
		wanted = i == separator ? 0x01 : 0x00;
		if (octet != wanted)
			return 0;
	}
	return 1;
}

int
block_is_pss(const uint8_t *block, size_t length, size_t modulus_bits)
{
	size_t em_bits, em_length, i;
	uint8_t top_mask;

	if (modulus_bits < 2 || length != (modulus_bits + 7) / 8)
		return 0;
	em_bits = modulus_bits - 1;
	em_length = (em_bits + 7) / 8;
	if (em_length < length && *block++ != 0)
		return 0;
	top_mask = (uint8_t)(0xff >> (8 * em_length - em_bits));
	if (block[0] & (uint8_t)~top_mask)
		return 0;
	if (block[em_length - 1] != 0xbc)
		return 0;
	for (i = 0; i < HASHES; i++) {
		if (pss_with_hash(block, em_length, top_mask, hashes[i].hash(),
			hashes[i].hash_length))
			return 1;
	}
	return 0;
}

int
block_is_digest_info(const uint8_t *block, size_t length)
{
	size_t i;

	for (i = 0; i < HASHES; i++)
		if (length == sizeof(hashes[i].der) + hashes[i].hash_length &&
		    memcmp(block, hashes[i].der, sizeof(hashes[i].der)) == 0)
			return 1;
	return 0;
}

int
block_pkcs1(
    uint8_t *block, size_t size, const uint8_t *info, size_t info_length)
{
	size_t filled;

	/* 00 01, at least 8 octets ff, 00, DigestInfo */
	if (size < 11 || info_length > size - 11)
		return -1;
	filled = size - 3 - info_length;
	block[0] = 0x00;
	block[1] = 0x01;
	memset(block + 2, 0xff, filled);
	block[2 + filled] = 0x00;
	memcpy(block + 3 + filled, info, info_length);
	return 0;
}
