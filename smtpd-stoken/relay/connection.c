/* SPDX-License-Identifier: ISC */
#include <sys/time.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "smtpd-stoken/relay/connection.h"
#include "smtpd-stoken/relay/trust.h"

/* For one address, when there are more to be tried. */
#define ADDRESS_MILLISECONDS 10000
/* A host whose TLS does not work, of which none is demanded. */
#define CLEAR_MILLISECONDS 300000
#define QUIT_SECONDS 5

static const struct link_actions link_actions;
static void on_timer(int, short, void *);

static void
set_timer(struct connection *c, uint64_t milliseconds)
{
	struct timeval wait = {.tv_sec = (time_t)(milliseconds / 1000),
	    .tv_usec = (suseconds_t)(milliseconds % 1000 * 1000)};

	(void)evtimer_add(&c->timer, &wait);
}

/* What the peer may take for an answer; twice as long for the last one. */
static void
set_patience(struct connection *c)
{
	uint64_t seconds = c->setup->timeout;

	if (c->copy != NULL && c->copy->state == COPY_RELEASED)
		seconds *= 2;
	set_timer(c, seconds * 1000);
}

static void
enter(struct connection *c)
{
	c->depth++;
}

static void
destroy(struct connection *c)
{
	(void)event_del(&c->timer);
	link_free(c->link);
	client_free(c->client);
	hop_lost(c, &c->failure);
	setup_release(c->setup);
	free(c);
}

/* What was queued meanwhile goes out in one write. */
static void
leave(struct connection *c)
{
	if (c->depth == 1 && !c->over && c->link != NULL)
		link_flush(c->link);
	if (--c->depth == 0 && c->over)
		destroy(c);
}

static const char *
log_text(const char *text, char *out, size_t size)
{
	size_t i;

	for (i = 0; i + 1 < size && text[i] != '\0'; i++)
		out[i] = text[i] < ' ' || text[i] > '~' ? '?' : text[i];
	out[i] = '\0';
	return out;
}

void
connection_warn(struct connection *c, const char *why)
{
	char text[256];

	log_warnx("%s %s: %s", c->hop->name, c->peer,
	    log_text(why, text, sizeof(text)));
}

/* All addresses in turn, within the time for all of them. */
static void
try_next(struct connection *c)
{
	const struct address *address;
	uint64_t now = hop_clock(), left;

	while (c->next < c->addresses.count && now < c->deadline) {
		address = &c->addresses.list[c->next++];
		(void)address_text(address, c->peer, sizeof(c->peer));
		c->link = link_open((const struct sockaddr *)&address->address,
		    address->length, &link_actions, c);
		if (c->link != NULL) {
			left = c->deadline - now;
			if (c->next < c->addresses.count &&
			    left > ADDRESS_MILLISECONDS)
				left = ADDRESS_MILLISECONDS;
			set_timer(c, left);
			return;
		}
		connection_warn(c, strerror(errno));
	}
	hop_reply(&c->failure, "4.4.1", "Cannot reach the next hop");
	c->over = 1;
	set_timer(c, 0);
}

struct connection *
connection_new(struct hop *hop)
{
	struct connection *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->hop = hop;
	c->setup = setup_current();
	setup_hold(c->setup);
	c->addresses = hop->addresses;
	c->opening = 1;
	c->deadline = hop_clock() + HOP_CONNECT_SECONDS * 1000;
	evtimer_set(&c->timer, on_timer, c);
	try_next(c);
	return c;
}

static enum client_tls
tls_of(const struct connection *c)
{
	if (c->hop->kind == NEXT_HOP_LMTP)
		return CLIENT_TLS_NEVER;
	if (c->setup->scheme == RELAY_SCHEME_SMTPS)
		return CLIENT_TLS_ON;
	if (c->setup->scheme == RELAY_SCHEME_SMTP_TLS)
		return CLIENT_TLS_DEMANDED;
	return address_is_loopback(&c->addresses.list[c->next - 1]) ||
		hop_clock() < c->hop->clear_until
	    ? CLIENT_TLS_NEVER
	    : CLIENT_TLS_WANTED;
}

static void
over(struct connection *c, const char *enhanced, const char *text)
{
	hop_reply(&c->failure, enhanced, text);
	c->over = 1;
}

static void
make_client(struct connection *c)
{
	const struct login *login = c->setup->login;

	c->settings.lmtp = c->hop->kind == NEXT_HOP_LMTP;
	c->settings.tls = tls_of(c);
	c->settings.hostname = c->setup->hostname;
	if (login != NULL && !c->settings.lmtp) {
		c->settings.user = login->user;
		c->settings.password = login->password;
	}
	c->client = client_new(&c->settings, &connection_actions, c);
	if (c->client == NULL)
		over(c, "4.3.0", "Out of memory");
	else
		set_patience(c);
}

void
connection_begin_tls(struct connection *c)
{
	struct trust_names names = {.domain = c->setup->relay_host};

	c->shaking = 1;
	link_start_tls(c->link, c->setup->trust, &names);
	set_timer(c, HOP_CONNECT_SECONDS * 1000);
}

static void
on_connected(void *owner)
{
	struct connection *c = owner;

	enter(c);
	if (tls_of(c) == CLIENT_TLS_ON)
		connection_begin_tls(c);
	else
		make_client(c);
	leave(c);
}

static void
on_tls(void *owner)
{
	struct connection *c = owner;

	enter(c);
	c->shaking = 0;
	if (c->client == NULL)
		make_client(c);
	else {
		set_patience(c);
		client_on_tls(c->client);
	}
	leave(c);
}

static void
on_input(void *owner, const void *data, size_t length)
{
	struct connection *c = owner;

	enter(c);
	if (!c->over) {
		set_patience(c);
		client_input(c->client, data, length);
	}
	leave(c);
}

static void
on_drained(void *owner, int below_mark)
{
	struct connection *c = owner;

	enter(c);
	if (!c->over && !c->idle)
		set_patience(c);
	if (!c->over && below_mark)
		client_drained(c->client);
	leave(c);
}

/* This address does not do: another may. */
static void
drop_link(struct connection *c, const char *why)
{
	connection_warn(c, why);
	link_free(c->link);
	c->link = NULL;
	c->shaking = 0;
	try_next(c);
}

static void
on_closed(void *owner, const char *why)
{
	struct connection *c = owner;

	enter(c);
	if (c->over)
		;
	else if (c->client == NULL)
		drop_link(c, why);
	else {
		if (c->shaking && c->setup->scheme == RELAY_SCHEME_SMTP) {
			connection_warn(c, "TLS fails: it is done without");
			c->hop->clear_until = hop_clock() + CLEAR_MILLISECONDS;
		}
		client_lost(c->client, why);
	}
	leave(c);
}

static const struct link_actions link_actions = {
    .connected = on_connected,
    .on_tls = on_tls,
    .input = on_input,
    .drained = on_drained,
    .closed = on_closed,
};

static void
on_timer(int fd, short what, void *context)
{
	struct connection *c = context;

	(void)fd;
	(void)what;
	enter(c);
	if (c->over)
		;
	else if (c->client == NULL)
		drop_link(c, "it takes too long");
	else if (c->shaking)
		client_lost(c->client, "TLS takes too long");
	else if (c->quits)
		c->over = 1;
	else if (c->idle)
		connection_quit(c);
	else if (client_awaits(c->client)[0] != '\0' ||
	    link_queued(c->link) > 0)
		client_timeout(c->client);
	else
		set_patience(c); /* it is our client who takes his time */
	leave(c);
}

void
connection_begin(struct connection *c, struct copy *copy)
{
	struct recipient *recipient, *next;

	enter(c);
	c->copy = copy;
	c->transactions++;
	c->again = 0;
	copy->connection = c;
	copy->state = COPY_OPEN;
	copy->mail->connections++;
	set_patience(c);
	if (client_mail(c->client, &copy->mail->envelope) == -1)
		over(c, "4.3.0", "Out of memory");
	/* An answer may come from within, and free its recipient. */
	TAILQ_FOREACH_SAFE (recipient, &copy->recipients, entry, next) {
		if (c->over)
			break;
		if (recipient->state == RECIPIENT_ASKED)
			connection_recipient(c, recipient);
		if (c->copy != copy)
			break;
	}
	if (c->copy == copy && c->over && !c->again)
		copy_failed(copy, &c->failure);
	else if (c->copy == copy && copy->mail->fd != -1)
		copy_may_send(copy);
	leave(c);
}

void
connection_recipient(struct connection *c, const struct recipient *recipient)
{
	struct client_reply reply;
	uint32_t number = recipient->number;

	enter(c);
	if (client_recipient(c->client, number, recipient->address,
		recipient->parameters) == -1 &&
	    c->copy != NULL && !c->again) {
		hop_reply(&reply, "4.3.0", "Too many recipients");
		copy_answered(c->copy, number, &reply);
	}
	leave(c);
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
	if (copy->mail->metadata != NULL || c->settings.user == NULL)
		message.metadata = &copy->mail->containers;

	enter(c);
	copy->state = hold ? COPY_SENDS : COPY_RELEASED;
	set_patience(c);
	(void)client_data(c->client, &message);
	leave(c);
}

void
connection_release(struct connection *c)
{
	enter(c);
	c->copy->state = COPY_RELEASED;
	set_patience(c);
	client_release(c->client);
	leave(c);
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
	enter(c);
	connection_finish(c);
	if (!c->over)
		client_abandon(c->client);
	leave(c);
}

void
connection_quit(struct connection *c)
{
	if (c->quits || c->over)
		return;
	enter(c);
	c->quits = 1;
	set_timer(c, QUIT_SECONDS * 1000);
	client_quit(c->client);
	leave(c);
}
