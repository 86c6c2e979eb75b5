/* SPDX-License-Identifier: ISC */
#include "tokend/findings.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/metrics.h"

#define DAY 86400
#define SOON (14 * DAY) /* a certificate should have been renewed */

static const char *const states[] = {
    [FINDING_OK] = "ok",
    [FINDING_WARNING] = "warning",
    [FINDING_PROBLEM] = "problem",
    [FINDING_UNCHECKED] = "unchecked",
};

void
finding_row(struct client_request *client, enum finding_state state,
    const char *item, const char *format, ...)
{
	struct row row;
	va_list arguments;
	char text[1400];

	va_start(arguments, format);
	(void)vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	row_start(&row);
	row_text(&row.list, "state",
	    bytes_text(states[state <= FINDING_UNCHECKED && state > 0
		    ? state
		    : FINDING_UNCHECKED]));
	row_text(&row.list, "item", bytes_text(item));
	row_text(&row.list, "text", bytes_text(text));
	row_send(client, &row);
}

static void
about_processes(struct client_request *client, const struct measured *measured)
{
	const uint64_t *values = measured->values;
	unsigned long run, wanted, died;
	enum finding_state state;
	char item[64];
	size_t i;

	for (i = 0; i < METRIC_LABELS_PROCESS; i++) {
		run = (unsigned long)values[METRIC_PROCESSES + i];
		wanted = (unsigned long)values[METRIC_PROCESSES_CONFIGURED + i];
		died = (unsigned long)values[METRIC_RESTARTS + i];
		if (wanted == 0)
			continue;
		snprintf(item, sizeof(item), "process %s",
		    role_name((enum role)(i + ROLE_FRONTEND)));
		state = run < wanted ? FINDING_PROBLEM
		    : died > 0       ? FINDING_WARNING
				     : FINDING_OK;
		if (died == 0 && run == wanted)
			finding_row(
			    client, state, item, "%lu of %lu run", run, wanted);
		else
			finding_row(client, state, item,
			    "%lu of %lu run, %lu died since the start: the log "
			    "says why",
			    run, wanted, died);
	}
}

/* Every worker may say the same. */
static int
was_said(const struct measured *measured, size_t n)
{
	const struct finding_fact *all = measured->findings;
	size_t i;

	for (i = 0; i < n; i++)
		if (all[i].role == all[n].role &&
		    all[i].state == all[n].state &&
		    strcmp(all[i].item, all[n].item) == 0 &&
		    strcmp(all[i].text, all[n].text) == 0)
			return 1;
	return 0;
}

static void
about_their_findings(
    struct client_request *client, const struct measured *measured)
{
	const struct finding_fact *fact;
	char item[96];
	size_t i;

	for (i = 0; i < measured->finding_count; i++) {
		fact = &measured->findings[i];
		if (was_said(measured, i))
			continue;
		strlcpy(item, fact->item, sizeof(item));
		if (strcmp(item, "process") == 0)
			snprintf(item, sizeof(item), "process %s[%u]",
			    role_name(fact->role), fact->instance);
		finding_row(client, (enum finding_state)fact->state, item, "%s",
		    fact->text);
	}
}

static void
about_time(struct client_request *client, const struct certificate_fact *fact)
{
	uint64_t now = wall_clock() / 1000;
	long long days;
	char item[320];

	snprintf(item, sizeof(item), "certificate %s", fact->pki);
	days = ((long long)fact->ends - (long long)now) / DAY;
	if (fact->ends <= now)
		finding_row(client, FINDING_PROBLEM, item,
		    "it ended %lld days ago: renew it, then `tokenctl reload`",
		    -days);
	else if (fact->begins > now)
		finding_row(client, FINDING_PROBLEM, item,
		    "it is not good yet: is this machine's clock right?");
	else if (fact->ends - now < SOON)
		finding_row(client, FINDING_WARNING, item,
		    "it ends in %lld days: renew it, then `tokenctl reload`",
		    days);
	else
		finding_row(
		    client, FINDING_OK, item, "good for %lld days", days);
}

/* A listener's: is any of them for the name that users' programs have? */
static void
about_hostname(struct client_request *client, const struct measured *measured,
    const char *listener)
{
	const char *hostname = tokend.settings->hostname;
	char text[4096], *rest = text, *kind, *port, *name, item[32];
	int known = 0, covered = 0;
	size_t i;

	strlcpy(text, listener, sizeof(text));
	kind = strsep(&rest, " ");
	port = strsep(&rest, " ");
	if (strcmp(kind, "socket") == 0 || port == NULL)
		return;
	while ((name = strsep(&rest, " ")) != NULL)
		for (i = 0; i < measured->certificate_count; i++) {
			if (strcmp(measured->certificates[i].pki, name) != 0)
				continue;
			known = 1;
			covered |= publish_covers(
			    &measured->certificates[i], hostname, NULL);
		}
	snprintf(item, sizeof(item), "port %s", port);
	if (covered)
		finding_row(client, FINDING_OK, item, "a certificate is for %s",
		    hostname);
	else if (known)
		finding_row(client, FINDING_PROBLEM, item,
		    "no certificate is for %s: users' programs refuse it; get "
		    "one, or correct hostname",
		    hostname);
	else
		finding_row(client, FINDING_UNCHECKED, item,
		    "no frontend spoke of its certificate");
}

void
findings_measured(
    struct client_request *client, const struct measured *measured)
{
	const struct text_list *listeners = &tokend.settings->listeners;
	size_t i;

	finding_row(client, FINDING_OK, "control", "the server answers");
	about_processes(client, measured);
	about_their_findings(client, measured);
	for (i = 0; i < measured->certificate_count; i++)
		about_time(client, &measured->certificates[i]);
	for (i = 0; i < listeners->count; i++)
		about_hostname(client, measured, listeners->items[i]);
}

/* A missing record loses no mail: the ordinary way is taken. */
static void
about_record(struct client_request *client, const struct publish_item *item)
{
	static const uint8_t judged[] = {
	    [PUBLISH_UNCHECKED] = FINDING_UNCHECKED,
	    [PUBLISH_THERE] = FINDING_OK,
	    [PUBLISH_MISSING] = FINDING_WARNING,
	    [PUBLISH_DIFFERENT] = FINDING_WARNING,
	};
	enum finding_state state = (enum finding_state)judged[item->state];
	char advice[1024], name[320], *line = advice, *next;

	publish_advice(item, advice, sizeof(advice));
	snprintf(name, sizeof(name), "dns %s", item->name);
	if (state == FINDING_OK) {
		finding_row(client, state, name, "%s", item->found);
	} else {
		next = strsep(&line, "\n");
		finding_row(
		    client, state, name, "%s (see `tokenctl show dns`)", next);
	}
	if (line == NULL || *line == '\0')
		return;
	snprintf(
	    name, sizeof(name), "port %u for %s", item->port, item->domain);
	finding_row(client,
	    item->certificate == PUBLISH_CERTIFICATE_OTHER ? FINDING_WARNING
							   : FINDING_UNCHECKED,
	    name, "%s", line);
}

void
findings_published(struct client_request *client, const struct publish *publish)
{
	size_t i;

	for (i = 0; i < publish->count; i++)
		about_record(client, &publish->items[i]);
}
