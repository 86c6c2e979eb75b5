/* SPDX-License-Identifier: ISC */
/*
 * tokend: what its parts share. Runs as _tokend; holds the token keys and the
 * store; talks to the engines, tokend-auth, the parent and tokenctl. Never
 * sees the network or a message. Who takes it over can make tokens and
 * tickets, but reads no password and no mail.
 */
#ifndef TOKEND_TOKEND_H
#define TOKEND_TOKEND_H

#include "imsg/channel.h"
#include "lib/settings.h"
#include "lib/ticket.h"
#include "tokend/batch.h"
#include "tokend/check.h"
#include "tokend/held.h"
#include "tokend/remember.h"

/* What `tokenctl show stats` prints, in this order. */
#define COUNTERS                                                   \
	COUNTER(sessions) /* admitted since the start */           \
	COUNTER(sessions_refused)                                  \
	COUNTER(auth_ok) /* by password */                         \
	COUNTER(auth_failed) /* by password */                     \
	COUNTER(token_ok) /* AUTH STOKEN */                        \
	COUNTER(token_failed)                                      \
	COUNTER(remember_ok) /* by a token of REMEMBERME */        \
	COUNTER(remember_failed)                                   \
	COUNTER(remember_made)                                     \
	COUNTER(remember_revoked)                                  \
	COUNTER(recipients) /* asked about */                      \
	COUNTER(recipients_refused)                                \
	COUNTER(limited) /* MAIL and RCPT over a user's limit */   \
	COUNTER(deliveries) /* by token, that an engine told of */ \
	COUNTER(relayed) /* outside addresses, likewise */         \
	COUNTER(notices) /* failures told to senders */            \
	COUNTER(tokens_temporary) /* made */                       \
	COUNTER(tokens_permanent) /* made */                       \
	COUNTER(tokens_held) /* others', that were kept */         \
	COUNTER(revocations)

struct tokend {
	const struct settings *settings; /* in force */
	struct store *store;
	struct keyring ring;
	struct marks *marks;
	struct issuer issuer;
	struct rememberer rememberer;
	struct batch batch;
	uint8_t ticket_key[TICKET_KEY_LENGTH];
	int has_ticket_key;
	uint64_t started; /* ms since 1970 */
	size_t held_pairs; /* about; upkeep.c counts them */
	int restarted; /* tickets of another tokend may be about */
	struct {
#define COUNTER(name) uint64_t name;
		COUNTERS
#undef COUNTER
	} counters;
};

extern struct tokend tokend;

/* Milliseconds since 1970. */
uint64_t wall_clock(void);

/*
 * Puts an answer behind the flush that everything written up to now needs;
 * when nothing was written it is given at once. `argument` is malloc'ed
 * memory, which is freed after `done`.
 */
void answer_later(batch_done *done, void *argument);

/* Plans a flush for what was written and nobody waits for. */
void flush_soon(void);

/* Is the domain of a canonical address one of ours? */
int is_local(struct bytes address);

#endif
