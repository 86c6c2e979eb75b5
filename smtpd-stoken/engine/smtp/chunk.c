/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <string.h>

#include "smtpd-stoken/engine/smtp/chunk.h"
#include "smtpd-stoken/engine/smtp/command.h"
#include "smtpd-stoken/engine/smtp/container.h"

#define RULES (RULE_GREETED | RULE_TLS | RULE_LOGIN)
#define SIZE_DIGITS 19 /* of 2^63-1; leading zeros count */

static const struct smtp_refusal no_size = {
    501, "5.5.4", "Not a number of octets, closing"};

/* What becomes of a chunk that is all right itself. */
struct step {
	const struct smtp_refusal *refusal; /* or NULL: it is taken */
	uint8_t next; /* the stage that follows when it was taken */
};

#define TAKE(next)         \
	{                  \
		NULL, next \
	}
#define REFUSE(refusal)                \
	{                              \
		&refusal, CHUNK_FAILED \
	}
#define ALL(step)                      \
	{                              \
		step, step, step, step \
	}

/*
 * By stage: BDAT, BDAT LAST, BMTD, BMTD LAST. A chunk that is refused, or
 * fails on its way, leads to CHUNK_FAILED; what is LAST leads out of the
 * transaction, whether it was taken or not.
 */
static const struct step steps[CHUNK_STAGES][4] = {
    [CHUNK_OUTSIDE] = ALL(REFUSE(refusal_sequence)), /* M-10, F-13 */
    [CHUNK_FRESH] = {TAKE(CHUNK_CONTENT), TAKE(CHUNK_OUTSIDE),
	TAKE(CHUNK_METADATA), TAKE(CHUNK_OUTSIDE)},
    [CHUNK_METADATA] = {TAKE(CHUNK_CONTENT), TAKE(CHUNK_OUTSIDE),
	TAKE(CHUNK_METADATA), TAKE(CHUNK_OUTSIDE)},
    [CHUNK_CONTENT] = {TAKE(CHUNK_CONTENT), TAKE(CHUNK_OUTSIDE),
	TAKE(CHUNK_CONTENT), TAKE(CHUNK_OUTSIDE)},
    [CHUNK_NOBODY] = ALL(REFUSE(refusal_recipients)), /* F-19, M-06 */
    [CHUNK_FAILED] = ALL(REFUSE(refusal_sequence)), /* M-15 */
};

/* `metadata strict`, draft -01 (D-M11): BMTD comes first and is never LAST. */
static const struct step strict[CHUNK_STAGES][4] = {
    [CHUNK_OUTSIDE] = ALL(REFUSE(refusal_sequence)),
    [CHUNK_FRESH] = {TAKE(CHUNK_CONTENT), TAKE(CHUNK_OUTSIDE),
	TAKE(CHUNK_METADATA), REFUSE(refusal_arguments)},
    [CHUNK_METADATA] = {TAKE(CHUNK_CONTENT), TAKE(CHUNK_OUTSIDE),
	TAKE(CHUNK_METADATA), REFUSE(refusal_arguments)},
    [CHUNK_CONTENT] = {TAKE(CHUNK_CONTENT), TAKE(CHUNK_OUTSIDE),
	REFUSE(refusal_sequence), REFUSE(refusal_arguments)},
    [CHUNK_NOBODY] = ALL(REFUSE(refusal_recipients)),
    [CHUNK_FAILED] = ALL(REFUSE(refusal_sequence)),
};

/* The stage that a chunk meets now. */
static enum chunk_stage
stage(const struct smtp_session *session)
{
	const struct smtp_transaction *transaction = session->transaction;

	if (transaction == NULL)
		return CHUNK_OUTSIDE;
	if (transaction->stage == CHUNK_FRESH && transaction->accepted == 0)
		return CHUNK_NOBODY;
	return (enum chunk_stage)transaction->stage;
}

static const struct step *
step(const struct smtp_session *session)
{
	const struct smtp_chunk *chunk = &session->chunk;
	unsigned int kind = chunk->kind * 2U + chunk->last;

	return session->settings->metadata_strict
	    ? &strict[stage(session)][kind]
	    : &steps[stage(session)][kind];
}

/* LMTP has 503 for DATA without recipients (F-03), and for this too. */
static const struct smtp_refusal *
nobody(const struct smtp_session *session)
{
	if (session->mode == MODE_LMTP ||
	    (session->chunk.kind == CHUNK_BMTD &&
		session->transaction->count == 0)) /* M-06 */
		return &refusal_sequence;
	return &refusal_recipients;
}

int
smtp_chunk_begun(const struct smtp_session *session)
{
	return session->transaction != NULL &&
	    session->transaction->stage != CHUNK_FRESH;
}

void
smtp_chunk_fail(struct smtp_session *session)
{
	struct smtp_transaction *transaction = session->transaction;
	int unheard;

	if (transaction == NULL || transaction->stage == CHUNK_NOBODY)
		return;
	unheard = stage(session) == CHUNK_NOBODY;
	transaction->stage = unheard ? CHUNK_NOBODY : CHUNK_FAILED;
	smtp_containers_free(transaction);
	if (transaction->open)
		session->actions->abandon(session->owner);
	transaction->open = 0;
}

/* Why the chunk is refused before its octets are seen, or NULL. */
static const struct smtp_refusal *
judge(struct smtp_session *session, int arguments)
{
	struct smtp_chunk *chunk = &session->chunk;
	struct smtp_transaction *transaction = session->transaction;
	const struct smtp_refusal *refusal;
	uint64_t most = session->settings->message_size;
	unsigned int rules = RULES;

	if (chunk->kind == CHUNK_BMTD)
		rules |= RULE_METADATA;
	if ((refusal = smtp_forbidden(session, rules, 0)) != NULL) {
		chunk->foreign = 1;
		return refusal;
	}
	if ((refusal = step(session)->refusal) != NULL)
		return refusal == &refusal_recipients ? nobody(session)
						      : refusal;
	if (arguments != 1 + chunk->last)
		return &refusal_arguments;
	if (transaction->data.failed != SMTP_OK) /* lost since the last one */
		return smtp_verdict_refusal(
		    session, (enum smtp_verdict)transaction->data.failed);
	/* D-M08; the octets of what was taken before are in it. */
	if (most > 0 &&
	    (chunk->size > most ||
		transaction->data.received > most - chunk->size))
		return smtp_verdict_refusal(session, SMTP_TOO_LARGE);
	if (chunk->kind == CHUNK_BMTD)
		return smtp_container_begin(session, chunk->size);
	return NULL;
}

/* One reply, or in LMTP at the end of a message one for each recipient. */
static void
refuse(struct smtp_session *session)
{
	const struct smtp_chunk *chunk = &session->chunk;
	const struct smtp_transaction *transaction = session->transaction;
	const struct smtp_refusal *refusal = chunk->refusal;
	size_t i;

	if (chunk->foreign) {
		smtp_refusal_reply(session, refusal); /* counts */
		return;
	}
	if (!chunk->last || transaction == NULL || session->mode != MODE_LMTP) {
		/* These may have been on their way: not counted. */
		smtp_reply(session, refusal->code, refusal->enhanced, "%s",
		    refusal->text);
		return;
	}
	/* F-04: none when there is no recipient, also for BDAT 0 LAST */
	for (i = 0; i < transaction->count; i++)
		if (transaction->recipients[i].state == RECIPIENT_ACCEPTED)
			smtp_reply(session, refusal->code, refusal->enhanced,
			    "<%s> %s", transaction->recipients[i].address,
			    refusal->text);
}

const struct smtp_layout *
smtp_layout(const struct smtp_session *session)
{
	return session->transaction != NULL ? &session->transaction->layout
					    : NULL;
}

/* The octets of a message are all there. */
static void
deliver(struct smtp_session *session)
{
	struct smtp_transaction *transaction = session->transaction;
	struct smtp_data *data = &transaction->data;

	session->waiting = WAIT_DELIVERY;
	if (data->failed == SMTP_OK)
		smtp_content_end(session);
	transaction->layout.end = data->written;
	if (data->failed == SMTP_OK)
		smtp_containers_write(session);
	if (transaction->layout.top == 0) /* nothing came by BDAT */
		transaction->layout.top = transaction->layout.end =
		    data->written;
	transaction->layout.late = data->written - transaction->layout.end;
	if (data->failed == SMTP_OK) {
		session->actions->finish(session->owner, data->written);
		return;
	}
	session->actions->refused(
	    session->owner, transaction->id, (enum smtp_verdict)data->failed);
	smtp_on_delivered(session, NULL, 0);
}

/* All octets of the chunk are used up: the answer. */
static void
finish(struct smtp_session *session)
{
	struct smtp_chunk *chunk = &session->chunk;
	struct smtp_transaction *transaction = session->transaction;

	session->reading = READ_COMMAND;
	if (chunk->refusal == NULL && chunk->kind == CHUNK_BMTD)
		chunk->refusal = smtp_container_end(session);
	if (chunk->refusal == NULL && chunk->last) {
		deliver(session);
		return;
	}
	if (chunk->refusal == NULL && transaction->data.failed != SMTP_OK)
		chunk->refusal = smtp_verdict_refusal(
		    session, (enum smtp_verdict)transaction->data.failed);
	if (chunk->refusal != NULL) {
		smtp_chunk_fail(session);
		refuse(session);
		if (chunk->last)
			smtp_transaction_end(session);
		return;
	}
	transaction->stage = step(session)->next;
	if (chunk->kind == CHUNK_BMTD)
		smtp_reply(session, 250, "2.1.0", "Metadata accepted");
	else
		smtp_reply(
		    session, 250, "2.0.0", "%" PRIu64 " octets", chunk->size);
}

/* The octets come now. */
static void
start(struct smtp_session *session)
{
	struct smtp_chunk *chunk = &session->chunk;

	if (chunk->refusal != NULL)
		smtp_chunk_fail(session);
	else if (chunk->kind == CHUNK_BDAT &&
	    session->transaction->layout.top == 0) {
		smtp_containers_write(session);
		session->transaction->layout.top =
		    session->transaction->data.written;
	}
	session->reading = READ_CHUNK;
	if (chunk->left == 0)
		finish(session);
}

void
smtp_chunk_opened(struct smtp_session *session, enum smtp_verdict verdict)
{
	if (verdict != SMTP_OK)
		session->chunk.refusal = smtp_verdict_refusal(session, verdict);
	start(session);
}

/* 1 to 19 digits, at most 2^63-1. Returns -1 for anything else. */
static int
parse_size(const struct smtp_word *word, uint64_t *size)
{
	size_t i;

	*size = 0;
	if (word->length == 0 || word->length > SIZE_DIGITS)
		return -1;
	for (i = 0; i < word->length; i++) {
		if (word->text[i] < '0' || word->text[i] > '9')
			return -1;
		*size = *size * 10 + (uint64_t)(word->text[i] - '0');
	}
	return *size > INT64_MAX ? -1 : 0;
}

int
smtp_chunk_begin(struct smtp_session *session, enum chunk_kind kind,
    const char *text, size_t length)
{
	struct smtp_chunk *chunk = &session->chunk;
	struct smtp_word words[3];
	int n = smtp_words(text, length, words, 3);

	chunk->kind = (uint8_t)kind;
	chunk->foreign = 0;
	if (n < 1 || parse_size(&words[0], &chunk->size) == -1) {
		smtp_refusal_reply(session, &no_size);
		smtp_close(session, "errors");
		return 1;
	}
	chunk->left = chunk->size;
	/* Draft -01 knows no BMTD LAST: it is a word too many. */
	chunk->last = n == 2 && smtp_word_is(&words[1], "LAST") &&
	    !(kind == CHUNK_BMTD && session->settings->metadata_strict);
	chunk->refusal = judge(session, n);
	if (chunk->refusal == NULL && !session->transaction->open) {
		session->waiting = WAIT_OPEN;
		chunk->waits = 1;
		session->actions->open(session->owner);
	} else
		start(session);
	return 1;
}

/* F-12: octets of a chunk that nobody wants. */
static void
swallow(struct smtp_session *session, size_t length)
{
	uint64_t most = session->login != SMTP_NOBODY ? SMTP_SWALLOW_USER
						      : SMTP_SWALLOW_OTHER;

	session->swallowed += length;
	if (session->swallowed <= most)
		return;
	smtp_reply(session, 421, "4.7.0", "%s Too much that is refused",
	    session->settings->hostname);
	smtp_close(session, "errors");
}

size_t
smtp_chunk_input(struct smtp_session *session, uint8_t *data, size_t length)
{
	struct smtp_chunk *chunk = &session->chunk;

	if (length > chunk->left)
		length = (size_t)chunk->left;
	chunk->left -= length;
	if (chunk->refusal != NULL ||
	    session->transaction->data.failed != SMTP_OK)
		swallow(session, length);
	else if (chunk->kind == CHUNK_BMTD)
		smtp_container_input(session, data, length);
	else
		smtp_content_input(session, data, length);
	if (chunk->left == 0 && !session->closed)
		finish(session);
	return length;
}
