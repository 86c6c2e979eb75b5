/* SPDX-License-Identifier: ISC */
#ifndef LIB_ROW_H
#define LIB_ROW_H

#include <stddef.h>
#include <stdint.h>

#include "imsg/messages.h"

/*
 * The fields of a CONTROL_ROW: a LIST of key, type letter, value, key, ...
 * tokend writes what tokenctl prints without knowing what it means. Keys are
 * lower-case words with "_", the same in every row of an answer and in the
 * same order; they are what -j prints.
 */

enum row_type {
	ROW_TEXT = 's',
	ROW_NUMBER = 'n', /* decimal */
	ROW_TIME = 't', /* decimal milliseconds since 1970, or empty: none */
	ROW_BOOLEAN = 'b', /* "1" or "0" */
	ROW_DECIMAL = 'd' /* digits, a point, six digits */
};

struct row_field {
	struct bytes key;
	enum row_type type;
	struct bytes value;
};

/* Each appends a field. Returns 0, or -1 when the row is full. */
int row_text(struct list_writer *row, const char *key, struct bytes value);
int row_number(struct list_writer *row, const char *key, uint64_t value);
/* `milliseconds` since 1970; 0 is none (null). */
int row_time(struct list_writer *row, const char *key, uint64_t milliseconds);
int row_decimal(struct list_writer *row, const char *key, uint64_t millionths);
int row_boolean(struct list_writer *row, const char *key, int value);

/*
 * Takes the next field off the front of `rest`. Returns 1, 0 at the end, -1
 * when the row is malformed.
 */
int row_next(struct bytes *rest, struct row_field *field);

#endif
