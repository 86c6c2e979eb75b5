/* SPDX-License-Identifier: ISC */
#include <string.h>
#include <strings.h>

#include "lib/metrics.h"

uint64_t metric_values[METRIC_SLOTS];

#define PARENT (1U << ROLE_PARENT)
#define FRONTEND (1U << ROLE_FRONTEND)
#define ENGINE (1U << ROLE_ENGINE)
#define RELAY (1U << ROLE_RELAY)
#define TOKEND (1U << ROLE_TOKEND)
#define SIGN (1U << ROLE_SIGN)
#define AUTH (1U << ROLE_AUTH)
#define LMTPD (1U << ROLE_LMTPD)

#define LABELS(SET, count, label, ...)                     \
	static const struct metric_labels labels_##SET = { \
	    label, count, {__VA_ARGS__}};
#include "lib/metrics.def"

static const struct metric_row rows[] = {
#define METRIC(NAME, KIND, who, A, B, name, meaning)                     \
	{METRIC_##NAME,                                                  \
	    METRIC_SLOTS_##KIND * METRIC_LABELS_##A * METRIC_LABELS_##B, \
	    METRIC_##KIND, who, &labels_##A, &labels_##B, name, meaning},
#include "lib/metrics.def"
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

static const uint64_t buckets[METRIC_BUCKETS] = {1000, 2500, 5000, 10000, 25000,
    50000, 100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000,
    30000000, 60000000};

const struct metric_row *
metric_row_at(size_t i)
{
	return i < ROWS ? &rows[i] : NULL;
}

uint64_t
metric_bucket(size_t n)
{
	return buckets[n];
}

void
metric_observe(
    enum metric first, enum metric last, size_t n, uint64_t microseconds)
{
	size_t base = n * METRIC_SLOTS_HISTOGRAM, i = 0;

	while (i < METRIC_BUCKETS && microseconds > buckets[i])
		i++;
	metric_add(first, last, base + i, 1);
	metric_add(first, last, base + METRIC_BUCKETS + 1, microseconds);
}

size_t
metric_mechanism(const char *name)
{
	size_t i;

	for (i = 0; i < labels_MECHANISM.count; i++)
		if (strcasecmp(labels_MECHANISM.words[i], name) == 0)
			return i;
	return 0;
}

void
metrics_write(const uint64_t *values, uint8_t *out)
{
	size_t i, j;

	for (i = 0; i < METRIC_SLOTS; i++)
		for (j = 0; j < 8; j++)
			*out++ = (uint8_t)(values[i] >> (8 * j));
}

static uint64_t
read_number(const uint8_t *in)
{
	uint64_t value = 0;
	size_t j;

	for (j = 0; j < 8; j++)
		value |= (uint64_t)in[j] << (8 * j);
	return value;
}

int
metrics_read(uint64_t *values, struct bytes in, enum role role)
{
	size_t i, slot;

	if (in.length != METRICS_OCTETS)
		return -1;
	memset(values, 0, METRIC_SLOTS * sizeof(*values));
	for (i = 0; i < ROWS; i++) {
		if (role != ROLE_ANY && (rows[i].who & 1U << role) == 0)
			continue;
		for (slot = rows[i].first; slot < rows[i].first + rows[i].slots;
		     slot++)
			values[slot] = read_number(in.data + slot * 8);
	}
	return 0;
}
