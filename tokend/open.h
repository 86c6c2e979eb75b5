/* SPDX-License-Identifier: ISC */
/*
 * Opening the store and its keys, which belong together. The order of the
 * first start (store, keys, mark) lets a crash in between be told from a
 * loss: keys without a store would make revoked tokens good again, a store
 * without keys would make all tokens void. Both are refused.
 */
#ifndef TOKEND_OPEN_H
#define TOKEND_OPEN_H

#include "tokend/keyring.h"
#include "tokend/store.h"

/*
 * Opens or creates DIR. Waits up to `wait` seconds for another process to
 * let go of it. *created gets 1 if this was the first start. Proves that the
 * store can be written and flushed. Returns NULL with `problem` set.
 */
struct store *open_all(const char *dir, unsigned int wait, struct keyring *ring,
    int *created, struct problem *problem);

/* A write and a flush, undone by the next. Returns 0 or -1. */
int store_self_test(struct store *store);

#endif
