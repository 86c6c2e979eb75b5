/* SPDX-License-Identifier: ISC */
#ifndef ENGINE_TRANSFER_H
#define ENGINE_TRANSFER_H

#include <sys/types.h>

#include "smtpd-stoken/engine/fates.h"
#include "smtpd-stoken/engine/files.h"
#include "smtpd-stoken/engine/session.h"

#define MESSAGE_ID_LENGTH 16
#define DELIVERY_ID_SIZE 48

enum transfer_stage {
	TRANSFER_OPENING, /* waits for a file */
	TRANSFER_WRITING,
	/* From here on as submission.c says. */
	TRANSFER_READING, /* a descriptor to read the file by is awaited */
	TRANSFER_PREPARING, /* lmtpd makes it durable, for nobody to see yet */
	TRANSFER_GRANTING, /* tokend makes tokens for the copies */
	TRANSFER_RELAYING, /* relay hands the copies to the next hop */
	TRANSFER_COMMITTING, /* tokend looks at every recipient again */
	TRANSFER_DELIVERING, /* lmtpd makes it durable */
	TRANSFER_LOOKING, /* that lmtpd died: did it? */
	TRANSFER_FORWARDING, /* deliver lmtp: relay hands it on */
	TRANSFER_ENDING, /* tokend stores what comes of it */
	TRANSFER_NOTIFYING /* the sender is told what failed */
};

struct notice;

/* A message on its way from DATA to its replies. */
struct transfer {
	struct file_user user; /* first: a file's user is a transfer */
	TAILQ_ENTRY(transfer) looking;
	struct session *session;
	struct file *file; /* NULL when it is gone */
	enum transfer_stage stage;
	unsigned int step; /* the next one of submission.c */
	uint8_t committed; /* COMMIT_BEGIN is answered */
	uint8_t answers; /* tokend will say what comes of it */
	uint8_t orphan; /* nobody waits for the replies any more */
	uint8_t untold; /* what failed could not be told to the sender */
	uint8_t unreadable; /* why there is no descriptor to read by */
	uint32_t transaction;
	int64_t whole; /* engine_now() at the end of the data; 0 before */
	uint64_t size;
	uint64_t described; /* octets of containers behind the message */
	struct fate *fates; /* of the recipients */
	size_t count;
	size_t counted; /* that tokend's COMMIT_GRANT speaks of */
	size_t mailboxes; /* in lmtpd's hands, in all */
	struct relay_mail *downstream; /* deliver lmtp */
	struct notice *notice; /* while the sender is told */
	int original; /* the message, to be read for a report; or -1 */
	uint64_t look; /* its number while it is looked for */
	size_t looks_sent;
	int look_worker; /* who was asked, -1: nobody yet */
	uint8_t *seen; /* enum delivery_result of each mailbox, 0: none yet */
	uint8_t *tokens; /* a LIST: tokend's new tokens for the replies */
	size_t tokens_length;
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
void transfer_granted(struct session *, const struct msg_commit_grant *);
void transfer_delivered(struct transfer *, struct bytes results);
void transfer_ended(struct session *, struct bytes tokens);
void transfer_tokend_gone(struct session *);

/* Steps of submission.c: 1 when an answer is awaited, 0 to go on. */
int transfer_commit(struct transfer *);
int transfer_end(struct transfer *);
/* The last one: the lines in the log, the replies; the transfer is gone. */
void transfer_conclude(struct transfer *);

/*
 * A message id. It is in the log and in the mail's name, and cannot be
 * guessed.
 */
void message_id(char out[MESSAGE_ID_LENGTH + 1]);

/*
 * Calls `give` with each mailbox of the recipients whose verdict is SMTP_OK,
 * in order, with its delivery id. Returns 0, or -1 when `give` does or the
 * grants are malformed.
 */
typedef int transfer_mailbox(struct transfer *, struct fate *, size_t nth,
    struct bytes mailbox, const char *delivery, void *context);
int
transfer_each_mailbox(struct transfer *, transfer_mailbox *give, void *context);

#endif
