/* SPDX-License-Identifier: ISC */
/*
 * Tokens that other servers issued to our users: found in mail
 * (Submission-Token, S1-50), given with a delivery (MYSTOKEN, S1-74, D-S24)
 * or returned for one of ours (S1-75). Opaque to us, to be sent back some
 * day, sealed meanwhile (seal.h). A pair may hold several: alternatives, of
 * which the newest is tried first.
 */
#ifndef TOKEND_HELD_H
#define TOKEND_HELD_H

#include "tokend/issue.h"
#include "tokend/seal.h"

/*
 * When a token is dropped, in milliseconds after it came: it does not say
 * when it ends, but a year is what the draft gives it (S1-27).
 */
#define HELD_LIFE (400 * 86400ULL * 1000)

/*
 * Whoever may send mail to a user can have a pair held. With so many of them
 * none is learned from mail any more, and they live no longer than this.
 */
#define HELD_PAIRS_MAX 1000000
#define HELD_LIFE_CROWDED (30 * 86400ULL * 1000)

/*
 * Keeps a token that `remote` gave to `local`, in front of those before; the
 * oldest one goes when there are HELD_LIST_MAX. Nothing is written when it
 * is in front already, and not for long; one of a field that is held keeps
 * its place, since both a field and MYSTOKEN may come each time. Durable with the store's commit.
 * Returns 0, or -1 when the store fails or the token (D-S02) or the addresses
 * do not fit.
 */
int held_put(struct issuer *issuer, struct bytes remote, struct bytes local,
    struct bytes token, enum held_source source, uint64_t now);

/*
 * The same for one that came in a field beside `first` (MYSTOKEN): behind that
 * one, where that is in front and stays there.
 */
int held_put_behind(struct issuer *issuer, struct bytes remote,
    struct bytes local, struct bytes token, struct bytes first, uint64_t now);

/*
 * Whether held_put() of this MYSTOKEN would write nothing: 1 or 0; 0 too when
 * the store fails.
 */
int held_is_settled(struct issuer *issuer, struct bytes remote,
    struct bytes local, struct bytes token, uint64_t now);

/*
 * The newest token that `local` holds for `remote`. `out` has room for
 * HELD_TOKEN_MAX octets. Returns 0; 1 when there is none, or none can be
 * opened any more; -1 when the store fails.
 */
int held_get(struct issuer *issuer, struct bytes remote, struct bytes local,
    uint8_t *out, size_t *length);

/*
 * Forgets that very token, which its server has refused; others stay.
 * Durable with the commit. Returns 0, 1 when it is not there, or -1.
 */
int held_forget(struct issuer *issuer, struct bytes remote, struct bytes local,
    struct bytes token);

/*
 * Seals everything that is sealed under the key anew, under the active key,
 * before the key goes. Durable with the commit. Returns 0 or -1.
 */
int held_reseal(struct issuer *issuer, uint16_t key_id);

/*
 * Looks at up to `limit` pairs from *cursor on (empty: the first) and deletes
 * those whose newest token came `life` ago or longer; adds to *count how many
 * stay. Returns 1 when there are more, 0 at the end, -1 when the store fails.
 */
int held_prune_some(struct issuer *issuer, struct record_key *cursor,
    size_t limit, uint64_t life, uint64_t now, size_t *count);

/* For the operator: "mystoken", "field", "returned". */
const char *held_source_name(uint8_t source);

#endif
