/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/address.h"
#include "smtpd-stoken/engine/smtp/notify.h"
#include "smtpd-stoken/engine/smtp/parameter.h"

/* Refused RCPT that a transaction remembers beside the accepted ones. */
#define REFUSED_MAX 1000

static const struct smtp_refusal bad_syntax = {
    501, "5.5.4", "Syntax: RCPT TO:<address>"};
static const struct smtp_refusal bad_recipient = {
    501, "5.1.3", "Bad recipient address"};
static const struct smtp_refusal needs_utf8 = {
    553, "5.6.7", "Address needs SMTPUTF8"};
static const struct smtp_refusal not_qualified = {
    554, "5.1.2", "Recipient domain is not fully qualified"};

struct rcpt {
	struct address address;
	/* "" when absent */
	char token[256], mine[256];
	char notify[SMTP_NOTIFY_MAX + 1], orcpt[SMTP_ORCPT_MAX + 1];
};

/* S1-06. Only who came by token may name one, and only in LMTP (D-S17). */
static const struct smtp_refusal *
take_value(const struct smtp_session *session, char *out, size_t size,
    const char *value, size_t length)
{
	if (!session->settings->tokens || session->mode != MODE_LMTP ||
	    session->login == SMTP_TRUSTED)
		return &refusal_parameter;
	if (session->login != SMTP_TOKEN || length >= size)
		return &refusal_arguments;
	memcpy(out, value, length);
	out[length] = '\0';
	return NULL;
}

static const struct smtp_refusal *
take_token(const struct smtp_session *session, void *into, const char *value,
    size_t length)
{
	struct rcpt *rcpt = into;

	return take_value(
	    session, rcpt->token, sizeof(rcpt->token), value, length);
}

static const struct smtp_refusal *
take_mine(const struct smtp_session *session, void *into, const char *value,
    size_t length)
{
	struct rcpt *rcpt = into;

	return take_value(
	    session, rcpt->mine, sizeof(rcpt->mine), value, length);
}

static const struct smtp_refusal *
take_notify(const struct smtp_session *session, void *into, const char *value,
    size_t length)
{
	struct rcpt *rcpt = into;

	return smtp_take_notify(session, rcpt->notify, value, length);
}

static const struct smtp_refusal *
take_orcpt(const struct smtp_session *session, void *into, const char *value,
    size_t length)
{
	struct rcpt *rcpt = into;

	return smtp_take_orcpt(session, rcpt->orcpt, value, length);
}

static const struct smtp_parameter parameters[] = {
    {"STOKEN", take_token, 1, 0},
    {"MYSTOKEN", take_mine, 1, 0},
    {"NOTIFY", take_notify, 1, 0},
    {"ORCPT", take_orcpt, 1, 1},
};

/* What is wrong with the address itself. */
static const struct smtp_refusal *
check_address(const struct smtp_session *session, const struct address *address)
{
	char canonical[ADDRESS_SIZE];

	if (address->length == 0 || address->literal)
		return &bad_recipient;
	if (!address->ascii && !session->transaction->mail.utf8) /* F-100 */
		return &needs_utf8;
	if (address->domain_length == 0) /* <postmaster> */
		return NULL;
	if (!address->ascii && address_canonical(address, canonical) == -1)
		return &bad_recipient;
	if (session->mode == MODE_SMTP &&
	    memchr(address->domain, '.', address->domain_length) == NULL)
		return &not_qualified; /* F-51 */
	return NULL;
}

static const struct smtp_refusal *
parse(const struct smtp_session *session, struct rcpt *rcpt, const char *text,
    size_t length)
{
	const struct smtp_refusal *refusal;
	size_t i = 3, n;

	if (length < i || strncasecmp(text, "TO:", i) != 0)
		return &bad_syntax;
	while (i < length && text[i] == ' ')
		i++;
	n = path_parse(&rcpt->address, text + i, length - i);
	if (n == 0)
		return &bad_recipient;
	refusal = smtp_parameters(session, parameters,
	    sizeof(parameters) / sizeof(parameters[0]), rcpt, text + i + n,
	    length - i - n);
	if (refusal != NULL)
		return refusal;
	if (rcpt->mine[0] != '\0' && rcpt->token[0] == '\0')
		return &refusal_arguments;
	if ((refusal = check_address(session, &rcpt->address)) != NULL)
		return refusal;
	/* S1-72; D-S23: no token is for mail from nobody */
	if (session->login == SMTP_TOKEN &&
	    (rcpt->token[0] == '\0' || session->transaction->sender[0] == '\0'))
		return smtp_verdict_refusal(session, SMTP_REFUSED);
	return NULL;
}

static const char *
given(const char *value)
{
	return value[0] != '\0' ? value : NULL;
}

/* Remembers the recipient and has it checked; -1 when there is no memory. */
static int
check(struct smtp_session *session, const struct rcpt *rcpt)
{
	struct smtp_transaction *transaction = session->transaction;
	struct smtp_recipient_check question;
	char bare[ADDRESS_LOCAL_MAX + 1 + ADDRESS_DOMAIN_MAX + 1];
	size_t n = rcpt->address.length;

	memcpy(bare, rcpt->address.text, n);
	bare[n] = '\0';
	if (rcpt->address.domain_length == 0) {
		strlcat(bare, "@", sizeof(bare));
		strlcat(bare, session->settings->domain, sizeof(bare));
	}
	if (smtp_recipient_add(transaction, bare, strlen(bare)) == NULL)
		return -1;
	question.number = (unsigned int)transaction->count - 1;
	question.address = bare;
	question.token = given(rcpt->token);
	question.mine = given(rcpt->mine);
	question.notify = given(rcpt->notify);
	question.orcpt = given(rcpt->orcpt);
	session->actions->recipient(session->owner, &question);
	return 0;
}

int
command_rcpt(struct smtp_session *session, const char *text, size_t length)
{
	const struct smtp_refusal *refusal;
	const struct smtp_transaction *transaction = session->transaction;
	struct rcpt rcpt;
	size_t owed = transaction->count - transaction->replied;
	size_t refused = transaction->replied - transaction->accepted;
	int full;

	full = refused >= REFUSED_MAX ||
	    transaction->accepted + owed >= session->settings->recipients;
	rcpt.token[0] = rcpt.mine[0] = rcpt.notify[0] = rcpt.orcpt[0] = '\0';
	refusal = parse(session, &rcpt, text, length);
	/* A refusal now must not overtake an earlier RCPT's reply. */
	if (owed > 0 && (refusal != NULL || full))
		return 0;
	if (refusal == NULL && full)
		refusal = smtp_verdict_refusal(session, SMTP_TOO_MANY);
	if (refusal == NULL && check(session, &rcpt) == -1) {
		if (owed > 0)
			return 0;
		refusal = smtp_verdict_refusal(session, SMTP_TEMPORARY);
	}
	if (refusal != NULL)
		smtp_refusal_reply(session, refusal);
	return 1;
}

static void
reply(struct smtp_session *session, struct smtp_recipient *recipient)
{
	const struct smtp_refusal *refusal;
	struct smtp_refusal words;

	if (recipient->verdict == SMTP_OK) {
		recipient->state = RECIPIENT_ACCEPTED;
		session->transaction->accepted++;
		smtp_reply(session, 250, "2.1.5", "Recipient OK");
		return;
	}
	recipient->state = RECIPIENT_REFUSED;
	free(recipient->address);
	recipient->address = NULL;
	refusal = smtp_passed_refusal(session,
	    (enum smtp_verdict)recipient->verdict, recipient->passed, &words);
	smtp_reply(
	    session, refusal->code, refusal->enhanced, "%s", refusal->text);
	free(recipient->passed);
	recipient->passed = NULL;
}

/* Answers come in any order, replies go out in the order of the RCPT. */
void
smtp_on_recipient(struct smtp_session *session, unsigned int number,
    enum smtp_verdict verdict, const struct smtp_passed *passed)
{
	struct smtp_transaction *transaction = session->transaction;
	struct smtp_recipient *recipient;

	if (transaction == NULL || number >= transaction->count ||
	    transaction->recipients[number].state != RECIPIENT_PENDING)
		return;
	recipient = &transaction->recipients[number];
	recipient->state = RECIPIENT_ANSWERED;
	if (verdict == SMTP_PASSED && passed != NULL) {
		recipient->passed = malloc(sizeof(*passed));
		if (recipient->passed != NULL)
			smtp_passed_clean(session, recipient->passed, passed);
	}
	recipient->verdict = (uint8_t)verdict;
	while (transaction->replied < transaction->count) {
		recipient = &transaction->recipients[transaction->replied];
		if (recipient->state != RECIPIENT_ANSWERED)
			break;
		transaction->replied++;
		reply(session, recipient);
	}
	session->stalled = 0;
}
