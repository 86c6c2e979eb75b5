/* SPDX-License-Identifier: ISC */
/*
 * Is a token good? The wire never tells why not (D-S16, D-S17); the log and
 * `tokenctl show token` do.
 */
#ifndef TOKEND_CHECK_H
#define TOKEND_CHECK_H

#include "tokend/issue.h"

enum check {
	CHECK_OK,
	CHECK_MALFORMED,
	CHECK_UNKNOWN_KEY,
	CHECK_BAD_MAC, /* not made by us, or not for this local address */
	CHECK_EXPIRED,
	CHECK_REVOKED_ALL,
	CHECK_REVOKED_LOCAL,
	CHECK_REVOKED_REMOTE,
	CHECK_REVOKED_DOMAIN,
	CHECK_REVOKED_PAIR,
	CHECK_WRONG_REMOTE,
	CHECK_SUPERSEDED, /* renewed, and the grace period is over */
	CHECK_STORE /* the store failed: temporary */
};

const char *check_name(enum check check);

/*
 * What AUTH can know: (token, local) (S1-68). One HMAC when it is wrong.
 * Fills *token unless the result is CHECK_MALFORMED. `now` in ms since 1970.
 */
enum check check_token(const struct issuer *issuer, struct bytes text,
    struct bytes local, uint64_t now, struct token *token);

/*
 * All that RCPT knows: as above, and the pair (S1-16, S1-72), the marks of
 * every scope, and for a permanent token its place in the store.
 */
enum check check_pair(const struct issuer *issuer, struct bytes text,
    struct bytes remote, struct bytes local, uint64_t now, struct token *token);

/* Once more at the end of data, for a token that check_pair() passed. */
enum check check_again(const struct issuer *issuer, const struct token *token,
    struct bytes remote, struct bytes local, uint64_t now);

#endif
