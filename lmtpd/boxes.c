/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <string.h>

#include "lmtpd/boxes.h"
#include "lmtpd/flush.h"

#define BUCKETS (2 * BOXES)

static struct box boxes[BOXES];
static struct box *buckets[BUCKETS]; /* open addressing */
static size_t count;
static struct flush flush;

size_t
boxes_room(void)
{
	return BOXES - count;
}

/* The bucket of a name: the one it is in, or the free one for it. */
static struct box **
find_bucket(const char *mailbox, size_t length)
{
	struct box *box;
	size_t at = 5381;

	for (size_t i = 0; i < length; i++)
		at = at * 33 ^ (unsigned char)mailbox[i];
	for (at %= BUCKETS; (box = buckets[at]) != NULL;
	     at = (at + 1) % BUCKETS) {
		if (box->mailbox_length == length &&
		    memcmp(box->mailbox, mailbox, length) == 0)
			break;
	}
	return &buckets[at];
}

/*
 * Who made a directory may have been killed before it was durable. So what is
 * above new/ is flushed as well, the root too, until this process has done it
 * once.
 */
static int
add_entries(const struct deliver_settings *set, struct box *box)
{
	struct maildir *maildir = &box->maildir;

	box->flush_first = flush.count;
	if (flush_add(&flush, maildir->new_fd, maildir->device) == -1)
		return -1;
	for (size_t i = 0; i < maildir->above_count; i++) {
		if (flush_add(&flush, maildir->above[i], maildir->device) == -1)
			return -1;
	}
	if (maildir->above_count > 0 &&
	    flush_add(&flush, set->root, set->device) == -1)
		return -1;
	box->flush_count = flush.count - box->flush_first;
	return 0;
}

struct box *
boxes_open(const struct deliver_settings *set, const struct recipient *to)
{
	struct box **bucket = find_bucket(to->mailbox, to->mailbox_length);
	struct mailbox_path path;
	struct box *box;

	if (*bucket != NULL)
		return *bucket;
	if (mailbox_expand(
		&path, &set->template, to->mailbox, to->mailbox_length) == -1) {
		errno = EINVAL;
		return NULL;
	}
	box = &boxes[count];
	if (maildir_open(&box->maildir, set->root, &path) == -1)
		return NULL;
	if (add_entries(set, box) == -1) {
		maildir_close(&box->maildir);
		flush.count = box->flush_first;
		errno = ENOMEM;
		return NULL;
	}
	box->mailbox = to->mailbox;
	box->mailbox_length = to->mailbox_length;
	count++;
	return *bucket = box;
}

void
boxes_flush(const struct deliver_settings *set)
{
	struct box *box;

	if (count == 0)
		return;
	flush_run(&flush, set->root, set->device);
	for (size_t i = 0; i < count; i++) {
		box = &boxes[i];
		box->error =
		    flush_error(&flush, box->flush_first, box->flush_count);
		maildir_settle(&box->maildir, box->error == 0);
	}
}

void
boxes_close(void)
{
	for (size_t i = 0; i < count; i++)
		maildir_close(&boxes[i].maildir);
	count = 0;
	memset(buckets, 0, sizeof(buckets));
	flush_reset(&flush);
}
