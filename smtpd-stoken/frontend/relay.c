/* SPDX-License-Identifier: ISC */
/* A session at work: octets go from socket to pair and back. */
#include <event.h>

#include "smtpd-stoken/frontend/engines.h"
#include "smtpd-stoken/frontend/pump.h"
#include "smtpd-stoken/frontend/session.h"
#include "smtpd-stoken/frontend/steps.h"

void
relay_client(struct session *s, short what)
{
	if (s->to_client.data != NULL)
		(void)pump_flush_client(s);
	if (s->state == SESSION_RELAY &&
	    (what & EV_READ || s->read_needs_write))
		pump_from_client(s);
}

uint8_t
relay_client_wants(const struct session *s)
{
	uint8_t wants = 0;

	if (!s->client_eof && s->to_engine.data == NULL)
		wants |= EV_READ;
	if (s->to_client.data != NULL)
		wants |= s->write_needs_read ? EV_READ : EV_WRITE;
	if (s->read_needs_write)
		wants |= EV_WRITE;
	return wants;
}

/* When the engine takes octets again, more may wait inside TLS: go on. */
void
relay_pair(struct session *s, short what)
{
	if (what & EV_WRITE)
		pump_from_client(s);
	if (s->state == SESSION_RELAY && what & EV_READ)
		pump_from_engine(s);
}

uint8_t
relay_pair_wants(const struct session *s)
{
	uint8_t wants = 0;

	if (s->to_client.data == NULL)
		wants |= EV_READ;
	if (s->to_engine.data != NULL)
		wants |= EV_WRITE;
	return wants;
}

/*
 * The engine died. What it had written is still in the pair; behind that the
 * client is told.
 */
void
relay_engine_lost(struct session *s)
{
	while (s->state == SESSION_RELAY && pump_from_engine(s))
		continue;
	if (s->state != SESSION_RELAY)
		return;
	session_become(s, SESSION_CLOSING);
	if (s->to_client.data == NULL)
		pump_say_sorry(s);
	closing_step(s, EV_WRITE);
}
