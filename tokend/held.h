/* SPDX-License-Identifier: ISC */
/*
 * Tokens that other servers issued to our users (MYSTOKEN, S1-74, D-S24):
 * opaque to us, to be sent back some day, sealed meanwhile (seal.h).
 */
#ifndef TOKEND_HELD_H
#define TOKEND_HELD_H

#include "tokend/issue.h"
#include "tokend/seal.h"

#define HELD_TOKEN_MAX 255 /* octets (D-S02) */

/*
 * Keeps a token that `remote` gave to `local`, instead of the one before.
 * Durable with the store's commit. Returns 0, or -1 when the store fails or
 * the token or the addresses do not fit.
 */
int held_put(struct issuer *issuer, struct bytes remote, struct bytes local,
    struct bytes token, uint64_t now);

/*
 * The token that `local` holds for `remote`. `out` has room for
 * HELD_TOKEN_MAX octets. Returns 0; 1 when there is none, or it cannot be
 * opened any more; -1 when the store fails.
 */
int held_get(struct issuer *issuer, struct bytes remote, struct bytes local,
    uint8_t *out, size_t *length);

/*
 * Seals everything that is sealed under the key anew, under the active key,
 * before the key goes. Durable with the commit. Returns 0 or -1.
 */
int held_reseal(struct issuer *issuer, uint16_t key_id);

#endif
