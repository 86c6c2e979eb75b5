/* SPDX-License-Identifier: ISC */
/*
 * Making tokens. A temporary one leaves no trace (S1-24); of a permanent one
 * the store keeps what is needed to compute it again (D-S08).
 *
 * Two promises need a little durable state, written before the answer:
 * - no token is issued at a time that a mark made before covers, though the
 *   clock be set back over a restart: time is reserved a minute at a time;
 * - a mark and a key are kept until all tokens they concern have expired,
 *   though lifetimes be shortened: per key a horizon, moved a day at a time.
 */
#ifndef TOKEND_ISSUE_H
#define TOKEND_ISSUE_H

#include "tokend/revoke.h"

/* In milliseconds; 0 is never. */
struct lifetimes {
	uint64_t temporary;
	uint64_t permanent;
	uint64_t refresh; /* renew when less than this is left */
	uint64_t grace; /* the one before is good so long after it */
};

struct issuer {
	struct store *store;
	struct keyring *ring;
	struct marks *marks;
	struct lifetimes lifetimes;
	uint64_t last; /* the latest issue time */
	uint64_t reserved; /* up to which `last` may go unrecorded */
	struct {
		uint16_t key_id;
		uint64_t time; /* 0 is never */
		int set;
	} horizon[KEYRING_MAX];
};

/* Reads clock and horizons. The pointers must be set. Returns 0 or -1. */
int issuer_load(struct issuer *issuer);

/*
 * Makes a token of the pair. `now` is the wall clock. What they write is
 * durable, and the token may be shown, after the store's commit.
 * issue_permanent() gives the token that there is, if it is good, else a new
 * one; issue_refreshed(), for a delivery, gives a new one also when less
 * than `refresh` is left. Return 0 when the token is new, 1 when it is the
 * one that there was, -1 when the store fails or the addresses do not fit.
 */
int issue_temporary(struct issuer *issuer, struct bytes remote,
    struct bytes local, uint64_t now, char out[TOKEN_LENGTH + 1]);

/*
 * The same where nothing has to be written for it: then the token may be shown
 * now. Returns 1 when something has; nothing is made.
 */
int issue_temporary_at_once(struct issuer *issuer, struct bytes remote,
    struct bytes local, uint64_t now, char out[TOKEN_LENGTH + 1]);
int issue_permanent(struct issuer *issuer, struct bytes remote,
    struct bytes local, uint64_t now, char out[TOKEN_LENGTH + 1]);
int issue_refreshed(struct issuer *issuer, struct bytes remote,
    struct bytes local, uint64_t now, char out[TOKEN_LENGTH + 1]);

/*
 * Revokes everything of the scope that was issued until now. Results as of
 * marks_add(); *before gets the time of the mark.
 */
int issue_revocation(struct issuer *issuer, enum mark_scope scope,
    struct bytes remote, struct bytes local, uint64_t now, uint64_t *before);

/*
 * Moves the key's horizon behind a token's expiry (0: never), if it is not
 * there yet. Returns 0, or -1 when the store fails.
 */
int issue_reach(struct issuer *issuer, uint16_t key_id, uint64_t expires);

/* When the last token under the key expires: 0 never, 1 there is none. */
uint64_t issue_horizon(const struct issuer *issuer, uint16_t key_id);

#endif
