/* SPDX-License-Identifier: ISC */
/*
 * The token keys (DESIGN 5): DIR/keys, mode 0600, a line for each key:
 *
 *	id created base64(32 octets)
 *
 * where `created` is in seconds since 1970. The newest key makes tokens, the
 * others only check them, until their last token has expired.
 */
#ifndef TOKEND_KEYRING_H
#define TOKEND_KEYRING_H

#include <stddef.h>
#include <stdint.h>

#include "tokend/hmac.h"
#include "tokend/problem.h"

#define KEY_LENGTH 32
#define KEYRING_MAX 64
#define KEYRING_FILE "keys"

struct key {
	uint16_t id;
	uint64_t created; /* seconds since 1970 */
	uint8_t secret[KEY_LENGTH];
	struct hmac_key hmac;
};

struct keyring {
	struct key keys[KEYRING_MAX];
	size_t count;
};

/*
 * Reads DIR/keys. Returns 0, 1 when there is no such file, or -1 when it is
 * not as described above, not ours, or open to others: then `problem` has
 * the file, the line and what is wrong, and the ring is empty.
 */
int
keyring_load(struct keyring *ring, const char *dir, struct problem *problem);

/*
 * Replaces DIR/keys by this ring, durably and as a whole. Returns 0, or -1
 * with `problem` set and the file as it was.
 */
int keyring_save(
    const struct keyring *ring, const char *dir, struct problem *problem);

/*
 * Adds a fresh random key, newer than every other. `now` in seconds since
 * 1970. Returns NULL when the ring is full.
 */
const struct key *keyring_add(struct keyring *ring, uint64_t now);

/* Drops and wipes a key. Returns -1 when there is none of that id. */
int keyring_remove(struct keyring *ring, uint16_t id);

/* NULL when there is none. Pointers live until the ring is changed. */
const struct key *keyring_find(const struct keyring *ring, uint16_t id);
const struct key *keyring_active(const struct keyring *ring);

void keyring_wipe(struct keyring *ring);

#endif
