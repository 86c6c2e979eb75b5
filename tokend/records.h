/* SPDX-License-Identifier: ISC */
/*
 * What lies in the store. Keys start with a letter for their kind, values
 * with a version; numbers are big-endian, times are in milliseconds since
 * 1970 and 0 is never. Addresses are canonical and hold no NUL.
 *
 *	p LOCAL 00 REMOTE	the permanent token of a pair, to compute again
 *	m SCOPE ADDRESSES	tokens issued until then are revoked
 *	h LOCAL 00 REMOTE	tokens that another server issued to LOCAL
 *	o NONCE			a permanent token that was renewed
 *	r LOGIN			a user's tokens of REMEMBERME, to compute again
 *	i ID			whose one of those is
 *	k ID			no token under this key lives longer
 *	c			no token was issued later
 *	s			the first start was completed
 *	t			the last self-test
 *
 * No token and no key is ever in it, but sealed (seal.h).
 */
#ifndef TOKEND_RECORDS_H
#define TOKEND_RECORDS_H

#include "tokend/store.h"
#include "tokend/token.h"

#define RECORD_PERMANENT 'p'
#define RECORD_MARK 'm'
#define RECORD_HELD 'h'
#define RECORD_REMEMBER 'r'
#define RECORD_OWNER 'i'
#define RECORD_HORIZON 'k'
#define RECORD_RENEWED 'o'
#define RECORD_CLOCK 'c'
#define RECORD_STARTED 's'
#define RECORD_TEST 't'

struct record_key {
	uint8_t data[STORE_KEY_MAX];
	size_t length;
};

struct record_value {
	uint8_t data[STORE_VALUE_MAX];
	size_t length;
};

struct bytes record_key_bytes(const struct record_key *key);
struct bytes record_value_bytes(const struct record_value *value);

/* Keys. Return -1 when the addresses are too long or hold a NUL. */
int record_key_pair(
    struct record_key *key, char kind, struct bytes remote, struct bytes local);
void record_key_horizon(struct record_key *key, uint16_t key_id);
void record_key_single(struct record_key *key, char kind);
/* Splits a key of record_key_pair(). Returns -1 when it is none. */
int
record_key_split(struct bytes key, struct bytes *remote, struct bytes *local);

/* The permanent token of a pair: everything but the MAC and the tag. */
struct permanent {
	uint16_t key_id;
	uint64_t issued;
	uint64_t expires;
	uint8_t nonce[TOKEN_NONCE];
};
void
permanent_encode(const struct permanent *permanent, struct record_value *value);
int permanent_decode(struct permanent *permanent, struct bytes value);

/* What became of the token before, by its nonce: AUTH knows no pair. */
struct renewed {
	uint64_t good_until; /* the grace period */
	uint64_t expires; /* the token itself; then this is needless */
};
void record_key_renewed(struct record_key *key, const uint8_t *nonce);
void renewed_encode(const struct renewed *renewed, struct record_value *value);
int renewed_decode(struct renewed *renewed, struct bytes value);

/* A revocation. */
enum mark_scope {
	MARK_ALL = 'a',
	MARK_DOMAIN = 'd', /* of the remote address */
	MARK_LOCAL = 'l',
	MARK_PAIR = 'p',
	MARK_REMOTE = 'r'
};
struct mark_times {
	uint64_t before; /* tokens issued until then are revoked */
	uint64_t until; /* all of those have expired then */
};
/* The key of a mark; arguments that the scope does not need are ignored. */
int record_key_mark(struct record_key *key, enum mark_scope scope,
    struct bytes remote, struct bytes local);
void mark_encode(const struct mark_times *mark, struct record_value *value);
int mark_decode(struct mark_times *mark, struct bytes value);

/* Held tokens of a pair, the newest first; `sealed` points into the record. */
#define HELD_LIST_MAX 8
#define HELD_TOKEN_MAX 255 /* octets (D-S02) */

enum held_source {
	HELD_MYSTOKEN = 1, /* given with a delivery to us (S1-74) */
	HELD_FIELD, /* a Submission-Token field (S1-50) */
	HELD_RETURNED /* by its server, for a delivery of ours (S1-75) */
};

struct held {
	uint16_t key_id;
	uint8_t source; /* enum held_source */
	uint64_t received;
	struct bytes sealed;
};
struct held_list {
	size_t count;
	struct held tokens[HELD_LIST_MAX];
};
int held_encode(const struct held_list *list, struct record_value *value);
int held_decode(struct held_list *list, struct bytes value);

/* Tokens of REMEMBERME: all of a user's in one record. remember.h */
#define REMEMBER_ID 9 /* octets */
#define REMEMBER_LIVE 32 /* of a user */
#define REMEMBER_BINDING 8

struct remembered {
	uint8_t id[REMEMBER_ID];
	uint8_t family[REMEMBER_ID]; /* the first of those it came from */
	uint8_t parent[REMEMBER_ID]; /* what it replaced; or zeros */
	uint16_t key_id;
	uint8_t type; /* enum remember_type */
	uint8_t pinned; /* enum remember_mechanism; 0: to none */
	uint8_t mechanism; /* that it was last used by; 0: never used */
	uint8_t bound; /* to the user's secret */
	uint8_t binding[REMEMBER_BINDING];
	uint64_t created;
	uint64_t started; /* the family: its first login */
	uint64_t used; /* or created */
	uint64_t replaced; /* 0: not */
	uint64_t expires; /* of a JWT; 0: it has no such claim */
	char address[46]; /* that it was last used from */
};

struct remembered_list {
	size_t count;
	struct remembered tokens[REMEMBER_LIVE];
};

/* Keys. The first returns -1 when the login is too long or has a NUL. */
int record_key_login(struct record_key *key, struct bytes login);
void record_key_owner(struct record_key *key, const uint8_t *id);
void remembered_encode(
    const struct remembered_list *list, struct record_value *value);
int remembered_decode(struct remembered_list *list, struct bytes value);
/* The login: -1 when it does not fit. */
int owner_encode(struct bytes login, struct record_value *value);
int owner_decode(struct bytes value, struct bytes *login);

/* Horizon and clock: one time. */
void time_encode(uint64_t time, struct record_value *value);
int time_decode(uint64_t *time, struct bytes value);

#endif
