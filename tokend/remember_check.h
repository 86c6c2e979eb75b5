/* SPDX-License-Identifier: ISC */
/*
 * What a client shows to log in by a token of REMEMBERME: the token itself, or
 * a proof that it is known (PROTOCOL B2, B3).
 */
#ifndef TOKEND_REMEMBER_CHECK_H
#define TOKEND_REMEMBER_CHECK_H

#include "tokend/remember.h"

/* Whom to ask about where there is nobody. */
#define REMEMBER_NOBODY "nobody@nobody.invalid"

/* What a client showed, and whose it would be. */
struct remember_shown {
	enum remember_check check; /* GOOD so far */
	enum remember_mechanism mechanism;
	char login[ADDRESS_SIZE]; /* whom to ask about; never empty */
	uint8_t id[REMEMBER_ID];
	uint8_t proof[HMAC_LENGTH]; /* HT2: what we answer */
};

/* An HT2 initiator-msg (PROTOCOL B2.2): pieces of what it was read from. */
struct ht2 {
	struct bytes authcid;
	struct bytes pairs;
	struct bytes mac; /* HMAC_LENGTH octets */
};

/* Work done since the start: the same for whatever fails. */
struct remember_work {
	uint64_t macs;
	uint64_t reads;
	uint64_t signatures; /* verified */
};
extern struct remember_work remember_work;

/*
 * What a bearer shows: RANDOM or JWT, or (`jwt_only`) a JWT alone. Two reads
 * and one MAC or one signature, whatever it is (H-11).
 */
void remember_bearer(struct rememberer *r, struct bytes text, int jwt_only,
    enum remember_mechanism mechanism, uint64_t now,
    struct remember_shown *shown);

/* Reads an initiator-msg. Returns 0, or -1 (H-01 to H-04). */
int ht2_read(struct bytes message, struct ht2 *ht2);

/*
 * What a proof of possession shows, bound to `binding`. `login` is canonical;
 * "" is nobody. As many MACs as a user may have tokens, or one where the
 * client says `id=` among its pairs (H-11).
 */
void remember_proof(struct rememberer *r, const struct ht2 *ht2,
    struct bytes binding, const char *login, enum remember_mechanism mechanism,
    struct remember_shown *shown);

/* The MAC of one side, "Initiator" or "Responder", with a token (B2.2). */
void ht2_mac(struct bytes token, const char *side, struct bytes binding,
    struct bytes pairs, uint8_t out[HMAC_LENGTH]);

/*
 * May he come in by what he has shown, now that tokend-auth said who he is?
 * `digest` is that of USER_STATE. With `use` it counts as a use: written, and
 * pinned on the first use by HT2; *pinned tells that this must be durable.
 */
enum remember_check remember_admit(struct rememberer *r,
    const struct remember_shown *shown, struct bytes digest, uint64_t now);
enum remember_check
remember_use(struct rememberer *r, const struct remember_shown *shown,
    struct bytes digest, const char *address, uint64_t now, int *pinned);

#endif
