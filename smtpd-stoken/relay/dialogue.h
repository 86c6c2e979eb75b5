/* SPDX-License-Identifier: ISC */
/*
 * A client (smtp/client.h) on a link (link.h): it connects to one address
 * after the other, does TLS, carries octets both ways and looks at the clock.
 * What is said, to whom and why is its owner's.
 *
 * Every call below may come from within an action. What they queue goes out
 * in one write when the outermost one returns, and nothing is freed before.
 */
#ifndef RELAY_DIALOGUE_H
#define RELAY_DIALOGUE_H

#include <stddef.h>
#include <stdint.h>

#include "smtpd-stoken/relay/resolve.h"
#include "smtpd-stoken/relay/smtp/client.h"
#include "smtpd-stoken/relay/trust.h"

struct dialogue;

struct dialogue_end {
	const struct client_reply *reply; /* NULL: after QUIT */
	const char *reason; /* printable, for the log */
	/* No address did, of which dropped() told: reason is the last's. */
	int unreached;
	int tls_failed; /* behind STARTTLS */
	unsigned int login_refused; /* the code, by whichever; 0: it was not */
};

struct dialogue_actions {
	/* The nth address is to be tried; also from dialogue_open(). */
	const struct address *(*address)(void *owner, size_t nth);
	/* It is connected: what is wanted of TLS there. */
	enum client_tls (*tls)(void *owner);
	/* For whom its certificate must be. */
	struct trust_names (*names)(void *owner);
	/* It does not do: another is tried, or over() follows. */
	void (*dropped)(void *owner, const char *why);
	/*
	 * Milliseconds that the peer may take from now on, after something
	 * went either way; what for: client_awaits().
	 */
	uint64_t (*patience)(void *owner, const char *awaited);
	/* As in struct client_actions. */
	void (*ready)(void *owner);
	void (*recipient)(
	    void *owner, uint32_t id, const struct client_reply *);
	void (*held)(void *owner);
	void (*result)(void *owner, uint32_t id, const struct client_reply *);
	/* Once; no call does anything from now on. */
	void (*over)(void *owner, const struct dialogue_end *);
	/* The last of all: it is being freed. The owner may go, too. */
	void (*gone)(void *owner);
};

struct dialogue_settings {
	struct client_settings client; /* but its tls; strings outlive it */
	struct trust *trust; /* outlives it */
	size_t addresses;
	/*
	 * Milliseconds from now in which addresses are tried; and for one of
	 * them, when there are more.
	 */
	uint64_t all, each;
	uint64_t quit; /* milliseconds for the answer to QUIT */
	/*
	 * Octets of a message that it takes in a millisecond, at least, behind
	 * so many milliseconds: else it is no better than one that takes none.
	 * 0: it may take its time, as long as some go out within patience().
	 */
	uint64_t least, slack;
	/*
	 * An address has done its part when it is connected and, where it
	 * begins so, TLS stands. With `thorough` that is when a secret is
	 * said to it: whatever fails before lets the next one be tried, in
	 * the same time; but not the lack of STOKEN, which the right server
	 * has told (S1-64). Nor is a secret said to another when that one may
	 * have taken it: only a temporary refusal lets another be tried.
	 */
	int thorough;
};

/* Begins to connect. over() does not come from within. NULL: no memory. */
struct dialogue *dialogue_open(const struct dialogue_settings *,
    const struct dialogue_actions *, void *owner);

/* Bracket calls that belong together. */
void dialogue_enter(struct dialogue *);
void dialogue_leave(struct dialogue *);

/* As client_mail() and so on, behind ready(). */
int dialogue_mail(struct dialogue *, const struct client_mail *);
int dialogue_recipient(struct dialogue *, uint32_t id, const char *address,
    const char *parameters);
void dialogue_data(struct dialogue *, const struct client_message *);
void dialogue_release(struct dialogue *);
void dialogue_abandon(struct dialogue *);

/* Whether the peer knows an extension. */
int dialogue_offers(const struct dialogue *, const char *keyword);

/* QUIT: now; or after so many milliseconds, unless a mail begins before. */
void dialogue_quit(struct dialogue *);
void dialogue_keep(struct dialogue *, uint64_t milliseconds);

/*
 * Where nothing is awaited: hears what the peer has said unasked, or that it
 * is gone. 0: it is over; not to be used any more.
 */
int dialogue_look(struct dialogue *);

/* Closes it without a word and without over(). */
void dialogue_close(struct dialogue *);

#endif
