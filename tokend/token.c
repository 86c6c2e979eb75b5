/* SPDX-License-Identifier: ISC */
#include "tokend/token.h"

#include <string.h>

#include <openssl/crypto.h>

#include "lib/base64.h"

#define VERSION 0x10
#define AT_KEY 1
#define AT_ISSUED 3
#define AT_EXPIRES 9
#define AT_NONCE 15
#define AT_TAG (AT_NONCE + TOKEN_NONCE)
#define AT_MAC (AT_TAG + TOKEN_TAG)

/* What is hashed starts with what it is, so that no tag is ever a MAC. */
enum domain {
	DOMAIN_MAC = 1,
	DOMAIN_TAG = 2
};

static void
put_number(uint8_t *out, uint64_t number, size_t octets)
{
	while (octets-- > 0) {
		out[octets] = number & 0xff;
		number >>= 8;
	}
}

static uint64_t
get_number(const uint8_t *in, size_t octets)
{
	uint64_t number = 0;

	while (octets-- > 0)
		number = number << 8 | *in++;
	return number;
}

/* Writes everything before the MAC. */
static void
pack(const struct token *token, uint8_t out[TOKEN_OCTETS])
{
	out[0] = VERSION | (uint8_t)token->kind;
	put_number(out + AT_KEY, token->key_id, 2);
	put_number(out + AT_ISSUED, token->issued, 6);
	put_number(out + AT_EXPIRES, token->expires, 6);
	memcpy(out + AT_NONCE, token->nonce, TOKEN_NONCE);
	memcpy(out + AT_TAG, token->tag, TOKEN_TAG);
}

static void
compute_mac(const struct token *token, const struct hmac_key *key,
    struct bytes local, uint8_t out[HMAC_LENGTH])
{
	uint8_t head[1 + TOKEN_OCTETS];
	struct hmac mac;

	head[0] = DOMAIN_MAC;
	pack(token, head + 1);
	hmac_begin(&mac, key);
	hmac_add(&mac, head, 1 + AT_MAC);
	hmac_add(&mac, local.data, local.length);
	hmac_finish(&mac, out);
}

void
token_tag(uint8_t tag[TOKEN_TAG], const struct hmac_key *key,
    struct bytes remote, struct bytes local)
{
	uint8_t full[HMAC_LENGTH], head[3];
	struct hmac mac;

	head[0] = DOMAIN_TAG;
	put_number(head + 1, local.length, 2);
	hmac_begin(&mac, key);
	hmac_add(&mac, head, sizeof(head));
	hmac_add(&mac, local.data, local.length);
	hmac_add(&mac, remote.data, remote.length);
	hmac_finish(&mac, full);
	memcpy(tag, full, TOKEN_TAG);
}

void
token_encode(struct token *token, const struct hmac_key *key,
    struct bytes remote, struct bytes local, char out[TOKEN_LENGTH + 1])
{
	uint8_t full[HMAC_LENGTH], raw[TOKEN_OCTETS];

	token_tag(token->tag, key, remote, local);
	compute_mac(token, key, local, full);
	memcpy(token->mac, full, TOKEN_MAC);
	pack(token, raw);
	memcpy(raw + AT_MAC, token->mac, TOKEN_MAC);
	/* 51 octets are 68 characters: there is no second spelling. */
	base64url_encode(out, TOKEN_LENGTH + 1, raw, sizeof(raw));
	explicit_bzero(raw, sizeof(raw));
	explicit_bzero(full, sizeof(full));
}

int
token_decode(struct token *token, struct bytes text)
{
	uint8_t raw[TOKEN_OCTETS];

	if (text.length != TOKEN_LENGTH ||
	    base64url_decode(raw, sizeof(raw), (const char *)text.data,
		text.length) != TOKEN_OCTETS)
		return -1;
	if (raw[0] != (VERSION | TOKEN_KIND_TEMPORARY) &&
	    raw[0] != (VERSION | TOKEN_KIND_PERMANENT))
		return -1;
	token->kind = raw[0] & 0x0f;
	token->key_id = (uint16_t)get_number(raw + AT_KEY, 2);
	token->issued = get_number(raw + AT_ISSUED, 6);
	token->expires = get_number(raw + AT_EXPIRES, 6);
	memcpy(token->nonce, raw + AT_NONCE, TOKEN_NONCE);
	memcpy(token->tag, raw + AT_TAG, TOKEN_TAG);
	memcpy(token->mac, raw + AT_MAC, TOKEN_MAC);
	return 0;
}

int
token_verify(
    const struct token *token, const struct hmac_key *key, struct bytes local)
{
	uint8_t full[HMAC_LENGTH];
	int same;

	compute_mac(token, key, local, full);
	same = CRYPTO_memcmp(full, token->mac, TOKEN_MAC) == 0;
	explicit_bzero(full, sizeof(full));
	return same;
}

int
token_is_for(const struct token *token, const struct hmac_key *key,
    struct bytes remote, struct bytes local)
{
	uint8_t tag[TOKEN_TAG];

	token_tag(tag, key, remote, local);
	return CRYPTO_memcmp(tag, token->tag, TOKEN_TAG) == 0;
}

int
token_expired(const struct token *token, uint64_t now)
{
	return token->expires != 0 && token->expires <= now;
}

/* The nonce is public in the token and says nothing about the MAC. */
void
token_id(const struct token *token, char out[TOKEN_ID + 1])
{
	base64url_encode(out, TOKEN_ID + 1, token->nonce, TOKEN_ID * 3 / 4);
}

const char *
token_kind_name(enum token_kind kind)
{
	static const char *const names[] = {
	    [TOKEN_KIND_NONE] = "none",
	    [TOKEN_KIND_TEMPORARY] = "temporary",
	    [TOKEN_KIND_PERMANENT] = "permanent",
	};

	return names[kind];
}
