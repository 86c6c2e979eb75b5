/* SPDX-License-Identifier: ISC */
/*
 * A channel: one end of a socketpair to one peer (or one client of the
 * control socket), driven by libevent. What arrives is checked against the
 * contract, by the channel it came on, before a handler sees it. What is sent
 * is queued and written once the current event's work is done, so that many
 * messages share a system call.
 */
#ifndef IMSG_CHANNEL_H
#define IMSG_CHANNEL_H

#include <sys/types.h>
#include <sys/queue.h>

#include <event.h>
#include <stddef.h>
#include <stdint.h>

#include "imsg/messages.h"

struct channel;
struct imsgbuf;

/*
 * Handles one message. BYTES in `m` are valid during the call only. `fd` is
 * the descriptor that came along, now the handler's to close, or -1.
 */
typedef void channel_function(struct channel *, const union message *m, int fd);

struct channel_handler {
	uint16_t number; /* MSG_... ; 0 ends a table */
	channel_function *function;
};

/*
 * Why a channel ended. The owner's `gone` callback runs once, last; the
 * channel is freed after it returns.
 */
enum channel_end {
	CHANNEL_EOF = 1, /* the peer is gone */
	CHANNEL_BROKE, /* it broke the contract, or its framing is off */
	CHANNEL_STUCK, /* it does not read: the cap of the queue is reached */
	CHANNEL_CLOSED /* channel_close() */
};

struct channel_settings {
	enum role self;
	enum role peer;
	uint8_t instance; /* the peer's */
	uint8_t trusted; /* the peer's: serves the trusted LMTP socket */
	const struct channel_handler *handlers;
	void (*gone)(struct channel *, enum channel_end, const char *why);
	void (*drained)(struct channel *); /* or NULL: see channel_full() */
	void *context; /* the owner's */
	size_t
	    cap; /* octets queued before the peer counts as stuck; 0: 8 MiB */
};

/*
 * Takes over the descriptor (and makes it non-blocking). Returns NULL when
 * memory is short; the descriptor is closed then.
 */
struct channel *channel_open(int fd, const struct channel_settings *);

/* Ends it; `gone` is called with CHANNEL_CLOSED. NULL is allowed. */
void channel_close(struct channel *);

/*
 * The same, of a peer that is dead: what it had said is handled before. What
 * is sent meanwhile goes nowhere. NULL is allowed.
 */
void channel_read_out(struct channel *);

/*
 * In a forked process: lets go of the descriptor, so that the peer sees the
 * end of its real owner. Nothing else may be done with the channel there.
 */
void channel_let_go(struct channel *);

/*
 * Queues a message; `fd` (or -1) is sent along and closed. Returns 0, or -1
 * when the message does not fit its row or the channel is ending. The one
 * function that sends: rows say what is allowed, also to the sender.
 */
int
channel_send(struct channel *, uint16_t number, const union message *m, int fd);

/*
 * More than 256 KiB are queued: stop reading whatever makes you send more.
 * `drained` is called when it has fallen below a quarter of that.
 */
int channel_full(const struct channel *);

/* Has the peer closed its end, though that was not read yet? Asks the kernel. */
int channel_hung_up(const struct channel *);

/* Octets queued. */
size_t channel_queued(const struct channel *);

enum role channel_peer(const struct channel *);
uint8_t channel_instance(const struct channel *);
int channel_trusted(const struct channel *);
void *channel_context(const struct channel *);
void channel_set_context(struct channel *, void *);

/* The phase of this process: PHASE_SETUP at first. */
void channel_set_phase(enum phase);

/* Stops, or goes on, handling what arrives on a channel. */
void channel_pause(struct channel *);
void channel_resume(struct channel *);

/* Writes what is queued, waiting if need be; at exit. Returns 0 or -1. */
int channel_flush(struct channel *);

/*
 * Before there is an event loop: waits for one message and hands it to its
 * handler. Returns 1, 0 when the peer is gone, -1 when it broke the contract.
 */
int channel_receive_one(struct channel *);

/*
 * As channel_receive_one, within so many milliseconds and also beside an event
 * loop: for the one question whose answer is waited for (the signature).
 * Returns 0 when time is up, too. Whatever else is wrong with the channel,
 * the event loop finds out and says.
 */
int channel_receive_within(struct channel *, int milliseconds);

#endif
