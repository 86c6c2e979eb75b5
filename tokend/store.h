/* SPDX-License-Identifier: ISC */
/*
 * Where tokend keeps what must survive: pairs of octet strings, sorted by
 * key. Nothing outside the file that implements this knows which database
 * it is (store_db.c: Berkeley DB).
 *
 * One writer, one process. A write opens a transaction when none is open; it
 * holds until store_commit(). So everything that waits at that moment shares
 * one transaction and one flush (group commit), and reads see it before.
 * Functions that return int return 0, or -1 with `problem` of the store set.
 */
#ifndef TOKEND_STORE_H
#define TOKEND_STORE_H

#include <stddef.h>
#include <stdint.h>

#include "imsg/messages.h"
#include "tokend/problem.h"

#define STORE_KEY_MAX 700
#define STORE_VALUE_MAX 4096
/* A checkpoint is due when so much was logged: what recovery reads at most. */
#define STORE_LOG_MAX (64ULL * 1024 * 1024)

struct store;

/*
 * Opens the store in a directory of its own, mode 0700, recovering what a
 * crash left. Sets *fresh to 1 if it had to be created. NULL on error. Only
 * one process can hold it: another try fails after `wait` seconds.
 */
struct store *store_open(
    const char *dir, unsigned int wait, int *fresh, struct problem *problem);

/* Is there a store in the directory already? */
int store_exists(const char *dir);

/* Drops what was not committed. */
void store_close(struct store *store);

/* The words for the last function that returned -1. */
const char *store_problem(const struct store *store);

/*
 * Copies the value of a key to `value` (STORE_VALUE_MAX octets) and its
 * length to *length. Returns 0, 1 when there is no such key, or -1.
 */
int store_get(
    struct store *store, struct bytes key, uint8_t *value, size_t *length);
int store_put(struct store *store, struct bytes key, struct bytes value);
/* Returns 1 when there was no such key. */
int store_delete(struct store *store, struct bytes key);

/*
 * Calls `each` for every key from `from` on (itself included) that starts
 * with `prefix`, in order, until it returns non-zero, and returns that, 0 at
 * the end, or -1. `each` may write, but only to the key it was given.
 */
typedef int
store_each_function(struct bytes key, struct bytes value, void *argument);
int store_each(struct store *store, struct bytes prefix, struct bytes from,
    store_each_function *each, void *argument);

/* Has anything been written since the last commit? */
int store_dirty(const struct store *store);

/*
 * Makes everything written since the last commit durable, in one flush; when
 * nothing was written it costs nothing. If it fails nothing was written.
 */
int store_commit(struct store *store);
void store_abort(struct store *store);

/*
 * Call it now and then, with no transaction open: makes a checkpoint when
 * enough was logged since the last one (so that recovery is short) or when
 * `force` is set, and removes log files that recovery does not need.
 */
int store_checkpoint(struct store *store, int force);

/*
 * A hot backup: a copy of the store that store_open() can open, handed out
 * in pieces while the store goes on working. No checkpoint is made, and so
 * the log grows, until store_backup_end(). One at a time: NULL when there is
 * one already, or on error. store_close() ends it too.
 */
struct store_backup;
struct store_backup *store_backup_start(struct store *store);
/*
 * Reads the next piece, `size` octets at most. Returns 1 with the name of
 * the file that it belongs to, its length, and whether it is the last of
 * that file; 0 when all was read; -1 on error.
 */
int store_backup_next(struct store_backup *backup, const char **name,
    uint8_t *data, size_t size, size_t *length, int *last);
void store_backup_end(struct store_backup *backup);

/* Counters for the operator. */
struct store_numbers {
	uint64_t commits; /* with something to flush */
	uint64_t writes; /* puts and deletes */
	uint64_t log_octets; /* since the last checkpoint */
};
void store_numbers(struct store *store, struct store_numbers *numbers);

#endif
