/* SPDX-License-Identifier: ISC */
/*
 * The SASL mechanisms that tokend answers itself: those by a token. One file
 * each, and one row in mechanism.c; every other is for tokend-auth.
 */
#ifndef TOKEND_MECHANISM_H
#define TOKEND_MECHANISM_H

#include "tokend/auth.h"
#include "tokend/bearer.h"
#include "tokend/remember_check.h"

struct mechanism {
	const char *name;
	enum remember_mechanism by; /* 0: STOKEN */
	/* Is it one for this session? */
	int (*is_possible)(const struct msg_auth_step *m);
	/* A step; it answers, now or later. */
	void (*step)(struct session *session, const struct msg_auth_step *m);
};

/* By its name in upper case; NULL: not by a token. */
const struct mechanism *mechanism_find(const char *name);

void stoken_step(struct session *, const struct msg_auth_step *);
void rememberme_step(struct session *, const struct msg_auth_step *);
void ht2_step(struct session *, const struct msg_auth_step *);
void oauthbearer_step(struct session *, const struct msg_auth_step *);
void xoauth2_step(struct session *, const struct msg_auth_step *);

/*
 * remember_login.c: asks tokend-auth who the login of exchange->shown is now,
 * whatever is wrong already, and goes on with `then`, which looks at
 * exchange->user. An answer that cannot be had is answered 454 here. `tried`
 * is for the log, `secret` what repeats are known by.
 */
void remember_ask(struct session *session, struct bytes tried,
    struct bytes secret, void (*then)(struct session *));

/* Lets him in if remember_use() says so; else `failed` goes on. */
void remember_finish(struct session *session,
    void (*failed)(struct session *, enum remember_check));

/* Logs and counts a failure, and answers: 535. */
void remember_refuse(struct session *session, enum remember_check check);

/* Whose the shown token is, for the log; nobody's is "". */
struct bytes remember_whose(const struct remember_shown *shown);

/*
 * A step of an OAuth mechanism, by what reads its message. A failure is told
 * in a challenge, `problem`, and answered after whatever the client says then.
 */
void remember_bearer_step(struct session *session,
    const struct msg_auth_step *m, bearer_reader *read, const char *problem);

#endif
