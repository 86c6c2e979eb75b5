/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "imsg/channel.h"
#include "lib/log.h"
#include "lib/process.h"
#include "smtpd-stoken/engine/delivery_log.h"
#include "smtpd-stoken/engine/looks.h"
#include "smtpd-stoken/engine/tokend.h"
#include "smtpd-stoken/engine/transfer.h"

static void
make_id(char out[MESSAGE_ID_LENGTH + 1])
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "abcdefghijklmnopqrstuvwxyz0123456789";
	uint8_t octets[4 * MESSAGE_ID_LENGTH];
	size_t i, n = 0;

	while (n < MESSAGE_ID_LENGTH) {
		arc4random_buf(octets, sizeof(octets));
		for (i = 0; i < sizeof(octets) && n < MESSAGE_ID_LENGTH; i++)
			if (octets[i] < 248) /* 4 * 62: all are as likely */
				out[n++] = letters[octets[i] % 62];
	}
	out[n] = '\0';
}

static void
release(struct transfer *t)
{
	t->session->transfer = NULL;
	free(t->verdicts);
	free(t->mailbox_counts);
	free(t->seen);
	free(t);
}

void
transfer_open(struct session *s)
{
	struct transfer *t;

	if ((t = calloc(1, sizeof(*t))) == NULL) {
		smtp_on_opened(s->smtp, SMTP_TEMPORARY, NULL);
		return;
	}
	t->session = s;
	t->stage = TRANSFER_OPENING;
	t->transaction = s->transaction;
	make_id(t->id);
	s->transfer = t;
	files_take(t);
}

void
transfer_opened(
    struct transfer *t, struct file *file, enum smtp_verdict verdict)
{
	struct session *s = t->session;

	t->file = file;
	t->stage = TRANSFER_WRITING;
	if (file == NULL) {
		release(t);
		smtp_on_opened(s->smtp, verdict, NULL);
	} else
		smtp_on_opened(s->smtp, SMTP_OK, t->id);
}

enum smtp_verdict
transfer_write(struct session *s, const void *data, size_t length)
{
	if (s->transfer == NULL || s->transfer->file == NULL)
		return SMTP_TEMPORARY;
	return file_write(s->transfer->file, data, length);
}

static void
discard(struct transfer *t)
{
	if (t->file != NULL)
		file_discard(t->file);
	t->file = NULL;
}

void
transfer_abandon(struct session *s)
{
	struct transfer *t = s->transfer;

	if (t == NULL || t->stage > TRANSFER_WRITING)
		return;
	if (t->stage == TRANSFER_OPENING)
		files_cancel(t);
	discard(t);
	release(t);
}

void
transfer_forget(struct session *s)
{
	if (s->transfer == NULL)
		return;
	s->transfer->orphan = 1;
	transfer_abandon(s);
	if (s->transfer != NULL && s->transfer->stage == TRANSFER_ENDING)
		release(s->transfer);
}

/* What is said of each recipient, before the replies go out. */
struct outcome {
	char id[DELIVERY_ID_SIZE];
	char token[256];
};

static void
fill(struct transfer *t, struct outcome *outcomes, struct smtp_result *results,
    struct bytes tokens)
{
	struct bytes token = {NULL, 0};
	size_t i;

	for (i = 0; i < t->count; i++) {
		snprintf(outcomes[i].id, sizeof(outcomes[i].id), "%s-%zu",
		    t->id, i + 1);
		results[i].verdict = (enum smtp_verdict)t->verdicts[i];
		results[i].id = outcomes[i].id;
		results[i].token = NULL;
		if (list_next(&tokens, &token) == 1 && token.length > 0 &&
		    bytes_copy(outcomes[i].token, sizeof(outcomes[i].token),
			token) == 0)
			results[i].token = outcomes[i].token;
	}
}

/* The end of a transfer: its lines in the log, its replies. */
static void
conclude(struct transfer *t, struct bytes tokens)
{
	struct session *s = t->session;
	struct outcome *outcomes;
	struct smtp_result *results;
	size_t i, n = t->count, room = n;

	if (t->orphan) {
		release(t);
		session_mark(s);
		return;
	}
	outcomes = calloc(n + 1, sizeof(*outcomes));
	results = calloc(n + 1, sizeof(*results));
	if (outcomes == NULL || results == NULL)
		n = 0; /* no result: all are told to come again */
	else
		fill(t, outcomes, results, tokens);
	for (i = 0; i < n; i++)
		delivery_log(s, i, &results[i]);
	release(t);
	smtp_on_delivered(s->smtp, n > 0 ? results : NULL, n);
	if (outcomes != NULL) /* new tokens are in it */
		freezero(outcomes, (room + 1) * sizeof(*outcomes));
	free(results);
}

/* Ends it with one verdict for all. */
static void
fail(struct transfer *t, enum smtp_verdict verdict)
{
	discard(t);
	if (t->verdicts != NULL)
		memset(t->verdicts, verdict, t->count);
	else
		t->count = 0;
	conclude(t, bytes_of(NULL, 0));
}

void
transfer_finish(struct session *s, uint64_t size)
{
	struct transfer *t = s->transfer;
	enum smtp_verdict verdict = SMTP_TEMPORARY;

	if (t == NULL) {
		smtp_on_delivered(s->smtp, NULL, 0);
		return;
	}
	t->size = size;
	t->count = smtp_accepted(s->smtp);
	t->verdicts = calloc(t->count + 1, 1);
	t->mailbox_counts = calloc(t->count + 1, sizeof(*t->mailbox_counts));
	t->stage = TRANSFER_COMMITTING;
	if (t->file == NULL || t->verdicts == NULL ||
	    t->mailbox_counts == NULL || s->grant_count != t->count ||
	    s->grants_lost)
		fail(t, SMTP_TEMPORARY);
	else if ((verdict = file_flush(t->file)) != SMTP_OK)
		fail(t, verdict);
	else if (tokend_commit_begin(s, t->transaction, t->id) == -1)
		fail(t, SMTP_TEMPORARY);
}

/* The first mailbox of a recipient has the recipient's delivery id. */
int
transfer_each_mailbox(struct transfer *t, transfer_mailbox *give, void *context)
{
	struct session *s = t->session;
	struct bytes rest, mailbox;
	char id[DELIVERY_ID_SIZE];
	size_t nth;
	int more;

	for (size_t i = 0; i < t->count; i++) {
		if (t->verdicts[i] != SMTP_OK)
			continue;
		rest = bytes_of(s->grants[i].mailboxes, s->grants[i].length);
		for (nth = 0; (more = list_next(&rest, &mailbox)) == 1; nth++) {
			snprintf(id, sizeof(id),
			    nth == 0 ? "%s-%zu" : "%s-%zu-%zu", t->id, i + 1,
			    nth + 1);
			if (give(t, i, nth, mailbox, id, context) == -1)
				return -1;
		}
		if (more == -1 || nth == 0)
			return -1;
	}
	return 0;
}

/* One mailbox for lmtpd, with the next ticket. */
static int
send_mailbox(struct transfer *t, size_t recipient, size_t nth,
    struct bytes mailbox, const char *delivery, void *context)
{
	struct bytes *tickets = context;
	union message m;

	if (tickets->length < TICKET_LENGTH)
		return -1;
	t->mailbox_counts[recipient] = nth + 1;
	t->mailboxes++;
	m.deliver_recipient.file = t->file->id;
	m.deliver_recipient.mailbox = mailbox;
	m.deliver_recipient.delivery = bytes_text(delivery);
	m.deliver_recipient.ticket = bytes_of(tickets->data, TICKET_LENGTH);
	tickets->data += TICKET_LENGTH;
	tickets->length -= TICKET_LENGTH;
	return channel_send(
	    file_worker(t->file), MSG_DELIVER_RECIPIENT, &m, -1);
}

/* The mailboxes of the granted recipients; -1 when tickets do not match. */
static int
send_mailboxes(struct transfer *t, struct bytes tickets)
{
	if (transfer_each_mailbox(t, send_mailbox, &tickets) == -1)
		return -1;
	return tickets.length == 0 ? 0 : -1;
}

static void
end(struct transfer *t)
{
	struct session *s = t->session;
	uint8_t octets[1000];
	size_t i;

	for (i = 0; i < t->count; i++)
		octets[i] = t->verdicts[i] == SMTP_OK;
	t->stage = TRANSFER_ENDING;
	/* Most deliveries bring no new token: then nobody has to wait. */
	if (tokend_commit_end(s, t->transaction, octets, t->count) == -1 ||
	    t->orphan || !t->answers)
		conclude(t, bytes_of(NULL, 0));
}

void
transfer_granted(struct session *s, const struct msg_commit_grant *grant)
{
	struct transfer *t = s->transfer;
	union message m;
	size_t i;
	int sent = -1;

	if (t == NULL || t->stage != TRANSFER_COMMITTING ||
	    t->transaction != grant->transaction)
		return;
	t->answers = grant->answers;
	for (i = 0; i < t->count; i++)
		t->verdicts[i] = grant->verdicts.length == t->count
		    ? (uint8_t)tokend_verdict(grant->verdicts.data[i])
		    : SMTP_TEMPORARY;
	if (!t->orphan && t->file != NULL && grant->verdicts.length == t->count)
		sent = send_mailboxes(t, grant->tickets);
	if (sent == -1) {
		if (!t->orphan)
			log_warnx(
			    "%08x tickets do not match", (unsigned int)s->id);
		memset(t->verdicts, SMTP_TEMPORARY, t->count);
	}
	if (sent == -1 || t->mailboxes == 0) {
		discard(t);
		end(t);
		session_continue(s);
		return;
	}
	m.deliver.file = t->file->id;
	m.deliver.size = t->size;
	m.deliver.expires = grant->expires;
	m.deliver.count = (uint32_t)t->mailboxes;
	m.deliver.message = bytes_text(t->id);
	t->stage = TRANSFER_DELIVERING;
	if (channel_send(file_worker(t->file), MSG_DELIVER, &m, -1) == -1) {
		/* Its worker's end must not find us by it: we may end first. */
		file_free(t->file);
		transfer_file_gone(t);
	}
}

/* A recipient has his mail when all his mailboxes do (section 11). */
void
transfer_delivered(struct transfer *t, struct bytes results)
{
	struct session *s = t->session;
	size_t i, j, n = 0;
	enum smtp_verdict verdict;

	for (i = 0; i < t->count; i++) {
		if (t->verdicts[i] != SMTP_OK)
			continue;
		for (j = 0; j < t->mailbox_counts[i]; j++, n++) {
			verdict = n < results.length
			    ? file_verdict(results.data[n])
			    : SMTP_TEMPORARY;
			if (verdict != SMTP_OK)
				t->verdicts[i] = (uint8_t)verdict;
		}
	}
	if (t->file != NULL)
		file_free(t->file);
	t->file = NULL;
	end(t);
	session_continue(s);
}

void
transfer_ended(struct session *s, struct bytes tokens)
{
	struct transfer *t = s->transfer;

	if (t == NULL || t->stage != TRANSFER_ENDING)
		return;
	conclude(t, tokens);
	session_continue(s);
}

/*
 * What was handed to lmtpd is finished and answered; a message that is
 * stored is 250 also when its new token is not (D-S13).
 */
void
transfer_tokend_gone(struct session *s)
{
	struct transfer *t = s->transfer;

	if (t == NULL)
		return;
	if (t->stage == TRANSFER_COMMITTING)
		fail(t, SMTP_TEMPORARY);
	else if (t->stage == TRANSFER_ENDING)
		conclude(t, bytes_of(NULL, 0));
}

/*
 * The file's lmtpd is gone: never 250 for what it may not have stored. What
 * was in its hands may be in the mailboxes though; another one looks there.
 */
void
transfer_file_gone(struct transfer *t)
{
	struct session *s = t->session;

	t->file = NULL;
	if (t->stage == TRANSFER_WRITING)
		smtp_message_lost(s->smtp, SMTP_TEMPORARY);
	else if (t->stage == TRANSFER_DELIVERING) {
		looks_begin(t);
		return;
	} else if (t->stage == TRANSFER_COMMITTING)
		return; /* transfer_granted() finds no file */
	session_continue(s);
}
