/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdlib.h>

#include "lmtpd/open_files.h"

/* Files that one engine may have open here. */
#define MOST 1024
#define BUCKETS 64

LIST_HEAD(siblings, message_file);

struct open_files {
	struct siblings files[BUCKETS];
	size_t count;
};

struct open_files *
open_files_new(void)
{
	struct open_files *open = calloc(1, sizeof(*open));

	for (size_t i = 0; open != NULL && i < BUCKETS; i++)
		LIST_INIT(&open->files[i]);
	return open;
}

void
open_files_free(struct open_files *open)
{
	free(open);
}

struct message_file *
open_files_find(struct open_files *open, uint64_t id)
{
	struct message_file *message;

	LIST_FOREACH (message, &open->files[id % BUCKETS], sibling) {
		if (message->id == id)
			return message;
	}
	return NULL;
}

struct message_file *
open_files_any(struct open_files *open)
{
	for (size_t i = 0; i < BUCKETS; i++) {
		if (!LIST_EMPTY(&open->files[i]))
			return LIST_FIRST(&open->files[i]);
	}
	return NULL;
}

struct message_file *
open_files_add(struct open_files *open, int directory, uint64_t id)
{
	struct message_file *message;

	if (open->count >= MOST) {
		errno = EMFILE;
		return NULL;
	}
	if ((message = message_new(directory)) == NULL)
		return NULL;
	message->id = id;
	LIST_INSERT_HEAD(&open->files[id % BUCKETS], message, sibling);
	open->count++;
	return message;
}

void
open_files_remove(struct open_files *open, struct message_file *message)
{
	LIST_REMOVE(message, sibling);
	open->count--;
}
