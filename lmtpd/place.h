/* SPDX-License-Identifier: ISC */
/* Making durable files visible in the mailboxes, and that durable. */
#ifndef LMTPD_PLACE_H
#define LMTPD_PLACE_H

#include <stddef.h>

#include "lmtpd/deliver.h"

#define PLACE_MOST 256 /* mailboxes of a group */

/*
 * Puts a message into the mailboxes of `count` recipients from `first`, in
 * all of them or in none (DESIGN section 11, aliases). Each result is set
 * here on failure, else by place_settle().
 */
void place_group(const struct deliver_settings *, struct message_file *,
    size_t first, size_t count);

/* Flushes the directories: only now is anything delivered. */
void place_settle(const struct deliver_settings *);

#endif
