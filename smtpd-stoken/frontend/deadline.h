/* SPDX-License-Identifier: ISC */
#ifndef FRONTEND_DEADLINE_H
#define FRONTEND_DEADLINE_H

#include <sys/queue.h>

#include <time.h>

/*
 * How long a session may stay in a state that the engine's timeouts do not
 * cover. All of one kind last equally long, so that each kind is a queue in
 * order of time, and one timer serves all.
 */
enum deadline_kind {
	DEADLINE_NONE,
	DEADLINE_HANDSHAKE, /* the TLS handshake is done */
	DEADLINE_STALLED, /* the client takes some of what is due to it */
	DEADLINE_CLOSING, /* it takes the last of it */
	DEADLINE_LINGER, /* it closes its end */
	DEADLINE_KINDS
};

struct deadline {
	TAILQ_ENTRY(deadline) entry;
	time_t until; /* monotonic seconds */
	enum deadline_kind kind;
};

/* Once; `passed` is called for each whose time is up, which is NONE then. */
void deadline_init(void (*passed)(struct deadline *, enum deadline_kind));

/* Starts the time anew, as this kind; NONE stops it. */
void deadline_set(struct deadline *, enum deadline_kind);

/*
 * None is longer than so many seconds (`timeout command`); 0: the usual ones.
 * For those that are set from now on; a shorter one may wait behind a longer.
 */
void deadline_limit(time_t most);

/* The one of this kind that passes next, or NULL. */
struct deadline *deadline_first(enum deadline_kind);

#endif
