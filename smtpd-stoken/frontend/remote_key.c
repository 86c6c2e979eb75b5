/* SPDX-License-Identifier: ISC */
/*
 * Private keys that are in another process. A key that libtls takes from a
 * certificate is made with libcrypto's default methods, so those are replaced
 * (deprecated, but what OpenBSD and Debian 12 have). The key must be told by its
 * public part: ex_data that is attached to it gets lost in OpenSSL 3.
 */
#define OPENSSL_SUPPRESS_DEPRECATED

#include <string.h>

#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/rsa.h>

#include "imsg/verdicts.h"
#include "smtpd-stoken/frontend/remote_key.h"
#include "tokend/sign/keyname.h"

#define SIGNATURE_MAX 512 /* RSA-4096 */

static remote_key_sign ask;
static const RSA_METHOD *local_rsa;
static ECDSA_SIG *(*local_ecdsa)(
    const unsigned char *, int, const BIGNUM *, const BIGNUM *, EC_KEY *);

static int
rsa_is_remote(const RSA *rsa)
{
	return RSA_get0_d(rsa) == NULL;
}

/* How the caller pads, and what that is for the key process. */
static uint8_t
rsa_kind(int padding)
{
	if (padding == RSA_NO_PADDING)
		return SIGN_RSA_PSS; /* the caller has built the block */
	if (padding == RSA_PKCS1_PADDING)
		return SIGN_RSA_PKCS1; /* a DigestInfo */
	return 0;
}

static int
rsa_sign(int length, const unsigned char *from, unsigned char *to, RSA *rsa,
    int padding)
{
	uint8_t name[KEY_NAME_LENGTH], kind = rsa_kind(padding);
	uint8_t signature[SIGNATURE_MAX];
	size_t size = (size_t)RSA_size(rsa);

	if (!rsa_is_remote(rsa))
		return RSA_meth_get_priv_enc(local_rsa)(
		    length, from, to, rsa, padding);
	if (kind == 0 || length < 0 || size > sizeof(signature) ||
	    key_name_rsa(rsa, name) == -1)
		return -1;
	if (ask(kind, name, from, (size_t)length, signature, size) != size)
		return -1;
	memcpy(to, signature, size);
	return (int)size;
}

/* Not offered by the key process, and not needed: all our ciphers sign. */
static int
rsa_decrypt(int length, const unsigned char *from, unsigned char *to, RSA *rsa,
    int padding)
{
	if (rsa_is_remote(rsa))
		return -1;
	return RSA_meth_get_priv_dec(local_rsa)(length, from, to, rsa, padding);
}

static ECDSA_SIG *
ecdsa_sign(const unsigned char *digest, int length, const BIGNUM *kinv,
    const BIGNUM *r, EC_KEY *ec)
{
	uint8_t name[KEY_NAME_LENGTH], signature[SIGNATURE_MAX];
	const uint8_t *in = signature;
	size_t got;

	if (EC_KEY_get0_private_key(ec) != NULL)
		return local_ecdsa(digest, length, kinv, r, ec);
	if (length < 0 || key_name_ec(ec, name) == -1)
		return NULL;
	got = ask(SIGN_EC, name, digest, (size_t)length, signature,
	    sizeof(signature));
	if (got == 0)
		return NULL;
	return d2i_ECDSA_SIG(NULL, &in, (long)got);
}

int
remote_key_init(remote_key_sign sign)
{
	EC_KEY_METHOD *ec;
	RSA_METHOD *rsa;
	int (*sign_der)(int, const unsigned char *, int, unsigned char *,
	    unsigned int *, const BIGNUM *, const BIGNUM *, EC_KEY *);
	int (*setup)(EC_KEY *, BN_CTX *, BIGNUM **, BIGNUM **);

	ask = sign;
	local_rsa = RSA_get_default_method();
	rsa = RSA_meth_dup(local_rsa);
	ec = EC_KEY_METHOD_new(EC_KEY_get_default_method());
	if (rsa == NULL || ec == NULL) {
		RSA_meth_free(rsa);
		EC_KEY_METHOD_free(ec);
		return -1;
	}
	RSA_meth_set_priv_enc(rsa, rsa_sign);
	RSA_meth_set_priv_dec(rsa, rsa_decrypt);
#ifdef RSA_METHOD_FLAG_NO_CHECK
	RSA_meth_set_flags(
	    rsa, RSA_meth_get_flags(rsa) | RSA_METHOD_FLAG_NO_CHECK);
#endif
	RSA_set_default_method(rsa);
	EC_KEY_METHOD_get_sign(ec, &sign_der, &setup, &local_ecdsa);
	EC_KEY_METHOD_set_sign(ec, sign_der, setup, ecdsa_sign);
	EC_KEY_set_default_method(ec);
	return 0;
}
