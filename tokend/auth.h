/* SPDX-License-Identifier: ISC */
/*
 * Logins. Those by a token are answered here (mechanism.h); everything that
 * needs a user's secret is passed to tokend-auth. The wire answer never tells why a login
 * failed; the log does.
 */
#ifndef TOKEND_AUTH_H
#define TOKEND_AUTH_H

#include "tokend/session.h"

/* Handlers of the engines' messages, and of tokend-auth's answer. */
void on_auth_step(struct channel *, const union message *, int fd);
void on_auth_abort(struct channel *, const union message *, int fd);
void on_password_result(struct channel *, const union message *, int fd);
/* What the login server has: for all engines, and for those to come. */
void on_mechanisms_changed(struct channel *, const union message *, int fd);
void auth_tell_mechanisms(struct channel *engine);

/* Answers the step that the engine waits for. */
void auth_send(struct session *session, const struct msg_auth_result *result);
void auth_answer(struct session *session, enum auth_outcome outcome);

/*
 * A failure counts for the session, and for its address unless the same
 * secret failed a moment ago: known by its digest, which is random where there
 * is no secret. At the limit the answer makes the engine close (F-39).
 */
uint64_t auth_digest(struct bytes name, struct bytes secret);
void auth_count_failure(struct session *session, uint64_t digest);
void auth_answer_failure(struct session *session);

/* Gives up the session's login, if one is going on. */
void exchange_drop(struct session *session);

/* tokend-auth is gone: every login that waits for it is. */
void auth_fail_waiting(void);

#endif
