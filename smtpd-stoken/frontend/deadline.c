/* SPDX-License-Identifier: ISC */
#include <sys/types.h>
#include <sys/queue.h>
#include <sys/time.h>

#include <event.h>

#include "smtpd-stoken/frontend/deadline.h"

static const time_t usual[DEADLINE_KINDS] = {
    [DEADLINE_HANDSHAKE] = 30,
    [DEADLINE_STALLED] = 300, /* RFC 5321 4.5.3.2: as for a reply */
    [DEADLINE_CLOSING] = 30,
    [DEADLINE_LINGER] = 5,
};

static time_t seconds[DEADLINE_KINDS]; /* the same, or less */
static TAILQ_HEAD(deadlines, deadline)
queues[DEADLINE_KINDS];
static void (*on_passed)(struct deadline *, enum deadline_kind);
static struct event timer;

static time_t
now(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec;
}

static void
arm(void)
{
	static const struct timeval second = {1, 0};

	if (!evtimer_pending(&timer, NULL))
		(void)evtimer_add(&timer, &second);
}

static void
tick(int fd, short what, void *arg)
{
	struct deadline *first;
	time_t time = now();
	int kind;

	(void)fd;
	(void)what;
	(void)arg;
	for (kind = DEADLINE_NONE + 1; kind < DEADLINE_KINDS; kind++) {
		while ((first = TAILQ_FIRST(&queues[kind])) != NULL &&
		    first->until <= time) {
			deadline_set(first, DEADLINE_NONE);
			on_passed(first, (enum deadline_kind)kind);
		}
		if (!TAILQ_EMPTY(&queues[kind]))
			arm();
	}
}

void
deadline_init(void (*passed)(struct deadline *, enum deadline_kind))
{
	int kind;

	on_passed = passed;
	for (kind = 0; kind < DEADLINE_KINDS; kind++)
		TAILQ_INIT(&queues[kind]);
	deadline_limit(0);
	evtimer_set(&timer, tick, NULL);
}

void
deadline_set(struct deadline *deadline, enum deadline_kind kind)
{
	if (deadline->kind != DEADLINE_NONE)
		TAILQ_REMOVE(&queues[deadline->kind], deadline, entry);
	deadline->kind = kind;
	if (kind == DEADLINE_NONE)
		return;
	deadline->until = now() + seconds[kind];
	TAILQ_INSERT_TAIL(&queues[kind], deadline, entry);
	arm();
}

void
deadline_limit(time_t most)
{
	int kind;

	for (kind = 0; kind < DEADLINE_KINDS; kind++)
		seconds[kind] =
		    most > 0 && most < usual[kind] ? most : usual[kind];
}

struct deadline *
deadline_first(enum deadline_kind kind)
{
	return TAILQ_FIRST(&queues[kind]);
}
