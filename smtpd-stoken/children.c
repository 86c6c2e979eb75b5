/* SPDX-License-Identifier: ISC */
/*
 * The process table: fork and exec, death and replacement. A child that dies
 * is started again, with a new address-space layout and new channels; one
 * that dies again and again has to wait longer each time.
 */
#include <sys/types.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <errno.h>
#include <event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/metrics.h"
#include "smtpd-stoken/parent.h"

#define CHILD_DESCRIPTOR 3
/* A child that lived this long has not failed at its start. */
#define LIVED_WELL 10
/* Seconds from the start of a child to its READY; a store may recover long. */
#define READY_WITHIN 120
/* Waiting doubles from 100 ms up to about 13 s. */
#define MOST_FAILURES 8
/* What children get beyond `timeout shutdown` to end by themselves. */
#define STOP_GRACE 3

static struct event stop_timer;
static int stop_stage;

static time_t
now(void)
{
	struct timespec ts;

	if (clock_gettime(CLOCK_MONOTONIC, &ts) == -1)
		fatal("clock_gettime");
	return ts.tv_sec;
}

struct child *
child_of_channel(const struct channel *c)
{
	size_t i;

	for (i = 0; i < parent.child_count; i++)
		if (parent.children[i].channel == c)
			return &parent.children[i];
	return NULL;
}

int
children_ready(void)
{
	size_t i;

	for (i = 0; i < parent.child_count; i++)
		if (!parent.children[i].ready)
			return 0;
	return 1;
}

/* In the new process: its end of the channel becomes descriptor 3. */
static void
become(const struct child *child, int fd)
{
	char path[1024];
	char *argv[2];
	char *envp[] = {NULL};
	int null;

	(void)snprintf(
	    path, sizeof(path), "%s/%s", parent.libexec, child->row->program);
	if ((null = open("/dev/null", O_RDWR)) == -1 ||
	    dup2(null, STDIN_FILENO) == -1 || dup2(null, STDOUT_FILENO) == -1 ||
	    (!parent.debug && dup2(null, STDERR_FILENO) == -1))
		fatal("/dev/null");
	if (fd == CHILD_DESCRIPTOR) {
		if (fcntl(fd, F_SETFD, 0) == -1)
			fatal("fcntl");
	} else if (dup2(fd, CHILD_DESCRIPTOR) == -1)
		fatal("dup2");
	closefrom(CHILD_DESCRIPTOR + 1);
	argv[0] = path;
	argv[1] = NULL;
	execve(path, argv, envp);
	fatal("%s", path);
}

static void child_gone(struct channel *, enum channel_end, const char *);

/* One that hangs at its start would never be replaced. */
static void
on_overdue(int fd, short what, void *arg)
{
	struct child *child = arg;

	(void)fd;
	(void)what;
	if (child->ready || child->pid == 0)
		return;
	log_warnx("%s[%u] is not ready after %d seconds: killed",
	    child->row->program, child->instance, READY_WITHIN);
	(void)kill(child->pid, SIGKILL);
}

static void
child_spawn(struct child *child)
{
	struct channel_settings set = {.self = ROLE_PARENT,
	    .peer = child->row->role,
	    .instance = child->instance,
	    .trusted = child->trusted,
	    .handlers = parent_handlers,
	    .gone = child_gone};
	struct timeval patience = {READY_WITHIN, 0};
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == -1)
		fatal("socketpair");
	switch (child->pid = fork()) {
	case -1:
		fatal("fork");
	case 0:
		close(pair[0]);
		become(child, pair[1]);
	}
	close(pair[1]);
	if ((child->channel = channel_open(pair[0], &set)) == NULL)
		fatal("channel");
	child->ready = 0;
	child->started = now();
	evtimer_add(child->overdue, &patience);
	log_debug("%s[%u] is process %ld", child->row->program, child->instance,
	    (long)child->pid);
}

static void
child_start(struct child *child)
{
	child_spawn(child);
	setup_send(child);
	setup_wire(child);
}

static void
on_restart(int fd, short what, void *arg)
{
	struct child *child = arg;

	(void)fd;
	(void)what;
	if (parent.stopping || child->pid != 0)
		return;
	child->restarted = 1;
	metric_count(RESTARTS, child->row->role - ROLE_FRONTEND);
	child_start(child);
	setup_commit(child);
}

/* The channel's end only says that it is dying; wait() says that it did. */
static void
child_gone(struct channel *c, enum channel_end end, const char *why)
{
	struct child *child = child_of_channel(c);

	if (child == NULL)
		return;
	child->channel = NULL;
	child->ready = 0;
	if (end == CHANNEL_BROKE || end == CHANNEL_STUCK)
		log_warnx("%s[%u] broke the contract: %s", child->row->program,
		    child->instance, why);
	/* Also at EOF: who lives on without us would never be replaced. */
	if (child->pid != 0)
		(void)kill(child->pid, SIGKILL);
}

static void
describe_end(const struct child *child, int status)
{
	if (parent.stopping)
		return;
	if (WIFSIGNALED(status))
		log_warnx("%s[%u] (process %ld) was killed by signal %d (%s)",
		    child->row->program, child->instance, (long)child->pid,
		    WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		log_warnx("%s[%u] (process %ld) ended with status %d",
		    child->row->program, child->instance, (long)child->pid,
		    WEXITSTATUS(status));
}

static void
child_ended(struct child *child, int status)
{
	struct timeval wait = {0, 0};
	struct channel *c;

	describe_end(child, status);
	child->pid = 0;
	if ((c = child->channel) != NULL) {
		/* Its last words may say why. They are there already. */
		while (channel_receive_within(c, 0) == 1)
			continue;
		child->channel = NULL;
		channel_close(c);
	}
	child->ready = 0;
	measure_lost(child);
	if (parent.stopping)
		return;
	reload_lost(child);
	if (!parent.started) {
		parent_failed(NULL);
		return;
	}
	if (now() - child->started >= LIVED_WELL)
		child->failures = 0;
	else if (child->failures < MOST_FAILURES)
		child->failures++;
	if (child->failures > 1) {
		wait.tv_sec = (100 << (child->failures - 2)) / 1000;
		wait.tv_usec = (100 << (child->failures - 2)) % 1000 * 1000;
	}
	evtimer_add(child->restart, &wait);
}

void
children_reaped(void)
{
	pid_t pid;
	size_t i;
	int status;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (i = 0; i < parent.child_count; i++)
			if (parent.children[i].pid == pid)
				child_ended(&parent.children[i], status);
}

void
child_kill(enum role role, uint8_t instance)
{
	struct child *child;
	size_t i;

	for (i = 0; i < parent.child_count; i++) {
		child = &parent.children[i];
		if (child->row->role == role && child->instance == instance &&
		    child->pid != 0)
			(void)kill(child->pid, SIGKILL);
	}
}

static void
add_child(const struct role_row *row, uint8_t instance)
{
	struct child *child = &parent.children[parent.child_count++];

	child->row = row;
	child->instance = instance;
	child->trusted =
	    (uint8_t)role_is_trusted(row->role, instance, parent.config);
	child->restart = calloc(1, sizeof(*child->restart));
	child->overdue = calloc(1, sizeof(*child->overdue));
	if (child->restart == NULL || child->overdue == NULL)
		fatal("calloc");
	/* Once for all: one that runs must never be set again. */
	evtimer_set(child->restart, on_restart, child);
	evtimer_set(child->overdue, on_overdue, child);
}

void
children_start(void)
{
	const struct role_row *row;
	size_t i, count = 0;
	uint8_t n;

	for (row = role_table; row->role != ROLE_NONE; row++)
		count += role_instances(row->role, parent.config);
	parent.children = calloc(count, sizeof(*parent.children));
	if (parent.children == NULL)
		fatal("calloc");
	for (row = role_table; row->role != ROLE_NONE; row++)
		for (n = 0; n < role_instances(row->role, parent.config); n++)
			add_child(row, n);
	parent.generation = 1;
	measure_start();
	for (i = 0; i < parent.child_count; i++)
		child_spawn(&parent.children[i]);
	for (i = 0; i < parent.child_count; i++)
		setup_send(&parent.children[i]);
	for (i = 0; i < parent.child_count; i++)
		setup_wire(&parent.children[i]);
	for (i = 0; i < parent.child_count; i++)
		if (parent.children[i].row->rank == 0)
			setup_commit(&parent.children[i]);
}

static void
tell_shutdown(struct child *child, uint32_t seconds)
{
	union message m = {.shutdown = {.seconds = seconds}};

	if (child->channel == NULL)
		return;
	if (child->ready)
		(void)channel_send(child->channel, MSG_SHUTDOWN, &m, -1);
	else if (child->pid != 0)
		(void)kill(child->pid, SIGKILL);
}

static int
serves_clients(const struct child *child)
{
	return child->row->role == ROLE_FRONTEND ||
	    child->row->role == ROLE_ENGINE;
}

/* First those that serve clients; when they are done, the others. */
static void
on_stop_timer(int fd, short what, void *arg)
{
	struct timeval tick = {0, 20000};
	static int64_t ticks;
	struct child *child;
	size_t i, clients = 0, others = 0;

	(void)fd;
	(void)what;
	(void)arg;
	children_reaped();
	for (i = 0; i < parent.child_count; i++) {
		child = &parent.children[i];
		if (child->pid != 0)
			*(serves_clients(child) ? &clients : &others) += 1;
	}
	if (clients == 0 && stop_stage == 0) {
		stop_stage = 1;
		ticks = 0;
		for (i = 0; i < parent.child_count; i++)
			tell_shutdown(&parent.children[i], STOP_GRACE);
	}
	if (clients + others == 0) {
		event_loopexit(NULL);
		return;
	}
	if (ticks++ / 50 >= STOP_GRACE +
		(stop_stage == 0 ? (int64_t)parent.config->timeout_shutdown
				 : 0))
		for (i = 0; i < parent.child_count; i++)
			if (parent.children[i].pid != 0 &&
			    (stop_stage == 1 ||
				serves_clients(&parent.children[i])))
				(void)kill(parent.children[i].pid, SIGKILL);
	evtimer_add(&stop_timer, &tick);
}

void
children_stop(void)
{
	size_t i;

	parent.stopping = 1;
	for (i = 0; i < parent.child_count; i++)
		if (serves_clients(&parent.children[i]))
			tell_shutdown(&parent.children[i],
			    (uint32_t)parent.config->timeout_shutdown);
	evtimer_set(&stop_timer, on_stop_timer, NULL);
	on_stop_timer(-1, 0, NULL);
}
