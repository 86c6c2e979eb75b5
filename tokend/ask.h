/* SPDX-License-Identifier: ISC */
/*
 * Questions to tokend-auth about addresses. An answer finds what it was asked
 * for by engine, session and more: those may have gone meanwhile.
 */
#ifndef TOKEND_ASK_H
#define TOKEND_ASK_H

#include <sys/tree.h>

#include "tokend/session.h"

/* Questions under way: of one session, and in all. */
#define ASKED_BY_SESSION 1100
#define ASKED 100000

struct ask {
	RB_ENTRY(ask) entry;
	uint64_t number;
	uint16_t expected; /* the message that answers it: ask.c */
	/*
	 * `answer` is NULL when tokend-auth is away, or went away. The
	 * session's count of questions is right again when this is called.
	 */
	void (*done)(struct ask *, const union message *answer);
	int for_session;
	uint8_t engine;
	uint64_t session;
	uint32_t transaction;
	uint32_t index;
	uint64_t exchange;
	char address[ADDRESS_SIZE]; /* that was asked about: ask.c */
	void *more; /* malloc'ed; wiped and freed after `done` */
	size_t more_size;
};

/*
 * Asks where mail for a canonical local address goes, or whether an address
 * (empty: the primary one) is a user's own. Takes a copy of `ask`; `done` may
 * be called before this returns. The session, or NULL, fills the ask's own
 * fields about it.
 */
void ask_address(
    const struct ask *ask, struct session *session, struct bytes address);
void ask_owner(const struct ask *ask, struct session *session,
    struct bytes login, struct bytes address);

/* Asks who this canonical login is now; the answer is a USER_STATE. */
void
ask_user(const struct ask *ask, struct session *session, struct bytes login);

/* The session that asked; NULL when it is over. */
struct session *ask_session(const struct ask *ask);

/* Handlers of tokend-auth's answers. */
void on_address_result(struct channel *, const union message *, int fd);
void on_owner_result(struct channel *, const union message *, int fd);
void on_user_state(struct channel *, const union message *, int fd);

/* tokend-auth is gone: nothing will be answered. */
void asks_fail(void);

#endif
