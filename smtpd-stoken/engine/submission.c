/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "imsg/channel.h"
#include "smtpd-stoken/engine/metadata.h"
#include "smtpd-stoken/engine/notice.h"
#include "smtpd-stoken/engine/submission.h"
#include "smtpd-stoken/engine/tokend.h"

/* Octets of SUBMIT_BEGIN's list, and of a copy's fields. */
#define SUPPLIED_MAX 4096
#define HEAD_MAX 8192

/* Before anything has gone out it is so for all, or for nobody. */
static int
is_refused(const struct transfer *t)
{
	return t->count == 0 || t->fates[0].verdict != SMTP_OK;
}

/* With those that were lost with relay after their RCPT was accepted. */
static int
has_outside(const struct transfer *t)
{
	const struct relay_mail *mail = t->session->outgoing;

	return !is_refused(t) &&
	    relay_count(mail, OUTLET_OPEN) + relay_count(mail, OUTLET_FAILED) >
	    0;
}

static int
wants_success(const struct session *s)
{
	size_t i;

	for (i = 0; i < s->grant_count; i++)
		if (grant_wants_success(&s->grants[i]))
			return 1;
	return 0;
}

int
submission_reads(const struct session *s)
{
	return s->outgoing != NULL || s->configuration->deliver_lmtp ||
	    /* One reply for several: a report may have to be written. */
	    (!smtp_is_lmtp(s->smtp) && smtp_accepted(s->smtp) > 1) ||
	    wants_success(s);
}

/*
 * One copy, which goes to a next hop and nowhere else, and is not large: it
 * needs no disk, and nobody else's time. With one part there is one reply, so
 * no report is written about it, unless one of success is wanted: such a file
 * cannot be read again for that.
 */
#define SMALL (1 << 20)

int
submission_fits_memory(const struct session *s)
{
	size_t i;

	if (s->outgoing == NULL || smtp_accepted(s->smtp) != 1 ||
	    wants_success(s) || relay_count(s->outgoing, OUTLET_OPEN) != 1 ||
	    smtp_mail(s->smtp)->size > SMALL)
		return 0;
	for (i = 0; i < s->grant_count; i++)
		if (s->grants[i].state == GRANT_ACCEPTED &&
		    (s->grants[i].mailbox_count > 0 ||
			s->grants[i].outlet_count != 1))
			return 0;
	return 1;
}

/* READING */
static int
lacks_reader(const struct transfer *t)
{
	return !is_refused(t) && t->file->reader == -1 &&
	    submission_reads(t->session);
}

static int
await_reader(struct transfer *t)
{
	if (t->file->awaits & FILE_AWAITS_READER)
		return 1;
	fates_refuse(t,
	    t->unreadable != SMTP_OK ? (enum smtp_verdict)t->unreadable
				     : SMTP_TEMPORARY,
	    NULL);
	return 0;
}

void
submission_readable(struct transfer *t, enum smtp_verdict verdict)
{
	t->unreadable = (uint8_t)verdict;
	if (t->stage != TRANSFER_READING)
		return;
	if (verdict != SMTP_OK)
		fates_refuse(t, verdict, NULL);
	submission_next(t);
}

/* PREPARING: nothing goes out before what stays here is safe. */
static int
has_both(const struct transfer *t)
{
	return has_outside(t) && fates_need_commit(t) &&
	    !t->session->configuration->deliver_lmtp;
}

static int
prepare(struct transfer *t)
{
	if (t->file != NULL &&
	    file_prepare(t->file, t->size + t->described) == 0)
		return 1;
	fates_refuse(t, SMTP_TEMPORARY, NULL);
	return 0;
}

void
submission_prepared(struct transfer *t, enum smtp_verdict verdict)
{
	if (t->stage != TRANSFER_PREPARING)
		return;
	if (verdict != SMTP_OK)
		fates_refuse(t, verdict, NULL);
	submission_next(t);
}

/*
 * Each copy has a token of its own, or none has one; what shares a
 * transaction was too much already.
 */
static int
may_have_tokens(const struct relay_mail *mail)
{
	size_t i;

	for (i = 0; i < mail->count; i++)
		if (mail->outlets[i].state == OUTLET_OPEN &&
		    mail->outlets[i].shared)
			return 0;
	return 1;
}

/* Those that came with the RCPT's verdict, for who writes as himself. */
static int
has_tokens(const struct session *s)
{
	const char *from = smtp_header_from(s->smtp);
	const char *supplied[SMTP_SUPPLIED_MAX];
	const struct outlet *outlet;
	size_t i;

	if ((from[0] != '\0' && strcasecmp(from, smtp_sender(s->smtp)) != 0) ||
	    smtp_supplied_tokens(s->smtp, supplied) > 0)
		return 0;
	for (i = 0; i < s->outgoing->count; i++) {
		outlet = &s->outgoing->outlets[i];
		if (outlet->state == OUTLET_OPEN && outlet->token == NULL)
			return 0;
	}
	return 1;
}

/* GRANTING */
static int
wants_tokens(const struct transfer *t)
{
	const struct session *s = t->session;

	return has_outside(t) && smtp_login(s->smtp) == SMTP_USER &&
	    may_have_tokens(s->outgoing) && !has_tokens(s);
}

static int
ask_tokens(struct transfer *t)
{
	struct session *s = t->session;
	const char *supplied[SMTP_SUPPLIED_MAX];
	uint8_t space[SUPPLIED_MAX];
	struct list_writer list;
	size_t i, n = smtp_supplied_tokens(s->smtp, supplied);

	for (i = 0; i < s->outgoing->count; i++)
		outlet_forget_token(&s->outgoing->outlets[i]);
	list_init(&list, space, sizeof(space));
	for (i = 0; i < n; i++)
		if (list_add(&list, bytes_text(supplied[i])) == -1)
			break;
	if (tokend_submit(s, t->transaction, smtp_header_from(s->smtp),
		list_bytes(&list)) == 0)
		return 1;
	fates_refuse(t, SMTP_TEMPORARY, NULL);
	return 0;
}

/* The token of the nth outlet of a recipient. */
static void
take_token(struct session *s, uint32_t number, size_t nth, struct bytes token)
{
	const struct grant *grant = grant_find(s, number);
	struct outlet *outlet;

	if (grant == NULL || nth >= grant->outlet_count || token.length == 0)
		return;
	outlet = &s->outgoing->outlets[grant->outlet_first + nth];
	if (outlet->token == NULL)
		outlet->token = strndup((const char *)token.data, token.length);
}

void
submission_granted(struct transfer *t, struct bytes tokens)
{
	struct session *s = t->session;
	struct bytes index, token;
	uint32_t number, last = 0;
	size_t nth = 0;

	if (t->stage != TRANSFER_GRANTING)
		return;
	while (list_next(&tokens, &index) == 1 &&
	    list_next(&tokens, &token) == 1 && index.length == 4) {
		number = (uint32_t)index.data[0] |
		    (uint32_t)index.data[1] << 8 |
		    (uint32_t)index.data[2] << 16 |
		    (uint32_t)index.data[3] << 24;
		if (number != last)
			nth = 0;
		last = number;
		take_token(s, number, nth++, token);
	}
	submission_next(t); /* which may be its end */
	session_continue(s);
}

/* RELAYING */
static void
send_head(struct transfer *t, const struct outlet *outlet, int alone,
    const char *token)
{
	struct session *s = t->session;
	char fields[HEAD_MAX];
	size_t length;

	length = smtp_relay_head(s->smtp, alone ? outlet->address : NULL, token,
	    fields, sizeof(fields));
	(void)relay_head(s->outgoing, outlet, fields, length);
	explicit_bzero(fields, sizeof(fields));
}

/* What many share names none of them: not all of them may be told. */
static void
send_heads(struct transfer *t)
{
	struct relay_mail *mail = t->session->outgoing;
	const struct outlet *outlet, *shared = NULL;
	size_t i, sharing = 0;
	int tokens = may_have_tokens(mail);

	for (i = 0; i < mail->count; i++) {
		outlet = &mail->outlets[i];
		if (outlet->state != OUTLET_OPEN)
			continue;
		if (!outlet->shared)
			send_head(t, outlet, 1, tokens ? outlet->token : NULL);
		else if (sharing++ == 0)
			shared = outlet;
	}
	if (shared != NULL)
		send_head(t, shared, sharing == 1, NULL);
}

/* The first outlet of some that has not been sent to; NULL: one has been. */
static const struct outlet *
first_refused(const struct relay_mail *mail, size_t from, size_t count)
{
	const struct outlet *outlet, *first = NULL;
	size_t i;

	for (i = from; i < from + count; i++) {
		outlet = &mail->outlets[i];
		if (outlet->state == OUTLET_SENT)
			return NULL;
		if (outlet->state != OUTLET_UNTRIED &&
		    (first == NULL || first->state == OUTLET_REFUSED))
			first = outlet;
	}
	return first;
}

/*
 * Was the first copy refused, that is the reply (section 11), and nobody here
 * has the message either. In LMTP that is so for each recipient alone.
 */
static void
judge_relayed(struct transfer *t)
{
	const struct relay_mail *mail = t->session->outgoing;
	const struct outlet *refused;
	struct fate *fate;
	size_t i;

	if (!smtp_is_lmtp(t->session->smtp)) {
		refused = first_refused(mail, 0, mail->count);
		if (refused != NULL)
			fates_refuse(t, SMTP_PASSED, refused);
		return;
	}
	for (i = 0; i < t->count; i++) {
		fate = &t->fates[i];
		if (fate->grant->outlet_count == 0)
			continue;
		refused = first_refused(
		    mail, fate->grant->outlet_first, fate->grant->outlet_count);
		if (refused == NULL)
			continue;
		fate->verdict = SMTP_PASSED;
		fate->said = refused;
	}
}

/* The message from `top` on, or what there is of it beside containers. */
static int
send_message(
    struct transfer *t, struct relay_mail *mail, uint64_t top, int one_by_one)
{
	if (t->described > 0)
		return metadata_relay(t, mail, one_by_one);
	return relay_data(
	    mail, t->file->reader, top, t->size - top, one_by_one, t->id);
}

static int
send_data(struct transfer *t)
{
	struct session *s = t->session;

	if (t->file == NULL || t->file->reader == -1) {
		fates_refuse(t, SMTP_TEMPORARY, NULL);
		return 0;
	}
	send_heads(t);
	if (send_message(t, s->outgoing, smtp_trace_length(s->smtp), 1) == 0)
		return 1;
	judge_relayed(t);
	return 0;
}

void
transfer_relayed(struct transfer *t)
{
	if (t->stage != TRANSFER_RELAYING)
		return;
	judge_relayed(t);
	submission_next(t);
}

/* FORWARDING */
static void
on_forwarded(struct relay_mail *mail)
{
	struct transfer *t = mail->owner;

	if (t->stage == TRANSFER_FORWARDING)
		submission_next(t);
}

static const struct relay_events forwarding = {
    NULL, on_forwarded, on_forwarded};

static int
forward_mailbox(struct transfer *t, struct fate *fate, size_t nth,
    struct bytes mailbox, const char *delivery, void *context)
{
	const struct smtp_mail *said = smtp_mail(t->session->smtp);
	const uint64_t *expires = context;
	struct relay_opening open = {.address = mailbox,
	    .ticket =
		bytes_of(fate->tickets + nth * TICKET_LENGTH, TICKET_LENGTH),
	    .expires = *expires,
	    .size = t->size,
	    .sender = smtp_sender(t->session->smtp),
	    .message = t->id,
	    .owner = (uint32_t)(fate - t->fates),
	    .shared = RELAY_SHARED,
	    .body = (uint8_t)said->body,
	    .utf8 = (uint8_t)said->utf8};

	(void)delivery;
	return relay_open(t->downstream, &open) == NULL ? -1 : 0;
}

/* Beside containers the fields at the top go by themselves, as one. */
static void
send_trace(struct transfer *t)
{
	char fields[HEAD_MAX];
	size_t n = smtp_trace_fields(t->session->smtp, fields, sizeof(fields));

	(void)relay_head(t->downstream, &t->downstream->outlets[0], fields, n);
}

int
submission_forward(struct transfer *t, uint64_t expires)
{
	/* Return-Path is for who delivers at last (RFC 5321 section 4.4). */
	size_t top =
	    strlen("Return-Path: <>\n") + strlen(smtp_sender(t->session->smtp));

	t->downstream = relay_mail_new(
	    t->session, NEXT_HOP_LMTP, t->transaction, &forwarding, t);
	if (t->downstream == NULL ||
	    transfer_each_mailbox(t, forward_mailbox, &expires) == -1) {
		relay_mail_free(t->downstream);
		t->downstream = NULL;
		return -1;
	}
	t->stage = TRANSFER_FORWARDING;
	if (t->described > 0)
		send_trace(t);
	if (send_message(t, t->downstream, top, 0) == -1)
		submission_next(t);
	return 0;
}

/* COMMITTING goes on by itself to DELIVERING and LOOKING, or FORWARDING. */
static int
needs_commit(const struct transfer *t)
{
	return fates_need_commit(t);
}

static int
always(const struct transfer *t)
{
	(void)t;
	return 1;
}

static const struct {
	enum transfer_stage stage;
	int (*wanted)(const struct transfer *);
	/* 1: an answer is awaited; 0: it is done, one way or the other */
	int (*begin)(struct transfer *);
} steps[] = {
    {TRANSFER_READING, lacks_reader, await_reader},
    {TRANSFER_PREPARING, has_both, prepare},
    {TRANSFER_GRANTING, wants_tokens, ask_tokens},
    {TRANSFER_RELAYING, has_outside, send_data},
    {TRANSFER_COMMITTING, needs_commit, transfer_commit},
    {TRANSFER_ENDING, always, transfer_end},
    {TRANSFER_NOTIFYING, fates_need_notice, notice_begin},
};

#define STEPS (sizeof(steps) / sizeof(steps[0]))

void
submission_next(struct transfer *t)
{
	unsigned int i;

	while ((i = t->step) < STEPS) {
		t->step++;
		if (!steps[i].wanted(t))
			continue;
		t->stage = steps[i].stage;
		if (steps[i].begin(t))
			return;
	}
	transfer_conclude(t);
}
