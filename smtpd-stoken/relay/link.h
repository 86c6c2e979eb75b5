/* SPDX-License-Identifier: ISC */
/*
 * A connection outward: octets in and out, in clear or by TLS. It knows
 * nothing of SMTP. No function calls back before it returns but link_flush()
 * and link_look(), and what its events do.
 */
#ifndef RELAY_LINK_H
#define RELAY_LINK_H

#include <sys/types.h>
#include <sys/socket.h>

#include <stddef.h>

struct link;
struct trust;
struct trust_names;

struct link_actions {
	void (*connected)(void *owner);
	void (*on_tls)(void *owner);
	void (*input)(void *owner, const void *data, size_t length);
	/* Some of what was queued went out; below the mark, go on. */
	void (*drained)(void *owner, int below_mark);
	/* It is over, or never was: why, printable. Said once. */
	void (*closed)(void *owner, const char *why);
};

/* More octets queued than this are enough for now. */
#define LINK_MARK (128 * 1024)

/*
 * Begins to connect. NULL with errno, when that fails at once; no callback
 * then.
 */
struct link *link_open(const struct sockaddr *, socklen_t,
    const struct link_actions *, void *owner);

/* TLS from here on, with one of the names; what was queued is out before. */
void link_start_tls(struct link *, struct trust *, const struct trust_names *);

/*
 * Queues octets for link_flush(); `secret` ones are wiped once they are sent.
 * Returns 1 when the mark is passed, else 0; -1: no memory, it will close.
 */
int link_write(struct link *, const void *data, size_t length, int secret);

/* Writes what is queued, as far as the peer takes it. */
void link_flush(struct link *);

/* What the peer has said, or that it is gone, is heard now. */
void link_look(struct link *);

size_t link_queued(const struct link *);

/* Closes it, with a close_notify where there is TLS. No callback. */
void link_free(struct link *);

#endif
