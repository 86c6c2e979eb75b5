/* SPDX-License-Identifier: ISC */
/* Tokens for the copies of a user's message, and mail to its sender. */
#ifndef TOKEND_SUBMIT_H
#define TOKEND_SUBMIT_H

#include "tokend/session.h"

/*
 * A LIST of tokens for the copies to the addresses elsewhere that a recipient
 * stands for, into `out`, if they are at hand and the sender writes as
 * himself. Returns the octets, 0 for none: SUBMIT_BEGIN then asks.
 */
#define SUBMIT_TOKENS 8192
size_t submit_tokens(const struct session *, const struct recipient *,
    uint8_t out[SUBMIT_TOKENS]);

/* Handlers of the engines' messages. */
void on_submit_begin(struct channel *, const union message *, int fd);
void on_notice_begin(struct channel *, const union message *, int fd);

#endif
