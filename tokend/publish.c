/* SPDX-License-Identifier: ISC */
#include "tokend/publish.h"

#include <sys/queue.h>

#include <event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/process.h"
#include "tokend/publish_items.h"

#define PATIENCE 20 /* seconds */
#define AT_ONCE 16 /* questions to relay */

struct job {
	TAILQ_ENTRY(job) entry;
	uint64_t client;
	publish_done *done;
	struct publish_item *items;
	size_t count, next, waiting;
	uint64_t first; /* the request of the first item */
	struct event timer;
};

static TAILQ_HEAD(jobs, job)
jobs = TAILQ_HEAD_INITIALIZER(jobs);

static void
finish(struct job *job)
{
	struct client_request *client = control_find(job->client);
	struct publish all = {.items = job->items, .count = job->count};

	TAILQ_REMOVE(&jobs, job, entry);
	(void)evtimer_del(&job->timer);
	if (client != NULL)
		job->done(client, &all);
	free(job->items);
	free(job);
}

static void
cannot(struct publish_item *item, const char *why)
{
	item->state = PUBLISH_UNCHECKED;
	strlcpy(item->problem, why, sizeof(item->problem));
}

static void
on_time(int fd, short what, void *argument)
{
	struct job *job = argument;
	size_t i;

	(void)fd;
	(void)what;
	for (i = 0; i < job->count; i++)
		if (job->items[i].asked || i >= job->next)
			cannot(&job->items[i], "no answer in time");
	finish(job);
}

static void
ask(struct job *job, size_t i)
{
	struct channel *relay = process_peer(ROLE_RELAY, 0);
	struct publish_item *item = &job->items[i];
	union message m = {.dns_ask = {.request = job->first + i,
			       .srv = item->port != 0,
			       .name = bytes_text(item->name)}};

	if (relay == NULL || strlen(item->name) > 255 ||
	    channel_send(relay, MSG_DNS_ASK, &m, -1) == -1) {
		cannot(item,
		    tokend.settings->relay || tokend.settings->deliver_lmtp
			? "the relay process, which asks, is away"
			: "without a relay host no process may ask the DNS");
		return;
	}
	item->asked = 1;
	job->waiting++;
}

/* As many questions as may be under way; or that was all. */
static void
go_on(struct job *job)
{
	while (job->waiting < AT_ONCE && job->next < job->count)
		ask(job, job->next++);
	if (job->waiting == 0)
		finish(job);
}

void
publish_look(struct client_request *client, const struct measured *measured,
    publish_done *done)
{
	static const struct timeval patience = {PATIENCE, 0};
	static uint64_t next;
	struct job *job = calloc(1, sizeof(*job));

	if (job == NULL ||
	    (job->items = publish_items(measured, &job->count)) == NULL) {
		free(job);
		control_end(client, CONTROL_AGAIN, "out of memory");
		return;
	}
	/* Answers to the tokend before this one are not for us. */
	if (next == 0)
		arc4random_buf(&next, sizeof(next));
	job->first = next;
	next += job->count;
	job->client = client->number;
	job->done = done;
	TAILQ_INSERT_TAIL(&jobs, job, entry);
	evtimer_set(&job->timer, on_time, job);
	(void)evtimer_add(&job->timer, &patience);
	go_on(job);
}

/* Is this one of them: the right port and host, whatever the order? */
static int
is_wanted(const struct publish_item *item, struct bytes record)
{
	char text[512], target[257];
	unsigned int priority, weight, port;

	if (item->port == 0)
		return 1;
	if (bytes_copy(text, sizeof(text), record) == -1 ||
	    sscanf(text, "%u %u %u %256s", &priority, &weight, &port, target) !=
		4 ||
	    strlen(target) == 0)
		return 0;
	target[strlen(target) - 1] = '\0'; /* a dot */
	return port == item->port && strcasecmp(target, item->target) == 0;
}

static void
judge(struct publish_item *item, struct bytes records)
{
	struct bytes record;
	char text[512];

	item->state = PUBLISH_MISSING;
	while (list_next(&records, &record) == 1) {
		if (item->state != PUBLISH_THERE)
			item->state = is_wanted(item, record)
			    ? PUBLISH_THERE
			    : PUBLISH_DIFFERENT;
		if (bytes_copy(text, sizeof(text), record) == -1)
			continue;
		if (item->found[0] != '\0')
			(void)strlcat(item->found, ", ", sizeof(item->found));
		(void)strlcat(item->found, text, sizeof(item->found));
	}
}

void
on_dns_answer(struct channel *relay, const union message *m, int fd)
{
	const struct msg_dns_answer *said = &m->dns_answer;
	struct publish_item *item;
	struct job *job;
	char problem[129];

	(void)relay;
	(void)fd;
	TAILQ_FOREACH (job, &jobs, entry)
		if (said->request - job->first < job->count)
			break;
	if (job == NULL || !job->items[said->request - job->first].asked)
		return;
	item = &job->items[said->request - job->first];
	item->asked = 0;
	job->waiting--;
	if (bytes_copy(problem, sizeof(problem), said->problem) == -1)
		problem[0] = '\0';
	if (problem[0] != '\0')
		cannot(item, problem);
	else
		judge(item, said->records);
	/* Then the domain surely named the host (D-S14). */
	if (said->validated && item->state == PUBLISH_THERE &&
	    item->certificate == PUBLISH_CERTIFICATE_OTHER && item->covers_host)
		item->certificate = PUBLISH_CERTIFICATE_OK;
	go_on(job);
}

void
publish_relay_gone(void)
{
	struct job *job, *next;
	size_t i;

	TAILQ_FOREACH_SAFE (job, &jobs, entry, next) {
		for (i = 0; i < job->count; i++) {
			if (!job->items[i].asked)
				continue;
			job->items[i].asked = 0;
			cannot(&job->items[i],
			    "the relay process died while it asked");
		}
		job->waiting = 0;
		go_on(job);
	}
}
