/* SPDX-License-Identifier: ISC */
/* What `tokenctl check` says: a row for each item. */
#ifndef TOKEND_FINDINGS_H
#define TOKEND_FINDINGS_H

#include "lib/measure.h"
#include "tokend/publish.h"

/* Sends a row; the text says what to do when it is not good. */
void finding_row(struct client_request *client, enum finding_state state,
    const char *item, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Of what was measured: processes, what they found, certificates. */
void findings_measured(
    struct client_request *client, const struct measured *measured);

/* Of the DNS. */
void findings_published(
    struct client_request *client, const struct publish *publish);

/* Our own: the clock, the disk that the store is on, the keys. */
void findings_own(struct client_request *client, const struct measured *);

/* Goes through the store, says how it is, and ends the answer. */
void findings_store(struct client_request *client);

#endif
