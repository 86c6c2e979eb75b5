/* SPDX-License-Identifier: ISC */
/*
 * Logins. AUTH STOKEN is answered here; everything that needs a user's
 * secret is passed to tokend-auth. The wire answer never tells why a login
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

/* Gives up the session's login, if one is going on. */
void exchange_drop(struct session *session);

/* tokend-auth is gone: every login that waits for it is. */
void auth_fail_waiting(void);

#endif
