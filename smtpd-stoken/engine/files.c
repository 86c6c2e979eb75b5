/* SPDX-License-Identifier: ISC */
#include <sys/types.h>
#include <sys/uio.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/process.h"
#include "smtpd-stoken/engine/files.h"
#include "smtpd-stoken/engine/looks.h"
#include "smtpd-stoken/engine/session.h"
#include "smtpd-stoken/engine/transfer.h"

#define WORKERS 64
/* Files that are kept open ahead of need with each worker. */
#define SPARE_FIRST 2
#define SPARE_MOST 16
/* So many transfers stay with one worker, to share its flushes. */
#define SHARE 16

RB_HEAD(files, file);
TAILQ_HEAD(file_queue, file);
TAILQ_HEAD(transfer_queue, transfer);

struct worker {
	struct channel *channel; /* NULL while it is away */
	struct file_queue spare;
	unsigned int spare_count;
	unsigned int spare_wanted;
	unsigned int asked; /* FILE_OPEN that are not answered */
	unsigned int busy; /* files that transfers have */
};

static struct files by_id = RB_INITIALIZER(&by_id);
static struct transfer_queue waiting = TAILQ_HEAD_INITIALIZER(waiting);
static struct worker workers[WORKERS];
static unsigned int share = SHARE;
static uint64_t last_id;

static int
compare(const struct file *a, const struct file *b)
{
	return a->id < b->id ? -1 : a->id > b->id;
}

RB_PROTOTYPE(files, file, by_id, compare)
RB_GENERATE(files, file, by_id, compare)

static struct file *
find(uint64_t id)
{
	struct file key;

	key.id = id;
	return RB_FIND(files, &by_id, &key);
}

enum smtp_verdict
file_verdict(uint8_t result)
{
	static const uint8_t verdicts[] = {[DELIVERY_OK] = SMTP_OK,
	    [DELIVERY_NO_SPACE] = SMTP_NO_SPACE,
	    [DELIVERY_QUOTA] = SMTP_FULL,
	    [DELIVERY_PERMISSION] = SMTP_MAILBOX,
	    [DELIVERY_NO_MAILBOX] = SMTP_UNKNOWN,
	    [DELIVERY_TICKET] = SMTP_TEMPORARY,
	    [DELIVERY_FAILED] = SMTP_TEMPORARY};

	if (result < DELIVERY_OK || result > DELIVERY_FAILED)
		return SMTP_TEMPORARY;
	return (enum smtp_verdict)verdicts[result];
}

void
files_spread(int apart)
{
	share = apart ? 1 : SHARE;
}

struct channel *
file_worker(const struct file *file)
{
	return workers[file->worker].channel;
}

/* Asks a worker for one more file. */
static void
ask(struct worker *worker)
{
	struct file *file;
	union message m;

	if ((file = calloc(1, sizeof(*file))) == NULL)
		return;
	file->id = ++last_id;
	file->fd = -1;
	file->worker = (uint8_t)(worker - workers);
	m.file_open.file = file->id;
	if (channel_send(worker->channel, MSG_FILE_OPEN, &m, -1) == -1) {
		free(file);
		return;
	}
	worker->asked++;
	RB_INSERT(files, &by_id, file);
}

static void
replenish(struct worker *worker)
{
	unsigned int before;

	while (worker->channel != NULL &&
	    worker->spare_count + worker->asked < worker->spare_wanted) {
		before = worker->asked;
		ask(worker);
		if (worker->asked == before)
			break;
	}
}

static void
drop(struct file *file)
{
	if (file->fd != -1)
		close(file->fd);
	RB_REMOVE(files, &by_id, file);
	free(file->head);
	free(file);
}

/*
 * The least busy worker, of those that have a spare file if that matters.
 * With less than a share each counts as idle, and the first is taken: what
 * one worker has in hand at the same time is flushed together.
 */
static struct worker *
choose(int with_spare)
{
	struct worker *worker, *best = NULL;

	for (worker = workers; worker < workers + WORKERS; worker++) {
		if (worker->channel == NULL ||
		    (with_spare && worker->spare_count == 0))
			continue;
		if (best == NULL || worker->busy / share < best->busy / share)
			best = worker;
	}
	return best;
}

static void
give(struct file *file, struct transfer *transfer)
{
	file->transfer = transfer;
	workers[file->worker].busy++;
	transfer_opened(transfer, file, SMTP_OK);
}

void
files_take(struct transfer *transfer)
{
	struct worker *worker = choose(0);
	struct file *file;

	/* The one that should have it had none: it keeps more from now on. */
	if (worker != NULL && worker->spare_count == 0 &&
	    worker->spare_wanted < SPARE_MOST)
		worker->spare_wanted++;
	if ((worker = choose(1)) != NULL) {
		file = TAILQ_FIRST(&worker->spare);
		TAILQ_REMOVE(&worker->spare, file, of_worker);
		worker->spare_count--;
		replenish(worker);
		give(file, transfer);
		return;
	}
	if ((worker = choose(0)) == NULL) {
		transfer_opened(transfer, NULL, SMTP_TEMPORARY);
		return;
	}
	TAILQ_INSERT_TAIL(&waiting, transfer, waiting);
	ask(worker);
	for (worker = workers; worker < workers + WORKERS; worker++)
		replenish(worker);
}

void
files_cancel(struct transfer *transfer)
{
	TAILQ_REMOVE(&waiting, transfer, waiting);
}

/* It came without its descriptor: no slot was free here, for the moment. */
static enum smtp_verdict
give_back(struct channel *c, const struct file *file)
{
	union message m = {.file_discard = {.file = file->id}};

	log_warnx("a file is given back: too many open descriptors");
	(void)channel_send(c, MSG_FILE_DISCARD, &m, -1);
	return SMTP_TEMPORARY;
}

static void
on_opened(struct channel *c, const union message *m, int fd)
{
	struct file *file = find(m->file_opened.file);
	struct transfer *transfer = TAILQ_FIRST(&waiting);
	enum smtp_verdict verdict = file_verdict(m->file_opened.result);
	struct session *s = NULL;
	struct worker *worker;

	if (file == NULL || file->fd != -1 ||
	    file->worker != channel_instance(c) ||
	    (fd != -1 && verdict != SMTP_OK)) {
		if (fd != -1)
			close(fd);
		process_complain(c, "FILE_OPENED that was not asked for");
		return;
	}
	worker = &workers[file->worker];
	worker->asked--;
	file->fd = fd;
	if (fd == -1 && verdict == SMTP_OK)
		verdict = give_back(c, file);
	if (transfer != NULL) {
		TAILQ_REMOVE(&waiting, transfer, waiting);
		s = transfer->session;
	}
	if (verdict != SMTP_OK) {
		drop(file);
		if (transfer != NULL)
			transfer_opened(transfer, NULL, verdict);
	} else if (transfer != NULL)
		give(file, transfer);
	else {
		TAILQ_INSERT_TAIL(&worker->spare, file, of_worker);
		worker->spare_count++;
	}
	if (s != NULL)
		session_continue(s);
}

static void
on_delivered(struct channel *c, const union message *m, int fd)
{
	struct file *file = find(m->delivered.file);

	(void)fd;
	if (file == NULL || file->worker != channel_instance(c) ||
	    file->transfer == NULL ||
	    file->transfer->stage != TRANSFER_DELIVERING) {
		process_complain(c, "DELIVERED of nothing to deliver");
		return;
	}
	transfer_delivered(file->transfer, m->delivered.results);
}

const struct channel_handler file_handlers[] = {{MSG_FILE_OPENED, on_opened},
    {MSG_DELIVERED, on_delivered}, {MSG_DELIVERY_SEEN, looks_seen}, {0, NULL}};

void
files_worker_new(struct channel *c)
{
	uint8_t instance = channel_instance(c);
	struct worker *worker = &workers[instance % WORKERS];

	/* The new one may come before the end of the old one is seen. */
	if (worker->channel != NULL)
		files_worker_gone(instance);
	worker->channel = c;
	worker->spare_count = worker->asked = worker->busy = 0;
	worker->spare_wanted = SPARE_FIRST;
	TAILQ_INIT(&worker->spare);
	looks_worker_new(c);
}

struct channel *
files_any_worker(void)
{
	struct worker *worker = choose(0);

	return worker != NULL ? worker->channel : NULL;
}

int
files_are_full(void)
{
	struct worker *worker;

	for (worker = workers; worker < workers + WORKERS; worker++)
		if (worker->channel != NULL && channel_full(worker->channel))
			return 1;
	return 0;
}

/* Those who wait are served by others, or learn that there are none. */
static void
serve_waiting(void)
{
	struct worker *worker = choose(0);
	struct transfer *transfer;
	struct session *s;

	if (worker != NULL) {
		TAILQ_FOREACH (transfer, &waiting, waiting)
			ask(worker);
		return;
	}
	while ((transfer = TAILQ_FIRST(&waiting)) != NULL) {
		TAILQ_REMOVE(&waiting, transfer, waiting);
		s = transfer->session;
		transfer_opened(transfer, NULL, SMTP_TEMPORARY);
		session_continue(s);
	}
}

void
files_worker_gone(uint8_t instance)
{
	struct worker *worker = &workers[instance % WORKERS];
	struct file *file, *next;
	struct transfer *transfer;

	worker->channel = NULL;
	worker->spare_count = 0;
	RB_FOREACH_SAFE (file, files, &by_id, next) {
		if (file->worker != instance)
			continue;
		transfer = file->transfer;
		drop(file);
		if (transfer != NULL)
			transfer_file_gone(transfer);
	}
	looks_worker_gone(instance);
	serve_waiting();
}

static enum smtp_verdict
error_verdict(void)
{
	log_warn("message file");
	if (errno == ENOSPC || errno == EDQUOT)
		return SMTP_NO_SPACE;
	return errno == EFBIG ? SMTP_TOO_LARGE : SMTP_TEMPORARY;
}

static enum smtp_verdict
write_all(int fd, struct iovec *part, int parts)
{
	ssize_t n;

	while (parts > 0) {
		if ((n = writev(fd, part, parts)) == -1) {
			if (errno == EINTR)
				continue;
			return error_verdict();
		}
		while (parts > 0 && (size_t)n >= part->iov_len) {
			n -= (ssize_t)part->iov_len;
			part++;
			parts--;
		}
		if (parts > 0) {
			part->iov_base = (char *)part->iov_base + n;
			part->iov_len -= (size_t)n;
		}
	}
	return SMTP_OK;
}

enum smtp_verdict
file_write(struct file *file, const void *data, size_t length)
{
	struct iovec part[2] = {
	    {file->head, file->head_length}, {(void *)(uintptr_t)data, length}};
	enum smtp_verdict verdict;

	if (file->head_length == 0 && file->head == NULL &&
	    (file->head = malloc(length)) != NULL) {
		memcpy(file->head, data, length);
		file->head_length = length;
		return SMTP_OK;
	}
	verdict = write_all(file->fd, part, 2);
	file->head_length = 0;
	return verdict;
}

enum smtp_verdict
file_flush(struct file *file)
{
	struct iovec part = {file->head, file->head_length};
	enum smtp_verdict verdict = SMTP_OK;

	if (file->head_length > 0)
		verdict = write_all(file->fd, &part, 1);
	file->head_length = 0;
	close(file->fd);
	file->fd = -1;
	return verdict;
}

void
file_discard(struct file *file)
{
	union message m = {.file_discard = {.file = file->id}};
	struct channel *c = file_worker(file);

	if (c != NULL)
		(void)channel_send(c, MSG_FILE_DISCARD, &m, -1);
	file_free(file);
}

void
file_free(struct file *file)
{
	workers[file->worker].busy--;
	drop(file);
}
