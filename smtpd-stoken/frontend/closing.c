/* SPDX-License-Identifier: ISC */
/*
 * The end of a session: what the engine said last goes out, then close_notify
 * (F-63), then TCP's end. A close(2) while octets of the client wait unread
 * would be a reset, and could take the last reply away from it.
 */
#include <sys/types.h>
#include <sys/socket.h>

#include <errno.h>
#include <event.h>

#include <tls.h>

#include "smtpd-stoken/frontend/pump.h"
#include "smtpd-stoken/frontend/session.h"
#include "smtpd-stoken/frontend/steps.h"

/* What a client may send after our end before it is cut off, octets a turn. */
#define LINGER_TURN (64 * 1024)

/* Returns 1 when close_notify is out or cannot be sent, 0 to wait. */
static int
say_close_notify(struct session *s)
{
	int n;

	if (s->tls == NULL)
		return 1;
	n = tls_close(s->tls);
	if (n == TLS_WANT_POLLIN)
		s->tls_wants = EV_READ;
	else if (n == TLS_WANT_POLLOUT)
		s->tls_wants = EV_WRITE;
	else
		return 1;
	return 0;
}

void
closing_step(struct session *s, short what)
{
	(void)what;
	if (s->to_client.data != NULL && !pump_flush_client(s))
		return;
	if (!say_close_notify(s))
		return;
	session_close_pair(s);
	session_become(s, SESSION_LINGER);
	linger_step(s, 0);
	if (s->state == SESSION_LINGER)
		(void)shutdown(s->client, SHUT_WR);
}

uint8_t
closing_wants(const struct session *s)
{
	if (s->to_client.data != NULL)
		return s->write_needs_read ? EV_READ : EV_WRITE;
	return s->tls_wants != 0 ? s->tls_wants : EV_WRITE;
}

/*
 * Nothing unread: close now, no reset follows. Something unread: read it away
 * until the client closes, for a few seconds.
 */
void
linger_step(struct session *s, short what)
{
	static char nowhere[LINGER_TURN];
	ssize_t n = recv(s->client, nowhere, sizeof(nowhere), 0);

	if (n > 0)
		return;
	if (n == 0 || errno != EAGAIN || what == 0)
		session_become(s, SESSION_ENDED);
}

uint8_t
linger_wants(const struct session *s)
{
	(void)s;
	return EV_READ;
}
