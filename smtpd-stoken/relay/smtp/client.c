/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "smtpd-stoken/relay/smtp/state.h"

/*
 * A connection. Calls note what is wanted, replies what has come, and
 * client_advance() does what can be done. It never runs while octets of the
 * peer are still to be read: so no reply that came before a command was said
 * is taken for an answer to it.
 */

struct client *
client_new(const struct client_settings *settings,
    const struct client_actions *actions, void *owner)
{
	struct client *client = calloc(1, sizeof(*client));

	if (client == NULL)
		return NULL;
	client->settings = settings;
	client->actions = actions;
	client->owner = owner;
	client->tls = settings->tls == CLIENT_TLS_ON;
	return client;
}

void
client_free(struct client *client)
{
	if (client == NULL)
		return;
	login_end(&client->login);
	envelope_free(&client->transaction);
	free(client);
}

static const struct client_reply unknown = {.source = CLIENT_UNKNOWN,
    .code = 451,
    .enhanced = "4.4.2",
    .text = "The connection was lost behind the end of the message: it may "
	    "have been accepted"};

void
client_end(
    struct client *client, const struct client_reply *why, const char *reason)
{
	struct transaction *transaction = &client->transaction;
	struct recipient *recipient;
	struct client_reply told = unknown;
	size_t i;

	if (client->state == STATE_OVER)
		return;
	client->state = STATE_OVER;
	login_end(&client->login);
	if (why != NULL)
		told = *why; /* it may lie in what is freed below */
	for (i = 0; i < transaction->count && why != NULL; i++) {
		recipient = &transaction->recipients[i];
		if (transaction->abandoned ||
		    recipient->state == RECIPIENT_DONE)
			continue;
		if (recipient->state != RECIPIENT_ACCEPTED)
			client->actions->recipient(
			    client->owner, recipient->id, &told);
		else
			client->actions->result(client->owner, recipient->id,
			    transaction->phase != PHASE_FINAL ? &told
				: transaction->refused
				? &transaction->chunk_reply
				: &unknown);
	}
	envelope_free(transaction);
	client->actions->over(
	    client->owner, why == NULL ? NULL : &told, reason);
}

void
client_fail(struct client *client, const char *enhanced, const char *text,
    const char *reason)
{
	struct client_reply reply;

	reply_make(&reply, CLIENT_LOST, 451, enhanced, text);
	client_end(client, &reply, reason == NULL ? text : reason);
}

void
client_fault(struct client *client, const char *what)
{
	char reason[256];

	snprintf(reason, sizeof(reason), "%s%s%s", what,
	    *client_awaits(client) == '\0' ? "" : " while waiting for: ",
	    client_awaits(client));
	client_fail(client, "4.5.0",
	    "The next hop broke the rules of the protocol", reason);
}

/* 421: the peer closes (RFC 5321 section 3.8). */
static void
closing(struct client *client, const struct client_reply *reply)
{
	char reason[CLIENT_TEXT_MAX + 64];

	snprintf(reason, sizeof(reason), "the peer closes: 421 %s %s",
	    reply->enhanced, reply->text);
	client_end(client, reply, reason);
}

static void
on_reply(struct client *client)
{
	struct client_reply reply;

	reply_pass(&client->parser, &reply);
	if (client->state == STATE_QUIT) {
		client_end(client, NULL, "quit");
	} else if (client->state != STATE_READY) {
		greeting_reply(client);
	} else if (reply.source == CLIENT_LOST &&
	    client->transaction.phase != PHASE_FINAL) {
		closing(client, &reply);
	} else if (!client_awaits_reply(client) &&
	    client->transaction.phase != PHASE_BODY) {
		client_fault(client, "a reply that nobody asked for");
	} else {
		if (client->transaction.phase == PHASE_ENVELOPE ||
		    client->transaction.phase == PHASE_RSET)
			envelope_reply(client, &reply);
		else
			transfer_reply(client, &reply);
		if (reply.source == CLIENT_LOST)
			closing(client, &reply);
	}
}

static void
on_event(struct client *client, enum reply_event event)
{
	if (event == REPLY_FAULT)
		client_fault(client, client->parser.fault);
	else if (client->spoke)
		client_fault(client, "a reply before the command");
	else if (event == REPLY_LINE)
		greeting_line(client);
	else if (event == REPLY_END) {
		client->replies++;
		on_reply(client);
		/* There may have been a token in it. */
		if (client->settings->stoken)
			explicit_bzero(&client->parser, sizeof(client->parser));
	}
}

void
client_input(struct client *client, const void *data, size_t length)
{
	const char *p = data;
	enum reply_event event;
	size_t n;

	client->busy = 1;
	client->spoke = 0;
	while (length > 0 && client->state != STATE_OVER) {
		/* RFC 3207: what came in clear behind 220 is an attack. */
		if (client->state == STATE_TLS) {
			client_fault(client, "octets in clear behind STARTTLS");
			break;
		}
		n = reply_input(&client->parser, p, length, &event);
		p += n;
		length -= n;
		if (event != REPLY_NONE)
			on_event(client, event);
	}
	if (client->spoke && reply_begun(&client->parser))
		client_fault(client, "a reply before the command");
	/* Nothing was asked, and nothing shall be before this is over. */
	if (client->state == STATE_READY &&
	    client->transaction.phase == PHASE_NONE &&
	    reply_begun(&client->parser))
		client_fault(client, "octets that nobody asked for");
	client->spoke = 0;
	client->busy = 0;
	client_advance(client);
}

/* 1: something was done, look again. */
static int
step(struct client *client)
{
	if (client->state == STATE_TLS && !client->told_tls) {
		client->told_tls = 1;
		client_flush(client);
		client->actions->start_tls(client->owner);
		return 1;
	}
	if (client->state != STATE_READY)
		return 0;
	if (client->transaction.phase == PHASE_ENVELOPE)
		return envelope_step(client);
	if (client->transaction.phase == PHASE_BODY)
		return transfer_step(client);
	if (client->transaction.phase != PHASE_NONE)
		return 0;
	if (client->quitting) {
		client_say(client, "QUIT");
		client->state = STATE_QUIT;
		return 0;
	}
	if (client->told_ready)
		return 0;
	client->told_ready = 1;
	client->actions->ready(client->owner);
	return 1;
}

void
client_advance(struct client *client)
{
	if (client->busy)
		return;
	client->busy = 1;
	while (step(client))
		continue;
	client_flush(client);
	client->busy = 0;
}

void
client_drained(struct client *client)
{
	client->blocked = 0;
	client_advance(client);
}

void
client_on_tls(struct client *client)
{
	if (client->state != STATE_TLS)
		return;
	client->tls = 1;
	reply_reset(&client->parser);
	greeting_hello(client);
	client_advance(client);
}

void
client_lost(struct client *client, const char *why)
{
	char reason[256], text[200];

	if (client->state == STATE_QUIT) {
		client_end(client, NULL, "quit");
		return;
	}
	reply_printable(text, sizeof(text), why, strlen(why));
	snprintf(reason, sizeof(reason), "%s%s%s", text,
	    *client_awaits(client) == '\0' ? "" : " while waiting for: ",
	    client_awaits(client));
	client_fail(
	    client, "4.4.2", "The connection to the next hop was lost", reason);
}

void
client_timeout(struct client *client)
{
	char reason[64];

	if (client->state == STATE_QUIT) {
		client_end(client, NULL, "quit");
		return;
	}
	snprintf(reason, sizeof(reason), "too long without an answer: %s",
	    client_awaits(client));
	client_fail(
	    client, "4.4.2", "The next hop did not answer in time", reason);
}

void
client_quit(struct client *client)
{
	client->quitting = 1;
	if (client->state < STATE_READY &&
	    client->transaction.phase != PHASE_NONE)
		client_fail(client, "4.4.2", "Given up", "given up");
	else if (client->state < STATE_READY)
		client_end(client, NULL, "given up");
	else
		client_advance(client);
}

const char *
client_awaits(const struct client *client)
{
	static const char *const setup[] = {"greeting", "EHLO", "HELO",
	    "STARTTLS", "TLS", "AUTH", "", "QUIT", ""};
	static const char *const phases[] = {
	    "", "", "DATA", "message", "end of message", "RSET"};
	const struct transaction *transaction = &client->transaction;

	if (client->state == STATE_EHLO && client->settings->lmtp)
		return "LHLO";
	if (client->state != STATE_READY)
		return setup[client->state];
	if (transaction->phase == PHASE_ENVELOPE && client_awaits_reply(client))
		return transaction->mail == MAIL_SENT ? "MAIL" : "RCPT";
	return phases[transaction->phase];
}

int
client_is_ready(const struct client *client)
{
	return client->state == STATE_READY && !client->quitting &&
	    client->transaction.phase == PHASE_NONE;
}

unsigned int
client_login_refused(const struct client *client)
{
	return client->login_refused;
}

unsigned int
client_replies(const struct client *client)
{
	return client->replies;
}

int
client_offers(const struct client *client, const char *keyword)
{
	unsigned int bit = extension_bit(keyword, strlen(keyword));

	return (client->extensions.offered & bit) != 0;
}
