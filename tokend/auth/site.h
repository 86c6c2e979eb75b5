/* SPDX-License-Identifier: ISC */
#ifndef TOKEND_AUTH_SITE_H
#define TOKEND_AUTH_SITE_H

#include <stddef.h>
#include <stdint.h>

struct aliases;
struct settings;
struct text_list;
struct users;

/* What tokend-auth knows of the site. */
struct site {
	const struct text_list *domains;
	struct users *users; /* those of `users file`: nobody without it */
	struct aliases *aliases;
	uint8_t fake_key[32]; /* makes up salts for users who do not exist */
};

/*
 * Reads the files that the settings name; every fault goes to the log. Returns
 * 0, or -1 with the first fault in `problem`, and the site is as before.
 */
int site_take(struct site *site, const struct settings *settings, char *problem,
    size_t size);

/* A changed file counts from the next question on: to be called before each. */
void site_refresh(struct site *site);

/* Wipes and frees what was read. */
void site_close(struct site *site);

#endif
