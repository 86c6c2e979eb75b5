/* SPDX-License-Identifier: ISC */
#include <sys/types.h>
#include <sys/queue.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <errno.h>
#include <event.h>
#include <stdlib.h>
#include <unistd.h>

#include "imsg/verdicts.h"
#include "lib/log.h"
#include "lib/metrics.h"
#include "smtpd-stoken/frontend/engines.h"
#include "smtpd-stoken/frontend/listener.h"
#include "smtpd-stoken/frontend/session.h"
#include "smtpd-stoken/frontend/tls.h"

/* Clients taken in one turn: the sessions that are there come first. */
#define TURN 16
/* Descriptors that are for other things than sessions, which take two each. */
#define OTHER_DESCRIPTORS 64

static struct listener_list active = TAILQ_HEAD_INITIALIZER(active);
static int started, out_of_descriptors;
static size_t most = 1000;
static struct event retry;

static void on_client(int, short, void *);

/* Do we take clients now? */
static int
open_for_clients(void)
{
	return started && !out_of_descriptors && session_count() < most &&
	    engine_available();
}

void
listeners_update(void)
{
	struct listener *l;
	int wait = open_for_clients();

	TAILQ_FOREACH (l, &active, entry) {
		if (l->waiting == wait)
			continue;
		l->waiting = wait;
		if (!wait)
			event_del(&l->event);
		else if (event_add(&l->event, NULL) == -1)
			log_warn("event_add");
	}
}

static void
on_retry(int fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	out_of_descriptors = 0;
	listeners_update();
}

/*
 * No descriptor or memory for a client that waits: poll(2) would report it
 * again and again. Try when a session has ended, or after a second.
 */
static void
rest(void)
{
	static const struct timeval second = {1, 0};

	log_warn("accept");
	out_of_descriptors = 1;
	(void)evtimer_add(&retry, &second);
	listeners_update();
}

void
listeners_descriptor_free(void)
{
	if (out_of_descriptors) {
		out_of_descriptors = 0;
		listeners_update();
	} else if (session_count() + 1 == most)
		listeners_update();
}

static void
take_client(struct listener *l, int client, const struct sockaddr *from)
{
	metric_count(CONNECTIONS, l->kind - LISTENER_SMTPS);
	if (l->kind == LISTENER_SOCKET)
		(void)engine_give_client(client, l->port);
	else
		session_new(client, from, l->kind, l->port, l->context);
}

static void
on_client(int fd, short what, void *arg)
{
	struct listener *l = arg;
	struct sockaddr_storage from;
	socklen_t length;
	int client, turn;

	(void)what;
	for (turn = 0; turn < TURN && open_for_clients(); turn++) {
		length = sizeof(from);
		client = accept4(fd, (struct sockaddr *)&from, &length,
		    SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (client != -1) {
			take_client(l, client, (struct sockaddr *)&from);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
		    errno == ENOMEM) {
			rest();
			return;
		}
		if (errno != ECONNABORTED && errno != EINTR)
			break;
	}
	listeners_update();
}

void
listeners_init(void)
{
	evtimer_set(&retry, on_retry, NULL);
}

struct listener_list *
listeners(void)
{
	return &active;
}

void
listeners_drop(struct listener_list *list)
{
	struct listener *l;

	while ((l = TAILQ_FIRST(list)) != NULL) {
		TAILQ_REMOVE(list, l, entry);
		if (l->waiting)
			event_del(&l->event);
		tls_context_release(l->context);
		close(l->fd);
		free(l);
	}
}

void
listeners_replace(struct listener_list *list)
{
	struct listener *l;

	listeners_drop(&active);
	TAILQ_CONCAT(&active, list, entry);
	TAILQ_FOREACH (l, &active, entry)
		event_set(&l->event, l->fd, EV_READ | EV_PERSIST, on_client, l);
	listeners_update();
}

void
listeners_limit(size_t sessions)
{
	struct rlimit limit;

	most = sessions;
	if (getrlimit(RLIMIT_NOFILE, &limit) == -1 ||
	    limit.rlim_cur == RLIM_INFINITY)
		return;
	if (limit.rlim_cur < OTHER_DESCRIPTORS + 2)
		fatalx("too few descriptors: raise the limit on open files");
	if (most > (limit.rlim_cur - OTHER_DESCRIPTORS) / 2)
		most = (limit.rlim_cur - OTHER_DESCRIPTORS) / 2;
}

void
listeners_start(void)
{
	started = 1;
	listeners_update();
}

void
listeners_stop(void)
{
	started = 0;
	listeners_drop(&active);
}
