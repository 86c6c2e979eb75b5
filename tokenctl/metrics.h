/* SPDX-License-Identifier: ISC */
#ifndef TOKENCTL_METRICS_H
#define TOKENCTL_METRICS_H

#include <stdio.h>

#include "imsg/messages.h"

/*
 * Prints a row of `show metrics` as Prometheus' text format 0.0.4 has it, with
 * HELP and TYPE in front of the first one of each metric. `previous` is the
 * name of the last one's, METRIC_NAME_SIZE octets, "" at first. Returns 0, or
 * -1 when the row is no sample.
 */
#define METRIC_NAME_SIZE 128
int metrics_print(FILE *to, struct bytes row, char *previous);

#endif
