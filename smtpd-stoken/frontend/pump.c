/* SPDX-License-Identifier: ISC */
#include <sys/types.h>
#include <sys/socket.h>

#include <errno.h>
#include <event.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <tls.h>

#include "lib/log.h"
#include "smtpd-stoken/frontend/engines.h"
#include "smtpd-stoken/frontend/pump.h"
#include "smtpd-stoken/frontend/session.h"
#include "smtpd-stoken/frontend/steps.h"
#include "smtpd-stoken/frontend/tls_hook.h"

/* What one turn moves at most, so that no session starves the others. */
#define TURN (64 * 1024)

/* Results of client_read and client_write beside a count of octets. */
#define AGAIN (-1) /* nothing now */
#define BROKEN (-2) /* never again */

static uint8_t scratch[TURN];

static ssize_t
plain_result(ssize_t n)
{
	if (n >= 0)
		return n;
	return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR
	    ? AGAIN
	    : BROKEN;
}

static ssize_t
client_read(struct session *s, void *out, size_t size)
{
	ssize_t n;

	if (s->tls == NULL)
		return plain_result(recv(s->client, out, size, 0));
	n = tls_read(s->tls, out, size);
	s->read_needs_write = n == TLS_WANT_POLLOUT;
	if (n >= 0)
		return n;
	return n == TLS_WANT_POLLIN || n == TLS_WANT_POLLOUT ? AGAIN : BROKEN;
}

static ssize_t
client_write(struct session *s, const void *in, size_t length)
{
	ssize_t n;

	if (s->tls == NULL)
		return plain_result(send(s->client, in, length, MSG_NOSIGNAL));
	n = tls_write(s->tls, in, length);
	s->write_needs_read = n == TLS_WANT_POLLIN;
	if (n >= 0)
		return n;
	return n == TLS_WANT_POLLIN || n == TLS_WANT_POLLOUT ? AGAIN : BROKEN;
}

static void
unsent_drop(struct unsent *u)
{
	freezero(u->data, u->end);
	memset(u, 0, sizeof(*u));
}

/* Appends; the sizes are bounded by TURN, since nobody reads meanwhile. */
static int
unsent_add(struct unsent *u, const uint8_t *data, size_t length)
{
	uint8_t *grown;
	size_t held = u->end - u->start;

	if ((grown = malloc(held + length)) == NULL)
		return -1;
	if (held > 0)
		memcpy(grown, u->data + u->start, held);
	memcpy(grown + held, data, length);
	freezero(u->data, u->end);
	u->data = grown;
	u->start = 0;
	u->end = (uint32_t)(held + length);
	return 0;
}

void
pump_drop_engine(struct session *s)
{
	unsent_drop(&s->to_engine);
}

void
pump_drop(struct session *s)
{
	unsent_drop(&s->to_client);
	unsent_drop(&s->to_engine);
}

/* The engine hears of the client's end when it has all that came before. */
static void
tell_eof(struct session *s)
{
	if (!s->client_eof || s->eof_told || s->to_engine.data != NULL ||
	    s->pair == -1)
		return;
	s->eof_told = 1;
	(void)shutdown(s->pair, SHUT_WR);
}

/*
 * Writes to the pair. Returns how much it took. An engine that has closed its
 * end takes everything: what it said last is still to be read from the pair.
 */
static size_t
pair_write(struct session *s, const uint8_t *data, size_t length)
{
	ssize_t n = plain_result(send(s->pair, data, length, MSG_NOSIGNAL));

	if (n == AGAIN)
		return 0;
	return n == BROKEN ? length : (size_t)n;
}

/* Returns 1 when nothing waits for the engine. */
static int
flush_engine(struct session *s)
{
	struct unsent *u = &s->to_engine;

	if (u->data == NULL)
		return 1;
	u->start +=
	    (uint32_t)pair_write(s, u->data + u->start, u->end - u->start);
	if (u->start < u->end)
		return 0;
	unsent_drop(u);
	return 1;
}

static void
give_engine(struct session *s, const uint8_t *data, size_t length)
{
	size_t taken = pair_write(s, data, length);

	if (taken < length &&
	    unsent_add(&s->to_engine, data + taken, length - taken) == -1)
		session_become(s, SESSION_ENDED);
}

/* Are there octets that poll(2) does not know of? */
static int
client_has_more(const struct session *s, size_t asked, ssize_t got)
{
	if (s->tls != NULL)
		return tls_hook_pending(s->ssl);
	return (size_t)got == asked;
}

void
pump_from_client(struct session *s)
{
	size_t total = 0;
	ssize_t n = AGAIN;

	if (!flush_engine(s) || s->client_eof) {
		tell_eof(s);
		return;
	}
	while (total < TURN) {
		n = client_read(s, scratch + total, TURN - total);
		if (n <= 0)
			break;
		total += (size_t)n;
		if (!client_has_more(s, TURN - total + (size_t)n, n)) {
			n = AGAIN;
			break;
		}
	}
	if (total > 0) {
		give_engine(s, scratch, total);
		/* A password may have been in it. */
		explicit_bzero(scratch, total);
	}
	if (n == 0)
		s->client_eof = 1;
	else if (n == BROKEN)
		session_become(s, SESSION_ENDED);
	else if (n > 0 && s->to_engine.data == NULL)
		event_active(&s->client_event, EV_READ, 1);
	tell_eof(s);
}

int
pump_flush_client(struct session *s)
{
	struct unsent *u = &s->to_client;
	ssize_t n;

	while (u->start < u->end) {
		n = client_write(s, u->data + u->start, u->end - u->start);
		if (n == AGAIN)
			return 0;
		if (n <= 0) {
			session_become(s, SESSION_ENDED);
			return 0;
		}
		u->start += (uint32_t)n;
		if (s->state == SESSION_RELAY)
			deadline_set(&s->deadline, DEADLINE_STALLED);
	}
	unsent_drop(u);
	if (s->deadline.kind == DEADLINE_STALLED)
		deadline_set(&s->deadline, DEADLINE_NONE);
	return 1;
}

int
pump_give_client(struct session *s, const uint8_t *data, size_t length)
{
	ssize_t n;

	if (length > 0)
		s->mid_line = data[length - 1] != '\n';
	while (s->to_client.data == NULL && length > 0) {
		n = client_write(s, data, length);
		if (n == AGAIN)
			break;
		if (n <= 0) {
			session_become(s, SESSION_ENDED);
			return 0;
		}
		data += n;
		length -= (size_t)n;
	}
	if (length == 0)
		return s->to_client.data == NULL;
	if (unsent_add(&s->to_client, data, length) == -1)
		session_become(s, SESSION_ENDED);
	else if (s->state == SESSION_RELAY)
		deadline_set(&s->deadline, DEADLINE_STALLED);
	return 0;
}

void
pump_say_sorry(struct session *s)
{
	static const uint8_t sorry[] =
	    "421 4.3.0 Service interrupted, try again\r\n";

	if (!s->mid_line)
		(void)pump_give_client(s, sorry, sizeof(sorry) - 1);
}

int
pump_from_engine(struct session *s)
{
	ssize_t n;
	int taken;

	if (s->to_client.data != NULL && !pump_flush_client(s))
		return 0;
	n = plain_result(recv(s->pair, scratch, sizeof(scratch), 0));
	if (n == AGAIN)
		return 0;
	if (n > 0) {
		taken = pump_give_client(s, scratch, (size_t)n);
		/* A token may have been in it. */
		explicit_bzero(scratch, (size_t)n);
		return taken;
	}
	if (s->upgrades)
		return 0;
	session_become(s, SESSION_CLOSING);
	if (engine_is_dead(s->engine))
		pump_say_sorry(s);
	if (s->state == SESSION_CLOSING)
		closing_step(s, EV_WRITE);
	return 0;
}

int
pump_discard_clear(struct session *s)
{
	ssize_t n;
	int turns;

	for (turns = 0; turns < 64; turns++) {
		n = plain_result(recv(s->client, scratch, sizeof(scratch), 0));
		if (n == AGAIN)
			return 0;
		if (n <= 0)
			return -1;
		log_debug("%08x dropped %zd octets that came before TLS",
		    (unsigned int)s->id, n);
	}
	return -1;
}
