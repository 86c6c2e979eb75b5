/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <string.h>

#include "smtpd-stoken/engine/smtp/chunk.h"
#include "smtpd-stoken/engine/smtp/command.h"
#include "smtpd-stoken/engine/smtp/trace.h"

int
command_data(struct smtp_session *session, const char *text, size_t length)
{
	const struct smtp_refusal *refusal = &refusal_recipients;

	(void)text;
	(void)length;
	/* F-13: not after chunks, and not for a binary body; M-18 */
	if (smtp_chunk_begun(session) ||
	    session->transaction->mail.body == SMTP_BODY_BINARYMIME) {
		smtp_chunk_fail(session);
		smtp_refusal_reply(session, &refusal_sequence);
		return 1;
	}
	if (session->transaction->accepted == 0) {
		if (session->mode == MODE_LMTP)
			refusal = &refusal_sequence; /* F-03 */
		smtp_reply(session, refusal->code, refusal->enhanced, "%s",
		    refusal->text);
		return 1;
	}
	session->waiting = WAIT_OPEN;
	session->actions->open(session->owner);
	return 1;
}

static struct trace
trace_of(const struct smtp_session *session)
{
	const struct smtp_transaction *transaction = session->transaction;
	struct trace trace = {.sender = transaction->sender,
	    .helo = smtp_helo(session),
	    .client = session->client,
	    .hidden =
		session->login == SMTP_USER && !session->settings->show_client,
	    .hostname = session->settings->hostname,
	    .lmtp = session->mode == MODE_LMTP,
	    .utf8 = transaction->mail.utf8,
	    .tls = session->tls.active,
	    .authenticated = session->identity != NULL,
	    .id = transaction->id,
	    .cipher = session->tls.cipher,
	    .group = session->tls.group,
	    .recipient = "",
	    .result = TRACE_NO_RESULT,
	    .permanent = session->permanent,
	    .identity = smtp_identity(session),
	    .now = transaction->opened};

	if (session->login == SMTP_TOKEN)
		trace.result = TRACE_TOKEN;
	else if (session->login == SMTP_USER)
		trace.result = TRACE_USER;
	return trace;
}

/* Writes the fields at the top; a fault shows at the end of the data. */
static void
write_trace(struct smtp_session *session)
{
	static char fields[TRACE_SIZE];
	struct smtp_transaction *transaction = session->transaction;
	struct trace trace = trace_of(session);
	enum smtp_verdict verdict = SMTP_TEMPORARY;
	size_t n;

	if (transaction->accepted == 1)
		trace.recipient = smtp_recipient(session, 0, NULL);
	if ((n = trace_write(&trace, fields, sizeof(fields))) > 0)
		verdict = session->actions->write(session->owner, fields, n);
	transaction->data.written = transaction->trace = n;
	if (verdict != SMTP_OK)
		smtp_message_lost(session, verdict);
}

uint64_t
smtp_trace_length(const struct smtp_session *session)
{
	return session->transaction != NULL ? session->transaction->trace : 0;
}

size_t
smtp_trace_fields(const struct smtp_session *session, char *out, size_t size)
{
	struct trace trace;
	const char *path;
	size_t n;

	if (session->transaction == NULL)
		return 0;
	trace = trace_of(session);
	if (session->transaction->accepted == 1)
		trace.recipient = smtp_recipient(session, 0, NULL);
	if ((n = trace_write(&trace, out, size)) == 0 ||
	    (path = memchr(out, '\n', n)) == NULL)
		return 0;
	n -= (size_t)(path + 1 - out);
	memmove(out, path + 1, n);
	return n;
}

size_t
smtp_relay_head(const struct smtp_session *session, const char *recipient,
    const char *token, char *out, size_t size)
{
	struct trace trace;
	size_t n;
	int more;

	if (session->transaction == NULL)
		return 0;
	trace = trace_of(session);
	if (recipient != NULL)
		trace.recipient = recipient;
	n = trace_received(&trace, out, size);
	if (n == 0 || token == NULL)
		return n;
	more = snprintf(out + n, size - n, "Submission-Token: %s\n", token);
	return more < 0 || (size_t)more >= size - n ? 0 : n + (size_t)more;
}

void
smtp_on_opened(
    struct smtp_session *session, enum smtp_verdict verdict, const char *id)
{
	const struct smtp_refusal *refusal;
	int chunked = session->chunk.waits;
	int lost;

	session->chunk.waits = 0;
	if (session->waiting != WAIT_OPEN)
		return;
	session->waiting = WAIT_NONE;
	if (verdict != SMTP_OK) {
		if (chunked) {
			smtp_chunk_opened(session, verdict);
			return;
		}
		refusal = smtp_verdict_refusal(session, verdict);
		smtp_reply(session, refusal->code, refusal->enhanced, "%s",
		    refusal->text);
		return;
	}
	strlcpy(session->transaction->id, id, sizeof(session->transaction->id));
	session->transaction->opened = session->actions->now(session->owner);
	session->transaction->open = 1;
	lost = smtp_message_begin(session, chunked);
	write_trace(session);
	if (lost)
		smtp_message_lost(session, SMTP_TEMPORARY);
	if (chunked) {
		smtp_chunk_opened(session, SMTP_OK);
		return;
	}
	session->reading = READ_DATA;
	smtp_reply(session, 354, NULL, "End data with <CR><LF>.<CR><LF>");
}

/* F-95: what is left of a reply line for another server's words. */
static size_t
room(const char *address, const char *enhanced)
{
	size_t taken =
	    sizeof("250  <> \r\n") - 1 + strlen(address) + strlen(enhanced);

	return taken < 512 ? 512 - taken : 0;
}

/* S1-75, S1-76: the address as it was written, then token, then id. */
static void
reply_lmtp(struct smtp_session *session, const char *address,
    const struct smtp_result *result)
{
	const struct smtp_refusal *refusal;
	struct smtp_passed clean;
	struct smtp_refusal words;

	if (result->verdict == SMTP_OK && result->token != NULL)
		smtp_reply(session, 250, "2.1.13",
		    "<%s> %s %s Saved, new token returned", address,
		    result->token, result->id);
	else if (result->verdict == SMTP_OK)
		smtp_reply(session, 250, "2.1.12", "<%s> %s Saved", address,
		    result->id);
	else {
		if (result->passed != NULL)
			smtp_passed_clean(session, &clean, result->passed);
		refusal = smtp_passed_refusal(session, result->verdict,
		    result->passed != NULL ? &clean : NULL, &words);
		smtp_reply(session, refusal->code, refusal->enhanced,
		    "<%s> %.*s", address, (int)room(address, refusal->enhanced),
		    refusal->text);
	}
}

/* The one to be said of many: what may pass before what lasts. */
static const struct smtp_result *
worst_of(const struct smtp_session *session, const struct smtp_result *results,
    size_t n)
{
	const struct smtp_result *worst = NULL;
	int code, lasting = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		if (results[i].verdict == SMTP_OK)
			return NULL;
		code = results[i].passed != NULL
		    ? results[i].passed->code
		    : smtp_verdict_refusal(session, results[i].verdict)->code;
		if (worst == NULL || (lasting && code < 500)) {
			worst = &results[i];
			lasting = code >= 500;
		}
	}
	return worst;
}

/*
 * SMTP has one reply (section 11): 250 once any recipient has the message,
 * since then the client must not send it again, and a report tells the
 * sender of the others.
 */
static void
reply_smtp(
    struct smtp_session *session, const struct smtp_result *results, size_t n)
{
	const struct smtp_result *worst = worst_of(session, results, n);
	const struct smtp_refusal *refusal;
	struct smtp_passed clean;
	struct smtp_refusal words;

	if (worst == NULL) {
		smtp_reply(session, 250, "2.0.0", "%s Delivered",
		    session->transaction->id);
		return;
	}
	if (worst->passed != NULL)
		smtp_passed_clean(session, &clean, worst->passed);
	refusal = smtp_passed_refusal(session, worst->verdict,
	    worst->passed != NULL ? &clean : NULL, &words);
	smtp_reply(
	    session, refusal->code, refusal->enhanced, "%s", refusal->text);
}

/* F-02: one reply for each accepted RCPT, in order, equal ones too. */
void
smtp_on_delivered(struct smtp_session *session,
    const struct smtp_result *results, size_t count)
{
	struct smtp_transaction *transaction = session->transaction;
	struct smtp_result common = {SMTP_TEMPORARY, NULL, NULL, NULL};
	const struct smtp_recipient *recipient;
	size_t i, n = 0;

	if (session->waiting != WAIT_DELIVERY)
		return;
	session->waiting = WAIT_NONE;
	if (transaction->data.failed != SMTP_OK)
		common.verdict = transaction->data.failed;
	if (common.verdict != SMTP_TEMPORARY || count != transaction->accepted)
		results = NULL;
	if (session->mode != MODE_LMTP)
		reply_smtp(session, results != NULL ? results : &common,
		    results != NULL ? count : 1);
	for (i = 0; session->mode == MODE_LMTP && i < transaction->count; i++) {
		recipient = &transaction->recipients[i];
		if (recipient->state == RECIPIENT_ACCEPTED)
			reply_lmtp(session, recipient->address,
			    results != NULL ? &results[n++] : &common);
	}
	smtp_transaction_end(session);
}
