/* SPDX-License-Identifier: ISC */
#ifndef ENGINE_SMTP_FIELD_H
#define ENGINE_SMTP_FIELD_H

#include <stddef.h>

#include "lib/address.h"

enum field_kind {
	FIELD_OTHER,
	FIELD_RECEIVED,
	FIELD_DATE,
	FIELD_MESSAGE_ID,
	FIELD_FROM,
	FIELD_TOKEN,
	FIELD_RESULTS,
	FIELD_NONE /* no field at all */
};

/*
 * field_kind: by a field's name, which blanks may follow (RFC 5322 section
 * 4.5.3).
 */
enum field_kind field_kind(const char *name, size_t length);

/*
 * Values of header fields, as they stand behind the colon: folded, with
 * comments and blanks wherever RFC 5322 allows them. Counted octets.
 */

#define FIELD_TOKEN_MAX 255

/*
 * field_authserv_is: whether the value of an Authentication-Results field
 * names hostname as its authserv-id (RFC 8601 section 2.2), in any letter
 * case, quoted or not, as A-labels or U-labels. Returns -1 when it ends
 * before there is one.
 */
int field_authserv_is(const char *value, size_t length, const char *hostname);

/*
 * field_mailbox: the address in a From field that holds one mailbox and no
 * group. Returns its length, 0 when there is none, or not one alone.
 */
size_t
field_mailbox(const char *value, size_t length, char out[ADDRESS_MAX + 1]);

/*
 * field_token: the token of a Submission-Token field (D-S11: what follows
 * ";" is none of it). Returns its length, 0 when it is no token.
 */
size_t
field_token(const char *value, size_t length, char out[FIELD_TOKEN_MAX + 1]);

#endif
