/* SPDX-License-Identifier: ISC */
/*
 * tokend wants to know what all processes have counted, for `tokenctl show
 * metrics` and `check`: each is asked, their numbers are added up. A sum never
 * falls: what a process had counted when it was asked last stays in it when
 * that process is replaced.
 */
#include <sys/stat.h>
#include <sys/time.h>

#include <errno.h>
#include <event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/log.h"
#include "lib/measure.h"
#include "lib/metrics.h"
#include "smtpd-stoken/parent.h"

/* How long a process may take; one of lmtpd may wait for its disk. */
#define PATIENCE 3
/* Findings and certificates of one process, in one run. */
#define HEARD_MOST 600

static uint64_t gone[METRIC_SLOTS]; /* by those that died */
static struct {
	int running;
	uint32_t request; /* tokend's number */
	uint32_t round; /* ours: late answers to an earlier one do not count */
	int check;
	size_t waiting;
	struct event timer;
} measure;

static struct child *
tokend_child(void)
{
	size_t i;

	for (i = 0; i < parent.child_count; i++)
		if (parent.children[i].row->role == ROLE_TOKEND &&
		    parent.children[i].ready)
			return &parent.children[i];
	return NULL;
}

static void
tell_tokend(uint16_t number, const union message *m)
{
	struct child *child = tokend_child();

	if (child != NULL)
		(void)channel_send(child->channel, number, m, -1);
}

static void
set_gauges(void)
{
	const struct child *child;
	size_t i, first = METRIC_PROCESSES, last = METRIC_PROCESSES_SILENT_LAST;

	for (i = first; i <= last; i++)
		metric_values[i] = 0;
	for (i = 0; i < parent.child_count; i++) {
		child = &parent.children[i];
		first = child->row->role - ROLE_FRONTEND;
		metric_up(PROCESSES_CONFIGURED, first);
		if (child->ready)
			metric_up(PROCESSES, first);
		if (child->ready && child->counting)
			metric_up(PROCESSES_SILENT, first);
	}
}

static void
add_up(uint64_t *sums)
{
	const struct child *child;
	size_t i, slot;

	for (slot = 0; slot < METRIC_SLOTS; slot++)
		sums[slot] = metric_values[slot] + gone[slot];
	for (i = 0; i < parent.child_count; i++) {
		child = &parent.children[i];
		if (child->counted == NULL)
			continue;
		for (slot = 0; slot < METRIC_SLOTS; slot++)
			sums[slot] += child->counted[slot];
	}
}

static void
finish(void)
{
	static uint64_t sums[METRIC_SLOTS];
	static uint8_t octets[METRICS_OCTETS];
	union message m = {.measured = {.request = measure.request,
			       .values = bytes_of(octets, sizeof(octets))}};
	size_t i;

	(void)evtimer_del(&measure.timer);
	measure.running = 0;
	set_gauges();
	for (i = 0; i < parent.child_count; i++)
		parent.children[i].counting = 0;
	add_up(sums);
	metrics_write(sums, octets);
	tell_tokend(MSG_MEASURED, &m);
}

/* What we find ourselves; about a process, or NULL. */
static void
find(const struct child *child, enum finding_state state, const char *item,
    const char *text)
{
	union message m = {
	    .finding_seen = {.request = measure.request,
		.role =
		    (uint8_t)(child == NULL ? ROLE_PARENT : child->row->role),
		.instance = child == NULL ? 0 : child->instance,
		.state = (uint8_t)state,
		.item = bytes_text(item),
		.text = bytes_text(text)}};

	if (measure.check)
		tell_tokend(MSG_FINDING_SEEN, &m);
}

/* A file that was renewed, and not taken: it would end unnoticed. */
static void
look_at_file(const char *path, const char *what)
{
	uint64_t taken = metric_values[METRIC_RELOADED];
	enum finding_state state = FINDING_WARNING;
	struct stat st;
	char text[512];

	if (stat(path, &st) == -1)
		(void)snprintf(text, sizeof(text),
		    "%s: %s: the next start or reload fails", path,
		    strerror(errno));
	else if (st.st_mtime > 0 && (uint64_t)st.st_mtime > taken)
		(void)snprintf(text, sizeof(text),
		    "%s is newer than what is in use: `tokenctl reload`", path);
	else
		return;
	find(NULL, state, what, text);
}

static void
look_around(void)
{
	const struct config *config = parent.config;
	size_t i;

	if (!measure.check)
		return;
	if (config->sandbox == SANDBOX_LOG)
		find(NULL, FINDING_WARNING, "sandbox",
		    "it only logs what it should stop: take `sandbox log` out "
		    "of the configuration");
	look_at_file(parent.config_path, "configuration");
	for (i = 0; i < config->pki_count; i++) {
		look_at_file(config->pki[i].cert, "certificates");
		look_at_file(config->pki[i].key, "certificates");
	}
}

static void
on_time(int fd, short what, void *argument)
{
	size_t i;

	(void)fd;
	(void)what;
	(void)argument;
	if (!measure.running)
		return;
	for (i = 0; i < parent.child_count; i++)
		if (parent.children[i].counting)
			find(&parent.children[i], FINDING_WARNING, "process",
			    "it does not answer: it is busy, or hangs");
	finish();
}

void
measure_start(void)
{
	time_t now = time(NULL);

	evtimer_set(&measure.timer, on_time, NULL);
	metric_set(START, 0, now);
	metric_set(RELOADED, 0, now);
}

static void
ask(struct child *child)
{
	union message m = {.count = {.request = measure.round,
			       .check = (uint8_t)measure.check}};

	child->counting = 0;
	child->heard = 0;
	if (!child->ready)
		return; /* which the numbers say */
	if (channel_send(child->channel, MSG_COUNT, &m, -1) == -1)
		return;
	child->counting = 1;
	measure.waiting++;
}

/* One at a time; of a tokend that was replaced meanwhile only the new one. */
void
on_measure(struct channel *c, const union message *m, int fd)
{
	static const struct timeval patience = {PATIENCE, 0};
	struct child *child = child_of_channel(c);
	size_t i;

	(void)fd;
	if (child == NULL)
		return;
	measure.running = 1;
	measure.request = m->measure.request;
	measure.check = m->measure.check != 0;
	measure.round++;
	measure.waiting = 0;
	look_around();
	for (i = 0; i < parent.child_count; i++)
		ask(&parent.children[i]);
	if (measure.waiting == 0)
		finish();
	else
		(void)evtimer_add(&measure.timer, &patience);
}

/* It has answered, or never will. */
static void
strike_out(struct child *child)
{
	if (!child->counting)
		return;
	child->counting = 0;
	if (measure.running && --measure.waiting == 0)
		finish();
}

void
on_counted(struct channel *c, const union message *m, int fd)
{
	struct child *child = child_of_channel(c);

	(void)fd;
	if (child == NULL || !child->counting ||
	    m->counted.request != measure.round)
		return;
	if (child->counted == NULL &&
	    (child->counted = calloc(METRIC_SLOTS, sizeof(*child->counted))) ==
		NULL)
		fatal("calloc");
	if (metrics_read(child->counted, m->counted.values, child->row->role) ==
	    -1)
		log_warnx("%s[%u] does not count as it should",
		    child->row->program, child->instance);
	strike_out(child);
}

/* May what this process says in between go on to tokend? */
static struct child *
heard(struct channel *c, uint32_t round)
{
	struct child *child = child_of_channel(c);

	if (child == NULL || !measure.running || !child->counting ||
	    round != measure.round || child->heard++ >= HEARD_MOST)
		return NULL;
	return child;
}

void
on_certificate(struct channel *c, const union message *m, int fd)
{
	const struct msg_certificate *said = &m->certificate;
	union message told = {.certificate_seen = {.request = measure.request,
				  .begins = said->begins,
				  .ends = said->ends,
				  .pki = said->pki,
				  .names = said->names}};

	(void)fd;
	if (heard(c, said->request) != NULL)
		tell_tokend(MSG_CERTIFICATE_SEEN, &told);
}

/* Who meets clients or other servers is not to give the operator advice. */
static int
may_find(const struct child *child)
{
	return child->row->role == ROLE_LMTPD || child->row->role == ROLE_AUTH;
}

void
on_finding(struct channel *c, const union message *m, int fd)
{
	const struct msg_finding *said = &m->finding;
	struct child *child = heard(c, said->request);
	union message told = {.finding_seen = {.request = measure.request,
				  .state = said->state,
				  .item = said->item,
				  .text = said->text}};

	(void)fd;
	if (child == NULL || !may_find(child))
		return;
	told.finding_seen.role = (uint8_t)child->row->role;
	told.finding_seen.instance = child->instance;
	tell_tokend(MSG_FINDING_SEEN, &told);
}

void
measure_lost(struct child *child)
{
	const struct metric_row *row;
	size_t i, slot;

	for (i = 0; (row = metric_row_at(i)) != NULL; i++)
		for (slot = row->first;
		     child->counted != NULL && row->kind != METRIC_GAUGE &&
		     slot < row->first + row->slots;
		     slot++)
			gone[slot] += child->counted[slot];
	free(child->counted);
	child->counted = NULL;
	strike_out(child);
}
