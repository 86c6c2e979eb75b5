/* SPDX-License-Identifier: ISC */
#include "smtpd-stoken/relay/connection.h"

#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "smtpd-stoken/relay/dialogue.h"

/* For one address, when there are more to be tried. */
#define ADDRESS_MILLISECONDS 10000
/* A host whose TLS does not work, of which none is demanded. */
#define CLEAR_MILLISECONDS 300000
#define QUIT_MILLISECONDS 5000

static const char *
log_text(const char *text, char *out, size_t size)
{
	size_t i;

	for (i = 0; i + 1 < size && text[i] != '\0'; i++)
		out[i] = text[i] < ' ' || text[i] > '~' ? '?' : text[i];
	out[i] = '\0';
	return out;
}

static void
on_dropped(void *owner, const char *why)
{
	struct connection *c = owner;
	char text[256];

	log_warnx("%s %s: %s", c->hop->name, c->peer,
	    log_text(why, text, sizeof(text)));
}

static const struct address *
on_address(void *owner, size_t nth)
{
	struct connection *c = owner;

	c->address = &c->addresses.list[nth];
	(void)address_text(c->address, c->peer, sizeof(c->peer));
	return c->address;
}

static enum client_tls
on_connected(void *owner)
{
	const struct connection *c = owner;

	if (c->hop->kind == NEXT_HOP_LMTP)
		return CLIENT_TLS_NEVER;
	if (c->setup->scheme == RELAY_SCHEME_SMTPS)
		return CLIENT_TLS_ON;
	if (c->setup->scheme == RELAY_SCHEME_SMTP_TLS)
		return CLIENT_TLS_DEMANDED;
	return address_is_loopback(c->address) ||
		hop_clock() < c->hop->clear_until
	    ? CLIENT_TLS_NEVER
	    : CLIENT_TLS_WANTED;
}

static struct trust_names
on_names(void *owner)
{
	const struct connection *c = owner;

	return (struct trust_names) {.domain = c->setup->relay_host};
}

/* Twice as long for the answer to a message. */
static uint64_t
on_patience(void *owner, const char *awaited)
{
	const struct connection *c = owner;
	uint64_t seconds = c->setup->timeout;

	if (strcmp(awaited, "TLS") == 0)
		seconds = HOP_CONNECT_SECONDS;
	else if (strcmp(awaited, "end of message") == 0)
		seconds *= 2;
	return seconds * 1000;
}

static void
on_ready(void *owner)
{
	struct connection *c = owner;
	struct client_reply reply;

	if (c->copy != NULL) {
		hop_reply(&reply, "4.3.0", "The transaction ended");
		copy_failed(c->copy, &reply);
	}
	if (c->opening)
		log_debug("%s %s: connected", c->hop->name, c->peer);
	hop_ready(c);
}

/*
 * A kept connection may have been closed by the peer while nobody looked: a
 * transaction of which it has said nothing is begun again on a fresh one.
 */
static int
begin_again(struct connection *c, const struct client_reply *reply)
{
	if (reply->source == CLIENT_LOST && c->transactions > 1 &&
	    !c->copy->answered && !c->copy->fresh)
		c->again = 1;
	return c->again;
}

static void
on_recipient(void *owner, uint32_t id, const struct client_reply *reply)
{
	struct connection *c = owner;

	if (c->copy == NULL || begin_again(c, reply))
		return;
	if (reply->source == CLIENT_SAID)
		c->copy->answered = 1;
	copy_answered(c->copy, id, reply);
}

static void
on_held(void *owner)
{
	struct connection *c = owner;

	if (c->copy != NULL)
		copy_held(c->copy);
}

static void
on_result(void *owner, uint32_t id, const struct client_reply *reply)
{
	struct connection *c = owner;

	if (c->copy == NULL)
		return;
	c->copy->reports = (uint8_t)dialogue_offers(c->dialogue, "DSN");
	copy_result(c->copy, id, reply);
}

/* That one was lost which nobody needed is no matter. */
static void
log_end(struct connection *c, const struct dialogue_end *end)
{
	if (end->reply == NULL || end->unreached)
		return;
	if (c->again || (c->copy == NULL && !c->opening))
		log_debug("%s %s: %s", c->hop->name, c->peer, end->reason);
	else
		on_dropped(c, end->reason);
}

static void
do_without_tls(struct connection *c)
{
	if (c->setup->scheme != RELAY_SCHEME_SMTP)
		return;
	on_dropped(c, "TLS fails: it is done without");
	c->tls_failed = 1;
	c->hop->clear_until = hop_clock() + CLEAR_MILLISECONDS;
}

static void
on_over(void *owner, const struct dialogue_end *end)
{
	struct connection *c = owner;
	struct copy *copy = c->copy;

	log_end(c, end);
	if (end->tls_failed)
		do_without_tls(c);
	if (end->reply != NULL)
		c->failure = *end->reply;
	else
		hop_reply(&c->failure, "4.4.2", "The connection was closed");
	if (copy == NULL)
		return;
	if (!c->again) {
		copy_failed(copy, &c->failure);
		return;
	}
	connection_finish(c);
	copy->fresh = 1;
	hop_submit(copy);
}

static void
on_gone(void *owner)
{
	struct connection *c = owner;

	hop_lost(c, &c->failure);
	setup_release(c->setup);
	free(c);
}

static const struct dialogue_actions actions = {
    .address = on_address,
    .tls = on_connected,
    .names = on_names,
    .dropped = on_dropped,
    .patience = on_patience,
    .ready = on_ready,
    .recipient = on_recipient,
    .held = on_held,
    .result = on_result,
    .over = on_over,
    .gone = on_gone,
};

/* An LMTP server is local, and knows us by that. */
static int
logs_in(const struct connection *c)
{
	return c->setup->login != NULL && c->hop->kind != NEXT_HOP_LMTP;
}

struct connection *
connection_new(struct hop *hop)
{
	struct connection *c = calloc(1, sizeof(*c));
	struct dialogue_settings settings = {.addresses = hop->addresses.count,
	    .all = HOP_CONNECT_SECONDS * 1000,
	    .each = ADDRESS_MILLISECONDS,
	    .quit = QUIT_MILLISECONDS};

	if (c == NULL)
		return NULL;
	c->hop = hop;
	c->setup = setup_current();
	c->addresses = hop->addresses;
	c->opening = 1;
	settings.trust = c->setup->trust;
	settings.client.lmtp = hop->kind == NEXT_HOP_LMTP;
	settings.client.hostname = c->setup->hostname;
	if (logs_in(c)) {
		settings.client.user = c->setup->login->user;
		settings.client.password = c->setup->login->password;
	}
	c->dialogue = dialogue_open(&settings, &actions, c);
	if (c->dialogue == NULL) {
		free(c);
		return NULL;
	}
	setup_hold(c->setup);
	return c;
}

/* An answer may come from within, and free its recipient. */
static void
ask_recipients(struct connection *c, struct copy *copy)
{
	struct recipient *recipient, *next;

	TAILQ_FOREACH_SAFE (recipient, &copy->recipients, entry, next) {
		if (recipient->state == RECIPIENT_ASKED)
			connection_recipient(c, recipient);
		if (c->copy != copy)
			return;
	}
	if (copy->mail->fd != -1)
		copy_may_send(copy);
}

void
connection_begin(struct connection *c, struct copy *copy)
{
	struct client_reply reply;

	dialogue_enter(c->dialogue);
	c->copy = copy;
	c->transactions++;
	c->again = 0;
	copy->connection = c;
	copy->state = COPY_OPEN;
	copy->mail->connections++;
	if (dialogue_mail(c->dialogue, &copy->mail->envelope) == 0)
		ask_recipients(c, copy);
	else {
		dialogue_close(c->dialogue);
		hop_reply(&reply, "4.3.0", "Out of memory");
		copy_failed(copy, &reply);
	}
	dialogue_leave(c->dialogue);
}

void
connection_recipient(struct connection *c, const struct recipient *recipient)
{
	struct client_reply reply;
	uint32_t number = recipient->number;

	dialogue_enter(c->dialogue);
	if (dialogue_recipient(c->dialogue, number, recipient->address,
		recipient->parameters) == -1 &&
	    c->copy != NULL && !c->again) {
		hop_reply(&reply, "4.3.0", "Too many recipients");
		copy_answered(c->copy, number, &reply);
	}
	dialogue_leave(c->dialogue);
}

void
connection_data(struct connection *c, int hold)
{
	struct copy *copy = c->copy;
	struct client_message message = {.head = copy->head,
	    .head_length = copy->head_length,
	    .size = mail_size(copy->mail),
	    .exact = copy->mail->exact,
	    .hold = hold,
	    .read = mail_read,
	    .reader = copy->mail};

	/*
	 * Who logs in submits, and is not believed about its trace (section
	 * 11): it stays in the header, where nothing came in containers.
	 */
	if (copy->mail->metadata != NULL || !logs_in(c))
		message.metadata = &copy->mail->containers;
	copy->state = hold ? COPY_SENDS : COPY_RELEASED;
	dialogue_data(c->dialogue, &message);
}

void
connection_release(struct connection *c)
{
	c->copy->state = COPY_RELEASED;
	dialogue_release(c->dialogue);
}

void
connection_finish(struct connection *c)
{
	c->copy->connection = NULL;
	c->copy->mail->connections--;
	c->copy = NULL;
}

void
connection_abandon(struct connection *c)
{
	connection_finish(c);
	dialogue_abandon(c->dialogue);
}

void
connection_quit(struct connection *c)
{
	dialogue_quit(c->dialogue);
}

void
connection_keep(struct connection *c, uint64_t milliseconds)
{
	dialogue_keep(c->dialogue, milliseconds);
}

int
connection_look(struct connection *c)
{
	return dialogue_look(c->dialogue);
}
