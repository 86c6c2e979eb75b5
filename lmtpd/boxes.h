/* SPDX-License-Identifier: ISC */
/* The mailboxes that a batch of deliveries has open: each once. */
#ifndef LMTPD_BOXES_H
#define LMTPD_BOXES_H

#include <stddef.h>

#include "lmtpd/deliver.h"
#include "lmtpd/maildir.h"

#define BOXES 256 /* open at a time */

struct box {
	struct maildir maildir;
	const char *mailbox; /* the name it was opened under; borrowed */
	size_t mailbox_length;
	size_t flush_first, flush_count; /* its entries in the flush */
	int error; /* after boxes_flush(): 0, or an errno */
};

/* How many more there is room for; else flush and close them first. */
size_t boxes_room(void);

/*
 * The open mailbox of a recipient, whose name must stay valid until
 * boxes_close(). NULL with errno; EINVAL when the name is not fit for a file.
 */
struct box *
boxes_open(const struct deliver_settings *, const struct recipient *);

/* Makes all directories durable; sets the `error` of each mailbox. */
void boxes_flush(const struct deliver_settings *);

void boxes_close(void);

#endif
