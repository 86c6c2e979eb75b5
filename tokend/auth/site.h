/* SPDX-License-Identifier: ISC */
#ifndef TOKEND_AUTH_SITE_H
#define TOKEND_AUTH_SITE_H

#include <stdint.h>

struct aliases;
struct text_list;
struct users;

/* What tokend-auth knows of the site. */
struct site {
	const struct text_list *domains;
	struct users *users;
	struct aliases *aliases;
	uint8_t fake_key[32]; /* makes up salts for users who do not exist */
};

#endif
