/* SPDX-License-Identifier: ISC */
/*
 * The parent's part, played for one process under test, so that its peers
 * can be liars.
 */
#ifndef REGRESS_LIAR_H
#define REGRESS_LIAR_H

#include <sys/types.h>
#include <stddef.h>
#include <stdint.h>

#include "imsg/imsg.h"
#include "imsg/messages.h"

/* The key of the tickets that the victim is told. */
#define TICKET_KEY      \
	{               \
		1, 2, 3 \
	}

struct victim {
	enum role role;
	pid_t pid;
	struct imsgbuf parent; /* our end of its descriptor 3 */
	unsigned int complaints;
	int ready;
};

/* A liar's end of a channel to the victim. */
struct liar {
	enum role role;
	enum role victim;
	struct imsgbuf buf;
	unsigned int replies;
	int closed;
};

extern unsigned int liar_lies, liar_replies; /* sent and heard in all */

/* Starts libexec/program of a role, wires it, waits until it is READY. */
void
victim_start(struct victim *, enum role, const char *libexec, const char *dir);
/* Gives it a fresh channel to a peer of this role. */
void victim_join(struct victim *, struct liar *, enum role);
/* Reads what it says to its parent, for so many milliseconds. */
void victim_listen(struct victim *, int milliseconds);
int victim_alive(const struct victim *);
/* Open descriptors, or -1 when that may not be seen. */
int victim_descriptors(const struct victim *);
/* SHUTDOWN; returns its exit status, or -1. */
int victim_stop(struct victim *);

/* Sends a frame with any type and body; fd or -1 goes along. */
void liar_say(struct liar *, uint32_t type, const void *, size_t, int fd);
/* Sends octets that need not be a frame. */
void liar_write(struct liar *, const void *, size_t);
/*
 * Reads replies until the channel ends or nothing comes for so long. Each
 * goes to `judge`, which exits when a reply grants what it must not.
 */
void liar_listen(struct liar *, int milliseconds,
    void (*judge)(const struct message_row *, const union message *));
void liar_end(struct liar *);
/* Sends a message that fits its row. */
void liar_tell(struct liar *, uint16_t number, const union message *);

__attribute__((noreturn, format(printf, 1, 2))) void
fail(const char *format, ...);

#endif
