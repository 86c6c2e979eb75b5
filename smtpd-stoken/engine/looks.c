/* SPDX-License-Identifier: ISC */
#include <sys/time.h>

#include <event.h>
#include <stdlib.h>

#include "lib/process.h"
#include "smtpd-stoken/engine/files.h"
#include "smtpd-stoken/engine/looks.h"

/* So long a client waits for an lmtpd to come back. */
#define LOOK_SECONDS 15

TAILQ_HEAD(transfer_queue, transfer);

static struct transfer_queue lookers = TAILQ_HEAD_INITIALIZER(lookers);
static struct event patience;
static uint64_t last_look;

/* The results so far; a mailbox without one counts as not delivered. */
static void
finish(struct transfer *t)
{
	TAILQ_REMOVE(&lookers, t, looking);
	if (TAILQ_EMPTY(&lookers))
		(void)evtimer_del(&patience);
	transfer_delivered(
	    t, bytes_of(t->seen, t->seen != NULL ? t->mailboxes : 0));
}

static int
send_look(struct transfer *t, struct fate *fate, size_t nth,
    struct bytes mailbox, const char *delivery, void *context)
{
	union message m = {.delivery_look = {.look = t->look,
			       .nth = (uint32_t)t->looks_sent++,
			       .mailbox = mailbox,
			       .delivery = bytes_text(delivery)}};

	(void)fate;
	(void)nth;
	return channel_send(context, MSG_DELIVERY_LOOK, &m, -1);
}

static void
ask(struct transfer *t, struct channel *c)
{
	t->look = ++last_look;
	t->look_worker = channel_instance(c);
	t->looks_sent = 0;
	/* What the session was granted goes with it. */
	if (t->orphan || transfer_each_mailbox(t, send_look, c) == -1)
		finish(t);
}

static void
on_patience(int fd, short what, void *context)
{
	struct transfer *t;

	(void)fd;
	(void)what;
	(void)context;
	while ((t = TAILQ_FIRST(&lookers)) != NULL)
		finish(t);
}

void
looks_begin(struct transfer *t)
{
	struct timeval wait = {.tv_sec = LOOK_SECONDS};
	struct channel *c = files_any_worker();

	t->stage = TRANSFER_LOOKING;
	t->look_worker = -1;
	TAILQ_INSERT_TAIL(&lookers, t, looking);
	if (!evtimer_initialized(&patience))
		evtimer_set(&patience, on_patience, NULL);
	if ((t->seen = calloc(t->mailboxes, 1)) == NULL) {
		finish(t);
		return;
	}
	if (!evtimer_pending(&patience, NULL))
		(void)evtimer_add(&patience, &wait);
	if (c != NULL)
		ask(t, c);
}

void
looks_worker_new(struct channel *c)
{
	struct transfer *t, *next;

	TAILQ_FOREACH_SAFE (t, &lookers, looking, next)
		if (t->look_worker == -1)
			ask(t, c);
}

void
looks_worker_gone(uint8_t instance)
{
	struct channel *c = files_any_worker();
	struct transfer *t, *next;

	TAILQ_FOREACH_SAFE (t, &lookers, looking, next) {
		if (t->look_worker != instance)
			continue;
		t->look_worker = -1;
		if (c != NULL)
			ask(t, c);
	}
}

void
looks_seen(struct channel *c, const union message *m, int fd)
{
	const struct msg_delivery_seen *seen = &m->delivery_seen;
	struct transfer *t;

	(void)fd;
	TAILQ_FOREACH (t, &lookers, looking)
		if (t->look == seen->look)
			break;
	/* Whoever was looked for so long is not waited for any more. */
	if (t == NULL && seen->look <= last_look)
		return;
	if (t == NULL || t->look_worker != channel_instance(c) ||
	    seen->nth >= t->mailboxes || seen->result == 0) {
		process_complain(c, "DELIVERY_SEEN that was not asked for");
		return;
	}
	t->seen[seen->nth] = seen->result;
	for (size_t i = 0; i < t->mailboxes; i++)
		if (t->seen[i] == 0)
			return;
	finish(t);
}
