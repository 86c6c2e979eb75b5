/* SPDX-License-Identifier: ISC */
#ifndef TOKENCTL_ZONE_H
#define TOKENCTL_ZONE_H

#include <stdio.h>

#include "imsg/messages.h"

/*
 * Prints a row of `show dns` as lines of a zone file (RFC 1035 section 5.1):
 * the record, and all else in comments. Returns 0, or -1: it is no such row.
 */
int zone_print(FILE *to, struct bytes row);

#endif
