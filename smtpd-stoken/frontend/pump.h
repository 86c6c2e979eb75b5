/* SPDX-License-Identifier: ISC */
#ifndef FRONTEND_PUMP_H
#define FRONTEND_PUMP_H

#include <stddef.h>
#include <stdint.h>

struct session;

/*
 * The two directions of a session, with back-pressure: whoever is not taking
 * octets makes us stop reading the other side. None of these frees the session;
 * they change its state when an end is reached.
 */

/* Client to engine: sends what waits, then as much as one turn may. */
void pump_from_client(struct session *);

/*
 * Engine to client: what one read brings. Returns 1 if that was something and
 * the client took it. At the engine's end the session closes, but for one that
 * upgrades. An engine that died is excused with a 421.
 */
int pump_from_engine(struct session *);

/* 421 to the client, unless that would be in the middle of a line. */
void pump_say_sorry(struct session *);

/*
 * Sends what waits for the client. Returns 1 when nothing waits any more, 0
 * when the socket is full; when it is broken the session has ended.
 */
int pump_flush_client(struct session *);

/* As pump_flush_client, after adding these octets. */
int pump_give_client(struct session *, const uint8_t *, size_t);

/* Forgets what waits; or what waits for the engine only. */
void pump_drop(struct session *);
void pump_drop_engine(struct session *);

/*
 * Reads what the client has sent in clear and throws it away, until there is
 * no more. Returns 0; -1 when it has closed, or sends without end.
 */
int pump_discard_clear(struct session *);

#endif
