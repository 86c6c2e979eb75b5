/* SPDX-License-Identifier: ISC */
#include "tokend/held.h"

#include <string.h>

static int
write_sealed(struct issuer *issuer, struct bytes where, struct bytes token,
    uint64_t received)
{
	const struct key *key = keyring_active(issuer->ring);
	uint8_t sealed[HELD_TOKEN_MAX + SEAL_EXTRA];
	struct record_value value;
	struct held held;

	if (token.length > HELD_TOKEN_MAX ||
	    seal(key, where, token, sealed) == -1)
		return -1;
	held.key_id = key->id;
	held.received = received;
	held.sealed = bytes_of(sealed, token.length + SEAL_EXTRA);
	if (held_encode(&held, &value) == -1)
		return -1;
	return store_put(issuer->store, where, record_value_bytes(&value));
}

/* Returns 0, or 1 when it cannot be opened. */
static int
read_sealed(const struct issuer *issuer, struct bytes where,
    const struct held *held, uint8_t *out, size_t *length)
{
	const struct key *key = keyring_find(issuer->ring, held->key_id);

	if (key == NULL || held->sealed.length < SEAL_EXTRA ||
	    held->sealed.length > HELD_TOKEN_MAX + SEAL_EXTRA ||
	    seal_open(key, where, held->sealed, out) == -1)
		return 1;
	*length = held->sealed.length - SEAL_EXTRA;
	return 0;
}

int
held_put(struct issuer *issuer, struct bytes remote, struct bytes local,
    struct bytes token, uint64_t now)
{
	struct record_key where;

	if (record_key_pair(&where, RECORD_HELD, remote, local) == -1)
		return -1;
	return write_sealed(issuer, record_key_bytes(&where), token, now);
}

int
held_get(struct issuer *issuer, struct bytes remote, struct bytes local,
    uint8_t *out, size_t *length)
{
	uint8_t value[STORE_VALUE_MAX];
	struct record_key where;
	struct held held;
	size_t octets;
	int found;

	if (record_key_pair(&where, RECORD_HELD, remote, local) == -1)
		return 1;
	found =
	    store_get(issuer->store, record_key_bytes(&where), value, &octets);
	if (found != 0)
		return found;
	if (held_decode(&held, bytes_of(value, octets)) == -1)
		return 1;
	return read_sealed(
	    issuer, record_key_bytes(&where), &held, out, length);
}

struct reseal {
	struct issuer *issuer;
	uint16_t key_id;
	struct record_key next; /* where to go on */
	int more;
};

/* Finds the next one under the key and stops there: writing comes after. */
static int
reseal_find(struct bytes key, struct bytes value, void *argument)
{
	struct reseal *reseal = argument;
	struct held held;

	if (held_decode(&held, value) == -1 || held.key_id != reseal->key_id ||
	    key.length > sizeof(reseal->next.data))
		return 0;
	memcpy(reseal->next.data, key.data, key.length);
	reseal->next.length = key.length;
	reseal->more = 1;
	return 1;
}

/* One that cannot be opened is left: it is lost with or without the key. */
static int
reseal_one(struct reseal *reseal)
{
	uint8_t value[STORE_VALUE_MAX], token[HELD_TOKEN_MAX];
	struct bytes where = record_key_bytes(&reseal->next);
	struct held held;
	size_t length;
	int result = 0;

	if (store_get(reseal->issuer->store, where, value, &length) != 0 ||
	    held_decode(&held, bytes_of(value, length)) == -1)
		return -1;
	if (read_sealed(reseal->issuer, where, &held, token, &length) == 0)
		result = write_sealed(reseal->issuer, where,
		    bytes_of(token, length), held.received);
	explicit_bzero(token, sizeof(token));
	return result;
}

int
held_reseal(struct issuer *issuer, uint16_t key_id)
{
	struct reseal reseal = {issuer, key_id, {{0}, 0}, 0};
	struct record_key prefix;

	record_key_single(&prefix, RECORD_HELD);
	reseal.next = prefix;
	for (;;) {
		reseal.more = 0;
		if (store_each(issuer->store, record_key_bytes(&prefix),
			record_key_bytes(&reseal.next), reseal_find,
			&reseal) == -1)
			return -1;
		if (!reseal.more)
			return 0;
		if (reseal_one(&reseal) == -1)
			return -1;
		/* The key right behind the one that was done. */
		reseal.next.data[reseal.next.length++] = 0;
	}
}
