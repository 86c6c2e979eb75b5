/* SPDX-License-Identifier: ISC */
#include <sys/time.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "smtpd-stoken/relay/dialogue_state.h"
#include "smtpd-stoken/relay/smtp/reply.h"

static const struct link_actions link_actions;
static void on_timer(int, short, void *);
static void drop(struct dialogue *, const char *why);

void
dialogue_set_timer(struct dialogue *d, uint64_t milliseconds)
{
	struct timeval wait = {.tv_sec = (time_t)(milliseconds / 1000),
	    .tv_usec = (suseconds_t)(milliseconds % 1000 * 1000)};

	(void)evtimer_add(&d->timer, &wait);
}

static void
destroy(struct dialogue *d)
{
	(void)event_del(&d->timer);
	link_free(d->link);
	client_free(d->client);
	d->actions->gone(d->owner);
	free(d);
}

void
dialogue_enter(struct dialogue *d)
{
	d->depth++;
}

/* Where nothing stands yet the time for the address goes on. */
static void
set_patience(struct dialogue *d)
{
	uint64_t now = clock_milliseconds(), wait, left;
	const char *awaited;

	d->moved = 0;
	if (!d->settled || d->kept || d->quits)
		return;
	awaited = client_awaits(d->client);
	wait = d->actions->patience(d->owner, awaited);
	left = d->until > now ? d->until - now : 0;
	if (d->until != 0 && strcmp(awaited, "message") == 0 && left < wait)
		wait = left;
	dialogue_set_timer(d, wait);
}

void
dialogue_leave(struct dialogue *d)
{
	if (d->depth == 1 && d->link != NULL && !d->closed)
		link_flush(d->link); /* the last words, too */
	if (d->depth == 1 && d->drops && !d->over)
		drop(d, d->why);
	if (d->depth == 1 && d->moved && !d->over)
		set_patience(d);
	if (--d->depth == 0 && d->over)
		destroy(d);
}

void
dialogue_end(struct dialogue *d, struct dialogue_end *how)
{
	if (d->over)
		return;
	d->over = 1;
	if (how->login_refused == 0)
		how->login_refused = d->login_refused;
	d->actions->over(d->owner, how);
}

static void
fail(struct dialogue *d, const char *enhanced, const char *text,
    const char *reason, int unreached)
{
	struct client_reply reply;
	struct dialogue_end how = {
	    .reply = &reply, .reason = reason, .unreached = unreached};

	reply_make(&reply, CLIENT_LOST, 451, enhanced, text);
	dialogue_end(d, &how);
}

int
dialogue_has_more(const struct dialogue *d)
{
	return d->next < d->settings.addresses &&
	    clock_milliseconds() < d->deadline;
}

/* For the address that is tried now. */
static uint64_t
time_left(const struct dialogue *d)
{
	uint64_t now = clock_milliseconds(), left;

	left = now < d->deadline ? d->deadline - now : 0;
	if (d->next < d->settings.addresses && left > d->settings.each)
		return d->settings.each;
	return left;
}

static void
try_next(struct dialogue *d)
{
	const struct address *address;

	while (dialogue_has_more(d)) {
		address = d->actions->address(d->owner, d->next++);
		d->link = link_open((const struct sockaddr *)&address->address,
		    address->length, &link_actions, d);
		if (d->link != NULL) {
			dialogue_set_timer(d, time_left(d));
			return;
		}
		(void)strlcpy(d->why, strerror(errno), sizeof(d->why));
		d->actions->dropped(d->owner, d->why);
	}
	dialogue_set_timer(d, 0); /* not from within */
}

/* This address does not do. No call into its client is under way. */
static void
drop(struct dialogue *d, const char *why)
{
	if (why != d->why)
		(void)strlcpy(d->why, why, sizeof(d->why));
	link_free(d->link);
	client_free(d->client);
	d->link = NULL;
	d->client = NULL;
	d->shaking = d->drops = d->settled = 0;
	d->actions->dropped(d->owner, d->why);
	try_next(d);
}

void
dialogue_start_tls(struct dialogue *d)
{
	struct trust_names names = d->actions->names(d->owner);

	link_start_tls(d->link, d->settings.trust, &names);
}

static void
make_client(struct dialogue *d)
{
	d->settled = !d->settings.thorough;
	d->moved = 1;
	d->client =
	    client_new(&d->settings.client, &dialogue_client_actions, d);
	if (d->client == NULL)
		fail(d, "4.3.0", "Out of memory", "out of memory", 0);
}

static void
on_connected(void *owner)
{
	struct dialogue *d = owner;

	dialogue_enter(d);
	d->settings.client.tls = d->actions->tls(d->owner);
	if (d->settings.client.tls == CLIENT_TLS_ON)
		dialogue_start_tls(d);
	else
		make_client(d);
	dialogue_leave(d);
}

static void
on_tls(void *owner)
{
	struct dialogue *d = owner;

	dialogue_enter(d);
	d->shaking = 0;
	d->moved = 1;
	if (d->client == NULL)
		make_client(d);
	else
		client_on_tls(d->client);
	dialogue_leave(d);
}

static void
on_input(void *owner, const void *data, size_t length)
{
	struct dialogue *d = owner;
	unsigned int replies;

	dialogue_enter(d);
	if (!d->over) {
		replies = client_replies(d->client);
		client_input(d->client, data, length);
		/* Octets of a reply that never ends are no progress. */
		d->moved |= client_replies(d->client) != replies;
	}
	dialogue_leave(d);
}

static void
on_drained(void *owner, int below_mark)
{
	struct dialogue *d = owner;

	dialogue_enter(d);
	d->moved = 1;
	if (!d->over && below_mark)
		client_drained(d->client);
	dialogue_leave(d);
}

static void
on_closed(void *owner, const char *why)
{
	struct dialogue *d = owner;

	dialogue_enter(d);
	if (d->over || d->drops)
		;
	else if (d->client == NULL)
		drop(d, why);
	else
		client_lost(d->client, why);
	dialogue_leave(d);
}

static const struct link_actions link_actions = {
    .connected = on_connected,
    .on_tls = on_tls,
    .input = on_input,
    .drained = on_drained,
    .closed = on_closed,
};

static void
on_late_client(struct dialogue *d)
{
	if (client_awaits(d->client)[0] != '\0' || link_queued(d->link) > 0) {
		/* Nobody knows whether that would have failed. */
		d->shaking = 0;
		client_timeout(d->client);
	} else if (d->kept)
		dialogue_quit(d);
	else
		d->moved = 1; /* it is our client who takes his time */
}

static void
on_timer(int fd, short what, void *context)
{
	struct dialogue *d = context;
	struct dialogue_end quit = {.reason = "quit"};

	(void)fd;
	(void)what;
	dialogue_enter(d);
	if (d->link == NULL)
		fail(d, "4.4.1", "Cannot reach the next hop", d->why, 1);
	else if (d->client == NULL)
		drop(d, "it takes too long");
	else if (d->quits)
		dialogue_end(d, &quit);
	else
		on_late_client(d);
	dialogue_leave(d);
}

struct dialogue *
dialogue_open(const struct dialogue_settings *settings,
    const struct dialogue_actions *actions, void *owner)
{
	struct dialogue *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return NULL;
	d->actions = actions;
	d->owner = owner;
	d->settings = *settings;
	d->deadline = clock_milliseconds() + settings->all;
	(void)strlcpy(d->why, "there is no address", sizeof(d->why));
	evtimer_set(&d->timer, on_timer, d);
	try_next(d);
	return d;
}
