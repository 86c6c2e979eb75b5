/* SPDX-License-Identifier: ISC */
#ifndef TOKENCTL_FINDINGS_H
#define TOKENCTL_FINDINGS_H

#include <stdio.h>

#include "imsg/messages.h"

/*
 * Prints a row of `check` as a line: state, item, text. Returns 0, or -1: it is
 * no such row.
 */
int findings_print(FILE *to, struct bytes row);

/* Is it about a problem? */
int findings_is_problem(struct bytes row);

#endif
