/* SPDX-License-Identifier: ISC */
#ifndef TOKEND_AUTH_USERS_H
#define TOKEND_AUTH_USERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tokend/auth/rights.h"
#include "tokend/auth/scheme.h"
#include "tokend/auth/source.h"

struct text_list;

/*
 * The users file: `NAME:{SCHEME}secret[:uid:gid:gecos:home:shell:extra]`, as
 * Dovecot's passwd-file has it. Of what stands behind the secret only four of
 * the extra fields are ours; the rest is Dovecot's.
 * All secrets lie in one piece of memory that is wiped before it is freed.
 */

#define USERS_MAX 1000000

struct user {
	char *name; /* canonical address */
	size_t line;
	const struct scheme *scheme;
	const char *secret; /* the text after {SCHEME} */
	size_t secret_length;
	struct user_rights rights; /* the extra fields */
};

struct users;

/* As source_open() and source_refresh(). Returns NULL when there is a fault. */
struct users *users_open(const char *path, const struct text_list *domains,
    const struct source_report *report);
void users_refresh(struct users *users, const struct source_report *report);

/* The user of a canonical address, or NULL. Valid until the next refresh. */
const struct user *users_find(const struct users *users, const char *name);

/*
 * A user whose secret is of the site's most usual scheme and cost: what is
 * tried in place of an unknown user, so that both take the same time. With
 * `scram`, among those that SCRAM can use. NULL when there is none.
 */
const struct user *users_usual(const struct users *users, bool scram);

#define USER_DIGEST_LENGTH 32

/*
 * SHA-256 over what the user's secret is checked against, so that another
 * secret is seen.
 */
void users_digest(const struct user *user, uint8_t out[USER_DIGEST_LENGTH]);

size_t users_count(const struct users *users);

/* Wipes and frees everything. */
void users_close(struct users *users);

#endif
