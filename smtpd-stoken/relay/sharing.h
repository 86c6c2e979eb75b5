/* SPDX-License-Identifier: ISC */
/*
 * Which copy of a mail a recipient gets. Whoever has one of his own is not
 * told of others, and can go by token; the others share a transaction.
 */
#ifndef RELAY_SHARING_H
#define RELAY_SHARING_H

#include "smtpd-stoken/relay/mail.h"

/*
 * One for a further recipient, new or open. RELAY_SHARED_BUT_BY_TOKEN: a new
 * one while its token route is tried, as long as there may be so many. NULL:
 * there are too many, or there is no memory.
 */
struct copy *copy_for(struct mail *, enum relay_sharing);

/*
 * A copy that is to go by the next hop: where it is shared, and another one
 * still takes recipients, that one gets its recipients. Returns 1 then: the
 * copy is empty, and mail_check() frees it. The answers may come from within.
 */
int copy_join(struct copy *);

/* RELAY_HEAD of what is shared is for each of the copies that are. */
int copy_set_head(struct copy *, struct bytes fields);

#endif
