/* SPDX-License-Identifier: ISC */
/* The private TLS keys: read, named, kept, wiped. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include <sys/types.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "tokend/sign/keyring.h"

void
keyring_init(struct keyring *ring)
{
	TAILQ_INIT(&ring->keys);
}

/*
 * The buffer has its final size from the start: a realloc would leave copies
 * behind.
 */
static uint8_t *
read_file(int fd, size_t *length, const char **error)
{
	uint8_t *file;
	ssize_t got = 1;

	if ((file = malloc(KEY_FILE_MAX)) == NULL) {
		*error = "out of memory";
		return NULL;
	}
	for (*length = 0; *length < KEY_FILE_MAX; *length += (size_t)got) {
		got = read(fd, file + *length, KEY_FILE_MAX - *length);
		if (got <= 0)
			break;
	}
	if (got == 0 && *length > 0)
		return file;
	if (got == -1)
		*error = strerror(errno);
	else
		*error = got == 0 ? "empty file" : "file too long for a key";
	freezero(file, KEY_FILE_MAX);
	return NULL;
}

/* A daemon has nobody to ask: a key under a pass phrase is an error. */
static int
no_pass_phrase(char *buffer, int size, int writing, void *asked)
{
	(void)buffer;
	(void)size;
	(void)writing;
	*(int *)asked = 1;
	return -1;
}

static EVP_PKEY *
parse_key(const uint8_t *file, size_t length, const char **error)
{
	EVP_PKEY *pkey;
	BIO *bio;
	int asked = 0;

	if ((bio = BIO_new_mem_buf(file, (int)length)) == NULL) {
		*error = "out of memory";
		return NULL;
	}
	pkey = PEM_read_bio_PrivateKey(bio, NULL, no_pass_phrase, &asked);
	BIO_free(bio);
	ERR_clear_error();
	if (pkey == NULL)
		*error = asked ? "the key is under a pass phrase: store it "
				 "without one (openssl pkey -in … -out …)"
			       : "no PEM private key found";
	return pkey;
}

/*
 * The type, size and name of a key. They come from a copy that holds the
 * public part only, so that no second copy of the secret appears.
 */
static int
describe_public(struct key *key, const EVP_PKEY *public, const char **error)
{
	const EC_KEY *ec;
	const RSA *rsa;
	int curve;

	if ((rsa = EVP_PKEY_get0_RSA(public)) != NULL) {
		key->type = KEY_RSA;
		if (key->bits < 2048 || key->bits > KEY_BITS_MAX) {
			*error = "an RSA key must have 2048 to 4096 bits";
			return -1;
		}
		return key_name_rsa(rsa, key->name);
	}
	if ((ec = EVP_PKEY_get0_EC_KEY(public)) != NULL) {
		key->type = KEY_EC;
		curve = EC_GROUP_get_curve_name(EC_KEY_get0_group(ec));
		if (curve != NID_X9_62_prime256v1 && curve != NID_secp384r1) {
			*error = "an EC key must be on P-256 or P-384";
			return -1;
		}
		return key_name_ec(ec, key->name);
	}
	return -1;
}

static int
describe(struct key *key, EVP_PKEY *pkey, const char **error)
{
	EVP_PKEY *public;
	const uint8_t *in;
	uint8_t *der = NULL;
	int length, result = -1;

	*error = "the key has no usable public part";
	key->bits = (size_t)EVP_PKEY_bits(pkey);
	key->size = (size_t)EVP_PKEY_size(pkey);
	if (EVP_PKEY_id(pkey) != EVP_PKEY_RSA &&
	    EVP_PKEY_id(pkey) != EVP_PKEY_EC) {
		*error = EVP_PKEY_id(pkey) == EVP_PKEY_ED25519
		    ? "Ed25519 keys are not supported: use EC P-256"
		    : "the key is neither RSA nor EC: use EC P-256";
		return -1;
	}
	if ((length = i2d_PUBKEY(pkey, &der)) <= 0)
		return -1;
	in = der;
	if ((public = d2i_PUBKEY(NULL, &in, length)) != NULL)
		result = describe_public(key, public, error);
	EVP_PKEY_free(public);
	OPENSSL_free(der);
	return result;
}

/* One context for all signatures of a key: making one costs a look-up each. */
static EVP_PKEY_CTX *
signing_context(EVP_PKEY *pkey, enum key_type type)
{
	EVP_PKEY_CTX *sign = EVP_PKEY_CTX_new(pkey, NULL);

	if (sign != NULL && EVP_PKEY_sign_init(sign) == 1 &&
	    (type != KEY_RSA ||
		EVP_PKEY_CTX_set_rsa_padding(sign, RSA_NO_PADDING) == 1))
		return sign;
	EVP_PKEY_CTX_free(sign);
	return NULL;
}

static void
key_free(struct key *key)
{
	if (key == NULL)
		return;
	EVP_PKEY_CTX_free(key->sign); /* wipes the key with its last user */
	freezero(key, sizeof(*key));
}

static const struct key *
add(struct keyring *ring, EVP_PKEY *pkey, const char **error)
{
	struct key *key, *known;

	*error = "out of memory";
	if ((key = calloc(1, sizeof(*key))) == NULL)
		return NULL;
	if (describe(key, pkey, error) == -1)
		goto fail;
	if ((known = keyring_find(ring, key->name)) != NULL) {
		key_free(key);
		known->newest = 1;
		return known;
	}
	if ((key->sign = signing_context(pkey, key->type)) == NULL) {
		*error = "the key cannot sign";
		goto fail;
	}
	key->newest = 1;
	TAILQ_INSERT_TAIL(&ring->keys, key, entry);
	return key;
fail:
	key_free(key);
	return NULL;
}

const struct key *
keyring_load(struct keyring *ring, int fd, const char **error)
{
	const struct key *key = NULL;
	EVP_PKEY *pkey;
	uint8_t *file;
	size_t length;

	if ((file = read_file(fd, &length, error)) == NULL)
		return NULL;
	pkey = parse_key(file, length, error);
	freezero(file, KEY_FILE_MAX);
	if (pkey != NULL)
		key = add(ring, pkey, error);
	EVP_PKEY_free(pkey);
	ERR_clear_error();
	return key;
}

struct key *
keyring_find(const struct keyring *ring, const uint8_t name[KEY_NAME_LENGTH])
{
	struct key *key;

	TAILQ_FOREACH (key, &ring->keys, entry)
		if (memcmp(key->name, name, KEY_NAME_LENGTH) == 0)
			return key;
	return NULL;
}

void
keyring_begin(struct keyring *ring)
{
	struct key *key;

	TAILQ_FOREACH (key, &ring->keys, entry)
		key->newest = 0;
}

void
keyring_drop(struct keyring *ring)
{
	struct key *key, *next;

	TAILQ_FOREACH_SAFE (key, &ring->keys, entry, next) {
		if (key->newest || key->confirmed)
			continue;
		TAILQ_REMOVE(&ring->keys, key, entry);
		key_free(key);
	}
}

void
keyring_confirm(struct keyring *ring)
{
	struct key *key;

	TAILQ_FOREACH (key, &ring->keys, entry)
		key->confirmed = key->newest;
}

void
keyring_clear(struct keyring *ring)
{
	struct key *key;

	while ((key = TAILQ_FIRST(&ring->keys)) != NULL) {
		TAILQ_REMOVE(&ring->keys, key, entry);
		key_free(key);
	}
}
