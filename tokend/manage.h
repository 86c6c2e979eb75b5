/* SPDX-License-Identifier: ISC */
/* GENSTOKEN and REVSTOKEN, and what tokenctl does by the same means. */
#ifndef TOKEND_MANAGE_H
#define TOKEND_MANAGE_H

#include "tokend/session.h"

/* Handlers of the engines' messages. */
void on_token_generate(struct channel *, const union message *, int fd);
void on_token_revoke(struct channel *, const union message *, int fd);

/*
 * Revokes, and calls `done` once: with TOKEN_VERDICT_OK when it is durable
 * and final, else with TOKEN_VERDICT_TEMPORARY. `argument` stays the
 * caller's.
 */
typedef void revoke_done(void *argument, enum token_verdict verdict);
void revoke_finally(enum mark_scope scope, struct bytes remote,
    struct bytes local, revoke_done *done, void *argument);

#endif
