/* SPDX-License-Identifier: ISC */
#ifndef ENGINE_NOTICE_H
#define ENGINE_NOTICE_H

#include "smtpd-stoken/engine/transfer.h"

/*
 * A report to the sender (RFC 3464) of what failed after the message was
 * accepted for others: by relay, or if that fails into his mailbox, before
 * the client has its 250. Can it not be delivered, transfer->untold is set.
 */

/* A step of submission.c. */
int notice_begin(struct transfer *);

void notice_granted(struct transfer *, const struct msg_notice_grant *);
void notice_tokend_gone(struct transfer *);
void notice_free(struct notice *); /* NULL is allowed */

#endif
