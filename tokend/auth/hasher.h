/* SPDX-License-Identifier: ISC */
#ifndef TOKEND_AUTH_HASHER_H
#define TOKEND_AUTH_HASHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tokend/auth/exchange.h"

/*
 * Slow hashing in processes of its own, so that a bcrypt never delays another
 * answer. They are forked before any secret is read, hold one password at a
 * time, and may do nothing but compute ("stdio"). They cannot be forked again
 * behind the sandbox: when one dies, the process ends and is restarted whole.
 */

#define HASHER_WORKERS_MAX 64
#define HASHER_QUEUE_MAX 256 /* checks that wait; more are refused */

/* The answer to hasher_ask(). */
typedef void hasher_done(uint64_t session, bool matches);

/*
 * Forks `workers` processes. `died` is called when one is lost. Needs an
 * event base. Returns 0, or -1 with errno.
 */
int hasher_start(unsigned int workers, hasher_done *done, void (*died)(void));

/*
 * Queues a check for a session; its text is copied. Returns 0, or -1 when the
 * queue is full.
 */
int hasher_ask(uint64_t session, const struct password_check *check);

/* The session is gone: its check, if any, gets no answer. */
void hasher_forget(uint64_t session);
/* All sessions are gone, and their numbers may be used again. */
void hasher_forget_all(void);

/* Ends the workers and wipes the queue. */
void hasher_stop(void);

#endif
