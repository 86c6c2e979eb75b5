/* SPDX-License-Identifier: ISC */
/* The name of a key, from its public part; used by both ends of a signature. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include <stdlib.h>

#include "tokend/sign/keyname.h"

int
key_name_rsa(const RSA *rsa, uint8_t name[KEY_NAME_LENGTH])
{
	const BIGNUM *modulus = RSA_get0_n(rsa);
	uint8_t *octets;
	int length, ok;

	if (modulus == NULL || (length = BN_num_bytes(modulus)) == 0)
		return -1;
	if ((octets = malloc((size_t)length)) == NULL)
		return -1;
	BN_bn2bin(modulus, octets);
	ok = EVP_Digest(octets, (size_t)length, name, NULL, EVP_sha256(), NULL);
	free(octets);
	return ok == 1 ? 0 : -1;
}

int
key_name_ec(const EC_KEY *ec, uint8_t name[KEY_NAME_LENGTH])
{
	const EC_POINT *point = EC_KEY_get0_public_key(ec);
	const EC_GROUP *group = EC_KEY_get0_group(ec);
	uint8_t octets[1 + 2 * 66]; /* P-521 is the longest */
	size_t length;

	if (point == NULL || group == NULL)
		return -1;
	length = EC_POINT_point2oct(group, point, POINT_CONVERSION_UNCOMPRESSED,
	    octets, sizeof(octets), NULL);
	if (length == 0)
		return -1;
	return EVP_Digest(octets, length, name, NULL, EVP_sha256(), NULL) == 1
	    ? 0
	    : -1;
}
