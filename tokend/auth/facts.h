/* SPDX-License-Identifier: ISC */
#ifndef TOKEND_AUTH_FACTS_H
#define TOKEND_AUTH_FACTS_H

#include <stddef.h>
#include <stdint.h>

#include "tokend/auth/rights.h"

/* Is there such a user? */
enum found {
	FOUND_NO,
	FOUND_YES,
	FOUND_TEMPORARY, /* cannot be told now */
	FOUND_LATER /* will be told */
};

/* What is known of a user beside the name. */
struct user_facts {
	struct user_rights rights;
	size_t digest_length; /* 32, or 0: users_digest() does not apply */
	uint8_t digest[32];
};

/* Those of a user of whom nothing is said. */
void facts_init(struct user_facts *facts);

#endif
