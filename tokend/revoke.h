/* SPDX-License-Identifier: ISC */
/*
 * Revocation by time: a token is good only if it was issued later than
 * every mark that covers it. The marks lie in the store; a copy of all of
 * them is kept here, so that a check reads no database.
 */
#ifndef TOKEND_REVOKE_H
#define TOKEND_REVOKE_H

#include "tokend/keyring.h"
#include "tokend/records.h"

/* How many single correspondents a local address may have revoked. */
#define MARKS_PER_LOCAL 10000

struct marks;

struct marks *marks_new(void);
void marks_free(struct marks *marks);

/* Reads them all from the store. Returns 0 or -1 (store_problem()). */
int marks_load(struct marks *marks, struct store *store);

/*
 * Revokes what the scope covers and was issued until `before`. It is in
 * force at once, and durable when the store's commit is. A newer mark of the
 * same scope is kept. Returns 0; -1 when the store fails; 1 when the local
 * address has MARKS_PER_LOCAL already.
 */
int marks_add(struct marks *marks, struct store *store, enum mark_scope scope,
    struct bytes remote, struct bytes local, const struct mark_times *times);

/*
 * The scope of a mark that covers a token of this pair issued at that time,
 * or 0: it is not revoked.
 */
enum mark_scope marks_cover(const struct marks *marks, uint64_t issued,
    struct bytes remote, struct bytes local);

/*
 * The same at AUTH, where the correspondent is not known yet: is it one that
 * is marked? The tag tells (DESIGN 11). Marks on domains wait for RCPT.
 */
enum mark_scope marks_cover_token(struct marks *marks,
    const struct token *token, const struct key *key, struct bytes local);

/* The time of the newest mark, or 0: tokens are issued later than that. */
uint64_t marks_newest(const struct marks *marks);
size_t marks_count(const struct marks *marks);

/*
 * Looks at up to `limit` marks, going on where the last call ended, and
 * deletes those whose tokens have all expired, or that a wider mark makes
 * needless. Returns the number deleted, or -1.
 */
int marks_prune(
    struct marks *marks, struct store *store, uint64_t now, size_t limit);

/* Does a mark of this scope and these addresses cover the pair? */
int mark_covers(enum mark_scope scope, struct bytes mark_remote,
    struct bytes mark_local, struct bytes remote, struct bytes local);

const char *mark_scope_name(enum mark_scope scope);

#endif
