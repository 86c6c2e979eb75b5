/* SPDX-License-Identifier: ISC */
/*
 * Sealing what must be used again and yet not be readable in the store:
 * AES-256-GCM under HKDF-SHA-256(token key, "smtpd-stoken held token")
 * (RFC 5869, no salt). A random nonce of 12 octets, the ciphertext, a tag of
 * 16; what the secret belongs to is authenticated with it.
 */
#ifndef TOKEND_SEAL_H
#define TOKEND_SEAL_H

#include "imsg/messages.h"
#include "tokend/keyring.h"

#define SEAL_NONCE 12
#define SEAL_TAG 16
#define SEAL_EXTRA (SEAL_NONCE + SEAL_TAG)

/*
 * Seals `plain` for `context`. `out` has room for plain.length + SEAL_EXTRA
 * octets, all of which are written. Returns 0, or -1 if the library fails.
 */
int seal(const struct key *key, struct bytes context, struct bytes plain,
    uint8_t *out);

/*
 * Opens what was sealed; `out` has room for sealed.length - SEAL_EXTRA
 * octets. Returns 0, or -1 when it is not what was sealed for this context
 * under this key.
 */
int seal_open(const struct key *key, struct bytes context, struct bytes sealed,
    uint8_t *out);

#endif
