/* SPDX-License-Identifier: ISC */
#ifndef ENGINE_SMTP_CHUNK_H
#define ENGINE_SMTP_CHUNK_H

#include "smtpd-stoken/engine/smtp/reply.h"

/*
 * BDAT (RFC 3030) and BMTD (METADATA): a line that says how many octets
 * follow it, and these octets. They are always used up, whatever is wrong
 * with the command; only a line that does not say how many ends the session,
 * since nobody knows then where the next command is (D-M12).
 *
 * What a chunk may be is looked up by the stage of the transaction and the
 * kind of the chunk; see the tables in chunk.c. Every transaction that ends,
 * ends by smtp_transaction_end(), and nothing of its chunks outlives that.
 */

/*
 * So many octets are thrown away for one session, who may send mail and who
 * may not: then 421.
 */
#define SMTP_SWALLOW_USER (1ULL << 30)
#define SMTP_SWALLOW_OTHER (1ULL << 22)

/*
 * smtp_chunk_begin: runs the command; text is what follows the verb. Returns
 * 1, as commands do.
 */
int smtp_chunk_begin(
    struct smtp_session *, enum chunk_kind, const char *text, size_t length);

/* smtp_chunk_input: takes octets of the chunk; returns how many it used. */
size_t smtp_chunk_input(struct smtp_session *, uint8_t *data, size_t length);

/* The message for the chunk that waits was opened, or was not. */
void smtp_chunk_opened(struct smtp_session *, enum smtp_verdict);

/*
 * What else the transaction was for is over: from here on every chunk of it
 * is refused (RFC 3030 section 2: RSET is needed).
 */
void smtp_chunk_fail(struct smtp_session *);

/* Whether chunks have come in this transaction: no RCPT and no DATA then. */
int smtp_chunk_begun(const struct smtp_session *);

#endif
