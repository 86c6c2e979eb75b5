/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "smtpd-stoken/engine/smtp/container.h"
#include "smtpd-stoken/engine/smtp/header.h"

int
smtp_transaction_begin(
    struct smtp_session *session, const char *sender, size_t length)
{
	struct smtp_transaction *transaction;

	transaction = calloc(1, sizeof(*transaction) + length + 1);
	if (transaction == NULL)
		return -1;
	memcpy(transaction->sender, sender, length);
	session->transaction = transaction;
	return 0;
}

void
smtp_transaction_end(struct smtp_session *session)
{
	struct smtp_transaction *transaction = session->transaction;
	size_t i;

	if (transaction == NULL)
		return;
	session->transaction = NULL;
	session->chunk.waits = 0;
	smtp_containers_free(transaction);
	for (i = 0; i < transaction->count; i++) {
		free(transaction->recipients[i].address);
		free(transaction->recipients[i].passed);
	}
	free(transaction->recipients);
	header_free(transaction->data.header);
	free(transaction);
	session->actions->reset(session->owner);
}

struct smtp_recipient *
smtp_recipient_add(
    struct smtp_transaction *transaction, const char *address, size_t length)
{
	struct smtp_recipient *recipient, *grown;
	size_t room;

	if (transaction->count == transaction->room) {
		room = transaction->room == 0 ? 1 : transaction->room * 2;
		grown =
		    reallocarray(transaction->recipients, room, sizeof(*grown));
		if (grown == NULL)
			return NULL;
		transaction->recipients = grown;
		transaction->room = room;
	}
	recipient = &transaction->recipients[transaction->count];
	if ((recipient->address = strndup(address, length)) == NULL)
		return NULL;
	recipient->passed = NULL;
	recipient->state = RECIPIENT_PENDING;
	recipient->verdict = SMTP_OK;
	transaction->count++;
	return recipient;
}

int
smtp_outstanding(const struct smtp_session *session)
{
	const struct smtp_transaction *transaction = session->transaction;

	return transaction != NULL && transaction->replied < transaction->count;
}

int
smtp_recipient_is_pending(
    const struct smtp_session *session, unsigned int number)
{
	const struct smtp_transaction *transaction = session->transaction;

	return transaction != NULL && number < transaction->count &&
	    transaction->recipients[number].state == RECIPIENT_PENDING;
}

void
smtp_goes_outside(struct smtp_session *session)
{
	if (session->transaction != NULL)
		session->transaction->outside = 1;
}

const struct smtp_mail *
smtp_mail(const struct smtp_session *session)
{
	return session->transaction != NULL ? &session->transaction->mail
					    : NULL;
}

const char *
smtp_sender(const struct smtp_session *session)
{
	return session->transaction != NULL ? session->transaction->sender : "";
}

size_t
smtp_accepted(const struct smtp_session *session)
{
	return session->transaction != NULL ? session->transaction->accepted
					    : 0;
}

const char *
smtp_recipient(
    const struct smtp_session *session, size_t n, unsigned int *number)
{
	const struct smtp_transaction *transaction = session->transaction;
	size_t i;

	for (i = 0; transaction != NULL && i < transaction->count; i++) {
		if (transaction->recipients[i].state != RECIPIENT_ACCEPTED)
			continue;
		if (n-- > 0)
			continue;
		if (number != NULL)
			*number = (unsigned int)i;
		return transaction->recipients[i].address;
	}
	return NULL;
}
