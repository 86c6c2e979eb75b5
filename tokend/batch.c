/* SPDX-License-Identifier: ISC */
#include "tokend/batch.h"

#include <stdlib.h>
#include <string.h>

int
batch_wait(struct batch *batch, batch_done *done, void *argument)
{
	struct batch_item *items;
	size_t room;

	if (batch->count == batch->room) {
		room = batch->room == 0 ? 64 : batch->room * 2;
		items = reallocarray(batch->items, room, sizeof(*items));
		if (items == NULL)
			return -1;
		batch->items = items;
		batch->room = room;
	}
	batch->items[batch->count].done = done;
	batch->items[batch->count].argument = argument;
	batch->count++;
	return 0;
}

/* What an answer sets off may wait for the next flush: it starts anew. */
int
batch_flush(struct batch *batch)
{
	struct batch_item *items = batch->items;
	size_t i, count = batch->count;
	int result = store_commit(batch->store);

	batch->items = NULL;
	batch->count = batch->room = 0;
	for (i = 0; i < count; i++)
		items[i].done(items[i].argument, result == 0);
	free(items);
	return result;
}

int
batch_pending(const struct batch *batch)
{
	return batch->count > 0 || store_dirty(batch->store);
}

void
batch_free(struct batch *batch)
{
	free(batch->items);
	memset(batch, 0, sizeof(*batch));
}
