/* SPDX-License-Identifier: ISC */
#ifndef ENGINE_GRANTS_H
#define ENGINE_GRANTS_H

#include "imsg/messages.h"
#include "smtpd-stoken/engine/smtp/smtp.h"

/*
 * The recipients of a session's transaction, as tokend has granted them: the
 * mailboxes and the addresses elsewhere that their mail goes to.
 */
struct session;

enum grant_state {
	GRANT_ASKED, /* tokend has not answered */
	GRANT_NONE, /* it refused */
	GRANT_OPENING, /* relay asks the next hop */
	GRANT_ACCEPTED,
	GRANT_REFUSED /* by the next hop; tokend still counts it */
};

struct grant {
	uint32_t number; /* of its RCPT */
	uint8_t state; /* enum grant_state */
	uint8_t token_kind;
	uint8_t *mailboxes; /* a LIST */
	size_t length;
	size_t mailbox_count;
	size_t outlet_first, outlet_count; /* in session.outgoing */
	char *notify, *orcpt; /* RFC 3461, or NULL */
};

/* A RCPT is asked about: -1 when memory is short. */
int grant_ask(struct session *, const struct smtp_recipient_check *);

/* tokend's answer. The client has its reply now, or when relay has one. */
void grant_answered(struct session *, const struct msg_rcpt_verdict *);

/* tokend knows nothing of them any more. */
void grants_lose(struct session *);

/* The transaction is over. */
void grants_drop(struct session *);

/* By the number of its RCPT; NULL: there is none. */
struct grant *grant_find(struct session *, uint32_t number);

/* Does tokend's COMMIT_GRANT speak of it? */
int grant_is_counted(const struct grant *);

/* Is the sender to be told who has it? */
int grant_wants_success(const struct grant *);

/* Is an answer of the next hop to a RCPT awaited? */
int grants_are_opening(const struct session *);

#endif
