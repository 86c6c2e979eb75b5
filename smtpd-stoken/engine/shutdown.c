/* SPDX-License-Identifier: ISC */
#include <sys/time.h>

#include "lib/process.h"
#include "smtpd-stoken/engine/session.h"
#include "smtpd-stoken/engine/transfer.h"

/*
 * Milliseconds between the last session and our own end: a frontend that
 * finds a session's end and ours together takes it for an accident.
 */
#define LAST_WORDS 300

static int shutting_down;
static struct event deadline_event, exit_event;

int
engine_is_shutting_down(void)
{
	return shutting_down;
}

/* Idle sessions go at once, others when their transfer is answered. */
static void
say_goodbye(struct session *s, void *context)
{
	(void)context;
	session_continue(s);
}

static void
give_up(struct session *s, void *context)
{
	(void)context;
	smtp_shutdown(s->smtp);
	session_end(s, "shutdown");
}

static void
on_deadline(int fd, short what, void *context)
{
	(void)fd;
	(void)what;
	(void)context;
	sessions_each(give_up, NULL);
	session_io_flush();
	process_exit();
}

static void
on_exit_time(int fd, short what, void *context)
{
	(void)fd;
	(void)what;
	(void)context;
	if (session_count() == 0)
		process_exit();
}

void
engine_shutdown(uint32_t seconds)
{
	struct timeval left = {(time_t)seconds, 0};

	if (shutting_down)
		return;
	shutting_down = 1;
	evtimer_set(&exit_event, on_exit_time, NULL);
	evtimer_set(&deadline_event, on_deadline, NULL);
	(void)evtimer_add(&deadline_event, &left);
	sessions_each(say_goodbye, NULL);
	engine_check_empty();
}

void
engine_check_empty(void)
{
	struct timeval wait = {0, LAST_WORDS * 1000};

	if (shutting_down && session_count() == 0)
		(void)evtimer_add(&exit_event, &wait);
}
