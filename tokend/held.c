/* SPDX-License-Identifier: ISC */
#include "tokend/held.h"

#include <openssl/crypto.h>

#include <string.h>

/* A token that comes again is noted anew when it is so old. */
#define AGAIN (7 * 86400ULL * 1000)

/* A pair's record while it is changed. */
struct pair {
	struct issuer *issuer;
	struct record_key where;
	uint8_t value[STORE_VALUE_MAX];
	struct held_list list; /* points into value, and to one that is new */
};

/* Returns 0, 1 when there is no record that can be read, or -1. */
static int
pair_read(struct pair *pair)
{
	size_t length;
	int found;

	pair->list.count = 0;
	found = store_get(pair->issuer->store, record_key_bytes(&pair->where),
	    pair->value, &length);
	if (found != 0)
		return found;
	if (held_decode(&pair->list, bytes_of(pair->value, length)) == 0)
		return 0;
	pair->list.count = 0;
	return 1;
}

static int
pair_open(struct pair *pair, struct issuer *issuer, struct bytes remote,
    struct bytes local)
{
	pair->issuer = issuer;
	pair->list.count = 0;
	if (record_key_pair(&pair->where, RECORD_HELD, remote, local) == -1)
		return 1;
	return pair_read(pair);
}

static int
pair_write(const struct pair *pair)
{
	struct bytes where = record_key_bytes(&pair->where);
	struct record_value value;

	if (pair->list.count == 0)
		return store_delete(pair->issuer->store, where) == -1 ? -1 : 0;
	if (held_encode(&pair->list, &value) == -1)
		return -1;
	return store_put(
	    pair->issuer->store, where, record_value_bytes(&value));
}

/* Returns 0, or 1 when it cannot be opened. */
static int
open_one(const struct pair *pair, size_t n, uint8_t *out, size_t *length)
{
	const struct held *held = &pair->list.tokens[n];
	const struct key *key = keyring_find(pair->issuer->ring, held->key_id);

	if (key == NULL || held->sealed.length < SEAL_EXTRA ||
	    held->sealed.length > HELD_TOKEN_MAX + SEAL_EXTRA ||
	    seal_open(key, record_key_bytes(&pair->where), held->sealed, out) ==
		-1)
		return 1;
	*length = held->sealed.length - SEAL_EXTRA;
	return 0;
}

static int
is_the_one(const struct pair *pair, size_t n, struct bytes token)
{
	uint8_t held[HELD_TOKEN_MAX];
	size_t length;
	int result;

	if (pair->list.tokens[n].sealed.length != token.length + SEAL_EXTRA)
		return 0;
	result = open_one(pair, n, held, &length) == 0 &&
	    CRYPTO_memcmp(held, token.data, length) == 0;
	explicit_bzero(held, sizeof(held));
	return result;
}

static void
take_out(struct held_list *list, size_t n)
{
	list->count--;
	memmove(list->tokens + n, list->tokens + n + 1,
	    (list->count - n) * sizeof(list->tokens[0]));
}

/* esmtp-value (RFC 5321 section 4.1.2), in so far as it is ASCII. */
static int
is_token(struct bytes token)
{
	size_t i;

	if (token.length == 0 || token.length > HELD_TOKEN_MAX)
		return 0;
	for (i = 0; i < token.length; i++)
		if (token.data[i] < '!' || token.data[i] > '~' ||
		    token.data[i] == '=')
			return 0;
	return 1;
}

/* What is too old, lost with its key, or the same token, makes room. */
static void
make_room(struct pair *pair, struct bytes token, uint64_t now)
{
	struct held_list *list = &pair->list;
	size_t i = 0;

	while (i < list->count)
		if (list->tokens[i].received + HELD_LIFE <= now ||
		    keyring_find(pair->issuer->ring, list->tokens[i].key_id) ==
			NULL ||
		    is_the_one(pair, i, token))
			take_out(list, i);
		else
			i++;
	if (list->count == HELD_LIST_MAX)
		list->count--;
}

/* Is all as it would be? */
static int
is_settled(const struct pair *pair, struct bytes token, enum held_source source,
    uint64_t now)
{
	size_t i, most = source == HELD_FIELD ? pair->list.count : 1;

	for (i = 0; i < most && i < pair->list.count; i++)
		if (pair->list.tokens[i].received + AGAIN > now &&
		    is_the_one(pair, i, token))
			return 1;
	return 0;
}

/* Puts it at a place of the list, and what is there behind it. */
static int
put_at(struct pair *pair, size_t place, struct bytes token,
    enum held_source source, uint64_t now)
{
	const struct key *key = keyring_active(pair->issuer->ring);
	uint8_t sealed[HELD_TOKEN_MAX + SEAL_EXTRA];
	struct held_list *list = &pair->list;

	if (seal(key, record_key_bytes(&pair->where), token, sealed) == -1)
		return -1;
	make_room(pair, token, now);
	if (place > list->count)
		place = list->count;
	memmove(list->tokens + place + 1, list->tokens + place,
	    (list->count - place) * sizeof(list->tokens[0]));
	list->tokens[place] = (struct held) {key->id, (uint8_t)source, now,
	    bytes_of(sealed, token.length + SEAL_EXTRA)};
	list->count++;
	return pair_write(pair);
}

/* Reads the record that a token is to be put in. Returns 0 or -1. */
static int
pair_of(struct pair *pair, struct issuer *issuer, struct bytes remote,
    struct bytes local, struct bytes token)
{
	if (!is_token(token) ||
	    record_key_pair(&pair->where, RECORD_HELD, remote, local) == -1)
		return -1;
	pair->issuer = issuer;
	return pair_read(pair) == -1 ? -1 : 0;
}

int
held_put(struct issuer *issuer, struct bytes remote, struct bytes local,
    struct bytes token, enum held_source source, uint64_t now)
{
	struct pair pair;

	if (pair_of(&pair, issuer, remote, local, token) == -1)
		return -1;
	if (is_settled(&pair, token, source, now))
		return 0;
	return put_at(&pair, 0, token, source, now);
}

int
held_put_behind(struct issuer *issuer, struct bytes remote, struct bytes local,
    struct bytes token, struct bytes first, uint64_t now)
{
	struct pair pair;

	if (pair_of(&pair, issuer, remote, local, token) == -1)
		return -1;
	if (is_settled(&pair, token, HELD_FIELD, now))
		return 0;
	return put_at(&pair, pair.list.count > 0 && is_the_one(&pair, 0, first),
	    token, HELD_FIELD, now);
}

int
held_is_settled(struct issuer *issuer, struct bytes remote, struct bytes local,
    struct bytes token, uint64_t now)
{
	struct pair pair;

	return pair_of(&pair, issuer, remote, local, token) == 0 &&
	    is_settled(&pair, token, HELD_MYSTOKEN, now);
}

int
held_get(struct issuer *issuer, struct bytes remote, struct bytes local,
    uint8_t *out, size_t *length)
{
	struct pair pair;
	size_t i;
	int found = pair_open(&pair, issuer, remote, local);

	if (found != 0)
		return found;
	for (i = 0; i < pair.list.count; i++)
		if (open_one(&pair, i, out, length) == 0)
			return 0;
	return 1;
}

int
held_forget(struct issuer *issuer, struct bytes remote, struct bytes local,
    struct bytes token)
{
	struct pair pair;
	size_t i;
	int found = pair_open(&pair, issuer, remote, local);

	if (found != 0)
		return found;
	for (i = 0; i < pair.list.count; i++)
		if (is_the_one(&pair, i, token)) {
			take_out(&pair.list, i);
			return pair_write(&pair);
		}
	return 1;
}

struct reseal {
	struct pair pair;
	uint16_t key_id;
	int more;
};

static int
is_under(const struct held_list *list, uint16_t key_id)
{
	size_t i;

	for (i = 0; i < list->count; i++)
		if (list->tokens[i].key_id == key_id)
			return 1;
	return 0;
}

/* Finds the next one under the key and stops there: writing comes after. */
static int
reseal_find(struct bytes key, struct bytes value, void *argument)
{
	struct reseal *reseal = argument;
	struct held_list list;

	if (held_decode(&list, value) == -1 ||
	    !is_under(&list, reseal->key_id) ||
	    key.length >= sizeof(reseal->pair.where.data))
		return 0;
	memcpy(reseal->pair.where.data, key.data, key.length);
	reseal->pair.where.length = key.length;
	reseal->more = 1;
	return 1;
}

/* One that cannot be opened is left: it is lost with or without the key. */
static int
reseal_one(struct pair *pair, uint16_t key_id)
{
	const struct key *key = keyring_active(pair->issuer->ring);
	uint8_t sealed[HELD_LIST_MAX][HELD_TOKEN_MAX + SEAL_EXTRA];
	uint8_t token[HELD_TOKEN_MAX];
	struct held *held;
	size_t i, length;
	int result = 0;

	if (pair_read(pair) != 0)
		return -1;
	for (i = 0; i < pair->list.count; i++) {
		held = &pair->list.tokens[i];
		if (held->key_id != key_id ||
		    open_one(pair, i, token, &length) != 0)
			continue;
		result |= seal(key, record_key_bytes(&pair->where),
		    bytes_of(token, length), sealed[i]);
		held->key_id = key->id;
		held->sealed = bytes_of(sealed[i], length + SEAL_EXTRA);
	}
	explicit_bzero(token, sizeof(token));
	return result == 0 ? pair_write(pair) : -1;
}

int
held_reseal(struct issuer *issuer, uint16_t key_id)
{
	struct reseal reseal = {.pair.issuer = issuer, .key_id = key_id};
	struct record_key *next = &reseal.pair.where;
	struct record_key prefix;

	record_key_single(&prefix, RECORD_HELD);
	*next = prefix;
	for (;;) {
		reseal.more = 0;
		if (store_each(issuer->store, record_key_bytes(&prefix),
			record_key_bytes(next), reseal_find, &reseal) == -1)
			return -1;
		if (!reseal.more)
			return 0;
		if (reseal_one(&reseal.pair, key_id) == -1)
			return -1;
		/* The key right behind the one that was done. */
		next->data[next->length++] = 0;
	}
}

struct pruning {
	struct record_key *cursor;
	size_t left;
	size_t *count;
	uint64_t until; /* what came until then goes */
	int old;
};

/* Stops at one that goes; the cursor stands right behind what was seen. */
static int
prune_find(struct bytes key, struct bytes value, void *argument)
{
	struct pruning *pruning = argument;
	struct held_list list;

	memcpy(pruning->cursor->data, key.data, key.length);
	pruning->cursor->data[key.length] = 0;
	pruning->cursor->length = key.length + 1;
	pruning->old = held_decode(&list, value) == 0 &&
	    list.tokens[0].received <= pruning->until;
	*pruning->count += !pruning->old;
	return --pruning->left == 0 || pruning->old;
}

int
held_prune_some(struct issuer *issuer, struct record_key *cursor, size_t limit,
    uint64_t life, uint64_t now, size_t *count)
{
	struct pruning pruning = {
	    cursor, limit, count, now < life ? 0 : now - life, 0};
	struct record_key prefix;
	int more;

	record_key_single(&prefix, RECORD_HELD);
	if (cursor->length == 0)
		*cursor = prefix;
	do {
		pruning.old = 0;
		more = store_each(issuer->store, record_key_bytes(&prefix),
		    record_key_bytes(cursor), prune_find, &pruning);
		if (pruning.old &&
		    store_delete(issuer->store,
			bytes_of(cursor->data, cursor->length - 1)) == -1)
			return -1;
	} while (more == 1 && pruning.left > 0);
	if (more == 0)
		cursor->length = 0;
	return more;
}

const char *
held_source_name(uint8_t source)
{
	static const char *const names[] = {
	    [HELD_MYSTOKEN] = "mystoken",
	    [HELD_FIELD] = "field",
	    [HELD_RETURNED] = "returned",
	};

	if (source >= sizeof(names) / sizeof(names[0]) || names[source] == NULL)
		return "unknown";
	return names[source];
}
