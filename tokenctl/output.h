/* SPDX-License-Identifier: ISC */
#ifndef TOKENCTL_OUTPUT_H
#define TOKENCTL_OUTPUT_H

#include <stdio.h>

#include "imsg/messages.h"
#include "tokenctl/verbs.h"

/*
 * Prints the rows (lib/row.h) of an answer: for people, or as one JSON value.
 * Times are RFC 3339 in UTC.
 */
struct output;

/* Returns NULL when memory is short. */
struct output *output_open(FILE *to, enum shape shape, int json);

/* Takes one row. Returns 0, or -1 when it is malformed or memory is short. */
int output_row(struct output *output, struct bytes row);

/*
 * Prints what is left, and frees. Returns 0, or -1 when something could not be
 * written.
 */
int output_close(struct output *output);

/* Frees without printing more. */
void output_abandon(struct output *output);

#endif
