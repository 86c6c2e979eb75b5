/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "compat/syncfs.h"
#include "lib/metrics.h"
#include "lmtpd/flush.h"

/* Below this number of files fsync() of each is quicker. */
#define FLUSH_FEW 3
/* When it is avoided, it is tried again after so many flushes. */
#define FLUSH_PROBE 8

/* Until something is known, a disk that takes 1 ms. */
#define FIRST_GUESS_US 1000
static struct flush_history history = {.one_us = FIRST_GUESS_US};

ssize_t
flush_add(struct flush *flush, int fd, dev_t device)
{
	struct flush_entry *entries;
	size_t room;

	if (flush->count == flush->room) {
		room = flush->room == 0 ? 64 : 2 * flush->room;
		entries = reallocarray(flush->entries, room, sizeof(*entries));
		if (entries == NULL)
			return -1;
		flush->entries = entries;
		flush->room = room;
	}
	flush->entries[flush->count] =
	    (struct flush_entry) {.fd = fd, .device = device};
	return (ssize_t)flush->count++;
}

void
flush_reset(struct flush *flush)
{
	flush->count = 0;
}

void
flush_free(struct flush *flush)
{
	free(flush->entries);
	*flush = (struct flush) {0};
}

void
flush_forget(void)
{
	history = (struct flush_history) {.one_us = FIRST_GUESS_US};
}

int
flush_error(const struct flush *flush, size_t first, size_t count)
{
	for (size_t i = first; i < first + count; i++) {
		if (flush->entries[i].error != 0)
			return flush->entries[i].error;
	}
	return 0;
}

/*
 * syncfs() also writes what others have dirty on the file system, a backup's
 * gigabytes perhaps. Where it takes longer than the single flushes would, it
 * is avoided, and tried now and then.
 */
int
flush_prefers_all(struct flush_history *h, size_t count)
{
	if (count < FLUSH_FEW)
		return 0;
	if (h->all_us > h->one_us * count && h->avoided < FLUSH_PROBE) {
		h->avoided++;
		return 0;
	}
	h->avoided = 0;
	return 1;
}

/* Bad news about syncfs() counts slowly, good news at once. */
void
flush_learn(struct flush_history *h, int all, size_t count, uint64_t us)
{
	if (!all)
		h->one_us = (7 * h->one_us + us / count) / 8;
	else if (us > h->all_us)
		h->all_us = (7 * h->all_us + us) / 8;
	else
		h->all_us = (h->all_us + 3 * us) / 4;
}

static uint64_t
microseconds(void)
{
	struct timespec now;

	if (clock_gettime(CLOCK_MONOTONIC, &now) == -1)
		return 0;
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static size_t
count_on(const struct flush *flush, dev_t device)
{
	size_t count = 0;

	for (size_t i = 0; i < flush->count; i++)
		count += flush->entries[i].device == device;
	return count;
}

void
flush_run(struct flush *flush, int root, dev_t device)
{
	struct flush_entry *entry;
	size_t count = count_on(flush, device), single = 0;
	uint64_t start = microseconds(), began = start;
	int all = 0;

	if (flush_prefers_all(&history, count)) {
		/*
		 * If it fails the error may be another file's; the fsync()
		 * of each, below, tells whose it was.
		 */
		all = compat_syncfs(root) == 0;
		if (all)
			flush_learn(&history, 1, count, microseconds() - start);
		start = microseconds();
	}
	for (size_t i = 0; i < flush->count; i++) {
		entry = &flush->entries[i];
		entry->error = 0;
		if (all && entry->device == device)
			continue;
		single++;
		if (fsync(entry->fd) == -1)
			entry->error = errno;
	}
	if (single > 0)
		flush_learn(&history, 0, single, microseconds() - start);
	metric_time(FLUSH, 0, microseconds() - began);
}
