/* SPDX-License-Identifier: ISC */
/* Recipients elsewhere, and how much a user may send. */
#ifndef TOKEND_OUTSIDE_H
#define TOKEND_OUTSIDE_H

#include "tokend/session.h"

/* What RCPT_VERDICT has room for, and what all of a message may be. */
#define OUTSIDE_TICKETS 64
#define OUTSIDE_MAX 1000

/*
 * May mail of this session go elsewhere? A user's may, behind EHLO and from
 * an address that is his own, and the site's MTA's; never by a token (S1-15).
 */
enum rcpt_verdict outside_allowed(const struct session *session);

/* Keeps the addresses elsewhere, a LIST, of a recipient. */
enum rcpt_verdict outside_keep(
    struct session *session, struct recipient *recipient, struct bytes list);

/*
 * A ticket for relay for each of them, into `out`. Returns the octets; 0 when
 * there is no relay, or no key.
 */
size_t outside_tickets(const struct session *session,
    const struct recipient *recipient, uint64_t expires,
    uint8_t out[OUTSIDE_TICKETS * TICKET_LENGTH]);

/* The ticket for mail from `sender` to `recipient`. Returns 0 or -1. */
int outside_ticket(const struct session *session, struct bytes sender,
    struct bytes recipient, uint64_t expires, uint8_t out[TICKET_LENGTH]);

/*
 * Limits a user (VERDICT_LIMIT; submit=no: VERDICT_DISABLED), else
 * VERDICT_OK: whether a message may begin; whether one more recipient of the
 * session's transaction may be accepted, which is counted then.
 */
enum rcpt_verdict limit_message(const struct session *session);
enum rcpt_verdict limit_recipient(struct session *session);

#endif
