/* SPDX-License-Identifier: ISC */
/*
 * The mailboxes of addresses that were asked about a moment ago, so that a
 * burst of mail for one of them does not ask tokend-auth for each message. A
 * change of users or aliases counts after KNOWN_MS at the latest.
 */
#ifndef TOKEND_MAILBOXES_H
#define TOKEND_MAILBOXES_H

#include "imsg/messages.h"

#define KNOWN_MS 100

/* Keeps a LIST for an address; what is long is not kept. */
void mailboxes_learn(struct bytes address, struct bytes list, uint64_t now);

/* Returns 1 and the LIST (valid until the next call), or 0. */
int mailboxes_known(struct bytes address, struct bytes *list, uint64_t now);

void mailboxes_forget_all(void);

#endif
