/* SPDX-License-Identifier: ISC */
#include <sys/types.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compat/memory_file.h"
#include "lib/log.h"
#include "lib/process.h"
#include "smtpd-stoken/engine/files.h"
#include "smtpd-stoken/engine/looks.h"
#include "smtpd-stoken/engine/session.h"

#define WORKERS 64
/* Files that are kept open ahead of need with each worker. */
#define SPARE_FIRST 2
#define SPARE_MOST 16
/* So many transfers stay with one worker, to share its flushes. */
#define SHARE 16
/* Octets of all files in memory: when no more are begun; when they fail. */
#define MEMORY_ENOUGH (64ULL << 20)
#define MEMORY_MOST (256ULL << 20)

RB_HEAD(files, file);
TAILQ_HEAD(file_queue, file);
TAILQ_HEAD(user_queue, file_user);

struct worker {
	struct channel *channel; /* NULL while it is away */
	struct file_queue spare;
	unsigned int spare_count;
	unsigned int spare_wanted;
	unsigned int asked; /* FILE_OPEN that are not answered */
	unsigned int busy; /* files that transfers have */
};

static struct files by_id = RB_INITIALIZER(&by_id);
static struct user_queue waiting = TAILQ_HEAD_INITIALIZER(waiting);
static struct worker workers[WORKERS];
static unsigned int share = SHARE;
static uint64_t last_id;
static uint64_t memory_used;

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
	if (file->worker == FILE_NO_WORKER)
		return NULL;
	return workers[file->worker].channel;
}

int
file_is_alone(const struct file *file)
{
	return file->worker != FILE_NO_WORKER &&
	    workers[file->worker].busy == 1;
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
	file->fd = file->reader = -1;
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
	if (file->reader != -1)
		close(file->reader);
	memory_used -= file->in_memory;
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
give(struct file *file, struct file_user *user)
{
	file->user = user;
	workers[file->worker].busy++;
	user->events->opened(user, file, SMTP_OK);
}

void
files_take(struct file_user *user)
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
		/* Else when this one is done: it shall not wait for that. */
		if (worker->spare_count == 0)
			replenish(worker);
		give(file, user);
		return;
	}
	if ((worker = choose(0)) == NULL) {
		user->events->opened(user, NULL, SMTP_TEMPORARY);
		return;
	}
	TAILQ_INSERT_TAIL(&waiting, user, waiting);
	ask(worker);
	for (worker = workers; worker < workers + WORKERS; worker++)
		replenish(worker);
}

int
files_take_memory(struct file_user *user)
{
	struct file *file;

	if (memory_used >= MEMORY_ENOUGH ||
	    (file = calloc(1, sizeof(*file))) == NULL)
		return -1;
	if ((file->fd = compat_memory_file()) == -1) {
		free(file);
		return -1;
	}
	file->id = ++last_id;
	file->reader = -1;
	file->worker = FILE_NO_WORKER;
	file->user = user;
	RB_INSERT(files, &by_id, file);
	user->events->opened(user, file, SMTP_OK);
	return 0;
}

enum smtp_verdict
files_use_memory(struct file *file, size_t length)
{
	if (file->worker != FILE_NO_WORKER)
		return SMTP_OK;
	if (memory_used + length > MEMORY_MOST) {
		log_warnx("too much outgoing mail is in memory");
		return SMTP_NO_SPACE;
	}
	file->in_memory += length;
	memory_used += length;
	return SMTP_OK;
}

void
files_cancel(struct file_user *user)
{
	TAILQ_REMOVE(&waiting, user, waiting);
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
	struct file_user *user = TAILQ_FIRST(&waiting);
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
	if (user != NULL) {
		TAILQ_REMOVE(&waiting, user, waiting);
		s = user->session;
	}
	if (verdict != SMTP_OK) {
		drop(file);
		if (user != NULL)
			user->events->opened(user, NULL, verdict);
	} else if (user != NULL)
		give(file, user);
	else {
		TAILQ_INSERT_TAIL(&worker->spare, file, of_worker);
		worker->spare_count++;
	}
	if (s != NULL)
		session_continue(s);
}

/*
 * The file that an answer is about. NULL when it was given up, or when lmtpd
 * was not asked: that breaks the contract.
 */
static struct file *
answered(struct channel *c, uint64_t id, uint8_t answer)
{
	struct file *file = find(id);

	if (file == NULL && id <= last_id && answer == FILE_AWAITS_READER)
		return NULL;
	if (file == NULL || file->worker != channel_instance(c) ||
	    !(file->awaits & answer)) {
		process_complain(c, "an answer about a file to no question");
		return NULL;
	}
	file->awaits &= (uint8_t)~answer;
	return file;
}

static void
on_delivered(struct channel *c, const union message *m, int fd)
{
	struct file *file =
	    answered(c, m->delivered.file, FILE_AWAITS_DELIVERED);

	(void)fd;
	if (file == NULL)
		return;
	file->user->events->delivered(file->user, m->delivered.results);
	/* Who waits for the reply has it before tokend has the result. */
	session_io_flush();
}

static void
on_reader(struct channel *c, const union message *m, int fd)
{
	struct file *file =
	    answered(c, m->file_reader.file, FILE_AWAITS_READER);
	enum smtp_verdict verdict = file_verdict(m->file_reader.result);

	if (file == NULL || file->user == NULL) {
		if (fd != -1)
			close(fd);
		return;
	}
	file->reader = fd;
	if (fd == -1 && verdict == SMTP_OK)
		verdict = SMTP_TEMPORARY; /* no slot was free here */
	file->user->events->readable(file->user, verdict);
}

static void
on_flushed(struct channel *c, const union message *m, int fd)
{
	struct file *file =
	    answered(c, m->file_flushed.file, FILE_AWAITS_FLUSHED);

	(void)fd;
	if (file == NULL)
		return;
	if (file->user == NULL) /* given up meanwhile */
		file_discard(file);
	else
		file->user->events->prepared(
		    file->user, file_verdict(m->file_flushed.result));
}

const struct channel_handler file_handlers[] = {{MSG_FILE_OPENED, on_opened},
    {MSG_DELIVERED, on_delivered}, {MSG_FILE_READER, on_reader},
    {MSG_FILE_FLUSHED, on_flushed}, {MSG_DELIVERY_SEEN, looks_seen}, {0, NULL}};

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
	struct file_user *user;
	struct session *s;

	if (worker != NULL) {
		TAILQ_FOREACH (user, &waiting, waiting)
			ask(worker);
		return;
	}
	while ((user = TAILQ_FIRST(&waiting)) != NULL) {
		TAILQ_REMOVE(&waiting, user, waiting);
		s = user->session;
		user->events->opened(user, NULL, SMTP_TEMPORARY);
		session_continue(s);
	}
}

void
files_worker_gone(uint8_t instance)
{
	struct worker *worker = &workers[instance % WORKERS];
	struct file *file, *next;
	struct file_user *user;

	worker->channel = NULL;
	worker->spare_count = 0;
	RB_FOREACH_SAFE (file, files, &by_id, next) {
		if (file->worker != instance)
			continue;
		user = file->user;
		if (user != NULL)
			user->events->gone(user);
		drop(file);
	}
	looks_worker_gone(instance);
	serve_waiting();
}

void
file_discard(struct file *file)
{
	union message m = {.file_discard = {.file = file->id}};
	struct channel *c = file_worker(file);

	/* It is in lmtpd's hands: on_flushed() comes back here. */
	if (c != NULL && (file->awaits & FILE_AWAITS_FLUSHED)) {
		file->user = NULL;
		return;
	}
	if (c != NULL)
		(void)channel_send(c, MSG_FILE_DISCARD, &m, -1);
	file_free(file);
}

void
file_free(struct file *file)
{
	struct worker *worker = NULL;

	if (file->worker != FILE_NO_WORKER) {
		worker = &workers[file->worker];
		worker->busy--;
	}
	drop(file);
	if (worker != NULL)
		replenish(worker);
}
