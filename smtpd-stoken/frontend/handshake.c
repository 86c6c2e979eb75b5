/* SPDX-License-Identifier: ISC */
/* The way into TLS: at once, or after STARTTLS. */
#include <event.h>
#include <string.h>

#include <tls.h>

#include "lib/log.h"
#include "smtpd-stoken/frontend/engines.h"
#include "smtpd-stoken/frontend/pump.h"
#include "smtpd-stoken/frontend/session.h"
#include "smtpd-stoken/frontend/steps.h"
#include "smtpd-stoken/frontend/tls.h"
#include "smtpd-stoken/frontend/tls_hook.h"

/* The first octets come a round trip later: no use in trying now. */
void
handshake_begin(struct session *s)
{
	s->tls_wants = EV_READ;
	if (tls_context_accept(s->context, s->client, &s->tls, &s->ssl) == -1)
		session_become(s, SESSION_ENDED);
	else
		session_become(s, SESSION_HANDSHAKE);
}

void
handshake_count(const struct session *s, enum metric_handshake result)
{
	metric_count2(HANDSHAKES, s->kind - LISTENER_SMTPS, HANDSHAKE, result);
}

static void
failed(struct session *s)
{
	char address[64], reason[160];

	handshake_count(s, HANDSHAKE_FAILED);
	log_info("%08x tls failed address=%s port=%u listener=%u reason=%s",
	    (unsigned int)s->id, session_address(s, address, sizeof(address)),
	    s->port, s->listener_port,
	    log_safe(reason, sizeof(reason), bytes_text(tls_error(s->tls))));
	session_become(s, SESSION_ENDED);
}

/* It went away in the middle: scanners and health checks, all day long. */
static void
abandoned(struct session *s)
{
	char address[64];

	handshake_count(s, HANDSHAKE_ABANDONED);
	log_debug("%08x tls abandoned address=%s port=%u listener=%u",
	    (unsigned int)s->id, session_address(s, address, sizeof(address)),
	    s->port, s->listener_port);
	session_become(s, SESSION_ENDED);
}

static void
done(struct session *s)
{
	struct tls_facts facts;
	int opened;

	s->tls_wants = 0;
	handshake_count(s, HANDSHAKE_OK);
	session_not_half_open(s);
	tls_hook_facts(s->ssl, &facts);
	opened = s->upgrades ? engine_session_tls(s, &facts)
			     : engine_open_session(s, &facts);
	explicit_bzero(&facts, sizeof(facts));
	if (opened == -1) {
		session_become(s, SESSION_CLOSING);
		pump_say_sorry(s);
		closing_step(s, EV_WRITE);
		return;
	}
	session_become(s, SESSION_RELAY);
	/* a client that does not wait for the greeting: DESIGN 11 allows it */
	if (tls_hook_pending(s->ssl))
		pump_from_client(s);
}

void
handshake_step(struct session *s, short what)
{
	int result = tls_handshake(s->tls);

	(void)what;
	if (result == 0 && tls_hook_established(s->ssl))
		done(s);
	else if (result == 0)
		abandoned(s);
	else if (result == TLS_WANT_POLLIN)
		s->tls_wants = EV_READ;
	else if (result == TLS_WANT_POLLOUT)
		s->tls_wants = EV_WRITE;
	else
		failed(s);
}

uint8_t
handshake_wants(const struct session *s)
{
	return s->tls_wants;
}

/*
 * STARTTLS: what the engine said before goes out; what the client said behind
 * it in clear is forgotten (F-64, CVE-2011-0411), both here and, with the pair,
 * on its way to the engine; the 220 goes out; TLS begins. Clear octets that
 * come later are no TLS record, and end the session.
 */
void
session_starttls(struct session *s, const uint8_t *reply, size_t length)
{
	if (s->state != SESSION_RELAY) {
		s->upgrades = 1; /* its end is told when it has come */
		return;
	}
	if (s->tls != NULL)
		return;
	s->upgrades = 1;
	while (pump_from_engine(s))
		continue;
	session_close_pair(s);
	pump_drop_engine(s);
	/* one that does not even take its clear replies is not worth more */
	if (s->to_client.data != NULL || pump_discard_clear(s) == -1)
		session_become(s, SESSION_ENDED);
	session_become(s, SESSION_UPGRADE);
	if (s->state == SESSION_UPGRADE && pump_give_client(s, reply, length))
		handshake_begin(s);
	session_settle(s);
}

void
upgrade_step(struct session *s, short what)
{
	(void)what;
	if (pump_flush_client(s))
		handshake_begin(s);
}

uint8_t
upgrade_wants(const struct session *s)
{
	(void)s;
	return EV_WRITE;
}
