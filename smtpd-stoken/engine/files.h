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

struct transfer;

/*
 * Files for messages, opened by the lmtpd workers ahead of need. A file
 * belongs to the worker that opened it; a transfer gets one of the worker
 * that is least busy.
 */
struct file {
	RB_ENTRY(file) by_id;
	TAILQ_ENTRY(file) of_worker; /* while it is spare */
	uint64_t id;
	int fd; /* write-only, append-only; -1 before FILE_OPENED */
	uint8_t worker;
	struct transfer *transfer; /* NULL while it is spare */
	char *head; /* the trace fields, until more is to be written */
	size_t head_length;
};

/*
 * Deliveries to system accounts share no flushes and wait for their children:
 * `apart` gives each worker as few as can be.
 */
void files_spread(int apart);

/* Handlers of FILE_OPENED and DELIVERED. */
extern const struct channel_handler file_handlers[];

void files_worker_new(struct channel *);
void files_worker_gone(uint8_t instance);
int files_are_full(void);

/*
 * files_take: transfer_opened() is called with a file, now or when there is
 * one. files_cancel: it is not wanted any more.
 */
void files_take(struct transfer *);
void files_cancel(struct transfer *);

/* Returns what came of it. */
enum smtp_verdict file_write(struct file *, const void *data, size_t length);
enum smtp_verdict file_flush(struct file *);

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
