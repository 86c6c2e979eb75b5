/* SPDX-License-Identifier: ISC */
/*
 * Group commit: what is written while requests are read shares one
 * transaction and one flush; the answers go out after it.
 */
#ifndef TOKEND_BATCH_H
#define TOKEND_BATCH_H

#include "tokend/store.h"

/* `durable` is 0 when the store failed: nothing of the batch was written. */
typedef void batch_done(void *argument, int durable);

struct batch_item {
	batch_done *done;
	void *argument;
};

struct batch {
	struct store *store;
	struct batch_item *items;
	size_t count;
	size_t room;
};

/*
 * Calls `done` after the next flush. Returns -1 when there is no memory: then
 * it will not be called.
 */
int batch_wait(struct batch *batch, batch_done *done, void *argument);

/*
 * Commits and calls everybody that waited, in order. Costs no flush when
 * nothing was written. Returns 0, or -1 when the store failed.
 */
int batch_flush(struct batch *batch);

int batch_pending(const struct batch *batch);
void batch_free(struct batch *batch);

#endif
