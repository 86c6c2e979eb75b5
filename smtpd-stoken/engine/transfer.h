/* SPDX-License-Identifier: ISC */
#ifndef ENGINE_TRANSFER_H
#define ENGINE_TRANSFER_H

#include <sys/types.h>

#include "smtpd-stoken/engine/files.h"
#include "smtpd-stoken/engine/session.h"

#define MESSAGE_ID_LENGTH 16
#define DELIVERY_ID_SIZE 48

enum transfer_stage {
	TRANSFER_OPENING, /* waits for a file */
	TRANSFER_WRITING,
	TRANSFER_COMMITTING, /* tokend looks at every recipient again */
	TRANSFER_DELIVERING, /* lmtpd makes it durable */
	TRANSFER_LOOKING, /* that lmtpd died: did it? */
	TRANSFER_ENDING /* tokend stores what comes of it */
};

/* A message on its way from DATA to its replies. */
struct transfer {
	TAILQ_ENTRY(transfer) waiting; /* for a file, or for looks */
	struct session *session;
	struct file *file; /* NULL when it is gone */
	enum transfer_stage stage;
	int answers; /* tokend will say what comes of it */
	int orphan; /* nobody waits for the replies any more */
	uint32_t transaction;
	uint64_t size;
	size_t count; /* recipients */
	uint8_t *verdicts; /* enum smtp_verdict of each */
	size_t *mailbox_counts; /* of each */
	size_t mailboxes; /* in all */
	uint64_t look; /* its number while it is looked for */
	size_t looks_sent;
	int look_worker; /* who was asked, -1: nobody yet */
	uint8_t *seen; /* enum delivery_result of each mailbox, 0: none yet */
	char id[MESSAGE_ID_LENGTH + 1];
};

/* What the session asks for (struct smtp_actions). */
void transfer_open(struct session *);
enum smtp_verdict
transfer_write(struct session *, const void *data, size_t length);
void transfer_finish(struct session *, uint64_t size);
void transfer_abandon(struct session *);
/* The transaction is over: whatever still runs ends without replies. */
void transfer_forget(struct session *);

/* What tokend and lmtpd answer. */
void transfer_opened(struct transfer *, struct file *, enum smtp_verdict);
void transfer_granted(struct session *, const struct msg_commit_grant *);
void transfer_delivered(struct transfer *, struct bytes results);
void transfer_ended(struct session *, struct bytes tokens);
void transfer_tokend_gone(struct session *);
void transfer_file_gone(struct transfer *);

/*
 * Calls `give` with each mailbox of the recipients whose verdict is SMTP_OK,
 * in order, with its delivery id. Returns 0, or -1 when `give` does or the
 * grants are malformed.
 */
typedef int transfer_mailbox(struct transfer *, size_t recipient, size_t nth,
    struct bytes mailbox, const char *delivery, void *context);
int
transfer_each_mailbox(struct transfer *, transfer_mailbox *give, void *context);

#endif
