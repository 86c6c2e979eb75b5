/* SPDX-License-Identifier: ISC */
#include "tokend/flight.h"

#include <sys/types.h>
#include <sys/queue.h>
#include <sys/time.h>

#include <event.h>
#include <stdlib.h>
#include <string.h>

#include "lib/address.h"
#include "lib/ticket.h"

struct pair {
	char remote[ADDRESS_SIZE];
	char local[ADDRESS_SIZE];
};

struct flight {
	TAILQ_ENTRY(flight) entry;
	uint64_t number;
	uint64_t expires;
	int owned; /* a session will end or forget it */
	struct pair *pairs;
	size_t count;
};

struct waiter {
	TAILQ_ENTRY(waiter) entry;
	uint64_t number; /* flights from here on were checked against it */
	enum mark_scope scope;
	char remote[ADDRESS_DOMAIN_MAX + 1];
	char local[ADDRESS_SIZE];
	flight_done *done;
	void *argument;
};

/* Oldest first, so that the first one expires first. */
static TAILQ_HEAD(, flight)
flights = TAILQ_HEAD_INITIALIZER(flights);
static TAILQ_HEAD(, waiter)
waiters = TAILQ_HEAD_INITIALIZER(waiters);
static uint64_t last_number, unknown_until;
static size_t count;
static struct event timer;
static int timer_set;

static void
flight_drop(struct flight *flight)
{
	TAILQ_REMOVE(&flights, flight, entry);
	count--;
	free(flight->pairs);
	free(flight);
}

/* Drops those whose end nobody will tell, once they cannot land. */
static void
sweep(uint64_t now)
{
	struct flight *flight, *next;

	TAILQ_FOREACH_SAFE (flight, &flights, entry, next) {
		if (flight->expires > now)
			break;
		if (!flight->owned)
			flight_drop(flight);
	}
}

struct flight *
flight_begin(uint64_t expires)
{
	struct flight *flight;

	sweep(ticket_clock());
	if (count == FLIGHTS_MAX ||
	    (flight = calloc(1, sizeof(*flight))) == NULL)
		return NULL;
	flight->number = ++last_number;
	flight->expires = expires;
	flight->owned = 1;
	TAILQ_INSERT_TAIL(&flights, flight, entry);
	count++;
	return flight;
}

int
flight_add(struct flight *flight, const char *remote, const char *local)
{
	struct pair *pairs;

	pairs = reallocarray(flight->pairs, flight->count + 1, sizeof(*pairs));
	if (pairs == NULL)
		return -1;
	flight->pairs = pairs;
	strlcpy(pairs[flight->count].remote, remote,
	    sizeof(pairs[flight->count].remote));
	strlcpy(pairs[flight->count].local, local,
	    sizeof(pairs[flight->count].local));
	flight->count++;
	return 0;
}

static int
is_covered(const struct waiter *waiter, const struct flight *flight)
{
	size_t i;

	for (i = 0; i < flight->count; i++)
		if (mark_covers(waiter->scope, bytes_text(waiter->remote),
			bytes_text(waiter->local),
			bytes_text(flight->pairs[i].remote),
			bytes_text(flight->pairs[i].local)))
			return 1;
	return 0;
}

static int
must_wait(const struct waiter *waiter, uint64_t now)
{
	const struct flight *flight;

	if (unknown_until > now)
		return 1;
	TAILQ_FOREACH (flight, &flights, entry)
		if (flight->number <= waiter->number && flight->expires > now &&
		    is_covered(waiter, flight))
			return 1;
	return 0;
}

static void look(int fd, short what, void *argument);

/* Looks again when the next ticket has expired. */
static void
timer_arm(uint64_t now)
{
	const struct flight *flight;
	struct timeval in = {1, 0};
	uint64_t next = unknown_until;

	if (TAILQ_EMPTY(&waiters))
		return;
	if (next <= now)
		TAILQ_FOREACH (flight, &flights, entry)
			if ((next = flight->expires) > now)
				break;
	if (next > now) {
		in.tv_sec = (time_t)((next - now) / 1000);
		in.tv_usec = (suseconds_t)((next - now) % 1000) * 1000 + 500;
	}
	if (!timer_set)
		evtimer_set(&timer, look, NULL);
	timer_set = 1;
	(void)evtimer_add(&timer, &in);
}

static void
look(int fd, short what, void *argument)
{
	struct waiter *waiter, *next;
	uint64_t now = ticket_clock();

	(void)fd;
	(void)what;
	(void)argument;
	sweep(now);
	TAILQ_FOREACH_SAFE (waiter, &waiters, entry, next) {
		if (must_wait(waiter, now))
			continue;
		TAILQ_REMOVE(&waiters, waiter, entry);
		waiter->done(waiter->argument);
		free(waiter);
	}
	timer_arm(now);
}

void
flight_end(struct flight *flight)
{
	flight_drop(flight);
	if (!TAILQ_EMPTY(&waiters))
		look(-1, 0, NULL);
}

void
flight_forget(struct flight *flight)
{
	flight->owned = 0;
}

int
flights_wait(enum mark_scope scope, struct bytes remote, struct bytes local,
    flight_done *done, void *argument)
{
	struct waiter *waiter;

	if ((waiter = calloc(1, sizeof(*waiter))) == NULL ||
	    bytes_copy(waiter->remote, sizeof(waiter->remote), remote) == -1 ||
	    bytes_copy(waiter->local, sizeof(waiter->local), local) == -1) {
		free(waiter);
		return -1;
	}
	waiter->number = last_number;
	waiter->scope = scope;
	waiter->done = done;
	waiter->argument = argument;
	if (!must_wait(waiter, ticket_clock())) {
		free(waiter);
		done(argument);
		return 0;
	}
	TAILQ_INSERT_TAIL(&waiters, waiter, entry);
	timer_arm(ticket_clock());
	return 0;
}

void
flights_unknown_until(uint64_t time)
{
	unknown_until = time;
}
