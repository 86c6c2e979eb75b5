/* SPDX-License-Identifier: ISC */
#include "tokend/issue.h"

#include <stdlib.h>
#include <string.h>

#define RESERVE 60000ULL /* ms */
#define HORIZON_STEP 86400000ULL /* ms */

static int
load_horizon(struct bytes key, struct bytes value, void *argument)
{
	struct issuer *issuer = argument;
	uint64_t time;
	size_t i;

	if (key.length != 3 || time_decode(&time, value) == -1)
		return -1;
	for (i = 0; i < KEYRING_MAX; i++) {
		if (issuer->horizon[i].set)
			continue;
		issuer->horizon[i].key_id =
		    (uint16_t)(key.data[1] << 8 | key.data[2]);
		issuer->horizon[i].time = time;
		issuer->horizon[i].set = 1;
		return 0;
	}
	return 0;
}

int
issuer_load(struct issuer *issuer)
{
	uint8_t value[STORE_VALUE_MAX];
	struct record_key key;
	size_t length;
	int result;

	memset(issuer->horizon, 0, sizeof(issuer->horizon));
	record_key_single(&key, RECORD_HORIZON);
	if (store_each(issuer->store, record_key_bytes(&key),
		record_key_bytes(&key), load_horizon, issuer) != 0)
		return -1;
	record_key_single(&key, RECORD_CLOCK);
	issuer->reserved = 0;
	result =
	    store_get(issuer->store, record_key_bytes(&key), value, &length);
	if (result == -1 ||
	    (result == 0 &&
		time_decode(&issuer->reserved, bytes_of(value, length)) == -1))
		return -1;
	issuer->last = issuer->reserved;
	return 0;
}

static int
put_time(struct issuer *issuer, const struct record_key *key, uint64_t time)
{
	struct record_value value;

	time_encode(time, &value);
	return store_put(
	    issuer->store, record_key_bytes(key), record_value_bytes(&value));
}

/* The time of a new token: later than every mark, never going back. */
static int
issue_time(struct issuer *issuer, uint64_t now, uint64_t *time)
{
	struct record_key key;
	uint64_t newest = marks_newest(issuer->marks);

	*time = now;
	if (*time < issuer->last)
		*time = issuer->last;
	if (*time <= newest)
		*time = newest + 1;
	issuer->last = *time;
	if (*time < issuer->reserved)
		return 0;
	issuer->reserved = *time + RESERVE;
	record_key_single(&key, RECORD_CLOCK);
	return put_time(issuer, &key, issuer->reserved);
}

uint64_t
issue_horizon(const struct issuer *issuer, uint16_t key_id)
{
	size_t i;

	for (i = 0; i < KEYRING_MAX; i++)
		if (issuer->horizon[i].set &&
		    issuer->horizon[i].key_id == key_id)
			return issuer->horizon[i].time;
	return 1;
}

/* The place of a key; that of a key which is gone may be taken. */
static size_t
horizon_slot(struct issuer *issuer, uint16_t key_id)
{
	size_t i, unused = KEYRING_MAX;

	for (i = 0; i < KEYRING_MAX; i++) {
		if (issuer->horizon[i].set &&
		    issuer->horizon[i].key_id == key_id)
			return i;
		if (unused == KEYRING_MAX &&
		    (!issuer->horizon[i].set ||
			keyring_find(issuer->ring, issuer->horizon[i].key_id) ==
			    NULL))
			unused = i;
	}
	/* There are as many places as a ring has keys. */
	issuer->horizon[unused].set = 0;
	return unused;
}

int
issue_reach(struct issuer *issuer, uint16_t key_id, uint64_t expires)
{
	struct record_key key;
	size_t slot = horizon_slot(issuer, key_id);
	uint64_t time;

	if (issuer->horizon[slot].set &&
	    (issuer->horizon[slot].time == 0 ||
		(expires != 0 && expires <= issuer->horizon[slot].time)))
		return 0;
	time = expires == 0 ? 0 : expires + HORIZON_STEP;
	issuer->horizon[slot].key_id = key_id;
	issuer->horizon[slot].time = time;
	issuer->horizon[slot].set = 1;
	record_key_horizon(&key, key_id);
	return put_time(issuer, &key, time);
}

/* A fresh token of the active key, all but tag and MAC. */
static int
token_begin(struct issuer *issuer, struct token *token, enum token_kind kind,
    uint64_t lifetime, uint64_t now)
{
	const struct key *key = keyring_active(issuer->ring);

	token->kind = kind;
	token->key_id = key->id;
	if (issue_time(issuer, now, &token->issued) == -1)
		return -1;
	token->expires = lifetime == 0 ? 0 : token->issued + lifetime;
	if (token->expires > TOKEN_TIME_MAX)
		token->expires = 0;
	arc4random_buf(token->nonce, sizeof(token->nonce));
	return issue_reach(issuer, key->id, token->expires);
}

int
issue_temporary(struct issuer *issuer, struct bytes remote, struct bytes local,
    uint64_t now, char out[TOKEN_LENGTH + 1])
{
	struct token token;

	if (token_begin(issuer, &token, TOKEN_KIND_TEMPORARY,
		issuer->lifetimes.temporary, now) == -1)
		return -1;
	token_encode(
	    &token, &keyring_active(issuer->ring)->hmac, remote, local, out);
	return 0;
}

int
issue_temporary_at_once(struct issuer *issuer, struct bytes remote,
    struct bytes local, uint64_t now, char out[TOKEN_LENGTH + 1])
{
	uint64_t issued = now < issuer->last ? issuer->last : now;
	uint64_t expires = issued + issuer->lifetimes.temporary;
	uint16_t key = keyring_active(issuer->ring)->id;
	uint64_t horizon = issue_horizon(issuer, key);

	/* 1: none is set; 0: for ever. */
	if (issued <= marks_newest(issuer->marks) ||
	    issued >= issuer->reserved || horizon == 1 ||
	    (horizon != 0 &&
		(issuer->lifetimes.temporary == 0 || expires >= horizon)))
		return 1;
	return issue_temporary(issuer, remote, local, now, out);
}

static void
permanent_fields(const struct permanent *permanent, struct token *token)
{
	token->kind = TOKEN_KIND_PERMANENT;
	token->key_id = permanent->key_id;
	token->issued = permanent->issued;
	token->expires = permanent->expires;
	memcpy(token->nonce, permanent->nonce, sizeof(token->nonce));
}

static int
permanent_new(struct issuer *issuer, const struct record_key *where,
    struct bytes remote, struct bytes local, uint64_t now,
    char out[TOKEN_LENGTH + 1])
{
	struct permanent permanent;
	struct record_value value;
	struct token token;

	if (token_begin(issuer, &token, TOKEN_KIND_PERMANENT,
		issuer->lifetimes.permanent, now) == -1)
		return -1;
	permanent.key_id = token.key_id;
	permanent.issued = token.issued;
	permanent.expires = token.expires;
	memcpy(permanent.nonce, token.nonce, sizeof(permanent.nonce));
	permanent_encode(&permanent, &value);
	if (store_put(issuer->store, record_key_bytes(where),
		record_value_bytes(&value)) == -1)
		return -1;
	token_encode(
	    &token, &keyring_active(issuer->ring)->hmac, remote, local, out);
	return 0;
}

/* Is it still good, and for longer than `left` ms? */
static int
is_usable(const struct issuer *issuer, const struct permanent *permanent,
    struct bytes remote, struct bytes local, uint64_t now, uint64_t left)
{
	return keyring_find(issuer->ring, permanent->key_id) != NULL &&
	    (permanent->expires == 0 || permanent->expires > now + left) &&
	    marks_cover(issuer->marks, permanent->issued, remote, local) == 0;
}

/* The one before stays good for the grace period (D-S13). */
static int
renew(struct issuer *issuer, const struct permanent *old, uint64_t now)
{
	struct renewed renewed = {now + issuer->lifetimes.grace, old->expires};
	struct record_value value;
	struct record_key key;

	record_key_renewed(&key, old->nonce);
	renewed_encode(&renewed, &value);
	return store_put(
	    issuer->store, record_key_bytes(&key), record_value_bytes(&value));
}

static int
issue_lasting(struct issuer *issuer, struct bytes remote, struct bytes local,
    uint64_t now, uint64_t left, char out[TOKEN_LENGTH + 1])
{
	uint8_t value[STORE_VALUE_MAX];
	struct permanent old;
	struct record_key where;
	struct token token;
	size_t length;
	int found;

	if (record_key_pair(&where, RECORD_PERMANENT, remote, local) == -1)
		return -1;
	found =
	    store_get(issuer->store, record_key_bytes(&where), value, &length);
	if (found == -1)
		return -1;
	if (found == 0 &&
	    permanent_decode(&old, bytes_of(value, length)) == 0) {
		if (is_usable(issuer, &old, remote, local, now, left)) {
			permanent_fields(&old, &token);
			token_encode(&token,
			    &keyring_find(issuer->ring, token.key_id)->hmac,
			    remote, local, out);
			return 1;
		}
		if (is_usable(issuer, &old, remote, local, now, 0) &&
		    renew(issuer, &old, now) == -1)
			return -1;
	}
	return permanent_new(issuer, &where, remote, local, now, out);
}

int
issue_permanent(struct issuer *issuer, struct bytes remote, struct bytes local,
    uint64_t now, char out[TOKEN_LENGTH + 1])
{
	return issue_lasting(issuer, remote, local, now, 0, out);
}

int
issue_refreshed(struct issuer *issuer, struct bytes remote, struct bytes local,
    uint64_t now, char out[TOKEN_LENGTH + 1])
{
	return issue_lasting(
	    issuer, remote, local, now, issuer->lifetimes.refresh, out);
}

/* When every token that was ever issued has expired; 0 is never. */
static uint64_t
last_expiry(const struct issuer *issuer)
{
	uint64_t last = 1;
	size_t i;

	for (i = 0; i < KEYRING_MAX; i++) {
		if (!issuer->horizon[i].set)
			continue;
		if (issuer->horizon[i].time == 0)
			return 0;
		if (issuer->horizon[i].time > last)
			last = issuer->horizon[i].time;
	}
	return last;
}

int
issue_revocation(struct issuer *issuer, enum mark_scope scope,
    struct bytes remote, struct bytes local, uint64_t now, uint64_t *before)
{
	struct mark_times times;

	times.before = now > issuer->last ? now : issuer->last;
	times.until = last_expiry(issuer);
	*before = times.before;
	return marks_add(
	    issuer->marks, issuer->store, scope, remote, local, &times);
}
