/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/address.h"
#include "smtpd-stoken/engine/smtp/notify.h"
#include "smtpd-stoken/engine/smtp/parameter.h"
#include "smtpd-stoken/engine/smtp/xtext.h"

static const struct smtp_refusal bad_syntax = {
    501, "5.5.4", "Syntax: MAIL FROM:<address>"};
static const struct smtp_refusal bad_sender = {
    501, "5.1.7", "Bad sender address"};
static const struct smtp_refusal needs_utf8 = {
    550, "5.6.7", "Address needs SMTPUTF8"};
static const struct smtp_refusal not_qualified = {
    554, "5.1.8", "Sender domain is not fully qualified"};

struct mail {
	struct smtp_mail said;
	char envid[SMTP_ENVID_MAX + 1]; /* "" when absent */
};

/* RFC 1870: 1 to 20 digits. */
static const struct smtp_refusal *
take_size(const struct smtp_session *session, void *into, const char *value,
    size_t length)
{
	struct mail *mail = into;
	uint64_t most = session->settings->message_size;
	size_t i;

	if (length > 20)
		return &refusal_arguments;
	for (i = 0; i < length; i++) {
		if (value[i] < '0' || value[i] > '9')
			return &refusal_arguments;
		if (mail->said.size > (UINT64_MAX - 9) / 10)
			mail->said.size = UINT64_MAX;
		else
			mail->said.size =
			    mail->said.size * 10 + (uint64_t)(value[i] - '0');
	}
	if (most > 0 && mail->said.size > most)
		return smtp_verdict_refusal(session, SMTP_TOO_LARGE);
	return NULL;
}

/* BINARYMIME comes with CHUNKING: until then it is not implemented. */
static const struct smtp_refusal *
take_body(const struct smtp_session *session, void *into, const char *value,
    size_t length)
{
	struct smtp_word word = {value, length};
	struct mail *mail = into;

	(void)session;
	if (smtp_word_is(&word, "7BIT"))
		mail->said.body = SMTP_BODY_7BIT;
	else if (smtp_word_is(&word, "8BITMIME"))
		mail->said.body = SMTP_BODY_8BITMIME;
	else if (!smtp_word_is(&word, "BINARYMIME"))
		return &refusal_arguments;
	else if (!smtp_offers_binary(session))
		return &refusal_parameter;
	else
		mail->said.body = SMTP_BODY_BINARYMIME;
	return NULL;
}

static const struct smtp_refusal *
take_utf8(const struct smtp_session *session, void *into, const char *value,
    size_t length)
{
	struct mail *mail = into;

	(void)session;
	(void)value;
	(void)length;
	mail->said.utf8 = 1;
	return NULL;
}

/* F-40: xtext or "<>" is parsed; nobody here is trusted to say it. */
static const struct smtp_refusal *
take_auth(const struct smtp_session *session, void *into, const char *value,
    size_t length)
{
	(void)session;
	(void)into;
	return xtext_decode(value, length, NULL, 0) == -1 ? &refusal_arguments
							  : NULL;
}

static const struct smtp_refusal *
take_ret(const struct smtp_session *session, void *into, const char *value,
    size_t length)
{
	struct mail *mail = into;

	return smtp_take_ret(session, &mail->said.ret, value, length);
}

static const struct smtp_refusal *
take_envid(const struct smtp_session *session, void *into, const char *value,
    size_t length)
{
	struct mail *mail = into;

	return smtp_take_envid(session, mail->envid, value, length);
}

static const struct smtp_parameter parameters[] = {
    {"SIZE", take_size, 1, 0},
    {"BODY", take_body, 1, 0},
    {"SMTPUTF8", take_utf8, 0, 0},
    {"AUTH", take_auth, 1, 0},
    {"RET", take_ret, 1, 0},
    {"ENVID", take_envid, 1, 0},
};

/* The path behind "FROM:"; octets used of text, or 0. */
static size_t
parse_path(struct address *sender, const char *text, size_t length)
{
	size_t i = 5, n;

	if (length < i || strncasecmp(text, "FROM:", i) != 0)
		return 0;
	while (i < length && text[i] == ' ') /* common, though not allowed */
		i++;
	n = path_parse(sender, text + i, length - i);
	return n == 0 ? 0 : i + n;
}

static const struct smtp_refusal *
parse(const struct smtp_session *session, struct address *sender,
    struct mail *mail, const char *text, size_t length)
{
	const struct smtp_refusal *refusal;
	size_t used;

	if (length < 5 || strncasecmp(text, "FROM:", 5) != 0)
		return &bad_syntax;
	if ((used = parse_path(sender, text, length)) == 0 ||
	    (sender->length > 0 && sender->domain_length == 0))
		return &bad_sender;
	refusal = smtp_parameters(session, parameters,
	    sizeof(parameters) / sizeof(parameters[0]), mail, text + used,
	    length - used);
	if (refusal != NULL)
		return refusal;
	if (!sender->ascii && !mail->said.utf8) /* F-100 */
		return &needs_utf8;
	if (session->mode == MODE_SMTP && sender->length > 0 &&
	    !sender->literal &&
	    memchr(sender->domain, '.', sender->domain_length) == NULL)
		return &not_qualified; /* F-51 */
	return NULL;
}

int
command_mail(struct smtp_session *session, const char *text, size_t length)
{
	const struct smtp_refusal *refusal;
	struct smtp_transaction *transaction;
	struct address sender;
	struct mail mail = {.envid = ""};

	refusal = parse(session, &sender, &mail, text, length);
	if (refusal == NULL &&
	    smtp_transaction_begin(session, sender.text, sender.length) == -1)
		refusal = smtp_verdict_refusal(session, SMTP_TEMPORARY);
	if (refusal != NULL) {
		smtp_refusal_reply(session, refusal);
		return 1;
	}
	transaction = session->transaction;
	transaction->mail = mail.said;
	if (mail.envid[0] != '\0') {
		strlcpy(
		    transaction->envid, mail.envid, sizeof(transaction->envid));
		transaction->mail.envid = transaction->envid;
	}
	session->waiting = WAIT_SENDER;
	/* F-53; a user may send as himself alone (section 11). */
	if (session->login == SMTP_USER && sender.length > 0)
		session->actions->sender(
		    session->owner, session->transaction->sender);
	else
		smtp_on_sender(session, SMTP_OK);
	return 1;
}

void
smtp_on_sender(struct smtp_session *session, enum smtp_verdict verdict)
{
	if (session->waiting != WAIT_SENDER)
		return;
	session->waiting = WAIT_NONE;
	if (verdict == SMTP_OK) {
		smtp_reply(session, 250, "2.1.0", "Sender OK");
		return;
	}
	smtp_transaction_end(session);
	smtp_refusal_reply(session, smtp_verdict_refusal(session, verdict));
}
