/* SPDX-License-Identifier: ISC */
#ifndef FRONTEND_STEPS_H
#define FRONTEND_STEPS_H

#include <stdint.h>

#include "lib/metrics.h"

struct session;

/*
 * What a session does in each state: `step` is called when its socket is ready
 * for `what` (EV_READ, EV_WRITE), `wants` says what to wait for. See the table
 * in session.c.
 */

/* handshake.c */
void handshake_begin(struct session *);
/* One is over: for the numbers. */
void handshake_count(const struct session *, enum metric_handshake);
void handshake_step(struct session *, short what);
uint8_t handshake_wants(const struct session *);
void upgrade_step(struct session *, short what);
uint8_t upgrade_wants(const struct session *);

/* relay.c */
void relay_client(struct session *, short what);
uint8_t relay_client_wants(const struct session *);
void relay_pair(struct session *, short what);
uint8_t relay_pair_wants(const struct session *);
void relay_engine_lost(struct session *);

/* closing.c */
void closing_step(struct session *, short what);
uint8_t closing_wants(const struct session *);
void linger_step(struct session *, short what);
uint8_t linger_wants(const struct session *);

#endif
