/* SPDX-License-Identifier: ISC */
#include "tokend/seal.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

/* HKDF's one block: the key wanted is as long as the hash. */
static void
derive(const struct key *key, uint8_t out[HMAC_LENGTH])
{
	static const uint8_t no_salt[HMAC_LENGTH];
	static const char info[] = "smtpd-stoken held token\001";
	struct hmac_key hmac_key;
	struct hmac mac;

	hmac_key_init(&hmac_key, no_salt, sizeof(no_salt));
	hmac_begin(&mac, &hmac_key);
	hmac_add(&mac, key->secret, sizeof(key->secret));
	hmac_finish(&mac, out);
	hmac_key_init(&hmac_key, out, HMAC_LENGTH);
	hmac_begin(&mac, &hmac_key);
	hmac_add(&mac, info, sizeof(info) - 1);
	hmac_finish(&mac, out);
	explicit_bzero(&hmac_key, sizeof(hmac_key));
	explicit_bzero(&mac, sizeof(mac));
}

static int
run(EVP_CIPHER_CTX *context, int encrypt, const uint8_t *secret,
    const uint8_t *nonce, struct bytes about, struct bytes in, uint8_t *out,
    uint8_t tag[SEAL_TAG])
{
	int n;

	if (EVP_CipherInit_ex(context, EVP_aes_256_gcm(), NULL, secret, nonce,
		encrypt) != 1 ||
	    EVP_CipherUpdate(
		context, NULL, &n, about.data, (int)about.length) != 1 ||
	    EVP_CipherUpdate(context, out, &n, in.data, (int)in.length) != 1)
		return -1;
	if (!encrypt &&
	    EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_SET_TAG, SEAL_TAG, tag) !=
		1)
		return -1;
	if (EVP_CipherFinal_ex(context, out + n, &n) != 1)
		return -1;
	if (encrypt &&
	    EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_GET_TAG, SEAL_TAG, tag) !=
		1)
		return -1;
	return 0;
}

static int
crypt_whole(const struct key *key, int encrypt, const uint8_t *nonce,
    struct bytes about, struct bytes in, uint8_t *out, uint8_t tag[SEAL_TAG])
{
	EVP_CIPHER_CTX *context;
	uint8_t secret[HMAC_LENGTH];
	int result;

	if ((context = EVP_CIPHER_CTX_new()) == NULL)
		return -1;
	derive(key, secret);
	result = run(context, encrypt, secret, nonce, about, in, out, tag);
	explicit_bzero(secret, sizeof(secret));
	EVP_CIPHER_CTX_free(context);
	return result;
}

int
seal(const struct key *key, struct bytes context, struct bytes plain,
    uint8_t *out)
{
	arc4random_buf(out, SEAL_NONCE);
	return crypt_whole(key, 1, out, context, plain, out + SEAL_NONCE,
	    out + SEAL_NONCE + plain.length);
}

int
seal_open(const struct key *key, struct bytes context, struct bytes sealed,
    uint8_t *out)
{
	uint8_t tag[SEAL_TAG];
	struct bytes middle;

	if (sealed.length < SEAL_EXTRA)
		return -1;
	middle = bytes_of(sealed.data + SEAL_NONCE, sealed.length - SEAL_EXTRA);
	memcpy(tag, middle.data + middle.length, sizeof(tag));
	if (crypt_whole(key, 0, sealed.data, context, middle, out, tag) == 0)
		return 0;
	explicit_bzero(out, middle.length);
	return -1;
}
