/* SPDX-License-Identifier: ISC */
#ifndef ENGINE_TOKEND_H
#define ENGINE_TOKEND_H

#include "imsg/channel.h"
#include "smtpd-stoken/engine/session.h"

/*
 * What the engine asks of tokend, and what it hears. The functions return 0,
 * or -1 when tokend is away and nothing will be answered.
 */
extern const struct channel_handler tokend_handlers[];

int tokend_admit(struct session *, int again);
void tokend_session_end(struct session *);
int tokend_auth(struct session *, const char *mechanism,
    const uint8_t *response, size_t length);
void tokend_auth_abort(struct session *);
int tokend_sender(struct session *, const char *address);
int tokend_recipient(struct session *, const struct smtp_recipient_check *);
int tokend_generate(
    struct session *, int permanent, const char *remote, const char *local);
int tokend_remember(struct session *s, const char *type);
int tokend_revoke(struct session *, const char *remote, const char *local);
int tokend_commit_begin(
    struct session *, uint32_t transaction, const char *message);
/* With it goes what may be learned from the message (S1-50). */
int
tokend_commit_end(struct session *, uint32_t transaction, struct bytes results);
int tokend_submit(struct session *, uint32_t transaction, const char *from,
    struct bytes supplied);
int tokend_notice(struct session *, uint32_t transaction, const char *message);
/* A verdict of tokend's in the session's words. */
enum smtp_verdict tokend_verdict(uint8_t said);

/* A new tokend: it is told of all sessions. One is gone. */
void tokend_new(struct channel *);
void tokend_gone(void);
int tokend_is_full(void);

#endif
