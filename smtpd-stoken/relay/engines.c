/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "smtpd-stoken/relay/engines.h"

/* What RELAY_OPENED and RELAY_RESULT have room for. */
#define ENHANCED_MOST 16
#define TEXT_MOST 480

static struct mails *
bucket(struct engine *engine, uint64_t session, uint32_t transaction)
{
	return &engine->buckets[(session * 31 + transaction) % MAIL_BUCKETS];
}

struct mail *
engine_find(struct engine *engine, uint64_t session, uint32_t transaction,
    uint8_t next_hop)
{
	struct mail *mail;

	LIST_FOREACH (mail, bucket(engine, session, transaction), entry) {
		if (mail->session == session &&
		    mail->transaction == transaction &&
		    mail->next_hop == (enum next_hop)next_hop)
			return mail;
	}
	return NULL;
}

struct mail *
engine_add(struct engine *engine, uint64_t session, uint32_t transaction,
    uint8_t next_hop)
{
	struct mail *mail;

	if (engine->mails >= MAILS_MOST ||
	    (mail = calloc(1, sizeof(*mail))) == NULL)
		return NULL;
	mail->engine = engine;
	mail->session = session;
	mail->transaction = transaction;
	mail->next_hop = (enum next_hop)next_hop;
	mail->fd = -1;
	TAILQ_INIT(&mail->copies);
	LIST_INSERT_HEAD(bucket(engine, session, transaction), mail, entry);
	engine->mails++;
	return mail;
}

void
engine_remove(struct mail *mail)
{
	LIST_REMOVE(mail, entry);
	mail->engine->mails--;
	if (mail->fd != -1)
		(void)close(mail->fd);
	free(mail->sender);
	free(mail->parameters);
	free(mail->metadata);
	free(mail);
}

struct engine *
engine_new(struct channel *channel)
{
	struct engine *engine = calloc(1, sizeof(*engine));
	size_t i;

	if (engine == NULL)
		return NULL;
	engine->channel = channel;
	for (i = 0; i < MAIL_BUCKETS; i++)
		LIST_INIT(&engine->buckets[i]);
	return engine;
}

void
engine_free(struct engine *engine)
{
	struct mail *mail;
	size_t i;

	for (i = 0; i < MAIL_BUCKETS; i++)
		while ((mail = LIST_FIRST(&engine->buckets[i])) != NULL)
			mail_abandon(mail);
	free(engine);
}

static struct bytes
cut(const char *text, size_t most)
{
	return bytes_of(text, strnlen(text, most));
}

/* An engine that does not read is not listened to either. */
static void
tell(const struct mail *mail, uint16_t number, const union message *m)
{
	struct channel *channel = mail->engine->channel;

	(void)channel_send(channel, number, m, -1);
	if (channel_full(channel))
		channel_pause(channel);
}

void
engine_tell_opened(const struct mail *mail, uint32_t number, unsigned int code,
    const char *enhanced, const char *text)
{
	union message m = {.relay_opened = {.session = mail->session,
			       .transaction = mail->transaction,
			       .next_hop = (uint8_t)mail->next_hop,
			       .recipient = number,
			       .code = (uint16_t)code,
			       .enhanced = cut(enhanced, ENHANCED_MOST),
			       .text = cut(text, TEXT_MOST)}};

	tell(mail, MSG_RELAY_OPENED, &m);
}

void
engine_tell_result(const struct mail *mail, uint32_t number,
    const struct verdict *verdict, int last)
{
	const char *text = verdict->text == NULL ? "" : verdict->text;
	union message m = {
	    .relay_result = {.session = mail->session,
		.transaction = mail->transaction,
		.next_hop = (uint8_t)mail->next_hop,
		.recipient = number,
		.last = (uint8_t)last,
		.outcome = (uint8_t)verdict->outcome,
		.code = verdict->code,
		.enhanced = cut(verdict->enhanced, ENHANCED_MOST),
		.text = cut(text, TEXT_MOST),
		.route = cut(verdict->route, sizeof(verdict->route)),
		.reports = verdict->reports}};

	tell(mail, MSG_RELAY_RESULT, &m);
}
