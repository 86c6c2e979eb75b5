/* SPDX-License-Identifier: ISC */
/* The end of a message: tickets before the delivery, new tokens after it. */
#ifndef TOKEND_COMMIT_H
#define TOKEND_COMMIT_H

#include "tokend/session.h"

/* Handlers of the engines' messages. */
void on_commit_begin(struct channel *, const union message *, int fd);
void on_commit_end(struct channel *, const union message *, int fd);

#endif
