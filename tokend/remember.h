/* SPDX-License-Identifier: ISC */
/*
 * Tokens of REMEMBERME: a user who has logged in takes one along and needs no
 * password the next time (PROTOCOL R-.., D-R..).
 *
 * RANDOM and the types that are called as an HT2 mechanism are text, as D-R03
 * says, of 56 characters:
 *
 *	ID "." SECRET		base64url, 9 and 32 octets
 *	SECRET = HMAC(token key, 10 | ID)
 *
 * so that the store, which has the ID, holds nothing that logs anybody in. A
 * JWT is made again from its claims (jwt.h); its jti is the ID.
 *
 * Tokens form families (D-R05): asking in a session that was logged in by a
 * token replaces that one; the family is as old as its first login.
 */
#ifndef TOKEND_REMEMBER_H
#define TOKEND_REMEMBER_H

#include "tokend/issue.h"
#include "tokend/jwt.h"

#define REMEMBER_TEXT 56 /* characters of one that is no JWT */
#define REMEMBER_MAX JWT_MAX
#define REMEMBER_NAME 12 /* characters of an id in text */
#define REMEMBER_OVERLAP 30000ULL /* ms: replaced, and still good */
#define REMEMBER_AGAIN 3600000ULL /* ms: the same successor for whoever asks */
#define REMEMBER_DIGEST 32 /* octets, of USER_STATE */

enum remember_type { /* in the store: never renumbered */
	REMEMBER_RANDOM = 1,
	REMEMBER_JWT,
	REMEMBER_HT2_EXPR,
	REMEMBER_HT2_ENDP,
	REMEMBER_HT2_NONE
};

enum remember_mechanism { /* in the store: never renumbered */
	REMEMBER_BY_REMEMBERME = 1,
	REMEMBER_BY_EXPR,
	REMEMBER_BY_ENDP,
	REMEMBER_BY_NONE,
	REMEMBER_BY_OAUTHBEARER,
	REMEMBER_BY_XOAUTH2
};

/* Why a token is not accepted: for the log alone. */
enum remember_check {
	REMEMBER_GOOD,
	REMEMBER_MALFORMED,
	REMEMBER_UNKNOWN, /* no such token: never made, revoked, or gone */
	REMEMBER_WRONG, /* its secret is */
	REMEMBER_EXPIRED,
	REMEMBER_REPLACED,
	REMEMBER_PINNED, /* to another mechanism */
	REMEMBER_PASSWORD, /* the user's secret is another one now */
	REMEMBER_NO_USER,
	REMEMBER_NOT_HIS, /* an authzid that is not his */
	REMEMBER_STORE /* cannot be told now */
};

/* What it works on. */
struct rememberer {
	struct issuer *issuer; /* its store, keys and their horizons */
	const char *hostname; /* issuer of JWTs */
	uint64_t lifetime; /* ms after the last use; 0: no end */
	uint64_t maximum; /* ms after the login that it comes from; 0: none */
	size_t users; /* who have tokens, about: upkeep counts them */
	size_t seen; /* of them, so far */
};

const char *remember_check_name(enum remember_check check);
/* "random", "jwt", "ht2-sha-256-expr" ...; 0 for another name. */
enum remember_type remember_type_of(struct bytes name);
const char *remember_type_name(enum remember_type type);
const char *remember_mechanism_name(enum remember_mechanism mechanism);
void remember_name(const uint8_t *id, char out[REMEMBER_NAME + 1]);
/* Returns -1 when that is no id. */
int remember_name_read(struct bytes name, uint8_t id[REMEMBER_ID]);

/* What a token is made for. */
struct remember_request {
	const char *login;
	enum remember_type type;
	const uint8_t
	    *by; /* the id that the session was logged in by, or NULL */
	struct bytes digest; /* of the user's secret now */
	const char *address;
};

/*
 * Makes one, or gives the successor that there is (D-R05). It is durable, and
 * may be shown, after the store's commit. REMEMBER_TYPE: a JWT would be too
 * long. REMEMBER_WEAK: the token that the session came by is no longer one to
 * build on.
 */
enum remember_verdict
remember_make(struct rememberer *r, const struct remember_request *request,
    uint64_t now, char out[REMEMBER_MAX + 1], uint8_t id[REMEMBER_ID]);

/*
 * Revocation: all of a user, or the family of one token. Return how many, or
 * -1 when the store fails. Durable after the store's commit; in force at once.
 */
int remember_revoke_user(struct rememberer *r, struct bytes login);
int remember_revoke_family(struct rememberer *r, const uint8_t *id);

/* remember_list.c: what the files of REMEMBERME share. */

/* Reads a user's tokens; none is an empty list. -1 when it cannot be read. */
int remember_load(
    struct rememberer *r, struct bytes login, struct remembered_list *list);
/* Writes them; an empty list is deleted. */
int remember_save(struct rememberer *r, struct bytes login,
    const struct remembered_list *list);
struct remembered *
remember_find(struct remembered_list *list, const uint8_t *id);
/* Whose it is: 0, 1 when nobody's, -1 when the store fails. */
int remember_owner(
    struct rememberer *r, const uint8_t *id, char login[ADDRESS_SIZE]);
/* Drops the nth of the list, and its owner's record. */
int remember_drop(struct rememberer *r, struct remembered_list *list, size_t n);
/* The text of one that is no JWT. */
void remember_text(
    const struct key *key, const uint8_t *id, char out[REMEMBER_TEXT + 1]);
/* What ties a token to the user's secret. */
void remember_bind(const struct key *key, struct bytes login,
    struct bytes digest, uint8_t out[REMEMBER_BINDING]);

/* The state of a token, for the operator. */
enum remember_check remember_state(
    const struct rememberer *r, const struct remembered *token, uint64_t now);
/* When it ends if it is not used again; 0: never. */
uint64_t
remember_end(const struct rememberer *r, const struct remembered *token);

/*
 * Drops dead tokens, of up to `limit` users from *cursor on (empty: the
 * first). Returns 1 when there are more, 0 at the end, -1 when the store fails.
 */
int remember_prune_some(struct rememberer *r, struct record_key *cursor,
    size_t limit, uint64_t now);

#endif
