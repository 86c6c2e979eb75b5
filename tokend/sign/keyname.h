/* SPDX-License-Identifier: ISC */
#ifndef TOKEND_SIGN_KEYNAME_H
#define TOKEND_SIGN_KEYNAME_H

#include <stdint.h>

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

/*
 * A private key is called by a name that whoever has its certificate can
 * compute: SHA-256 of the modulus (RSA: big endian, no leading zero octet) or
 * of the uncompressed public point (EC: SEC 1, 2.3.3).
 */
#define KEY_NAME_LENGTH 32

/* Each returns 0 and fills name, or -1 if there is no public part. */
int key_name_rsa(const RSA *, uint8_t name[KEY_NAME_LENGTH]);
int key_name_ec(const EC_KEY *, uint8_t name[KEY_NAME_LENGTH]);

#endif
