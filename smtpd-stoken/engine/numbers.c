/* SPDX-License-Identifier: ISC */
#include "smtpd-stoken/engine/numbers.h"

#include <string.h>

#include "lib/metrics.h"

static const uint8_t recipients[SMTP_VERDICTS] = {
    [SMTP_OK] = RECIPIENT_ACCEPTED,
    [SMTP_TEMPORARY] = RECIPIENT_TEMPORARY,
    [SMTP_REFUSED] = RECIPIENT_REFUSED,
    [SMTP_UNKNOWN] = RECIPIENT_UNKNOWN,
    [SMTP_NOT_OWNER] = RECIPIENT_REFUSED,
    [SMTP_NO_RELAY] = RECIPIENT_NO_RELAY,
    [SMTP_INDIRECT] = RECIPIENT_NO_RELAY,
    [SMTP_BAD_REMOTE] = RECIPIENT_REFUSED,
    [SMTP_BAD_LOCAL] = RECIPIENT_REFUSED,
    [SMTP_NO_SPACE] = RECIPIENT_TEMPORARY,
    [SMTP_FULL] = RECIPIENT_TEMPORARY,
    [SMTP_MAILBOX] = RECIPIENT_TEMPORARY,
    [SMTP_DISABLED] = RECIPIENT_DISABLED,
    [SMTP_TOO_MANY] = RECIPIENT_TOO_MANY,
    [SMTP_TOO_LARGE] = RECIPIENT_REFUSED,
    [SMTP_LOOP] = RECIPIENT_REFUSED,
    [SMTP_BARE_NEWLINE] = RECIPIENT_REFUSED,
    [SMTP_NUL] = RECIPIENT_REFUSED,
    [SMTP_LIMIT] = RECIPIENT_LIMIT,
    [SMTP_NOT_ALLOWED] = RECIPIENT_DISABLED,
    [SMTP_PASSED] = RECIPIENT_NEXT_HOP,
};

void
numbers_recipient(const struct session *s, enum smtp_verdict verdict)
{
	metric_count2(
	    RECIPIENTS, smtp_login(s->smtp), RECIPIENT, recipients[verdict]);
}

static enum metric_fate
fate_of(const struct session *s, enum smtp_verdict verdict)
{
	const char *text;

	if (verdict == SMTP_OK)
		return FATE_SENT;
	return smtp_verdict_status(s->smtp, verdict, &text)[0] == '5'
	    ? FATE_REFUSED
	    : FATE_TEMPORARY;
}

void
numbers_begin(struct transfer *t)
{
	enum smtp_login login = smtp_login(t->session->smtp);

	t->whole = engine_now();
	metric_add(METRIC_OCTETS, METRIC_OCTETS_LAST, login, t->size);
	metric_up(IN_FLIGHT, 0);
}

void
numbers_end(struct transfer *t)
{
	if (t->whole != 0)
		metric_down(IN_FLIGHT, 0);
	t->whole = 0;
}

void
numbers_message(const struct session *s, enum smtp_verdict verdict)
{
	metric_count2(MESSAGES, smtp_login(s->smtp), FATE, fate_of(s, verdict));
}

static enum metric_way
way_of(const struct part *part)
{
	if (part->said != NULL && part->said->route != NULL &&
	    strncmp(part->said->route, "token:", 6) == 0)
		return WAY_TOKEN;
	if (strcmp(part->route, "smtp") == 0)
		return WAY_RELAY;
	return strcmp(part->route, "lmtp") == 0 ? WAY_LMTP : WAY_MAILDIR;
}

void
numbers_part(const struct transfer *t, const struct part *part)
{
	enum metric_way way = way_of(part);
	enum metric_fate fate;
	struct smtp_passed said;

	if (part->verdict == SMTP_OK) {
		fate = FATE_SENT;
		metric_time(
		    DELIVERY, way, (uint64_t)(engine_now() - t->whole) * 1000);
	} else if (part->said != NULL) {
		outlet_passed(part->said, &said);
		fate = said.code / 100 == 5 ? FATE_REFUSED : FATE_TEMPORARY;
	} else
		fate = fate_of(t->session, part->verdict);
	metric_count2(DELIVERIES, way, FATE, fate);
}
