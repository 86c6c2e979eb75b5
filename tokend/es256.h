/* SPDX-License-Identifier: ISC */
/*
 * ES256 (RFC 7518 3.4): ECDSA on P-256 with SHA-256. Signatures are
 * deterministic (RFC 6979), so that a token can be made again, to the letter,
 * from what the store knows of it, and no bad random number can give the key
 * away.
 */
#ifndef TOKEND_ES256_H
#define TOKEND_ES256_H

#include <stddef.h>
#include <stdint.h>

#include "tokend/hmac.h"

#define ES256_OCTETS 32 /* of a scalar or a coordinate */
#define ES256_SIGNATURE 64 /* r, s */

struct ec_key_st;

struct es256 {
	struct ec_key_st *key; /* NULL: none */
	uint8_t x[ES256_OCTETS];
	uint8_t y[ES256_OCTETS];
};

/*
 * The key that belongs to a token key: HMAC(key, 12 | counter | "ES256"), the
 * first that is a scalar of the curve. Returns 0, or -1 when memory is short.
 */
int es256_derive(struct es256 *es256, const struct hmac_key *from);

/* The same from the scalar itself. Returns -1 when it is none. */
int es256_set(struct es256 *es256, const uint8_t scalar[ES256_OCTETS]);

/* Wipes and frees. */
void es256_clear(struct es256 *es256);

/* Signs `length` octets. Returns 0, or -1 when memory is short. */
int es256_sign(const struct es256 *es256, const void *data, size_t length,
    uint8_t signature[ES256_SIGNATURE]);

/* Is it this key's signature? 1 or 0. */
int es256_verify(const struct es256 *es256, const void *data, size_t length,
    const uint8_t signature[ES256_SIGNATURE]);

#endif
