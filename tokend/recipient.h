/* SPDX-License-Identifier: ISC */
/* Who may deliver to whom, and send as whom. */
#ifndef TOKEND_RECIPIENT_H
#define TOKEND_RECIPIENT_H

#include "tokend/session.h"

/* A 250, if relay and the engine have nothing against it. */
static inline int
recipient_is_accepted(enum rcpt_verdict verdict)
{
	return verdict == VERDICT_OK || verdict == VERDICT_OUTSIDE;
}

/* Handlers of the engines' messages. */
void on_rcpt_check(struct channel *, const union message *, int fd);
void on_sender_check(struct channel *, const union message *, int fd);

#endif
