/* SPDX-License-Identifier: ISC */
#ifndef ENGINE_FILES_H
#define ENGINE_FILES_H

#include <sys/types.h>
#include <sys/queue.h>
#include <sys/tree.h>

#include <stddef.h>
#include <stdint.h>

#include "imsg/channel.h"
#include "smtpd-stoken/engine/smtp/smtp.h"

struct session;
struct file;
struct file_user;

/* What a file's user is told. */
struct file_events {
	/* files_take(): here it is, or why there is none. */
	void (*opened)(struct file_user *, struct file *, enum smtp_verdict);
	/* Its lmtpd is gone, and the file with it. */
	void (*gone)(struct file_user *);
	void (*delivered)(struct file_user *, struct bytes results);
	/* file_read(): `reader` is set. file_prepare(): it is durable. */
	void (*readable)(struct file_user *, enum smtp_verdict);
	void (*prepared)(struct file_user *, enum smtp_verdict);
};

struct file_user {
	TAILQ_ENTRY(file_user) waiting; /* for a file */
	const struct file_events *events;
	struct session *session;
};

/* Answers of lmtpd that are awaited. */
#define FILE_AWAITS_DELIVERED 1
#define FILE_AWAITS_READER 2
#define FILE_AWAITS_FLUSHED 4

/*
 * Files for messages, opened by the lmtpd workers ahead of need. A file
 * belongs to the worker that opened it; a transfer gets one of the worker
 * that is least busy. What only relay will read may be in memory instead:
 * such a file has no worker.
 */
#define FILE_NO_WORKER 0xff

struct file {
	RB_ENTRY(file) by_id;
	TAILQ_ENTRY(file) of_worker; /* while it is spare */
	uint64_t id;
	int fd; /* write-only, append-only; -1 before FILE_OPENED */
	int reader; /* read-only, after file_read(); else -1 */
	uint8_t worker;
	uint8_t awaits;
	struct file_user *user; /* NULL while it is spare, or given up */
	char *head; /* the trace fields, until more is to be written */
	size_t head_length;
	uint64_t in_memory; /* octets, of a file without a worker */
};

/*
 * Deliveries to system accounts share no flushes and wait for their children:
 * `apart` gives each worker as few as can be.
 */
void files_spread(int apart);

/* Handlers of what lmtpd answers. */
extern const struct channel_handler file_handlers[];

void files_worker_new(struct channel *);
void files_worker_gone(uint8_t instance);
int files_are_full(void);

/*
 * files_take: `opened` is called with a file, now or when there is one.
 * files_cancel: it is not wanted any more.
 */
void files_take(struct file_user *);
void files_cancel(struct file_user *);
/* `opened` is called with a file in memory; -1: none is to be had. */
int files_take_memory(struct file_user *);
/* So many octets are written to it: is that too much? */
enum smtp_verdict files_use_memory(struct file *, size_t length);

/* Returns what came of it. */
enum smtp_verdict file_write(struct file *, const void *data, size_t length);
enum smtp_verdict file_flush(struct file *);

/*
 * What its lmtpd is asked; 0, or -1 when that is away. file_read: a descriptor
 * to read it by. file_prepare: make these octets durable, but show them to
 * nobody. file_deliver: DELIVER, behind a DELIVER_RECIPIENT for each mailbox.
 */
int file_read(struct file *);
int file_prepare(struct file *, uint64_t size);
int file_deliver(struct file *, const struct msg_deliver *);
/*
 * The file is written, and this is its size: its lmtpd may flush it while
 * tokend decides. With others in hand it is not asked: they share a flush.
 */
void file_hasten(struct file *, uint64_t size);
/* Whether its lmtpd has no other one of ours that is in use. */
int file_is_alone(const struct file *);

/* file_discard: the message was given up. file_free: lmtpd has it. */
void file_discard(struct file *);
void file_free(struct file *);

/* The channel to the least busy worker, NULL when all are away. */
struct channel *files_any_worker(void);
/* The channel to the file's worker, NULL when it is away. */
struct channel *file_worker(const struct file *);
/* What DELIVERED and FILE_OPENED say, in the session's words. */
enum smtp_verdict file_verdict(uint8_t result);

#endif
