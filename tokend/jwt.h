/* SPDX-License-Identifier: ISC */
/*
 * A token of REMEMBERME as a JWT (RFC 7519; PROTOCOL D-R03, X-5): a compact
 * JWS with ES256, which whoever has the public key can check, an IMAP server's
 * OAUTHBEARER say (`tokenctl show jwks`).
 *
 *	{"alg":"ES256","typ":"JWT","kid":KID}
 *	{"iss":HOSTNAME,"sub":LOGIN,"aud":"smtp","iat":N,"exp":N,"jti":ID}
 *
 * We read back only what we have written ourselves: a header is one of ours to
 * the letter or none, so nothing in it can choose an algorithm or a key, and
 * claims are looked at only behind a good signature.
 */
#ifndef TOKEND_JWT_H
#define TOKEND_JWT_H

#include "imsg/messages.h"
#include "lib/address.h"
#include "tokend/es256.h"
#include "tokend/keyring.h"

#define JWT_MAX 369 /* octets: AUTH REMEMBERME holds it in a line (D-R03) */
#define JWT_KID 10
#define JWT_ID 12 /* characters of a jti */
#define JWT_AUDIENCE "smtp"

struct jwt_key {
	uint16_t id; /* of the token key that it is derived from */
	struct es256 es256;
	char kid[JWT_KID + 1]; /* the start of its thumbprint (RFC 7638) */
};

struct jwt {
	char issuer[ADDRESS_DOMAIN_MAX + 1];
	char subject[ADDRESS_SIZE];
	uint64_t issued; /* seconds since 1970 */
	uint64_t expires;
	char id[JWT_ID + 1];
};

/* The signing key of a token key, kept; NULL when memory is short. */
const struct jwt_key *jwt_key_of(const struct key *key);
/* Forgets and wipes the kept one of a token key; 0: all of them. */
void jwt_key_forget(uint16_t id);

/*
 * Writes the token. Returns its length, or -1 when it would be too long (the
 * names in it) or memory is short. The same claims give the same token.
 */
int jwt_write(
    const struct jwt_key *key, const struct jwt *jwt, char out[JWT_MAX + 1]);

/*
 * Reads and verifies one under a key of the ring. Costs the same, one
 * verification, whatever is wrong with it. Returns 0, or -1: not ours, or not
 * unchanged. Whether it has expired, or was revoked, is for others to say.
 */
int jwt_read(const struct keyring *ring, struct bytes text, struct jwt *jwt);

/* Has it the form of a JWT at all: three parts, two dots? */
int jwt_is(struct bytes text);

/*
 * The public key as a JWK (RFC 7517), with "pem", the same for those who want
 * a file; no NUL is counted. Returns -1 when it does not fit.
 */
int jwt_key_print(const struct jwt_key *key, char *out, size_t size);

#endif
