/* SPDX-License-Identifier: ISC */
/* `show metrics`: a row for each sample; tokenctl makes the text of them. */
#include <stdio.h>

#include "lib/metrics.h"
#include "lib/version.h"
#include "tokend/measure.h"

static const char *const kinds[] = {
    [METRIC_COUNTER] = "counter",
    [METRIC_GAUGE] = "gauge",
    [METRIC_HISTOGRAM] = "histogram",
};

/* Which sample of a metric a row is for. */
struct sample {
	struct client_request *client;
	const struct metric_row *metric;
	const char *suffix; /* of the name */
	size_t a, b; /* labels */
};

static void
start_row(struct row *row, const struct sample *sample)
{
	const struct metric_row *metric = sample->metric;
	const struct metric_labels *a = metric->a, *b = metric->b;
	char name[128];

	row_start(row);
	row_text(&row->list, "metric", bytes_text(metric->name));
	row_text(&row->list, "type", bytes_text(kinds[metric->kind]));
	row_text(&row->list, "help", bytes_text(metric->meaning));
	snprintf(name, sizeof(name), "%s%s", metric->name, sample->suffix);
	row_text(&row->list, "sample", bytes_text(name));
	if (a->label[0] != '\0')
		row_text(&row->list, a->label, bytes_text(a->words[sample->a]));
	if (b->label[0] != '\0')
		row_text(&row->list, b->label, bytes_text(b->words[sample->b]));
}

static void
send_number(const struct sample *sample, const char *le, uint64_t value)
{
	struct row row;

	start_row(&row, sample);
	if (le != NULL)
		row_text(&row.list, "le", bytes_text(le));
	row_number(&row.list, "value", value);
	row_send(sample->client, &row);
}

static void
send_histogram(struct sample *sample, const uint64_t *values)
{
	uint64_t count = 0;
	struct row row;
	char le[24];
	size_t i;

	sample->suffix = "_bucket";
	for (i = 0; i < METRIC_BUCKETS; i++) {
		count += values[i];
		snprintf(
		    le, sizeof(le), "%g", (double)metric_bucket(i) / 1000000);
		send_number(sample, le, count);
	}
	count += values[METRIC_BUCKETS];
	send_number(sample, "+Inf", count);
	sample->suffix = "_sum";
	start_row(&row, sample);
	row_decimal(&row.list, "value", values[METRIC_BUCKETS + 1]);
	row_send(sample->client, &row);
	sample->suffix = "_count";
	send_number(sample, NULL, count);
}

static void
send_metric(struct client_request *client, const struct metric_row *metric,
    const uint64_t *values)
{
	struct sample sample = {.client = client, .metric = metric};

	values += metric->first;
	for (sample.a = 0; sample.a < metric->a->count; sample.a++)
		for (sample.b = 0; sample.b < metric->b->count; sample.b++) {
			sample.suffix = "";
			if (metric->kind == METRIC_HISTOGRAM) {
				send_histogram(&sample, values);
				values += METRIC_SLOTS_HISTOGRAM;
			} else
				send_number(&sample, NULL, *values++);
		}
}

/* What has a label that is no fixed word, though of the configuration. */
static void
send_other(struct client_request *client, const char *name, const char *help,
    const char *label, const char *word, uint64_t value)
{
	struct row row;

	row_start(&row);
	row_text(&row.list, "metric", bytes_text(name));
	row_text(&row.list, "type", bytes_text("gauge"));
	row_text(&row.list, "help", bytes_text(help));
	row_text(&row.list, "sample", bytes_text(name));
	row_text(&row.list, label, bytes_text(word));
	row_number(&row.list, "value", value);
	row_send(client, &row);
}

static void
answer(struct client_request *client, const struct measured *measured)
{
	const struct certificate_fact *fact = measured->certificates;
	const struct metric_row *metric;
	size_t i;

	send_other(client, "stoken_build_info",
	    "The version of the server; always 1.", "version", STOKEN_VERSION,
	    1);
	for (i = 0; (metric = metric_row_at(i)) != NULL; i++)
		send_metric(client, metric, measured->values);
	for (i = 0; i < measured->certificate_count; i++)
		send_other(client, "stoken_certificate_expiry_seconds",
		    "When a certificate ends, in seconds since 1970.", "pki",
		    fact[i].pki, fact[i].ends);
	control_end(client, CONTROL_OK, "");
}

void
control_show_metrics(struct client_request *client, struct bytes arguments)
{
	(void)arguments;
	measure_ask(client, 0, answer);
}
