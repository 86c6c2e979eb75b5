/* SPDX-License-Identifier: ISC */
#include "tokend/measure.h"

#include <stdlib.h>
#include <string.h>

#include "lib/measure.h"
#include "lib/metrics.h"
#include "lib/process.h"
#include "tokend/session.h"

#define CERTIFICATES_MOST 1000
#define FINDINGS_MOST 5000

static struct {
	int running;
	int check;
	uint32_t request;
	struct certificate_fact *certificates;
	size_t certificate_count;
	struct finding_fact *findings;
	size_t finding_count;
} run;

static void
forget(void)
{
	size_t i;

	for (i = 0; i < run.certificate_count; i++)
		free(run.certificates[i].names);
	for (i = 0; i < run.finding_count; i++)
		free(run.findings[i].text);
	free(run.certificates);
	free(run.findings);
	run.certificates = NULL;
	run.findings = NULL;
	run.certificate_count = run.finding_count = 0;
}

static void
begin(int check)
{
	union message m = {.measure = {
			       .request = ++run.request,
			       .check = (uint8_t)check,
			   }};

	forget();
	run.running = 1;
	run.check = check;
	(void)channel_send(process_parent(), MSG_MEASURE, &m, -1);
}

void
measure_ask(struct client_request *client, int check,
    void (*done)(struct client_request *, const struct measured *))
{
	client->measured = done;
	client->measure_check = check;
	if (!run.running)
		begin(check);
}

static void
serve(struct client_request *client, void *argument)
{
	void (*done)(struct client_request *, const struct measured *) =
	    client->measured;

	if (done == NULL || client->measure_check > run.check)
		return;
	client->measured = NULL;
	done(client, argument);
}

/* Somebody who needs more came meanwhile. */
static void
look_for_more(struct client_request *client, void *argument)
{
	int *check = argument;

	if (client->measured != NULL && *check < client->measure_check)
		*check = client->measure_check;
}

void
on_measured(struct channel *parent, const union message *m, int fd)
{
	static uint64_t values[METRIC_SLOTS];
	struct measured measured = {.values = values,
	    .certificates = run.certificates,
	    .certificate_count = run.certificate_count,
	    .findings = run.findings,
	    .finding_count = run.finding_count};
	int check = -1;

	(void)parent;
	(void)fd;
	if (!run.running || m->measured.request != run.request)
		return;
	if (metrics_read(values, m->measured.values, ROLE_ANY) == -1)
		memset(values, 0, sizeof(values));
	control_each(serve, &measured);
	forget();
	run.running = 0;
	control_each(look_for_more, &check);
	if (check >= 0)
		begin(check);
}

static int
is_known(struct bytes pki)
{
	size_t i;

	for (i = 0; i < run.certificate_count; i++)
		if (bytes_equal(bytes_text(run.certificates[i].pki), pki))
			return 1;
	return 0;
}

/* Every frontend speaks of the same ones. */
void
on_certificate_seen(struct channel *parent, const union message *m, int fd)
{
	const struct msg_certificate_seen *seen = &m->certificate_seen;
	struct certificate_fact *grown, *fact;

	(void)parent;
	(void)fd;
	if (!run.running || seen->request != run.request ||
	    run.certificate_count == CERTIFICATES_MOST || is_known(seen->pki))
		return;
	grown = reallocarray(
	    run.certificates, run.certificate_count + 1, sizeof(*grown));
	if (grown == NULL)
		return;
	run.certificates = grown;
	fact = &grown[run.certificate_count];
	memset(fact, 0, sizeof(*fact));
	fact->begins = seen->begins;
	fact->ends = seen->ends;
	if (bytes_copy(fact->pki, sizeof(fact->pki), seen->pki) == -1 ||
	    (fact->names = malloc(seen->names.length + 1)) == NULL)
		return;
	if (seen->names.length > 0)
		memcpy(fact->names, seen->names.data, seen->names.length);
	fact->names_length = seen->names.length;
	run.certificate_count++;
}

void
on_finding_seen(struct channel *parent, const union message *m, int fd)
{
	const struct msg_finding_seen *seen = &m->finding_seen;
	struct finding_fact *grown, *fact;

	(void)parent;
	(void)fd;
	if (!run.running || seen->request != run.request ||
	    run.finding_count == FINDINGS_MOST)
		return;
	grown =
	    reallocarray(run.findings, run.finding_count + 1, sizeof(*grown));
	if (grown == NULL)
		return;
	run.findings = grown;
	fact = &grown[run.finding_count];
	fact->role = (enum role)seen->role;
	fact->instance = seen->instance;
	fact->state = seen->state;
	fact->text =
	    strndup(seen->text.length == 0 ? "" : (const char *)seen->text.data,
		seen->text.length);
	if (fact->text == NULL ||
	    bytes_copy(fact->item, sizeof(fact->item), seen->item) == -1)
		free(fact->text);
	else
		run.finding_count++;
}

void
measure_own(int check)
{
	struct store_numbers numbers;

	(void)check;
	store_numbers(tokend.store, &numbers);
	metric_set(STORE_COMMITS, 0, numbers.commits);
	metric_set(STORE_WRITES, 0, numbers.writes);
	metric_set(NOTICES, 0, tokend.counters.notices);
	metric_set(HELD, 0, tokend.held_pairs);
	metric_set(HELD_KEPT, 0, tokend.counters.tokens_held);
	metric_set(ISSUED, 0, tokend.counters.tokens_temporary);
	metric_set(ISSUED, 1, tokend.counters.tokens_permanent);
	metric_set(REVOCATIONS, 0, tokend.counters.revocations);
	metric_set(MARKS, 0, marks_count(tokend.marks));
	metric_set(KEYS, 0, tokend.ring.count);
	metric_set(KEY_CREATED, 0, keyring_active(&tokend.ring)->created);
	metric_set(REMEMBERED, 0, tokend.counters.remember_made);
	metric_set(REMEMBER_REVOKED, 0, tokend.counters.remember_revoked);
	metric_set(REMEMBER_NOW, 0, tokend.rememberer.users);
}
