/* SPDX-License-Identifier: ISC */
/*
 * Delivery of messages that engines have written: durable first, then
 * visible, then the directories durable, and only then an answer (DESIGN
 * section 7, PEERS U25). What waits at the same time is done together, so
 * that it shares the flushes.
 */
#ifndef LMTPD_DELIVER_H
#define LMTPD_DELIVER_H

#include <sys/types.h>
#include <sys/queue.h>

#include <stddef.h>
#include <stdint.h>

#include "compat/tmpfile.h"
#include "imsg/verdicts.h"
#include "lib/mailbox.h"
#include "lib/ticket.h"

#define DELIVER_RECIPIENTS 4096 /* of a message; what DELIVERED can carry */

struct recipient {
	char *mailbox; /* counted, as it came */
	size_t mailbox_length;
	char delivery[49]; /* delivery id */
	uint8_t ticket[TICKET_LENGTH];
	size_t ticket_length;
	enum delivery_result result;
};

/* A message, from the opening of its file to the answer. */
struct message_file {
	TAILQ_ENTRY(message_file) entry; /* while it waits for delivery */
	LIST_ENTRY(message_file) sibling; /* among those of its engine */
	void *owner; /* the channel to that engine */
	int waits; /* it is in the waiting list */
	int prepares; /* to be made durable, and nothing more yet */
	enum delivery_result result; /* of that */
	uint64_t id; /* the engine's number for it */
	struct tmpfile file;
	int trusted; /* needs no tickets */
	char *flags; /* that it is to have, a text of words; or NULL */
	int broken; /* message_arrange() or fsync() has failed */
	int durable; /* the file is whole and flushed */
	int flushed; /* it was, when it had this size: */
	uint64_t flushed_size;
	uint64_t size; /* octets, as the engine says */
	uint64_t expires; /* of the tickets */
	char message[33]; /* message id */
	struct recipient *recipients;
	size_t count, room;
};

TAILQ_HEAD(message_files, message_file);

/* What all deliveries have in common. */
struct deliver_settings {
	int root; /* the root directory of the mailboxes */
	dev_t device; /* its file system */
	struct mailbox_template template;
	char host[101]; /* as maildir_host() made it */
	int spools; /* no mailboxes: deliver lmtp */
	int system_accounts; /* deliver as the owner of the mailbox */
	uint8_t *ticket_key; /* TICKET_KEY_LENGTH octets */
};

/* A message without recipients, its file open. NULL with errno. */
struct message_file *message_new(int directory);

/* Adds a recipient. Returns 0, or -1: too many, too long, no memory. */
int message_add(struct message_file *, const void *mailbox,
    size_t mailbox_length, const void *delivery, size_t delivery_length,
    const void *ticket, size_t ticket_length);

/*
 * Puts the `length` octets at `from`, the last ones that count, in front of
 * those at `offset`, into a new file that takes the place of the old one. With
 * a length of 0 what is behind `from` is cut off. 0, or -1 with errno: EINVAL
 * for ranges that cannot be; nothing can be delivered then.
 */
int message_arrange(struct message_file *, int directory, uint64_t offset,
    uint64_t from, uint64_t length);

/*
 * How many recipients from `first` are the mailboxes of one recipient of the
 * client: their delivery ids are ID-n, ID-n-2, ID-n-3 ... At most PLACE_MOST.
 */
size_t message_group(const struct message_file *, size_t first);

/* Closes the file; unless it was delivered nothing is left of it. */
void message_free(struct message_file *);

/*
 * Delivers all messages of the list and sets the result of each recipient;
 * of one that `prepares` the file is made durable and its own result set. The
 * messages stay in the list.
 */
void deliver(const struct deliver_settings *, struct message_files *);

/*
 * Makes the file durable ahead of its delivery, if it has so many octets;
 * once. A failure is the delivery's.
 */
void deliver_hasten(struct message_file *, uint64_t size);

/*
 * Looks for a delivery that a worker which died may have made. OK when it is
 * there and durable; the mailbox is not made if it is missing.
 */
enum delivery_result
deliver_look(const struct deliver_settings *, const void *mailbox,
    size_t mailbox_length, const void *delivery, size_t delivery_length);

/*
 * The ticket of a recipient, checked now: 1, or 0 and its result is set and
 * logged.
 */
int deliver_allowed(const struct deliver_settings *,
    const struct message_file *, struct recipient *);

/* The same for the time alone: once more right before it is visible. */
int deliver_in_time(const struct message_file *, struct recipient *);

/* What a client is told about an errno. */
enum delivery_result deliver_result(int error);

/* A delivery failed with an errno, in what: sets the result and logs. */
void deliver_failed(struct recipient *, const char *what, int error);

#endif
