/* SPDX-License-Identifier: ISC */
#ifndef ENGINE_SUBMISSION_H
#define ENGINE_SUBMISSION_H

#include "smtpd-stoken/engine/transfer.h"

/*
 * From the end of a message's data to its replies: one step after another, as
 * a table says. A message that is delivered here alone has two of them.
 */

/* Goes on with the next step, and so on until an answer is awaited. */
void submission_next(struct transfer *);

/* Will it have to be read again: for another server, or for a report? */
int submission_reads(const struct session *);

/* May its file be in memory? */
int submission_fits_memory(const struct session *);

/* What is awaited has come. */
void submission_readable(struct transfer *, enum smtp_verdict);
void submission_prepared(struct transfer *, enum smtp_verdict);
void submission_granted(struct transfer *, struct bytes tokens);
void transfer_relayed(struct transfer *);

/* deliver lmtp: after COMMIT_GRANT, instead of lmtpd. -1: nothing was sent. */
int submission_forward(struct transfer *, uint64_t expires);

#endif
