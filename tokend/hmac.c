/* SPDX-License-Identifier: ISC */
#include "tokend/hmac.h"

#include <string.h>

#define BLOCK 64

static void
start(SHA256_CTX *context, const uint8_t *secret, size_t length, uint8_t pad)
{
	uint8_t block[BLOCK];
	size_t i;

	memset(block, pad, sizeof(block));
	for (i = 0; i < length; i++)
		block[i] ^= secret[i];
	SHA256_Init(context);
	SHA256_Update(context, block, sizeof(block));
	explicit_bzero(block, sizeof(block));
}

int
hmac_key_init(struct hmac_key *key, const void *secret, size_t length)
{
	if (length == 0 || length > BLOCK)
		return -1;
	start(&key->inner, secret, length, 0x36);
	start(&key->outer, secret, length, 0x5c);
	return 0;
}

void
hmac_begin(struct hmac *mac, const struct hmac_key *key)
{
	mac->inner = key->inner;
	mac->key = key;
}

void
hmac_add(struct hmac *mac, const void *data, size_t length)
{
	SHA256_Update(&mac->inner, data, length);
}

void
hmac_finish(struct hmac *mac, uint8_t out[HMAC_LENGTH])
{
	SHA256_CTX outer = mac->key->outer;

	SHA256_Final(out, &mac->inner);
	SHA256_Update(&outer, out, HMAC_LENGTH);
	SHA256_Final(out, &outer);
	explicit_bzero(&outer, sizeof(outer));
}
