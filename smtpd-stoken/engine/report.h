/* SPDX-License-Identifier: ISC */
#ifndef ENGINE_REPORT_H
#define ENGINE_REPORT_H

#include "smtpd-stoken/engine/transfer.h"

/* The report about what failed of a message: smtp/dsn.h, with its contents. */
struct report;

/* `id` is the report's own, and lives as long. NULL: memory is short. */
struct report *report_new(struct transfer *, const char *id);
void report_free(struct report *); /* NULL is allowed */

/* How many recipients it is about; 0: none is to be told of. */
size_t report_wanted(const struct report *);
int report_is_utf8(const struct report *);

/* Reads as much of the message as comes back with it. */
void report_take_original(struct report *, const struct transfer *);

/* Writes it to a file and adds its octets to *size. Returns 0 or -1. */
int report_write(struct report *, struct file *, uint64_t *size);

#endif
