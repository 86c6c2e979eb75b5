/* SPDX-License-Identifier: ISC */
#ifndef TOKEND_AUTH_ALIASES_H
#define TOKEND_AUTH_ALIASES_H

#include <stddef.h>

#include "tokend/auth/source.h"

/*
 * The aliases file: `sales@a.example: alice@a.example, bob@a.example`. An
 * alias may name aliases, itself (its own mailbox) and outside addresses.
 */

#define ALIAS_TARGETS_MAX 100 /* of one alias */
#define ALIAS_DEPTH_MAX 16 /* aliases behind aliases */

struct text_list;
struct aliases;

/* As users.h has it for the users file. */
struct aliases *aliases_open(const char *path, const struct text_list *domains,
    const struct source_report *report);
void
aliases_refresh(struct aliases *aliases, const struct source_report *report);
void aliases_close(struct aliases *aliases);

/* The targets (canonical) of an alias, or NULL. Valid until the next refresh. */
const struct text_list *
aliases_targets(const struct aliases *aliases, const char *name);

#endif
