/* SPDX-License-Identifier: ISC */
/*
 * What all processes have counted, and how they are: asked of the parent for
 * `tokenctl show metrics`, `show dns` and `check`.
 */
#ifndef TOKEND_MEASURE_H
#define TOKEND_MEASURE_H

#include "tokend/control.h"

/* A certificate that the frontends use. */
struct certificate_fact {
	char pki[256];
	uint64_t begins, ends; /* seconds since 1970 */
	uint8_t *names; /* a LIST of DNS names */
	size_t names_length;
};

struct finding_fact {
	enum role role;
	uint8_t instance;
	uint8_t state; /* enum finding_state */
	char item[65];
	char *text;
};

struct measured {
	const uint64_t *values; /* METRIC_SLOTS (lib/metrics.h) */
	const struct certificate_fact *certificates;
	size_t certificate_count;
	const struct finding_fact *findings; /* of a check */
	size_t finding_count;
};

/*
 * Asks for a client, who is told by `done`, during which what it is given
 * is valid; not if he is gone meanwhile. Who asks while others wait is served
 * with them.
 */
void measure_ask(struct client_request *client, int check,
    void (*done)(struct client_request *, const struct measured *));

/* struct process_role: sets our own numbers. */
void measure_own(int check);

/* Handlers of what the parent says. */
void on_measured(struct channel *, const union message *, int fd);
void on_certificate_seen(struct channel *, const union message *, int fd);
void on_finding_seen(struct channel *, const union message *, int fd);

#endif
