/* SPDX-License-Identifier: ISC */
/* Keys and certificates made on the spot, for the unit tests of TLS. */
#ifndef REGRESS_UNIT_KEYS_H
#define REGRESS_UNIT_KEYS_H

#include <stddef.h>
#include <stdint.h>

#include <openssl/evp.h>

/* kind: "P-256", "P-384", "P-521", "RSA-1024" (any size), "ED25519". */
EVP_PKEY *make_key(const char *kind);

/* A descriptor on an unlinked file with the key in PEM, offset at its start;
 * with a pass phrase if that is not NULL. */
int key_file(EVP_PKEY *, const char *pass_phrase);

/* A descriptor on an unlinked file that holds these octets. */
int octets_file(const void *, size_t);

/* A self-signed certificate in PEM for a DNS name; the caller frees it. */
uint8_t *make_certificate(EVP_PKEY *, const char *name, size_t *length);

#endif
