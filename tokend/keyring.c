/* SPDX-License-Identifier: ISC */
#include "tokend/keyring.h"

#include <stdlib.h>
#include <string.h>

const struct key *
keyring_find(const struct keyring *ring, uint16_t id)
{
	size_t i;

	for (i = 0; i < ring->count; i++)
		if (ring->keys[i].id == id)
			return &ring->keys[i];
	return NULL;
}

const struct key *
keyring_active(const struct keyring *ring)
{
	const struct key *best = NULL, *key;
	size_t i;

	for (i = 0; i < ring->count; i++) {
		key = &ring->keys[i];
		if (best == NULL || key->created > best->created ||
		    (key->created == best->created && key->id > best->id))
			best = key;
	}
	return best;
}

/* The id after the greatest; after 65535 the lowest that is free. */
static uint16_t
next_id(const struct keyring *ring)
{
	uint32_t id = 0;
	size_t i;

	for (i = 0; i < ring->count; i++)
		if (ring->keys[i].id > id)
			id = ring->keys[i].id;
	if (++id <= UINT16_MAX)
		return (uint16_t)id;
	for (id = 1; keyring_find(ring, (uint16_t)id) != NULL; id++)
		;
	return (uint16_t)id;
}

const struct key *
keyring_add(struct keyring *ring, uint64_t now)
{
	const struct key *active;
	struct key *key;

	if (ring->count == KEYRING_MAX)
		return NULL;
	active = keyring_active(ring);
	key = &ring->keys[ring->count];
	key->id = next_id(ring);
	/* A clock that was set back must not leave an old key active. */
	key->created = now;
	if (active != NULL && active->created >= now)
		key->created = active->created + 1;
	arc4random_buf(key->secret, sizeof(key->secret));
	hmac_key_init(&key->hmac, key->secret, sizeof(key->secret));
	ring->count++;
	return key;
}

int
keyring_remove(struct keyring *ring, uint16_t id)
{
	struct key *key = NULL;
	size_t i;

	for (i = 0; i < ring->count; i++)
		if (ring->keys[i].id == id)
			key = &ring->keys[i];
	if (key == NULL)
		return -1;
	ring->count--;
	memmove(key, &ring->keys[ring->count], sizeof(*key));
	explicit_bzero(&ring->keys[ring->count], sizeof(*key));
	return 0;
}

void
keyring_wipe(struct keyring *ring)
{
	explicit_bzero(ring, sizeof(*ring));
}
