/* SPDX-License-Identifier: ISC */
/*
 * The life of a child process: who it is, its settings and its peers come
 * from the parent on descriptor 3; then its sandbox narrows and it is READY.
 * A process supplies one struct process_role and calls process_main().
 */
#ifndef LIB_PROCESS_H
#define LIB_PROCESS_H

#include <stddef.h>
#include <stdint.h>

#include "imsg/channel.h"
#include "imsg/messages.h"
#include "lib/settings.h"

/* What SETUP_START told. */
struct process_start {
	uint8_t instance;
	uint8_t trusted; /* serves the trusted LMTP socket */
	uint8_t debug; /* -d */
	uint8_t restarted; /* replaces one that died */
	uint8_t root; /* was started as root (and may have dropped it) */
	uint8_t system_users; /* users system */
};

/* What may come from the role's peers: one table for each role of peer. */
struct process_peer {
	enum role role;
	const struct channel_handler *handlers;
};

struct process_role {
	enum role role;
	const char *name; /* as in DESIGN: "frontend" */
	const char *title; /* setproctitle */
	/* Promises while the set-up goes on, and for the rest of its life. */
	const char *setup_promises;
	const char *promises;

	/* Right after SETUP_START, before privileges are dropped; or NULL. */
	void (*privileged)(const struct process_start *);
	/*
	 * Right after SETUP_START, privileges dropped, before the first
	 * pledge. May be NULL.
	 */
	void (*start)(const struct process_start *);
	/* More messages from the parent: SETUP_LISTENER and the like. */
	const struct channel_handler *parent_handlers; /* or NULL */
	/* The peers that may be given; ends with role ROLE_NONE. */
	const struct process_peer *peers;
	/*
	 * SETUP_COMMIT: takes the settings (they stay valid until the next
	 * commit, and after it are freed), opens what it needs, proves itself.
	 * Called before the sandbox narrows the first time, and at a reload
	 * behind it. Returns 0, or -1 with the problem in words: everything is
	 * as before then.
	 */
	int (*commit)(
	    const struct settings *, int first, char *problem, size_t size);
	/* unveil() calls, after the first commit; may be NULL. */
	void (*unveil)(const struct settings *);
	/* A channel to a peer stands; or is gone. May be NULL. */
	void (*peer_new)(struct channel *);
	void (*peer_gone)(struct channel *);
	void (*peer_drained)(struct channel *);
	/*
	 * The operator wants to know: sets the gauges (lib/metrics.h); and
	 * with `check` says how things are (lib/measure.h). May be NULL.
	 */
	void (*measure)(int check);
	/*
	 * Finish within so many seconds, then call process_exit(). NULL:
	 * exit at once.
	 */
	void (*shutdown)(uint32_t seconds);
};

/* Runs the process. Never returns. */
__attribute__((noreturn)) void process_main(const struct process_role *);

/* The channel to the parent. */
struct channel *process_parent(void);

/*
 * A peer's channel by role and instance; NULL while it is away. Instances
 * count from 0.
 */
struct channel *process_peer(enum role role, uint8_t instance);

/* How many instances of a role were ever given: 0 .. n-1. */
uint8_t process_peer_count(enum role role);

/* Tells the parent that a peer broke the contract; the channel is closed. */
void process_complain(struct channel *, const char *problem);

/* In a forked process: lets go of all channels, which are its parent's. */
void process_forked(void);

/* Flushes the parent channel and exits with 0. */
__attribute__((noreturn)) void process_exit(void);

#endif
