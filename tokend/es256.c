/* SPDX-License-Identifier: ISC */
#include "tokend/es256.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/obj_mac.h>

#include "compat/libressl.h"

/* The point of the scalar, and its coordinates. */
static int
set_public(struct es256 *es256, const BIGNUM *scalar, BN_CTX *context)
{
	const EC_GROUP *group = EC_KEY_get0_group(es256->key);
	EC_POINT *point = EC_POINT_new(group);
	BIGNUM *x = BN_CTX_get(context), *y = BN_CTX_get(context);
	int result = -1;

	if (point != NULL && y != NULL &&
	    EC_POINT_mul(group, point, scalar, NULL, NULL, context) == 1 &&
	    EC_KEY_set_private_key(es256->key, scalar) == 1 &&
	    EC_KEY_set_public_key(es256->key, point) == 1 &&
	    EC_POINT_get_affine_coordinates(group, point, x, y, context) == 1 &&
	    BN_bn2binpad(x, es256->x, ES256_OCTETS) == ES256_OCTETS &&
	    BN_bn2binpad(y, es256->y, ES256_OCTETS) == ES256_OCTETS)
		result = 0;
	EC_POINT_free(point);
	return result;
}

int
es256_set(struct es256 *es256, const uint8_t scalar[ES256_OCTETS])
{
	BN_CTX *context = BN_CTX_new();
	BIGNUM *number, *order;
	int result = -1;

	memset(es256, 0, sizeof(*es256));
	if (context == NULL)
		return -1;
	BN_CTX_start(context);
	number = BN_CTX_get(context);
	order = BN_CTX_get(context);
	es256->key = EC_KEY_new_by_curve_name(NID_X9_62_prime256v1);
	if (order != NULL && es256->key != NULL &&
	    EC_GROUP_get_order(EC_KEY_get0_group(es256->key), order, NULL) &&
	    BN_bin2bn(scalar, ES256_OCTETS, number) != NULL &&
	    !BN_is_zero(number) && BN_cmp(number, order) < 0) {
		BN_set_flags(number, BN_FLG_CONSTTIME);
		result = set_public(es256, number, context);
		BN_clear(number);
	}
	BN_CTX_end(context);
	BN_CTX_free(context);
	if (result == -1)
		es256_clear(es256);
	return result;
}

int
es256_derive(struct es256 *es256, const struct hmac_key *from)
{
	uint8_t scalar[HMAC_LENGTH], head[2] = {0x12, 0};
	struct hmac mac;
	int result = -1;

	/* The second round comes once in 2^32 keys. */
	for (; result == -1 && head[1] < 4; head[1]++) {
		hmac_begin(&mac, from);
		hmac_add(&mac, head, sizeof(head));
		hmac_add(&mac, "ES256", 5);
		hmac_finish(&mac, scalar);
		result = es256_set(es256, scalar);
	}
	explicit_bzero(scalar, sizeof(scalar));
	explicit_bzero(&mac, sizeof(mac));
	return result;
}

void
es256_clear(struct es256 *es256)
{
	EC_KEY_free(es256->key); /* wipes */
	es256->key = NULL;
}

/* RFC 6979 3.2: the state of its generator. */
struct generator {
	uint8_t key[HMAC_LENGTH];
	uint8_t value[HMAC_LENGTH];
};

static void
generator_value(struct generator *g)
{
	struct hmac_key key;
	struct hmac mac;

	hmac_key_init(&key, g->key, sizeof(g->key));
	hmac_begin(&mac, &key);
	hmac_add(&mac, g->value, sizeof(g->value));
	hmac_finish(&mac, g->value);
	explicit_bzero(&key, sizeof(key));
	explicit_bzero(&mac, sizeof(mac));
}

static void
generator_mix(struct generator *g, uint8_t octet, const uint8_t *seed)
{
	struct hmac_key key;
	struct hmac mac;

	hmac_key_init(&key, g->key, sizeof(g->key));
	hmac_begin(&mac, &key);
	hmac_add(&mac, g->value, sizeof(g->value));
	hmac_add(&mac, &octet, 1);
	if (seed != NULL)
		hmac_add(&mac, seed, 2 * ES256_OCTETS);
	hmac_finish(&mac, g->key);
	explicit_bzero(&key, sizeof(key));
	explicit_bzero(&mac, sizeof(mac));
	generator_value(g);
}

static void
generator_start(struct generator *g, const uint8_t *seed)
{
	memset(g->value, 1, sizeof(g->value));
	memset(g->key, 0, sizeof(g->key));
	generator_mix(g, 0, seed);
	generator_mix(g, 1, seed);
}

/* Numbers of one signature. */
struct numbers {
	BN_CTX *context;
	BIGNUM *order, *k, *r, *s, *hash, *blind;
};

/*
 * s = (hash + r d) / k, every factor multiplied by a random one on its way,
 * so that the time of the divisions tells nothing of k and d.
 */
static int
compute_s(struct numbers *n, const BIGNUM *d)
{
	uint8_t random[ES256_OCTETS];

	arc4random_buf(random, sizeof(random));
	random[ES256_OCTETS - 1] |= 1;
	if (BN_bin2bn(random, sizeof(random), n->blind) == NULL ||
	    BN_nnmod(n->blind, n->blind, n->order, n->context) != 1 ||
	    BN_mod_mul(n->s, n->r, n->blind, n->order, n->context) != 1 ||
	    BN_mod_mul(n->s, n->s, d, n->order, n->context) != 1 ||
	    BN_mod_mul(n->hash, n->hash, n->blind, n->order, n->context) != 1 ||
	    BN_mod_add(n->s, n->s, n->hash, n->order, n->context) != 1 ||
	    BN_mod_mul(n->k, n->k, n->blind, n->order, n->context) != 1 ||
	    BN_mod_inverse(n->k, n->k, n->order, n->context) == NULL ||
	    BN_mod_mul(n->s, n->s, n->k, n->order, n->context) != 1)
		return -1;
	return 0;
}

static int
compute_r(struct numbers *n, const EC_GROUP *group)
{
	EC_POINT *point = EC_POINT_new(group);
	int result = -1;

	if (point != NULL &&
	    EC_POINT_mul(group, point, n->k, NULL, NULL, n->context) == 1 &&
	    EC_POINT_get_affine_coordinates(
		group, point, n->r, NULL, n->context) == 1 &&
	    BN_nnmod(n->r, n->r, n->order, n->context) == 1)
		result = 0;
	EC_POINT_clear_free(point);
	return result;
}

/* Tries ks until one gives a signature: the first, but for 1 in 2^32. */
static int
sign_with(struct numbers *n, const struct es256 *es256, struct generator *g,
    const uint8_t *seed)
{
	const EC_GROUP *group = EC_KEY_get0_group(es256->key);
	int i;

	for (i = 0; i < 8; i++) {
		generator_value(g);
		if (BN_bin2bn(g->value, sizeof(g->value), n->k) == NULL)
			return -1;
		BN_set_flags(n->k, BN_FLG_CONSTTIME);
		if (!BN_is_zero(n->k) && BN_cmp(n->k, n->order) < 0) {
			if (BN_bin2bn(seed + ES256_OCTETS, ES256_OCTETS,
				n->hash) == NULL ||
			    compute_r(n, group) == -1 ||
			    compute_s(n, EC_KEY_get0_private_key(es256->key)) ==
				-1)
				return -1;
			if (!BN_is_zero(n->r) && !BN_is_zero(n->s))
				return 0;
		}
		generator_mix(g, 0, NULL);
	}
	return -1;
}

/* What both k and the signature come from: the scalar, the hash mod order. */
static int
make_seed(struct numbers *n, const struct es256 *es256, const void *data,
    size_t length, uint8_t seed[2 * ES256_OCTETS])
{
	uint8_t hash[SHA256_DIGEST_LENGTH];

	SHA256(data, length, hash);
	if (BN_bin2bn(hash, sizeof(hash), n->hash) == NULL ||
	    BN_nnmod(n->hash, n->hash, n->order, n->context) != 1 ||
	    BN_bn2binpad(EC_KEY_get0_private_key(es256->key), seed,
		ES256_OCTETS) != ES256_OCTETS ||
	    BN_bn2binpad(n->hash, seed + ES256_OCTETS, ES256_OCTETS) !=
		ES256_OCTETS)
		return -1;
	return 0;
}

int
es256_sign(const struct es256 *es256, const void *data, size_t length,
    uint8_t signature[ES256_SIGNATURE])
{
	struct numbers n = {.context = BN_CTX_secure_new()};
	uint8_t seed[2 * ES256_OCTETS];
	struct generator g;
	int result = -1;

	if (n.context == NULL)
		return -1;
	BN_CTX_start(n.context);
	n.order = BN_CTX_get(n.context);
	n.k = BN_CTX_get(n.context);
	n.r = BN_CTX_get(n.context);
	n.s = BN_CTX_get(n.context);
	n.hash = BN_CTX_get(n.context);
	n.blind = BN_CTX_get(n.context);
	if (n.blind != NULL &&
	    EC_GROUP_get_order(
		EC_KEY_get0_group(es256->key), n.order, n.context) == 1 &&
	    make_seed(&n, es256, data, length, seed) == 0) {
		generator_start(&g, seed);
		if (sign_with(&n, es256, &g, seed) == 0 &&
		    BN_bn2binpad(n.r, signature, ES256_OCTETS) ==
			ES256_OCTETS &&
		    BN_bn2binpad(n.s, signature + ES256_OCTETS, ES256_OCTETS) ==
			ES256_OCTETS)
			result = 0;
		BN_clear(n.k);
		BN_clear(n.blind);
	}
	BN_CTX_end(n.context);
	BN_CTX_free(n.context);
	explicit_bzero(seed, sizeof(seed));
	explicit_bzero(&g, sizeof(g));
	return result;
}

int
es256_verify(const struct es256 *es256, const void *data, size_t length,
    const uint8_t signature[ES256_SIGNATURE])
{
	uint8_t hash[SHA256_DIGEST_LENGTH];
	ECDSA_SIG *pair = ECDSA_SIG_new();
	BIGNUM *r, *s;
	int result;

	if (pair == NULL)
		return 0;
	r = BN_bin2bn(signature, ES256_OCTETS, NULL);
	s = BN_bin2bn(signature + ES256_OCTETS, ES256_OCTETS, NULL);
	if (r == NULL || s == NULL || ECDSA_SIG_set0(pair, r, s) != 1) {
		BN_free(r);
		BN_free(s);
		ECDSA_SIG_free(pair);
		return 0;
	}
	SHA256(data, length, hash);
	result = ECDSA_do_verify(hash, sizeof(hash), pair, es256->key);
	ECDSA_SIG_free(pair);
	return result == 1;
}
