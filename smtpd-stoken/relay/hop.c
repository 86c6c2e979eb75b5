/* SPDX-License-Identifier: ISC */
#include <sys/time.h>

#include <stdio.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "smtpd-stoken/relay/connection.h"
#include "smtpd-stoken/relay/hop.h"

/* How long a peer that takes no more connections is believed. */
#define MOST_MILLISECONDS 60000
/* Connections that are opened at once where there are enough. */
#define AT_ONCE 8
/* Seconds that an answer of the DNS is used. */
#define ADDRESSES_LEAST 5
#define ADDRESSES_LONGEST 300

static struct hop hops[] = {
    {.kind = NEXT_HOP_RELAY, .name = "relay host"},
    {.kind = NEXT_HOP_LMTP, .name = "lmtp"},
};

#define HOPS (sizeof(hops) / sizeof(hops[0]))

static int stopping;

static void grow(struct hop *);

uint64_t
hop_clock(void)
{
	return clock_milliseconds();
}

void
hop_reply(struct client_reply *reply, const char *enhanced, const char *text)
{
	reply->source = CLIENT_LOST;
	reply->code = 451;
	(void)strlcpy(reply->enhanced, enhanced, sizeof(reply->enhanced));
	(void)strlcpy(reply->text, text, sizeof(reply->text));
}

static struct hop *
hop_of(const struct mail *mail)
{
	return &hops[mail->next_hop == NEXT_HOP_LMTP];
}

static void
set_tick(struct hop *hop)
{
	struct timeval second = {.tv_sec = 1};

	if (!evtimer_pending(&hop->tick, NULL))
		(void)evtimer_add(&hop->tick, &second);
}

static void
remove_waiting(struct hop *hop, struct copy *copy)
{
	TAILQ_REMOVE(&hop->waiting, copy, queued);
	hop->waiting_count--;
	copy->hop = NULL;
	copy->state = COPY_NEW;
}

/* Who comes while this goes on waits for the next failure. */
static void
fail_waiting(struct hop *hop, const struct client_reply *reply, uint64_t until)
{
	struct copies failed = TAILQ_HEAD_INITIALIZER(failed);
	struct copy *copy;

	while ((copy = TAILQ_FIRST(&hop->waiting)) != NULL &&
	    copy->since <= until) {
		remove_waiting(hop, copy);
		copy_failed(copy, reply);
	}
}

static void
on_tick(int fd, short what, void *context)
{
	struct hop *hop = context;
	struct client_reply reply;
	uint64_t now = hop_clock();

	(void)fd;
	(void)what;
	hop_reply(&reply, "4.4.5", "Too many messages wait for the next hop");
	if (now > HOP_WAIT_SECONDS * 1000)
		fail_waiting(hop, &reply, now - HOP_WAIT_SECONDS * 1000);
	if (TAILQ_EMPTY(&hop->waiting))
		return;
	grow(hop);
	set_tick(hop);
}

void
hops_init(void)
{
	struct hop *hop;

	for (hop = hops; hop < hops + HOPS; hop++) {
		TAILQ_INIT(&hop->idle);
		TAILQ_INIT(&hop->others);
		TAILQ_INIT(&hop->waiting);
		hop->most = HOP_CONNECTIONS;
		evtimer_set(&hop->tick, on_tick, hop);
	}
}

/* The last used first: those that are too many become old. NULL: none. */
static struct connection *
take_idle(struct hop *hop)
{
	struct connection *c = TAILQ_FIRST(&hop->idle);

	if (c == NULL)
		return NULL;
	TAILQ_REMOVE(&hop->idle, c, entry);
	TAILQ_INSERT_TAIL(&hop->others, c, entry);
	hop->idle_count--;
	c->idle = 0;
	return c;
}

/* Nobody holds a place for one that says QUIT. */
static void
end_idle(struct hop *hop)
{
	struct connection *c;

	while ((c = take_idle(hop)) != NULL)
		connection_quit(c);
}

void
hops_configure(void)
{
	struct hop *hop;

	for (hop = hops; hop < hops + HOPS; hop++) {
		hop->addresses_until = 0;
		hop->clear_until = 0;
		end_idle(hop);
	}
}

void
hops_shut_down(void)
{
	struct hop *hop;

	stopping = 1;
	for (hop = hops; hop < hops + HOPS; hop++)
		end_idle(hop);
}

static void
take_addresses(struct hop *hop, const struct addresses *addresses)
{
	uint64_t seconds = addresses->ttl;

	hop->addresses = *addresses;
	if (seconds < ADDRESSES_LEAST)
		seconds = ADDRESSES_LEAST;
	if (seconds > ADDRESSES_LONGEST)
		seconds = ADDRESSES_LONGEST;
	hop->addresses_until = hop_clock() + seconds * 1000;
}

static void
on_addresses(void *owner, const struct addresses *addresses, const char *why)
{
	struct hop *hop = owner;
	struct client_reply reply;

	hop->resolving = 0;
	if (why == NULL) {
		take_addresses(hop, addresses);
		grow(hop);
		return;
	}
	log_warnx("%s: its name cannot be resolved: %s", hop->name, why);
	hop_reply(&reply, "4.4.3", "Cannot find the next hop's address");
	if (hop->total == 0)
		fail_waiting(hop, &reply, UINT64_MAX);
}

/* 1: there are addresses; else they will come, or a failure did. */
static int
has_addresses(struct hop *hop)
{
	const struct setup *setup = setup_current();
	struct addresses found = {.count = 0};

	if (hop->resolving)
		return 0;
	if (hop_clock() < hop->addresses_until)
		return 1;
	if (hop->kind == NEXT_HOP_LMTP ? setup->lmtp_address != NULL &&
		    resolve_lmtp(&found, setup->lmtp_address) == 0
				       : setup->relay_host != NULL &&
		    resolve_literal(
			&found, setup->relay_host, setup->relay_port) == 0) {
		take_addresses(hop, &found);
		return 1;
	}
	hop->resolving = 1;
	if (hop->kind == NEXT_HOP_RELAY && setup->relay_host != NULL)
		resolve_host(
		    setup->relay_host, setup->relay_port, on_addresses, hop);
	else
		on_addresses(hop, &found, "it is not configured");
	return 0;
}

/* May it have a connection though there are enough? */
static int
has_others(const struct copy *copy)
{
	return copy->mail->connections > 0;
}

/* How many connections are worth while to be opened now. */
static size_t
wanted(const struct hop *hop)
{
	const struct copy *copy;
	size_t count = 0, room;

	if (hop->waiting_count <= hop->opening)
		return 0;
	room = hop->most > hop->total ? hop->most - hop->total : 0;
	count = hop->waiting_count - hop->opening;
	if (count <= room)
		return count;
	if (room > 0)
		return room;
	if (hop->most < HOP_CONNECTIONS || hop->total >= HOP_CONNECTIONS_MOST ||
	    hop->opening > 0)
		return 0;
	copy = TAILQ_FIRST(&hop->waiting);
	if (hop_clock() >= copy->since + HOP_PATIENCE)
		return count < AT_ONCE ? count : AT_ONCE;
	TAILQ_FOREACH (copy, &hop->waiting, queued) {
		if (has_others(copy))
			return 1;
	}
	return 0;
}

static void
grow(struct hop *hop)
{
	struct connection *c;
	size_t count;

	if (hop->most < HOP_CONNECTIONS && hop_clock() >= hop->most_until)
		hop->most = HOP_CONNECTIONS;
	if ((count = wanted(hop)) == 0 || !has_addresses(hop))
		return;
	for (; count > 0 && hop->total < HOP_CONNECTIONS_MOST; count--) {
		if ((c = connection_new(hop)) == NULL)
			return; /* the tick tries again */
		TAILQ_INSERT_TAIL(&hop->others, c, entry);
		hop->total++;
		hop->opening++;
	}
}

void
hop_submit(struct copy *copy)
{
	struct hop *hop = hop_of(copy->mail);
	struct connection *c;

	while (!copy->fresh && (c = take_idle(hop)) != NULL) {
		if (!connection_look(c))
			continue;
		connection_begin(c, copy);
		return;
	}
	/* If one was stale, the others are. */
	if (copy->fresh)
		end_idle(hop);
	copy->state = COPY_WAITS;
	copy->hop = hop;
	copy->since = hop_clock();
	TAILQ_INSERT_TAIL(&hop->waiting, copy, queued);
	hop->waiting_count++;
	set_tick(hop);
	grow(hop);
}

void
hop_withdraw(struct copy *copy)
{
	if (copy->connection != NULL)
		connection_abandon(copy->connection);
	else if (copy->state == COPY_WAITS)
		remove_waiting(copy->hop, copy);
}

/* In order; but where all are in use, whoever keeps others waiting first. */
static struct copy *
next_waiting(struct hop *hop, const struct connection *c)
{
	struct copy *copy, *first = NULL;

	TAILQ_FOREACH (copy, &hop->waiting, queued) {
		if (copy->fresh && c->transactions > 0)
			continue;
		if (first == NULL)
			first = copy;
		if (hop->total < hop->most || has_others(copy))
			return copy;
	}
	return first;
}

static void
keep(struct hop *hop, struct connection *c)
{
	TAILQ_REMOVE(&hop->others, c, entry);
	TAILQ_INSERT_HEAD(&hop->idle, c, entry);
	hop->idle_count++;
	c->idle = 1;
	connection_keep(c, HOP_IDLE_SECONDS * 1000);
}

void
hop_ready(struct connection *c)
{
	struct hop *hop = c->hop;
	struct copy *copy;

	if (c->opening) {
		c->opening = 0;
		hop->opening--;
	}
	if (c->setup != setup_current() ||
	    c->transactions >= HOP_TRANSACTIONS_MOST) {
		connection_quit(c);
		grow(hop);
		return;
	}
	if ((copy = next_waiting(hop, c)) != NULL) {
		remove_waiting(hop, copy);
		connection_begin(c, copy);
	} else if (stopping || hop->idle_count >= HOP_IDLE_MOST)
		connection_quit(c);
	else
		keep(hop, c);
}

void
hop_lost(struct connection *c, const struct client_reply *reply)
{
	struct hop *hop = c->hop;

	if (c->idle) {
		TAILQ_REMOVE(&hop->idle, c, entry);
		hop->idle_count--;
	} else
		TAILQ_REMOVE(&hop->others, c, entry);
	hop->total--;
	if (!c->opening) {
		grow(hop);
		return;
	}
	hop->opening--;
	if (hop->total > hop->opening) {
		/* It serves us, but not on so many at a time. */
		hop->most = hop->total - hop->opening;
		hop->most_until = hop_clock() + MOST_MILLISECONDS;
	} else if (hop->total > 0)
		; /* others are on their way */
	else if (c->tls_failed)
		grow(hop);
	else
		fail_waiting(hop, reply, UINT64_MAX);
}
