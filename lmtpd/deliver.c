/* SPDX-License-Identifier: ISC */
#include <sys/stat.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "lmtpd/deliver.h"
#include "lmtpd/flush.h"
#include "lmtpd/place.h"
#include "lmtpd/system.h"

static struct flush files;

static const struct {
	int error;
	enum delivery_result result;
} results[] = {
    {ENOSPC, DELIVERY_NO_SPACE}, {EDQUOT, DELIVERY_QUOTA},
    {EFBIG, DELIVERY_QUOTA}, {EACCES, DELIVERY_PERMISSION},
    {EPERM, DELIVERY_PERMISSION}, {EROFS, DELIVERY_PERMISSION},
    {ENOENT, DELIVERY_PERMISSION}, {ENOTDIR, DELIVERY_PERMISSION},
    {ELOOP, DELIVERY_PERMISSION},
    {EINVAL, DELIVERY_NO_MAILBOX}, /* a name that cannot be a file's */
};

enum delivery_result
deliver_result(int error)
{
	for (size_t i = 0; i < sizeof(results) / sizeof(results[0]); i++) {
		if (results[i].error == error)
			return results[i].result;
	}
	return DELIVERY_FAILED;
}

static void
log_failure(const struct recipient *to, const char *what, const char *why)
{
	char mailbox[4 * 320 + 1];

	log_warnx("delivery id=%s mailbox=<%s> failed: %s: %s", to->delivery,
	    log_safe(mailbox, sizeof(mailbox),
		bytes_of(to->mailbox, to->mailbox_length)),
	    what, why);
}

void
deliver_failed(struct recipient *to, const char *what, int error)
{
	to->result = deliver_result(error);
	log_failure(to, what, strerror(error));
}

static void
fail_all(struct message_file *message, const char *what, int error)
{
	if (message->prepares)
		log_warnx("a message for relay: %s: %s", what, strerror(error));
	message->result = deliver_result(error);
	for (size_t i = 0; i < message->count; i++)
		deliver_failed(&message->recipients[i], what, error);
}

int
deliver_allowed(const struct deliver_settings *set,
    const struct message_file *message, struct recipient *to)
{
	static const char *const verdicts[] = {
	    [TICKET_EXPIRED] = "expired", [TICKET_BAD] = "bad"};
	struct ticket_subject subject = {.kind = TICKET_DELIVER,
	    .message = message->message,
	    .message_length = strlen(message->message),
	    .mailbox = to->mailbox,
	    .mailbox_length = to->mailbox_length,
	    .expires = message->expires};
	enum ticket_verdict verdict;

	if (message->trusted)
		return 1;
	verdict = ticket_check(to->ticket, to->ticket_length, set->ticket_key,
	    &subject, ticket_clock());
	if (verdict == TICKET_GOOD)
		return 1;
	to->result = DELIVERY_TICKET;
	log_failure(to, "ticket", verdicts[verdict]);
	return 0;
}

int
deliver_in_time(const struct message_file *message, struct recipient *to)
{
	if (message->trusted || ticket_clock() < message->expires)
		return 1;
	to->result = DELIVERY_TICKET;
	log_failure(to, "ticket", "expired");
	return 0;
}

/* Nothing can have come to it since: it can only become longer. */
static int
is_flushed(const struct message_file *message)
{
	return message->flushed && message->flushed_size == message->size;
}

/* What the engines have written is as long as they say. */
static void
collect_files(struct message_files *list)
{
	struct message_file *message;
	struct stat st;

	flush_reset(&files);
	TAILQ_FOREACH (message, list, entry) {
		message->durable = 0;
		message->result = DELIVERY_OK;
		if (message->broken)
			fail_all(message, "the file", EIO);
		else if (fstat(message->file.fd, &st) == -1)
			fail_all(message, "fstat", errno);
		else if (st.st_size < 0 ||
		    (uint64_t)st.st_size != message->size)
			fail_all(message, "size of the file", EIO);
		else if (is_flushed(message))
			message->durable = 1;
		else if (flush_add(&files, message->file.fd, st.st_dev) == -1)
			fail_all(message, "flush", ENOMEM);
		else
			message->durable = 1;
	}
}

/* Nothing becomes visible that is not durable: no half message, ever. */
static void
secure_files(const struct deliver_settings *set, struct message_files *list)
{
	struct message_file *message;
	size_t i = 0;
	int error;

	collect_files(list);
	flush_run(&files, set->root, set->device);
	TAILQ_FOREACH (message, list, entry) {
		if (!message->durable || is_flushed(message))
			continue;
		if ((error = flush_error(&files, i++, 1)) != 0) {
			message->durable = 0;
			fail_all(message, "fsync", error);
			continue;
		}
		message->flushed = 1;
		message->flushed_size = message->size;
	}
}

void
deliver_hasten(struct message_file *message, uint64_t size)
{
	struct stat st;

	if (message->broken || message->flushed ||
	    fstat(message->file.fd, &st) == -1 || st.st_size < 0 ||
	    (uint64_t)st.st_size != size)
		return; /* the delivery will say so */
	if (fsync(message->file.fd) == -1) {
		/* It need not say so a second time. */
		log_warn("fsync of a message");
		message->broken = 1;
		return;
	}
	message->flushed = 1;
	message->flushed_size = size;
}

void
deliver(const struct deliver_settings *set, struct message_files *list)
{
	struct message_file *message;
	size_t count;

	secure_files(set, list);
	TAILQ_FOREACH (message, list, entry) {
		if (!message->durable || message->prepares)
			continue;
		if (set->system_accounts) {
			system_deliver(set, message);
			continue;
		}
		for (size_t i = 0; i < message->count; i += count) {
			count = message_group(message, i);
			place_group(set, message, i, count);
		}
	}
	place_settle(set);
}
