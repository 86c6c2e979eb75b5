/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "lib/ticket.h"
#include "smtpd-stoken/relay/connection.h"
#include "smtpd-stoken/relay/engines.h"
#include "smtpd-stoken/relay/hop.h"
#include "smtpd-stoken/relay/mail.h"
#include "smtpd-stoken/relay/sharing.h"
#include "smtpd-stoken/relay/token_route.h"

/* From wherever it is. */
static void
withdraw(struct copy *copy)
{
	if (copy->route != NULL)
		route_withdraw(copy);
	else
		hop_withdraw(copy);
}

/* The last octets go out. */
static void
release(struct copy *copy)
{
	if (copy->route != NULL)
		route_release(copy);
	else
		connection_release(copy->connection);
}

static void
copy_free(struct copy *copy)
{
	struct mail *mail = copy->mail;

	withdraw(copy);
	TAILQ_REMOVE(&mail->copies, copy, entry);
	mail->copy_count--;
	free(copy->head);
	free(copy);
}

static struct copy *
first_empty(struct mail *mail)
{
	struct copy *copy;

	TAILQ_FOREACH (copy, &mail->copies, entry)
		if (copy->count == 0)
			return copy;
	return NULL;
}

/*
 * Copies without recipients are over, and so is a mail without. Giving up a
 * transaction may end a connection, and with it other copies: so nothing is
 * freed while a walk over the mail goes on.
 */
void
mail_check(struct mail *mail)
{
	struct copy *copy;

	if (mail->busy > 0)
		return;
	mail->busy++;
	while ((copy = first_empty(mail)) != NULL)
		copy_free(copy);
	mail->busy--;
	if (mail->count == 0)
		engine_remove(mail);
}

static void
recipient_free(struct copy *copy, struct recipient *recipient)
{
	TAILQ_REMOVE(&copy->recipients, recipient, entry);
	copy->count--;
	copy->mail->count--;
	copy->mail->engine->recipients--;
	free(recipient->verdict.text);
	free(recipient);
}

static struct recipient *
find_recipient(struct copy *copy, uint32_t number)
{
	struct recipient *recipient;

	TAILQ_FOREACH (recipient, &copy->recipients, entry)
		if (recipient->number == number)
			return recipient;
	return NULL;
}

struct copy *
mail_copy_of(struct mail *mail, uint32_t number)
{
	struct copy *copy;

	TAILQ_FOREACH (copy, &mail->copies, entry) {
		if (find_recipient(copy, number) != NULL)
			return copy;
	}
	return NULL;
}

/* Is any recipient of the copy without its result? */
static int
is_settled(const struct copy *copy)
{
	const struct recipient *recipient;

	TAILQ_FOREACH (recipient, &copy->recipients, entry) {
		if (recipient->state != RECIPIENT_SETTLED)
			return 0;
	}
	return 1;
}

/* Tells what may be told, of recipients that are forgotten then. */
static void
tell_settled(struct mail *mail)
{
	struct copy *copy;
	struct recipient *recipient, *next;

	if (mail->fd == -1)
		return;
	TAILQ_FOREACH (copy, &mail->copies, entry) {
		TAILQ_FOREACH_SAFE (recipient, &copy->recipients, entry, next) {
			if (recipient->state != RECIPIENT_SETTLED)
				continue;
			engine_tell_result(mail, recipient->number,
			    &recipient->verdict, mail->count == 1);
			recipient_free(copy, recipient);
		}
	}
}

static void
settle(struct recipient *recipient, enum relay_outcome outcome,
    unsigned int code, const char *enhanced, const char *text)
{
	struct verdict *verdict = &recipient->verdict;

	recipient->state = RECIPIENT_SETTLED;
	verdict->outcome = outcome;
	verdict->code = (uint16_t)code;
	(void)strlcpy(verdict->enhanced, enhanced, sizeof(verdict->enhanced));
	verdict->text = strdup(text);
}

static void
settle_by_reply(struct recipient *recipient, const struct client_reply *reply)
{
	settle(recipient, reply->code / 100 == 2 ? RELAY_SENT : RELAY_REFUSED,
	    reply->code, reply->enhanced, reply->text);
}

/* The engine was told that it is accepted, and no more. */
static int
is_open(const struct recipient *recipient)
{
	return recipient->state == RECIPIENT_ACCEPTED ||
	    (recipient->state == RECIPIENT_ASKED && recipient->opened);
}

/*
 * Nothing goes out of what has not: every copy that was not released is
 * withdrawn, and its recipients that know nothing yet are told so.
 */
static void
stop(struct mail *mail)
{
	struct copy *copy;
	struct recipient *recipient;

	mail->stopped = 1;
	TAILQ_FOREACH (copy, &mail->copies, entry) {
		if (copy->state == COPY_RELEASED || copy->state == COPY_OVER)
			continue;
		withdraw(copy);
		copy->state = COPY_OVER;
		TAILQ_FOREACH (recipient, &copy->recipients, entry) {
			if (is_open(recipient))
				settle(recipient, RELAY_NOT_TRIED, 451, "4.4.0",
				    "Not sent, since another copy failed");
		}
	}
}

/* In the order of opening; NULL: none is. */
static struct copy *
first_held(struct mail *mail)
{
	struct copy *copy;

	TAILQ_FOREACH (copy, &mail->copies, entry) {
		if (copy->state == COPY_HELD)
			return copy;
	}
	return NULL;
}

/*
 * DESIGN section 11, one reply for many outcomes: what fails before a copy
 * was accepted stops the mail; the first copy goes alone, when all are ready;
 * then all others go.
 */
static void
step_one_by_one(struct mail *mail)
{
	struct copy *copy;
	int all_held = 1;

	if (mail->sent) {
		while ((copy = first_held(mail)) != NULL)
			release(copy);
		return;
	}
	TAILQ_FOREACH (copy, &mail->copies, entry) {
		if (copy->count == 0)
			continue;
		all_held &= copy->state == COPY_HELD;
		if (copy->state == COPY_OVER && is_settled(copy)) {
			stop(mail);
			return;
		}
	}
	if (!all_held)
		return;
	if ((copy = first_held(mail)) != NULL)
		release(copy);
}

/* What follows from what became known. May free the mail. */
static void
step(struct mail *mail)
{
	mail->busy++;
	if (mail->fd != -1 && mail->one_by_one && !mail->stopped)
		step_one_by_one(mail);
	tell_settled(mail);
	mail->busy--;
	mail_check(mail);
}

void
copy_answered(
    struct copy *copy, uint32_t number, const struct client_reply *reply)
{
	struct recipient *recipient = find_recipient(copy, number);
	struct mail *mail = copy->mail;

	if (recipient == NULL || recipient->state != RECIPIENT_ASKED)
		return;
	if (reply->code / 100 == 2)
		recipient->state = RECIPIENT_ACCEPTED;
	if (!recipient->opened)
		engine_tell_opened(
		    mail, number, reply->code, reply->enhanced, reply->text);
	if (reply->code / 100 == 2)
		return;
	if (recipient->opened) {
		settle_by_reply(recipient, reply);
		withdraw(copy);
		copy->state = COPY_OVER;
	} else
		recipient_free(copy, recipient);
	step(mail);
}

/* By the next hop. Frees the copy when it goes with another one. */
static void
begin(struct copy *copy)
{
	struct mail *mail = copy->mail;

	mail->busy++;
	if (!copy_join(copy))
		hop_submit(copy);
	mail->busy--;
	mail_check(mail);
}

void
copy_begin_again(struct copy *copy)
{
	struct recipient *recipient;
	struct mail *mail = copy->mail;

	copy->state = COPY_NEW;
	copy->answered = copy->fresh = 0;
	TAILQ_FOREACH (recipient, &copy->recipients, entry) {
		if (recipient->state != RECIPIENT_ACCEPTED)
			continue;
		recipient->state = RECIPIENT_ASKED;
		recipient->opened = 1;
		if (mail->stopped)
			settle(recipient, RELAY_NOT_TRIED, 451, "4.4.0",
			    "Not sent, since another copy failed");
	}
	if (!mail->stopped) {
		begin(copy);
		return;
	}
	copy->state = COPY_OVER;
	step(mail);
}

/* The time of a ticket counts until the message is in others' hands. */
static int
is_late(const struct copy *copy)
{
	const struct recipient *recipient;
	uint64_t now = ticket_clock();

	TAILQ_FOREACH (recipient, &copy->recipients, entry) {
		if (recipient->expires != 0 && now >= recipient->expires)
			return 1;
	}
	return 0;
}

void
copy_held(struct copy *copy)
{
	struct client_reply reply;

	if (copy->state != COPY_SENDS)
		return;
	copy->state = COPY_HELD;
	if (copy->mail->one_by_one)
		step(copy->mail);
	else if (!is_late(copy))
		release(copy);
	else {
		log_warnx("message %s: its ticket came too late",
		    copy->mail->message);
		hop_reply(&reply, "4.3.0", "Too late, try again");
		copy_failed(copy, &reply);
	}
}

/* By now all are told, or will not be: the connection serves others. */
static void
end_transaction(struct copy *copy)
{
	copy->state = COPY_OVER;
	if (copy->connection != NULL)
		connection_finish(copy->connection);
}

void
copy_result(
    struct copy *copy, uint32_t number, const struct client_reply *reply)
{
	struct recipient *recipient = find_recipient(copy, number);
	struct mail *mail = copy->mail;

	if (recipient == NULL || recipient->state != RECIPIENT_ACCEPTED)
		return;
	settle_by_reply(recipient, reply);
	(void)strlcpy(recipient->verdict.route, copy->via,
	    sizeof(recipient->verdict.route));
	recipient->verdict.reports = copy->reports;
	if (reply->code / 100 == 2)
		mail->sent = 1;
	if (is_settled(copy))
		end_transaction(copy);
	step(mail);
}

void
copy_failed(struct copy *copy, const struct client_reply *reply)
{
	struct recipient *recipient, *next;
	struct mail *mail = copy->mail;

	mail->busy++;
	withdraw(copy);
	copy->state = COPY_OVER;
	TAILQ_FOREACH_SAFE (recipient, &copy->recipients, entry, next) {
		if (is_open(recipient))
			settle_by_reply(recipient, reply);
		else if (recipient->state == RECIPIENT_ASKED) {
			engine_tell_opened(mail, recipient->number, reply->code,
			    reply->enhanced, reply->text);
			recipient_free(copy, recipient);
		}
	}
	mail->busy--;
	step(mail);
}

static struct recipient *
recipient_new(const struct msg_relay_open *m)
{
	size_t length = m->address.length, more = m->rcpt_parameters.length;
	struct recipient *recipient =
	    calloc(1, sizeof(*recipient) + length + more + 2);

	if (recipient == NULL)
		return NULL;
	recipient->number = m->recipient;
	recipient->parameters = recipient->address + length + 1;
	memcpy(recipient->address, m->address.data, length);
	memcpy(recipient->parameters, m->rcpt_parameters.data, more);
	return recipient;
}

int
mail_add(struct mail *mail, const struct msg_relay_open *m, uint64_t expires)
{
	struct recipient *recipient;
	struct copy *copy;

	if (mail->count >= MAIL_RECIPIENTS_MOST ||
	    mail->engine->recipients >= RECIPIENTS_MOST ||
	    (recipient = recipient_new(m)) == NULL)
		return -1;
	if ((copy = copy_for(mail, (enum relay_sharing)m->shared)) == NULL) {
		free(recipient);
		return -1;
	}
	recipient->expires = expires;
	mail->holds |= expires != 0;
	TAILQ_INSERT_TAIL(&copy->recipients, recipient, entry);
	copy->count++;
	mail->count++;
	mail->engine->recipients++;
	if (copy->state == COPY_NEW) {
		if (!route_begin(copy, m))
			begin(copy);
	} else if (copy->state == COPY_OPEN)
		connection_recipient(copy->connection, recipient);
	return 0;
}

/* Whether there is no other one that could fail before it. */
static int
is_alone(const struct copy *copy)
{
	const struct copy *other;

	TAILQ_FOREACH (other, &copy->mail->copies, entry) {
		if (other != copy && other->count > 0)
			return 0;
	}
	return 1;
}

/* The tickets for the LMTP server are those of a delivery: hold them to it. */
void
copy_may_send(struct copy *copy)
{
	int hold =
	    (copy->mail->one_by_one && !is_alone(copy)) || copy->mail->holds;

	if (copy->state != COPY_OPEN)
		return;
	if (copy->route != NULL)
		route_data(copy, hold);
	else
		connection_data(copy->connection, hold);
}

void
mail_send(struct mail *mail)
{
	struct copy *copy;

	mail->busy++;
	/* What has failed already stops it before anything is sent. */
	if (mail->one_by_one)
		step_one_by_one(mail);
	TAILQ_FOREACH (copy, &mail->copies, entry)
		copy_may_send(copy);
	mail->busy--;
	step(mail);
}

void
mail_abandon(struct mail *mail)
{
	struct copy *copy;
	struct recipient *recipient;

	mail->busy++;
	TAILQ_FOREACH (copy, &mail->copies, entry) {
		while ((recipient = TAILQ_FIRST(&copy->recipients)) != NULL)
			recipient_free(copy, recipient);
	}
	mail->busy--;
	mail_check(mail);
}
