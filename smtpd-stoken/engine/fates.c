/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "smtpd-stoken/engine/transfer.h"

int
fates_make(struct transfer *t)
{
	struct session *s = t->session;
	const struct grant *grant;
	size_t i, n = 0;

	t->count = smtp_accepted(s->smtp);
	if ((t->fates = calloc(t->count + 1, sizeof(*t->fates))) == NULL) {
		t->count = 0;
		return -1;
	}
	for (i = 0; i < s->grant_count; i++) {
		grant = &s->grants[i];
		if (grant->state == GRANT_ACCEPTED && n < t->count) {
			t->fates[n].grant = grant;
			t->fates[n].position = t->counted;
			t->fates[n].verdict = SMTP_OK;
			n++;
		}
		t->counted += (size_t)grant_is_counted(grant);
	}
	return n == t->count && !s->grants_lost ? 0 : -1;
}

int
fates_need_commit(const struct transfer *t)
{
	size_t i;

	for (i = 0; i < t->count; i++)
		if (t->fates[i].verdict == SMTP_OK &&
		    t->fates[i].grant->length > 0)
			return 1;
	return 0;
}

void
fates_refuse(
    struct transfer *t, enum smtp_verdict verdict, const struct outlet *said)
{
	size_t i;

	for (i = 0; i < t->count; i++) {
		if (t->fates[i].verdict != SMTP_OK)
			continue;
		t->fates[i].verdict = (uint8_t)verdict;
		t->fates[i].said = said;
	}
}

static void
give_outlet(struct transfer *t, size_t i, const struct outlet *outlet,
    const char *route, fates_part *give, void *context)
{
	const struct fate *fate = &t->fates[i];
	struct part part = {.fate = i,
	    .address = outlet->address,
	    .route = route,
	    .verdict = SMTP_PASSED,
	    .said = outlet};

	if (outlet->state == OUTLET_SENT)
		part.verdict = SMTP_OK;
	else if (outlet->state != OUTLET_REFUSED &&
	    outlet->state != OUTLET_FAILED) {
		/* It was not tried, because of another's failure. */
		part.verdict = fate->verdict != SMTP_OK
		    ? (enum smtp_verdict)fate->verdict
		    : SMTP_TEMPORARY;
		part.said = fate->said;
	}
	give(t, &part, context);
}

/* The mailboxes: one part, unless another server has answered for each. */
static void
give_mailboxes(struct transfer *t, size_t i, fates_part *give, void *context)
{
	const struct fate *fate = &t->fates[i];
	struct part part = {.fate = i,
	    .route =
		t->session->configuration->deliver_lmtp ? "lmtp" : "maildir",
	    .verdict = (enum smtp_verdict)fate->verdict,
	    .said = fate->said};
	size_t k;

	if (t->downstream == NULL || fate->verdict != SMTP_OK) {
		give(t, &part, context);
		return;
	}
	for (k = 0; k < t->downstream->count; k++)
		if (t->downstream->outlets[k].owner == i)
			give_outlet(t, i, &t->downstream->outlets[k], "lmtp",
			    give, context);
}

void
fates_each_part(struct transfer *t, fates_part *give, void *context)
{
	const struct relay_mail *outgoing = t->session->outgoing;
	const struct grant *grant;
	size_t i, k;

	for (i = 0; i < t->count; i++) {
		grant = t->fates[i].grant;
		/* Of an orphan only the mailboxes are known any more. */
		if (t->orphan || grant->length > 0)
			give_mailboxes(t, i, give, context);
		for (k = 0; !t->orphan && k < grant->outlet_count; k++)
			give_outlet(t, i,
			    &outgoing->outlets[grant->outlet_first + k], "smtp",
			    give, context);
	}
}

static void
count_part(struct transfer *t, const struct part *part, void *context)
{
	struct fate *fate = &t->fates[part->fate];

	(void)context;
	if (part->verdict == SMTP_OK) {
		fate->kept++;
		return;
	}
	if (fate->failed++ > 0)
		return;
	fate->reply = (uint8_t)part->verdict;
	fate->reply_said = part->said;
}

/* Who came by a token can be told nothing later: all, or a refusal. */
static int
can_be_told(const struct transfer *t)
{
	return smtp_login(t->session->smtp) != SMTP_TOKEN;
}

void
fates_judge(struct transfer *t)
{
	struct fate *fate;
	size_t i;

	fates_each_part(t, count_part, NULL);
	for (i = 0; i < t->count; i++) {
		fate = &t->fates[i];
		if (fate->failed == 0 || (fate->kept > 0 && can_be_told(t)))
			fate->reply = SMTP_OK;
	}
}

int
part_is_elsewhere(const struct part *part)
{
	return strcmp(part->route, "smtp") == 0 && part->said != NULL &&
	    part->said->route == NULL;
}

/* In SMTP one reply speaks for all recipients, in LMTP each has his own. */
static int
is_accepted(const struct transfer *t, size_t i)
{
	size_t k;

	if (smtp_is_lmtp(t->session->smtp))
		return t->fates[i].kept > 0;
	for (k = 0; k < t->count; k++)
		if (t->fates[k].kept > 0)
			return 1;
	return 0;
}

/*
 * RFC 3461 section 5.2: the next server reports what becomes of the message,
 * if it knows how to. What it knows to be delivered at last, or will not hear
 * of any more, this server reports.
 */
int
fates_is_told(const struct transfer *t, const struct part *part)
{
	if (part->verdict == SMTP_OK)
		return !grant_wants_success(t->fates[part->fate].grant) ||
		    (part_is_elsewhere(part) && part->said->reports);
	return !is_accepted(t, part->fate);
}

int
fates_need_notice(const struct transfer *t)
{
	size_t i;

	if (t->orphan)
		return 0;
	for (i = 0; i < t->count; i++)
		if (t->fates[i].kept > 0 &&
		    grant_wants_success(t->fates[i].grant))
			return 1;
	return fates_have_failed(t);
}

int
fates_have_failed(const struct transfer *t)
{
	size_t i;

	if (t->orphan || !can_be_told(t))
		return 0;
	for (i = 0; i < t->count; i++)
		if (t->fates[i].failed > 0 && is_accepted(t, i))
			return 1;
	return 0;
}
