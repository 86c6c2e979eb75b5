/* SPDX-License-Identifier: ISC */
/* Tokens for the copies of a user's message, and mail to its sender. */
#ifndef TOKEND_SUBMIT_H
#define TOKEND_SUBMIT_H

#include "tokend/session.h"

/* Handlers of the engines' messages. */
void on_submit_begin(struct channel *, const union message *, int fd);
void on_notice_begin(struct channel *, const union message *, int fd);

#endif
