/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "imsg/channel.h"
#include "lib/log.h"
#include "lib/process.h"
#include "smtpd-stoken/engine/delivery_log.h"
#include "smtpd-stoken/engine/looks.h"
#include "smtpd-stoken/engine/metadata.h"
#include "smtpd-stoken/engine/notice.h"
#include "smtpd-stoken/engine/numbers.h"
#include "smtpd-stoken/engine/submission.h"
#include "smtpd-stoken/engine/tokend.h"

void
message_id(char out[MESSAGE_ID_LENGTH + 1])
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

static void on_opened(struct file_user *, struct file *, enum smtp_verdict);
static void on_gone(struct file_user *);
static void on_delivered(struct file_user *, struct bytes);
static void on_readable(struct file_user *, enum smtp_verdict);
static void on_prepared(struct file_user *, enum smtp_verdict);

static const struct file_events events = {
    on_opened, on_gone, on_delivered, on_readable, on_prepared};

static struct transfer *
of_user(struct file_user *user)
{
	return (struct transfer *)user;
}

static void
release(struct transfer *t)
{
	numbers_end(t);
	t->session->transfer = NULL;
	notice_free(t->notice);
	relay_mail_free(t->downstream);
	if (t->original != -1)
		close(t->original);
	free(t->fates);
	free(t->seen);
	freezero(t->tokens, t->tokens_length);
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
	t->user.events = &events;
	t->user.session = t->session = s;
	t->stage = TRANSFER_OPENING;
	t->original = -1;
	t->transaction = s->transaction;
	if (s->message[0] != '\0')
		strlcpy(t->id, s->message, sizeof(t->id));
	else
		message_id(t->id);
	s->transfer = t;
	if (!submission_fits_memory(s) || files_take_memory(&t->user) == -1)
		files_take(&t->user);
}

static void
on_opened(struct file_user *user, struct file *file, enum smtp_verdict verdict)
{
	struct transfer *t = of_user(user);
	struct session *s = t->session;

	t->file = file;
	t->stage = TRANSFER_WRITING;
	if (file == NULL) {
		release(t);
		smtp_on_opened(s->smtp, verdict, NULL);
		return;
	}
	/* Asked for now, the descriptor is here at the end of the data. */
	if (submission_reads(s))
		(void)file_read(file);
	smtp_on_opened(s->smtp, SMTP_OK, t->id);
}

static void
on_readable(struct file_user *user, enum smtp_verdict verdict)
{
	struct session *s = user->session;

	submission_readable(of_user(user), verdict);
	session_continue(s);
}

static void
on_prepared(struct file_user *user, enum smtp_verdict verdict)
{
	struct session *s = user->session;

	submission_prepared(of_user(user), verdict);
	session_continue(s);
}

enum smtp_verdict
transfer_write(struct session *s, const void *data, size_t length)
{
	if (s->transfer == NULL || s->transfer->file == NULL)
		return SMTP_TEMPORARY;
	return file_write(s->transfer->file, data, length);
}

/* The file goes; what a report may need of it stays. */
static void
keep_original(struct transfer *t)
{
	if (t->file == NULL || t->original != -1)
		return;
	t->original = t->file->reader;
	t->file->reader = -1;
}

/* The file is not needed any more. */
static void
transfer_discard(struct transfer *t)
{
	keep_original(t);
	if (t->file != NULL)
		file_discard(t->file);
	t->file = NULL;
}

static void
drop(struct transfer *t)
{
	if (t->stage == TRANSFER_OPENING)
		files_cancel(&t->user);
	transfer_discard(t);
	release(t);
}

void
transfer_abandon(struct session *s)
{
	if (s->transfer != NULL && s->transfer->stage <= TRANSFER_WRITING)
		drop(s->transfer);
}

/* What lmtpd or a next hop has in hand ends before it is forgotten. */
void
transfer_forget(struct session *s)
{
	struct transfer *t = s->transfer;

	if (t == NULL)
		return;
	t->orphan = 1;
	if (t->stage < TRANSFER_COMMITTING || t->stage >= TRANSFER_ENDING)
		drop(t);
}

/* What is said of each recipient, before the replies go out. */
struct outcome {
	struct smtp_passed passed;
	char id[DELIVERY_ID_SIZE];
	char token[256];
};

static void
fill(struct transfer *t, struct outcome *outcomes, struct smtp_result *results)
{
	struct bytes token, tokens = bytes_of(t->tokens, t->tokens_length);
	const struct fate *fate;
	size_t i;

	for (i = 0; i < t->count; i++) {
		fate = &t->fates[i];
		snprintf(outcomes[i].id, sizeof(outcomes[i].id), "%s-%zu",
		    t->id, i + 1);
		results[i].verdict = (enum smtp_verdict)fate->reply;
		results[i].id = outcomes[i].id;
		if (fate->reply == SMTP_PASSED && fate->reply_said != NULL) {
			outlet_passed(fate->reply_said, &outcomes[i].passed);
			results[i].passed = &outcomes[i].passed;
		}
		if (list_next(&tokens, &token) == 1 && token.length > 0 &&
		    bytes_copy(outcomes[i].token, sizeof(outcomes[i].token),
			token) == 0)
			results[i].token = outcomes[i].token;
	}
}

/*
 * Who should be told later cannot be: then it is said now, that what failed
 * may be sent again (it may come twice, but is not lost).
 */
static void
tell_now(struct transfer *t, struct smtp_result *results)
{
	size_t i;

	for (i = 0; i < t->count; i++)
		if (!smtp_is_lmtp(t->session->smtp) || t->fates[i].failed > 0) {
			results[i].verdict = SMTP_TEMPORARY;
			results[i].passed = NULL;
		}
}

static void
log_part(struct transfer *t, const struct part *part, void *context)
{
	delivery_log(t, part, (struct smtp_result *)context + part->fate);
	numbers_part(t, part);
}

/* In SMTP there is one answer; in LMTP the best of them counts. */
static enum smtp_verdict
best(const struct smtp_result *results, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (results[i].verdict == SMTP_OK)
			return SMTP_OK;
	return count > 0 ? results[0].verdict : SMTP_TEMPORARY;
}

/* The end of a transfer: its lines in the log, its replies. */
void
transfer_conclude(struct transfer *t)
{
	struct session *s = t->session;
	struct outcome *outcomes;
	struct smtp_result *results;
	size_t n = t->count, room = n;

	if (t->orphan) {
		release(t);
		session_mark(s);
		return;
	}
	outcomes = calloc(n + 1, sizeof(*outcomes));
	results = calloc(n + 1, sizeof(*results));
	if (outcomes == NULL || results == NULL)
		n = 0; /* no result: all are told to come again */
	else {
		fill(t, outcomes, results);
		fates_each_part(t, log_part, results);
		if (t->untold)
			tell_now(t, results);
	}
	numbers_message(s, best(results, n));
	release(t);
	smtp_on_delivered(s->smtp, n > 0 ? results : NULL, n);
	if (outcomes != NULL) /* new tokens are in it */
		freezero(outcomes, (room + 1) * sizeof(*outcomes));
	free(results);
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
	numbers_begin(t);
	if (fates_make(t) == -1 || t->file == NULL ||
	    (verdict = metadata_append(t)) != SMTP_OK ||
	    (verdict = file_flush(t->file)) != SMTP_OK)
		fates_refuse(t, verdict, NULL);
	submission_next(t);
}

/* A recipient has his mail when all his mailboxes do (section 11). */
void
transfer_delivered(struct transfer *t, struct bytes results)
{
	struct session *s = t->session;
	size_t i, j, n = 0;
	enum smtp_verdict verdict;

	for (i = 0; i < t->count; i++)
		for (j = 0; j < t->fates[i].mailboxes; j++, n++) {
			verdict = n < results.length
			    ? file_verdict(results.data[n])
			    : SMTP_TEMPORARY;
			if (verdict != SMTP_OK)
				t->fates[i].verdict = (uint8_t)verdict;
		}
	keep_original(t);
	if (t->file != NULL)
		file_free(t->file);
	t->file = NULL;
	submission_next(t);
	session_continue(s);
}

static void
on_delivered(struct file_user *user, struct bytes results)
{
	transfer_delivered(of_user(user), results);
}

/* tokend knows all that it has granted, also what the next hop refused. */
int
transfer_end(struct transfer *t)
{
	struct session *s = t->session;
	uint8_t octets[1000];
	size_t i;

	fates_judge(t);
	transfer_discard(t);
	if (!t->committed && relay_count(s->outgoing, OUTLET_SENT) == 0)
		return 0;
	memset(octets, 0, sizeof(octets));
	for (i = 0; i < t->count; i++)
		if (t->fates[i].position < sizeof(octets))
			octets[t->fates[i].position] =
			    t->fates[i].reply == SMTP_OK;
	/* Most deliveries bring no new token: then nobody has to wait. */
	return tokend_commit_end(
		   s, t->transaction, bytes_of(octets, t->counted)) == 0 &&
	    !t->orphan && t->answers;
}

void
transfer_ended(struct session *s, struct bytes tokens)
{
	struct transfer *t = s->transfer;

	if (t == NULL || t->stage != TRANSFER_ENDING)
		return;
	if (tokens.length > 0 && (t->tokens = malloc(tokens.length)) != NULL) {
		memcpy(t->tokens, tokens.data, tokens.length);
		t->tokens_length = tokens.length;
	}
	submission_next(t);
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
	if (t->stage == TRANSFER_COMMITTING || t->stage == TRANSFER_GRANTING) {
		fates_refuse(t, SMTP_TEMPORARY, NULL);
		submission_next(t);
	} else if (t->stage == TRANSFER_ENDING)
		submission_next(t);
	else if (t->stage == TRANSFER_NOTIFYING)
		notice_tokend_gone(t);
}

/*
 * The file's lmtpd is gone: never 250 for what it may not have stored. What
 * was in its hands may be in the mailboxes though; another one looks there.
 */
static void
on_gone(struct file_user *user)
{
	struct transfer *t = of_user(user);
	struct session *s = t->session;

	keep_original(t);
	t->file = NULL;
	if (t->stage == TRANSFER_WRITING)
		smtp_message_lost(s->smtp, SMTP_TEMPORARY);
	else if (t->stage == TRANSFER_DELIVERING) {
		looks_begin(t);
		return;
	} else if (t->stage == TRANSFER_READING ||
	    t->stage == TRANSFER_PREPARING) {
		fates_refuse(t, SMTP_TEMPORARY, NULL);
		submission_next(t);
	} else
		return; /* who needs the file finds none */
	session_continue(s);
}
