/* SPDX-License-Identifier: ISC */
/* Who may deliver to whom, and send as whom. */
#ifndef TOKEND_RECIPIENT_H
#define TOKEND_RECIPIENT_H

#include "tokend/session.h"

/* Handlers of the engines' messages. */
void on_rcpt_check(struct channel *, const union message *, int fd);
void on_sender_check(struct channel *, const union message *, int fd);

#endif
