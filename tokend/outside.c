/* SPDX-License-Identifier: ISC */
#include "tokend/outside.h"

#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "lib/metrics.h"

/* What SENDER_CHECK found to be his, in this transaction. */
static int
is_own_sender(const struct session *session)
{
	char sender[ADDRESS_SIZE];

	return session->own_transaction == session->transaction &&
	    address_canonical_text(
		session->sender, strlen(session->sender), sender) == 0 &&
	    strcmp(sender, session->own) == 0;
}

enum rcpt_verdict
outside_allowed(const struct session *session)
{
	if (session->who == WHO_MTA)
		return VERDICT_OUTSIDE;
	if (session->who != WHO_USER || session->lmtp)
		return VERDICT_REFUSED;
	if (session->sender == NULL) /* not before a RCPT */
		return VERDICT_REFUSED;
	/* DESIGN 11 */
	return session->sender[0] == '\0' || is_own_sender(session)
	    ? VERDICT_OUTSIDE
	    : VERDICT_REFUSED;
}

enum rcpt_verdict
outside_keep(
    struct session *session, struct recipient *recipient, struct bytes list)
{
	struct bytes rest = list, item;
	size_t count = 0;
	int more;

	while ((more = list_next(&rest, &item)) == 1)
		count++;
	if (more == -1 || count == 0)
		return VERDICT_TEMPORARY;
	if (count > OUTSIDE_TICKETS ||
	    session->outside_count + count > OUTSIDE_MAX)
		return VERDICT_TOO_MANY;
	if ((recipient->outside = malloc(list.length)) == NULL)
		return VERDICT_TEMPORARY;
	memcpy(recipient->outside, list.data, list.length);
	recipient->outside_length = list.length;
	recipient->outside_count = count;
	session->outside_count += count;
	return VERDICT_OUTSIDE;
}

int
outside_ticket(const struct session *session, struct bytes sender,
    struct bytes recipient, uint64_t expires, uint8_t out[TICKET_LENGTH])
{
	struct ticket_subject subject;
	struct ticket_relay room;

	ticket_relay_subject(&subject, &room, session->id, sender.data,
	    sender.length, recipient.data, recipient.length, expires);
	return ticket_make(out, tokend.ticket_key, &subject);
}

size_t
outside_tickets(const struct session *session,
    const struct recipient *recipient, uint64_t expires,
    uint8_t out[OUTSIDE_TICKETS * TICKET_LENGTH])
{
	struct bytes rest, item;
	size_t length = 0;

	if (!tokend.settings->relay || !tokend.has_ticket_key)
		return 0;
	rest = bytes_of(recipient->outside, recipient->outside_length);
	while (list_next(&rest, &item) == 1) {
		if (outside_ticket(session, bytes_text(session->sender), item,
			expires, out + length) == -1)
			return 0;
		length += TICKET_LENGTH;
	}
	return length;
}

static int
is_over(const struct session *session, enum limit limit)
{
	const uint64_t site[LIMIT_COUNT] = {
	    [LIMIT_MESSAGES] = tokend.settings->messages_per_hour,
	    [LIMIT_RECIPIENTS] = tokend.settings->recipients_per_hour};
	uint64_t most = session->limits[limit];

	if (most == LIMIT_SITE)
		most = site[limit];
	return most != 0 &&
	    limits_used(session->login, limit, ticket_clock()) >= most;
}

static enum rcpt_verdict
over(const struct session *session, const char *what, enum metric_limit metric)
{
	char safe[640];

	tokend.counters.limited++;
	metric_count(LIMITS, metric);
	log_info("%s limit reached address=%s port=%u limit=%s user=\"%s\"",
	    session_name(session), session->address, session->port, what,
	    log_safe(safe, sizeof(safe), bytes_text(session->login)));
	return VERDICT_LIMIT;
}

enum rcpt_verdict
limit_message(const struct session *session)
{
	if (session->who != WHO_USER)
		return VERDICT_OK;
	if (session->no_submit)
		return VERDICT_DISABLED;
	return is_over(session, LIMIT_MESSAGES)
	    ? over(session, "messages-per-hour", METRIC_LIMIT_MESSAGES)
	    : VERDICT_OK;
}

enum rcpt_verdict
limit_recipient(struct session *session)
{
	enum rcpt_verdict verdict = VERDICT_OK;
	uint64_t now = ticket_clock();
	int first = session->counted != session->transaction;

	if (session->who != WHO_USER)
		return VERDICT_OK;
	if (first)
		verdict = limit_message(session);
	if (verdict == VERDICT_OK && is_over(session, LIMIT_RECIPIENTS))
		verdict = over(
		    session, "recipients-per-hour", METRIC_LIMIT_RECIPIENTS);
	/* At RCPT "disabled" speaks of the mailbox. */
	if (verdict != VERDICT_OK)
		return verdict == VERDICT_DISABLED ? VERDICT_REFUSED : verdict;
	if (first)
		limits_use(session->login, LIMIT_MESSAGES, now);
	limits_use(session->login, LIMIT_RECIPIENTS, now);
	session->counted = session->transaction;
	return VERDICT_OK;
}
