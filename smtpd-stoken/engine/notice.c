/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "imsg/channel.h"
#include "lib/log.h"
#include "smtpd-stoken/engine/notice.h"
#include "smtpd-stoken/engine/report.h"
#include "smtpd-stoken/engine/submission.h"
#include "smtpd-stoken/engine/tokend.h"

/* Relay tells a notice from the session's own mail by its transaction. */
#define TRANSACTION 0x80000000U
/* Octets of an address, every one of them escaped. */
#define SAFE_SIZE 1100

static const char return_path[] = "Return-Path: <>\n";

enum notice_stage {
	NOTICE_ASKING, /* tokend: where may it go? */
	NOTICE_OPENING, /* a file is awaited */
	NOTICE_READING, /* a descriptor to read it by */
	NOTICE_RELAYING,
	NOTICE_DELIVERING /* into the sender's mailbox */
};

struct notice {
	struct file_user user; /* first: a file's user is a notice */
	struct transfer *transfer;
	struct session *session;
	struct file *file;
	struct relay_mail *mail;
	struct report *report;
	enum notice_stage stage;
	uint64_t size, expires;
	uint8_t *grant; /* ticket for relay, tickets, LIST of mailboxes */
	struct bytes relay, tickets, mailboxes; /* in it */
	char id[MESSAGE_ID_LENGTH + 1];
};

static void on_opened(struct file_user *, struct file *, enum smtp_verdict);
static void on_gone(struct file_user *);
static void on_delivered(struct file_user *, struct bytes);
static void on_readable(struct file_user *, enum smtp_verdict);

static const struct file_events events = {
    on_opened, on_gone, on_delivered, on_readable, NULL};

void
notice_free(struct notice *n)
{
	if (n == NULL)
		return;
	if (n->stage == NOTICE_OPENING && n->file == NULL)
		files_cancel(&n->user);
	if (n->file != NULL)
		file_discard(n->file);
	relay_mail_free(n->mail);
	report_free(n->report);
	free(n->grant);
	free(n);
}

static void
say(const struct notice *n, const char *route, const char *stat)
{
	char to[SAFE_SIZE];

	log_safe(to, sizeof(to), bytes_text(smtp_sender(n->session->smtp)));
	log_info("%08x notice id=%s to=<%s> relay=%s stat=%s",
	    (unsigned int)n->session->id, n->id, to, route, stat);
}

/* It is done, or cannot be: the message goes on to its reply. */
static void
finish(struct notice *n, int told)
{
	struct transfer *t = n->transfer;
	struct session *s = n->session;
	char to[SAFE_SIZE];

	if (!told) {
		log_safe(to, sizeof(to), bytes_text(smtp_sender(s->smtp)));
		log_warnx("%08x <%s> cannot be told what became of message %s",
		    (unsigned int)s->id, to, t->id);
		t->untold = (uint8_t)fates_have_failed(t);
	}
	t->notice = NULL;
	notice_free(n);
	submission_next(t);
	session_continue(s);
}

int
notice_begin(struct transfer *t)
{
	struct session *s = t->session;
	struct notice *n;

	/* Nobody is told of what nobody has sent (RFC 5321 section 6.1). */
	if (smtp_sender(s->smtp)[0] == '\0')
		return 0;
	if ((n = calloc(1, sizeof(*n))) == NULL) {
		t->untold = (uint8_t)fates_have_failed(t);
		return 0;
	}
	n->user.events = &events;
	n->user.session = n->session = s;
	n->transfer = t;
	message_id(n->id);
	if ((n->report = report_new(t, n->id)) == NULL)
		t->untold = (uint8_t)fates_have_failed(t);
	else if (report_wanted(n->report) > 0) {
		report_take_original(n->report, t);
		if (tokend_notice(s, t->transaction, n->id) == 0) {
			t->notice = n;
			return 1;
		}
		t->untold = (uint8_t)fates_have_failed(t);
	}
	notice_free(n);
	return 0;
}

static int
keep_grant(struct notice *n, const struct msg_notice_grant *m)
{
	uint8_t *p;

	p = n->grant = malloc(
	    m->relay.length + m->tickets.length + m->mailboxes.length + 1);
	if (p == NULL)
		return -1;
	memcpy(p, m->relay.data, m->relay.length);
	n->relay = bytes_of(p, m->relay.length);
	p += m->relay.length;
	memcpy(p, m->tickets.data, m->tickets.length);
	n->tickets = bytes_of(p, m->tickets.length);
	p += m->tickets.length;
	memcpy(p, m->mailboxes.data, m->mailboxes.length);
	n->mailboxes = bytes_of(p, m->mailboxes.length);
	n->expires = m->expires;
	return 0;
}

void
notice_granted(struct transfer *t, const struct msg_notice_grant *m)
{
	struct notice *n = t->notice;

	if (n == NULL || n->stage != NOTICE_ASKING)
		return;
	if ((m->relay.length == 0 && m->mailboxes.length == 0) ||
	    keep_grant(n, m) == -1) {
		finish(n, 0);
		return;
	}
	n->stage = NOTICE_OPENING;
	files_take(&n->user);
}

void
notice_tokend_gone(struct transfer *t)
{
	if (t->notice != NULL && t->notice->stage == NOTICE_ASKING)
		finish(t->notice, 0);
}

/* The mailboxes of the sender, all or none of them. */
static int
send_mailboxes(struct notice *n)
{
	struct bytes mailbox, rest = n->mailboxes;
	struct msg_deliver deliver = {.size = n->size,
	    .expires = n->expires,
	    .message = bytes_text(n->id)};
	union message m = {.deliver_recipient = {.file = n->file->id}};
	char id[DELIVERY_ID_SIZE];
	uint32_t i;

	for (i = 0; list_next(&rest, &mailbox) == 1; i++) {
		if (n->tickets.length < (i + 1) * TICKET_LENGTH)
			return -1;
		snprintf(id, sizeof(id), i == 0 ? "%s-1" : "%s-1-%u", n->id,
		    (unsigned int)i + 1);
		m.deliver_recipient.mailbox = mailbox;
		m.deliver_recipient.delivery = bytes_text(id);
		m.deliver_recipient.ticket = bytes_of(
		    n->tickets.data + i * TICKET_LENGTH, TICKET_LENGTH);
		if (channel_send(file_worker(n->file), MSG_DELIVER_RECIPIENT,
			&m, -1) == -1)
			return -1;
	}
	deliver.count = i;
	return i > 0 ? file_deliver(n->file, &deliver) : -1;
}

static void on_forwarded(struct relay_mail *);
static void on_relayed(struct relay_mail *);
static const struct relay_events forwarding = {
    NULL, on_forwarded, on_forwarded};
static const struct relay_events relaying = {NULL, on_relayed, on_relayed};

/* One outlet, from <>, in a transaction of its own. */
static int
open_outlet(struct notice *n, struct bytes address, struct bytes ticket)
{
	struct relay_opening open = {.address = address,
	    .ticket = ticket,
	    .expires = n->expires,
	    .size = n->size,
	    .sender = "",
	    .message = n->id,
	    .shared = RELAY_SHARED,
	    .body = RELAY_BODY_8BITMIME,
	    .utf8 = (uint8_t)report_is_utf8(n->report)};

	return n->mail != NULL && relay_open(n->mail, &open) != NULL ? 0 : -1;
}

static int
send_data(struct notice *n)
{
	return relay_data(n->mail, n->file->reader, sizeof(return_path) - 1,
	    n->size - (sizeof(return_path) - 1), 0, n->id);
}

/* deliver lmtp: the sender's mailboxes are another server's. */
static int
forward(struct notice *n)
{
	struct bytes mailbox, rest = n->mailboxes, tickets = n->tickets;

	if (n->file->reader == -1)
		return -1;
	n->mail = relay_mail_new(n->session, NEXT_HOP_LMTP,
	    n->transfer->transaction | TRANSACTION, &forwarding, n);
	while (list_next(&rest, &mailbox) == 1) {
		if (tickets.length < TICKET_LENGTH ||
		    open_outlet(n, mailbox,
			bytes_of(tickets.data, TICKET_LENGTH)) == -1)
			return -1;
		tickets.data += TICKET_LENGTH;
		tickets.length -= TICKET_LENGTH;
	}
	return send_data(n);
}

static void
deliver(struct notice *n)
{
	int sent = -1;

	n->stage = NOTICE_DELIVERING;
	relay_mail_free(n->mail);
	n->mail = NULL;
	if (n->file == NULL || n->mailboxes.length == 0)
		sent = -1;
	else if (n->session->configuration->deliver_lmtp)
		sent = forward(n);
	else
		sent = send_mailboxes(n);
	if (sent == -1)
		finish(n, 0);
}

static void
on_delivered(struct file_user *user, struct bytes results)
{
	struct notice *n = (struct notice *)user;
	int told;

	told = results.length > 0 && file_verdict(results.data[0]) == SMTP_OK;
	file_free(n->file);
	n->file = NULL;
	if (told)
		say(n, "maildir", "Sent");
	finish(n, told);
}

static void
on_forwarded(struct relay_mail *mail)
{
	struct notice *n = mail->owner;
	int told = relay_count(mail, OUTLET_SENT) > 0;

	if (told)
		say(n, "lmtp", "Sent");
	finish(n, told);
}

static void
on_relayed(struct relay_mail *mail)
{
	struct notice *n = mail->owner;

	if (relay_count(mail, OUTLET_SENT) > 0) {
		say(n, "smtp", "Sent");
		finish(n, 1);
	} else {
		say(n, "smtp", "Refused");
		deliver(n);
	}
}

static void
relay(struct notice *n)
{
	n->stage = NOTICE_RELAYING;
	n->mail = relay_mail_new(n->session, NEXT_HOP_RELAY,
	    n->transfer->transaction | TRANSACTION, &relaying, n);
	if (open_outlet(
		n, bytes_text(smtp_sender(n->session->smtp)), n->relay) == -1 ||
	    send_data(n) == -1)
		deliver(n);
}

static void
on_readable(struct file_user *user, enum smtp_verdict verdict)
{
	struct notice *n = (struct notice *)user;

	if (n->stage != NOTICE_READING)
		return;
	if (verdict == SMTP_OK && n->relay.length > 0)
		relay(n);
	else
		deliver(n);
}

static int
write_file(struct notice *n)
{
	n->size = sizeof(return_path) - 1;
	if (file_write(n->file, return_path, sizeof(return_path) - 1) !=
		SMTP_OK ||
	    report_write(n->report, n->file, &n->size) == -1)
		return -1;
	return file_flush(n->file) == SMTP_OK ? 0 : -1;
}

static void
on_opened(struct file_user *user, struct file *file, enum smtp_verdict verdict)
{
	struct notice *n = (struct notice *)user;

	(void)verdict;
	n->file = file;
	n->stage = NOTICE_READING;
	if (file == NULL || write_file(n) == -1)
		finish(n, 0);
	else if (n->relay.length > 0 ||
	    n->session->configuration->deliver_lmtp) {
		if (file_read(file) == -1)
			finish(n, 0);
	} else
		deliver(n);
}

static void
on_gone(struct file_user *user)
{
	struct notice *n = (struct notice *)user;

	n->file = NULL;
	if (n->stage != NOTICE_RELAYING) /* relay has its own descriptor */
		finish(n, 0);
}
