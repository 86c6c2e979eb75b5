/* SPDX-License-Identifier: ISC */
/*
 * What a process counts (metrics.def): an array of numbers, one for each
 * metric and label, that only grows at an increment. The parent asks for it
 * when `tokenctl show metrics` does, and adds up.
 */
#ifndef LIB_METRICS_H
#define LIB_METRICS_H

#include <stddef.h>
#include <stdint.h>

#include "imsg/messages.h"

enum metric_handshake {
	HANDSHAKE_OK,
	HANDSHAKE_FAILED,
	HANDSHAKE_ABANDONED, /* by the client */
	HANDSHAKE_TIMEOUT
};

enum metric_auth {
	METRIC_AUTH_OK,
	METRIC_AUTH_FAILED,
	METRIC_AUTH_TEMPORARY,
	METRIC_AUTH_MALFORMED,
	METRIC_AUTH_UNAVAILABLE
};

enum metric_recipient {
	RECIPIENT_ACCEPTED,
	RECIPIENT_UNKNOWN,
	RECIPIENT_REFUSED,
	RECIPIENT_NO_RELAY,
	RECIPIENT_TEMPORARY,
	RECIPIENT_TOO_MANY,
	RECIPIENT_LIMIT,
	RECIPIENT_DISABLED,
	RECIPIENT_NEXT_HOP /* refused by it */
};

enum metric_fate {
	FATE_SENT,
	FATE_REFUSED,
	FATE_TEMPORARY
};

enum metric_way {
	WAY_MAILDIR,
	WAY_LMTP,
	WAY_RELAY,
	WAY_TOKEN
};

enum metric_route {
	ROUTE_WAS_DELIVERED,
	ROUTE_NO_TOKEN,
	ROUTE_DNS,
	ROUTE_CONNECT, /* or TLS, or STOKEN is not offered, or time is up */
	ROUTE_CERTIFICATE,
	ROUTE_TOKEN_REFUSED,
	ROUTE_RCPT,
	ROUTE_DATA,
	ROUTE_BUSY /* too many connections */
};

enum metric_limit {
	METRIC_LIMIT_SESSIONS,
	METRIC_LIMIT_PER_ADDRESS,
	METRIC_LIMIT_FAILURES_PER_ADDRESS,
	METRIC_LIMIT_FAILURES,
	METRIC_LIMIT_MESSAGES,
	METRIC_LIMIT_RECIPIENTS,
	METRIC_LIMIT_HALF_OPEN
};

enum metric_done {
	METRIC_OK,
	METRIC_FAILED
};

/* Of a histogram: these buckets, one for what is longer, and the sum. */
#define METRIC_BUCKETS 15
#define METRIC_SLOTS_COUNTER 1
#define METRIC_SLOTS_GAUGE 1
#define METRIC_SLOTS_HISTOGRAM (METRIC_BUCKETS + 2)

enum {
#define LABELS(SET, count, label, ...) METRIC_LABELS_##SET = count,
#include "lib/metrics.def"
};

/* The first and the last slot of each. */
enum metric {
#define METRIC(NAME, KIND, who, A, B, name, meaning)   \
	METRIC_##NAME,                                 \
	    METRIC_##NAME##_LAST = METRIC_##NAME - 1 + \
	    METRIC_SLOTS_##KIND * METRIC_LABELS_##A * METRIC_LABELS_##B,
#include "lib/metrics.def"
	METRIC_SLOTS
};

extern uint64_t metric_values[METRIC_SLOTS];

static inline void
metric_add(enum metric first, enum metric last, size_t index, uint64_t n)
{
	if (index <= (size_t)last - (size_t)first)
		metric_values[(size_t)first + index] += n;
}

/* One more, of the nth label, or of the ath and, in set B, the bth. */
#define metric_count(NAME, n) \
	metric_add(METRIC_##NAME, METRIC_##NAME##_LAST, (size_t)(n), 1)
#define metric_count2(NAME, a, B, b)                    \
	metric_add(METRIC_##NAME, METRIC_##NAME##_LAST, \
	    (size_t)(a)*METRIC_LABELS_##B + (size_t)(b), 1)
/* A gauge goes up by one, or down; or is set. */
#define metric_up(NAME, n) metric_count(NAME, n)
#define metric_down(NAME, n) \
	metric_add(METRIC_##NAME, METRIC_##NAME##_LAST, (size_t)(n), UINT64_MAX)
#define metric_set(NAME, n, value) \
	(metric_values[METRIC_##NAME + (n)] = (uint64_t)(value))

/* Into the histogram of the nth label. */
#define metric_time(NAME, n, microseconds) \
	metric_observe(                    \
	    METRIC_##NAME, METRIC_##NAME##_LAST, (size_t)(n), microseconds)
void metric_observe(
    enum metric first, enum metric last, size_t n, uint64_t microseconds);
/* The upper end of a bucket, in microseconds. */
uint64_t metric_bucket(size_t n);

enum metric_kind {
	METRIC_COUNTER,
	METRIC_GAUGE,
	METRIC_HISTOGRAM
};

struct metric_labels {
	const char *label; /* "" : none */
	size_t count;
	const char *words[12];
};

struct metric_row {
	enum metric first;
	size_t slots; /* in all */
	enum metric_kind kind;
	unsigned int who; /* 1 << enum role */
	const struct metric_labels *a, *b;
	const char *name;
	const char *meaning;
};

/* Row i in the order of metrics.def, or NULL behind the last. */
const struct metric_row *metric_row_at(size_t i);

/* The label of a SASL mechanism, in any letter case; 0 is "other". */
size_t metric_mechanism(const char *name);

/*
 * On the wire: eight octets for each slot, little-endian. metrics_read takes
 * those that `role` may count (ROLE_ANY: all) and leaves the others 0; -1: not
 * so many octets.
 */
#define METRICS_OCTETS ((size_t)METRIC_SLOTS * 8)
void metrics_write(const uint64_t *values, uint8_t *out);
int metrics_read(uint64_t *values, struct bytes in, enum role role);

#endif
