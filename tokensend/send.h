/* SPDX-License-Identifier: ISC */
/* To whom the message goes by token, and what becomes of each of them. */
#ifndef TOKENSEND_SEND_H
#define TOKENSEND_SEND_H

#include "tokensend/route.h"
#include "tokensend/tokenfile.h"

/*
 * Sends the message to all of the options' recipients, a line on standard
 * output for each. Options, message, trust and hostname are set. Returns what
 * to exit with: EX_OK, or EX_TEMPFAIL when some are to go the ordinary route.
 */
int send_all(struct sending *, struct tokenfile *);

#endif
