/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "smtpd-stoken/engine/numbers.h"
#include "smtpd-stoken/engine/relay.h"
#include "smtpd-stoken/engine/session.h"
#include "smtpd-stoken/engine/smtp/dsn.h"
#include "smtpd-stoken/engine/tokend.h"
#include "smtpd-stoken/engine/submission.h"

static int
keep_text(char **to, const char *text)
{
	if (text == NULL)
		return 0;
	return (*to = strdup(text)) == NULL ? -1 : 0;
}

static void
release(struct grant *grant)
{
	free(grant->mailboxes);
	free(grant->notify);
	free(grant->orcpt);
}

int
grant_ask(struct session *s, const struct smtp_recipient_check *check)
{
	struct grant *grown, *grant;
	size_t room;

	if (s->grant_count == s->grant_room) {
		room = s->grant_room > 0 ? s->grant_room * 2 : 1;
		grown = reallocarray(s->grants, room, sizeof(*grown));
		if (grown == NULL)
			return -1;
		s->grants = grown;
		s->grant_room = room;
	}
	grant = &s->grants[s->grant_count];
	memset(grant, 0, sizeof(*grant));
	grant->number = check->number;
	if (keep_text(&grant->notify, check->notify) == -1 ||
	    keep_text(&grant->orcpt, check->orcpt) == -1) {
		release(grant);
		return -1;
	}
	s->grant_count++;
	return 0;
}

void
grants_drop(struct session *s)
{
	size_t i;

	for (i = 0; i < s->grant_count; i++)
		release(&s->grants[i]);
	free(s->grants);
	s->grants = NULL;
	s->grant_count = s->grant_room = 0;
	s->grants_lost = 0;
	relay_mail_free(s->outgoing);
	s->outgoing = NULL;
	s->message[0] = '\0';
}

void
grants_lose(struct session *s)
{
	s->grants_lost = s->grant_count > 0;
}

int
grant_is_counted(const struct grant *grant)
{
	return grant->state >= GRANT_OPENING;
}

int
grant_wants_success(const struct grant *grant)
{
	return dsn_names(grant->notify, "SUCCESS");
}

int
grants_are_opening(const struct session *s)
{
	return relay_count(s->outgoing, OUTLET_OPENING) > 0;
}

/* They were asked about in the order of their numbers. */
struct grant *
grant_find(struct session *s, uint32_t number)
{
	size_t low = 0, high = s->grant_count, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (s->grants[middle].number == number)
			return &s->grants[middle];
		if (s->grants[middle].number < number)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static int
keep_mailboxes(struct grant *grant, struct bytes list)
{
	struct bytes rest = list, mailbox;
	int more;

	while ((more = list_next(&rest, &mailbox)) == 1)
		grant->mailbox_count++;
	if (more == -1 || (grant->mailboxes = malloc(list.length + 1)) == NULL)
		return -1;
	memcpy(grant->mailboxes, list.data, list.length);
	grant->length = list.length;
	return 0;
}

static void
tell(struct session *s, const struct grant *grant, enum smtp_verdict verdict,
    const struct smtp_passed *passed)
{
	numbers_recipient(s, verdict);
	smtp_on_recipient(s->smtp, grant->number, verdict, passed);
}

/*
 * The client's reply, once the next hop has answered for each address. Who is
 * refused of several that an alias names, while others are accepted, is told
 * to the sender in the end: a RCPT cannot be taken back.
 */
static void
reply(struct session *s, struct grant *grant)
{
	const struct outlet *outlet, *refused = NULL;
	struct smtp_passed passed;
	size_t i, open = 0;

	for (i = 0; i < grant->outlet_count; i++) {
		outlet = &s->outgoing->outlets[grant->outlet_first + i];
		if (outlet->state == OUTLET_OPENING)
			return;
		if (outlet->state == OUTLET_OPEN)
			open++;
		else if (refused == NULL)
			refused = outlet;
	}
	if (open > 0) {
		grant->state = GRANT_ACCEPTED;
		smtp_goes_outside(s->smtp);
		tell(s, grant, SMTP_OK, NULL);
		return;
	}
	grant->state = GRANT_REFUSED;
	if (refused != NULL)
		outlet_passed(refused, &passed);
	tell(s, grant, refused != NULL ? SMTP_PASSED : SMTP_TEMPORARY,
	    refused != NULL ? &passed : NULL);
}

static void
on_opened(struct relay_mail *mail, struct outlet *outlet)
{
	struct session *s = mail->session;
	struct grant *grant = grant_find(s, outlet->owner);

	if (grant != NULL && grant->state == GRANT_OPENING)
		reply(s, grant);
}

static void
on_done(struct relay_mail *mail)
{
	if (mail->session->transfer != NULL)
		transfer_relayed(mail->session->transfer);
}

/* What is replied may end the transaction, and the grants with it. */
static void
on_lost(struct relay_mail *mail)
{
	struct session *s = mail->session;
	size_t i;

	if (mail->sent) {
		on_done(mail);
		return;
	}
	for (i = 0; i < s->grant_count; i++)
		if (s->grants[i].state == GRANT_OPENING)
			reply(s, &s->grants[i]);
}

static const struct relay_events events = {on_opened, on_done, on_lost};

/*
 * Whether an outlet gets a transaction of its own, since its copy may have a
 * token of its own: the first N of a user's message.
 */
static enum relay_sharing
sharing(const struct session *s)
{
	const struct configuration *c = s->configuration;

	if (smtp_login(s->smtp) != SMTP_USER || !c->smtp.tokens)
		return RELAY_SHARED;
	return s->outgoing->count - relay_count(s->outgoing, OUTLET_REFUSED) <
		c->header_recipients
	    ? RELAY_APART
	    : RELAY_SHARED_BUT_BY_TOKEN;
}

static int
is_ascii(struct bytes text)
{
	size_t i;

	for (i = 0; i < text.length; i++)
		if (text.data[i] > 0x7f)
			return 0;
	return 1;
}

/* RFC 3461: what the client said is said to the next hop. */
static void
parameters(const struct session *s, const struct grant *grant, char mail[256],
    char rcpt[1024])
{
	const struct smtp_mail *said = smtp_mail(s->smtp);

	snprintf(mail, 256, "%s%s%s%s%s", said->ret != NULL ? "RET=" : "",
	    said->ret != NULL ? said->ret : "",
	    said->ret != NULL && said->envid != NULL ? " " : "",
	    said->envid != NULL ? "ENVID=" : "",
	    said->envid != NULL ? said->envid : "");
	snprintf(rcpt, 1024, "%s%s%s%s%s",
	    grant->notify != NULL ? "NOTIFY=" : "",
	    grant->notify != NULL ? grant->notify : "",
	    grant->notify != NULL && grant->orcpt != NULL ? " " : "",
	    grant->orcpt != NULL ? "ORCPT=" : "",
	    grant->orcpt != NULL ? grant->orcpt : "");
}

static int
open_outlets(
    struct session *s, struct grant *grant, const struct msg_rcpt_verdict *r)
{
	const struct smtp_mail *said = smtp_mail(s->smtp);
	struct bytes rest = r->outside, tokens = r->tokens, token;
	char mail[256], rcpt[1024];
	struct relay_opening open = {.sender = smtp_sender(s->smtp),
	    .expires = r->expires,
	    .owner = grant->number,
	    .message = s->message,
	    .mail_parameters = mail,
	    .rcpt_parameters = rcpt};
	struct outlet *outlet;
	size_t i;
	int more;

	if (s->outgoing == NULL &&
	    (s->outgoing = relay_mail_new(
		 s, NEXT_HOP_RELAY, s->transaction, &events, NULL)) == NULL)
		return -1;
	if (s->message[0] == '\0')
		message_id(s->message);
	parameters(s, grant, mail, rcpt);
	open.body = (uint8_t)said->body;
	open.size = said->size;
	grant->outlet_first = s->outgoing->count;
	for (i = 0; (more = list_next(&rest, &open.address)) == 1; i++) {
		if (r->tickets.length < (i + 1) * TICKET_LENGTH)
			return -1;
		open.ticket = bytes_of(
		    r->tickets.data + i * TICKET_LENGTH, TICKET_LENGTH);
		open.utf8 = said->utf8 || !is_ascii(open.address);
		open.shared = (uint8_t)sharing(s);
		if ((outlet = relay_open(s->outgoing, &open)) == NULL)
			return -1;
		if (list_next(&tokens, &token) == 1)
			outlet->token =
			    strndup((const char *)token.data, token.length);
		grant->outlet_count++;
	}
	return more == -1 || i == 0 ? -1 : 0;
}

static void
answered_outside(
    struct session *s, struct grant *grant, const struct msg_rcpt_verdict *r)
{
	enum smtp_verdict verdict = SMTP_NO_RELAY;

	grant->state = GRANT_OPENING;
	if (s->configuration->smtp.relay) {
		if (open_outlets(s, grant, r) == 0) {
			reply(s, grant);
			return;
		}
		/* Some may be open already: the message must not go to them. */
		s->grants_lost = 1;
		verdict = SMTP_TEMPORARY;
	}
	grant->state = GRANT_REFUSED;
	tell(s, grant, verdict, NULL);
}

void
grant_answered(struct session *s, const struct msg_rcpt_verdict *r)
{
	enum smtp_verdict verdict = tokend_verdict(r->verdict);
	struct grant *grant = grant_find(s, r->recipient_index);

	if (grant == NULL || grant->state != GRANT_ASKED ||
	    !smtp_recipient_is_pending(s->smtp, grant->number))
		return;
	grant->state = GRANT_NONE;
	grant->token_kind = r->token_kind;
	if ((verdict == SMTP_OK || r->verdict == VERDICT_OUTSIDE) &&
	    (s->grants_lost || keep_mailboxes(grant, r->mailboxes) == -1)) {
		/* tokend counts what is lost here: the message will fail. */
		s->grants_lost = 1;
		verdict = SMTP_TEMPORARY;
	} else if (r->verdict == VERDICT_OUTSIDE) {
		answered_outside(s, grant, r);
		return;
	} else if (verdict == SMTP_OK)
		grant->state = GRANT_ACCEPTED;
	tell(s, grant, verdict, NULL);
}
