/* SPDX-License-Identifier: ISC */
#ifndef FRONTEND_LISTENER_H
#define FRONTEND_LISTENER_H

#include <sys/queue.h>

#include <event.h>
#include <stddef.h>
#include <stdint.h>

struct tls_context;

/* A listening socket. */
struct listener {
	TAILQ_ENTRY(listener) entry;
	struct event event;
	struct tls_context *context; /* NULL: none, clients are local */
	int fd;
	int waiting; /* for clients now */
	uint8_t kind; /* enum listener_kind */
	uint16_t port;
};
TAILQ_HEAD(listener_list, listener);

/* Once. */
void listeners_init(void);

/* These from now on, the ones before are closed. Empties the list. */
void listeners_replace(struct listener_list *);

/* Closes what is in a list, and empties it. */
void listeners_drop(struct listener_list *);

/* The list in force. */
struct listener_list *listeners(void);

/* How many sessions there may be at once. */
void listeners_limit(size_t sessions);

/* Every process is ready: accept; and: never again. */
void listeners_start(void);
void listeners_stop(void);

/*
 * Something changed on which it depends whether clients are accepted: engines,
 * the number of sessions. While we do not, they wait in the kernel's queue.
 */
void listeners_update(void);

/* A session ended, and its descriptors are free. */
void listeners_descriptor_free(void);

#endif
