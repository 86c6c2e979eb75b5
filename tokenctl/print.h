/* SPDX-License-Identifier: ISC */
#ifndef TOKENCTL_PRINT_H
#define TOKENCTL_PRINT_H

#include <stdio.h>

#include "lib/row.h"

/* One value, for people and for programs. */

/* A JSON string, number, boolean or null. */
void print_json(FILE *to, const struct row_field *field);

/* A JSON string. What is not UTF-8 becomes U+FFFD. */
void print_json_text(FILE *to, struct bytes text);

/*
 * The value as text, safe for a terminal: controls and what is not UTF-8
 * become \ooo; nothing is "-", no time "never". To be freed; NULL when memory
 * is short.
 */
char *print_text(const struct row_field *field);

/* How many characters a text of UTF-8 has. */
size_t print_width(const char *text);

#endif
