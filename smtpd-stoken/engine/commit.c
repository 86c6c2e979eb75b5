/* SPDX-License-Identifier: ISC */
/* A message for mailboxes here: tokend's last word, and lmtpd's work. */
#include <stdio.h>
#include <string.h>

#include "imsg/channel.h"
#include "lib/log.h"
#include "smtpd-stoken/engine/metadata.h"
#include "smtpd-stoken/engine/submission.h"
#include "smtpd-stoken/engine/tokend.h"

/* What is written is what will be delivered: nothing has to be moved. */
static int
is_final(const struct transfer *t)
{
	const struct smtp_layout *layout = smtp_layout(t->session->smtp);

	return layout != NULL && layout->late == 0 && t->described == 0 &&
	    !t->session->configuration->deliver_lmtp;
}

int
transfer_commit(struct transfer *t)
{
	if (t->file != NULL && is_final(t))
		file_hasten(t->file, t->size);
	if (t->file != NULL &&
	    tokend_commit_begin(t->session, t->transaction, t->id) == 0)
		return 1;
	fates_refuse(t, SMTP_TEMPORARY, NULL);
	return 0;
}

/* The first mailbox of a recipient has the recipient's delivery id. */
int
transfer_each_mailbox(struct transfer *t, transfer_mailbox *give, void *context)
{
	struct bytes rest, mailbox;
	char id[DELIVERY_ID_SIZE];
	struct fate *fate;
	size_t i, nth;

	for (i = 0; i < t->count; i++) {
		fate = &t->fates[i];
		if (fate->verdict != SMTP_OK)
			continue;
		rest = bytes_of(fate->grant->mailboxes, fate->grant->length);
		for (nth = 0; list_next(&rest, &mailbox) == 1; nth++) {
			snprintf(id, sizeof(id),
			    nth == 0 ? "%s-%zu" : "%s-%zu-%zu", t->id, i + 1,
			    nth + 1);
			if (give(t, fate, nth, mailbox, id, context) == -1)
				return -1;
		}
	}
	return 0;
}

/* One mailbox for lmtpd, with its ticket. */
static int
send_mailbox(struct transfer *t, struct fate *fate, size_t nth,
    struct bytes mailbox, const char *delivery, void *context)
{
	union message m = {
	    .deliver_recipient = {.file = t->file->id,
		.mailbox = mailbox,
		.delivery = bytes_text(delivery),
		.ticket = bytes_of(
		    fate->tickets + nth * TICKET_LENGTH, TICKET_LENGTH)}};

	(void)context;
	fate->mailboxes = nth + 1;
	t->mailboxes++;
	return channel_send(
	    file_worker(t->file), MSG_DELIVER_RECIPIENT, &m, -1);
}

static int
deliver(struct transfer *t, uint64_t expires)
{
	struct msg_deliver m = {
	    .size = t->size, .expires = expires, .message = bytes_text(t->id)};
	struct file *file = t->file;

	if (metadata_tell(t) == -1 ||
	    transfer_each_mailbox(t, send_mailbox, NULL) == -1)
		return -1;
	m.count = (uint32_t)t->mailboxes;
	t->stage = TRANSFER_DELIVERING;
	if (file_deliver(file, &m) == -1) {
		/* Its worker's end must not find us by it: we may end first. */
		t->user.events->gone(&t->user);
		file_free(file);
	}
	return 0;
}

/*
 * Each counted recipient has a verdict, and, granted, a ticket for each of its
 * mailboxes. -1 when that is not so.
 */
static int
take_grant(struct transfer *t, const struct msg_commit_grant *m)
{
	struct session *s = t->session;
	struct bytes tickets = m->tickets;
	const struct grant *grant;
	enum smtp_verdict verdict;
	struct fate *fate = t->fates;
	size_t i, length, n = 0;

	if (m->verdicts.length != t->counted)
		return -1;
	for (i = 0; i < s->grant_count; i++) {
		grant = &s->grants[i];
		if (!grant_is_counted(grant))
			continue;
		verdict = tokend_verdict(m->verdicts.data[n++]);
		length = verdict == SMTP_OK
		    ? grant->mailbox_count * TICKET_LENGTH
		    : 0;
		if (tickets.length < length)
			return -1;
		if (grant->state == GRANT_ACCEPTED) {
			fate->tickets = tickets.data;
			if (fate->verdict == SMTP_OK && grant->length > 0)
				fate->verdict = (uint8_t)verdict;
			fate++;
		}
		tickets.data += length;
		tickets.length -= length;
	}
	return tickets.length == 0 ? 0 : -1;
}

void
transfer_granted(struct session *s, const struct msg_commit_grant *grant)
{
	struct transfer *t = s->transfer;
	int sent = -1;

	if (t == NULL || t->stage != TRANSFER_COMMITTING ||
	    t->transaction != grant->transaction)
		return;
	t->committed = 1;
	t->answers = grant->answers;
	if (!t->orphan && t->file != NULL && take_grant(t, grant) == 0) {
		if (!fates_need_commit(t))
			sent = -2; /* revoked meanwhile */
		else if (s->configuration->deliver_lmtp)
			sent = submission_forward(t, grant->expires);
		else
			sent = deliver(t, grant->expires);
	} else if (!t->orphan)
		log_warnx("%08x tickets do not match", (unsigned int)s->id);
	if (sent == -1)
		fates_refuse(t, SMTP_TEMPORARY, NULL);
	if (sent < 0)
		submission_next(t);
	session_continue(s);
}
