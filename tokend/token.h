/* SPDX-License-Identifier: ISC */
/*
 * The self-verifying token (DESIGN 5, PROTOCOL X-1, D-S02, D-S03).
 *
 * 51 octets, sent as 68 characters of base64url without padding:
 *
 *	 0  1  0x11 temporary, 0x12 permanent (version 1)
 *	 1  2  key id
 *	 3  6  issued, milliseconds since 1970
 *	 9  6  expires, the same; 0 is never
 *	15  8  nonce
 *	23 12  tag: HMAC(key, 02 | length16 local | local | remote)
 *	35 16  MAC: HMAC(key, 01 | octets 0 to 34 | local)
 *
 * Numbers are big-endian, HMAC is HMAC-SHA-256, cut. Addresses are canonical
 * (D-S04). AUTH knows only the recipient, so the MAC needs no remote address;
 * RCPT compares the tag with MAIL FROM. The tag depends on the pair and the
 * key alone, so that AUTH can ask whether a marked correspondent holds it.
 */
#ifndef TOKEND_TOKEN_H
#define TOKEND_TOKEN_H

#include <stddef.h>
#include <stdint.h>

#include "imsg/messages.h"
#include "tokend/hmac.h"

#define TOKEN_OCTETS 51
#define TOKEN_LENGTH 68 /* characters, without the NUL */
#define TOKEN_NONCE 8
#define TOKEN_TAG 12
#define TOKEN_MAC 16
#define TOKEN_ID 8 /* characters of token_id(), without the NUL */
#define TOKEN_TIME_MAX 0xffffffffffffULL

struct token {
	enum token_kind kind;
	uint16_t key_id;
	uint64_t issued; /* ms since 1970 */
	uint64_t expires; /* ms since 1970; 0 is never */
	uint8_t nonce[TOKEN_NONCE];
	uint8_t tag[TOKEN_TAG];
	uint8_t mac[TOKEN_MAC];
};

/*
 * Computes tag and MAC of a token whose other fields are set, and writes it
 * as text with a NUL. The same fields, key and pair give the same text.
 */
void token_encode(struct token *token, const struct hmac_key *key,
    struct bytes remote, struct bytes local, char out[TOKEN_LENGTH + 1]);

/*
 * Reads a token's fields from text from the network. Nothing is verified.
 * Returns 0, or -1 when it has not our form.
 */
int token_decode(struct token *token, struct bytes text);

/* Is the MAC right for this local address? One HMAC, constant time. */
int token_verify(
    const struct token *token, const struct hmac_key *key, struct bytes local);

/* Is the token (verified before) this correspondent's? Constant time. */
int token_is_for(const struct token *token, const struct hmac_key *key,
    struct bytes remote, struct bytes local);

/* The tag that tokens of this pair bear under this key. */
void token_tag(uint8_t tag[TOKEN_TAG], const struct hmac_key *key,
    struct bytes remote, struct bytes local);

int token_expired(const struct token *token, uint64_t now);

/* A short name for logs, from which nobody can make the token. */
void token_id(const struct token *token, char out[TOKEN_ID + 1]);

const char *token_kind_name(enum token_kind kind);

#endif
