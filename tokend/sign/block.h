/* SPDX-License-Identifier: ISC */
#ifndef TOKEND_SIGN_BLOCK_H
#define TOKEND_SIGN_BLOCK_H

#include <stddef.h>
#include <stdint.h>

/*
 * A signer that applies its RSA key to any block is an oracle: it would decrypt
 * and forge whatever it is asked. These functions recognize the only two forms
 * that a TLS server signs: they return 1 if the input has that form, 0 if not.
 */

/*
 * EMSA-PSS (RFC 8017 9.1) with MGF1, SHA-256, SHA-384 or SHA-512 and a salt as
 * long as the hash (RFC 8446 4.2.3). The message's hash cannot be known here,
 * but everything else can: leading zero bits, padding, separator, trailer.
 * length: octets of the block, which must be those of the modulus;
 * modulus_bits: length of the modulus in bits.
 */
int block_is_pss(const uint8_t *block, size_t length, size_t modulus_bits);

/*
 * DigestInfo (RFC 8017 9.2, step 2) of SHA-256, SHA-384 or SHA-512, exactly as
 * DER has it: what goes into an EMSA-PKCS1-v1_5 block (TLS 1.2 only).
 */
int block_is_digest_info(const uint8_t *block, size_t length);

/*
 * The block around a DigestInfo (RFC 8017 9.2, steps 3-5), `size` octets, as
 * long as the modulus. Returns 0, or -1 if it does not fit.
 */
int block_pkcs1(
    uint8_t *block, size_t size, const uint8_t *info, size_t info_length);

#endif
