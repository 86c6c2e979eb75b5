/* SPDX-License-Identifier: ISC */
/*
 * frontend: the process that clients are connected to.
 *
 * Runs as _smtpdst in an empty root, without a file system. It accepts
 * clients, does TLS with the public half of the certificates (tokend-sign has
 * the other), and passes octets between a client and an engine, through a
 * stream pair a session. It understands no SMTP. Taken over, it sees the
 * traffic of its own sessions, and has signatures made while that lasts; it
 * finds no key, no password file, no token and no other session's data.
 */
#include <sys/types.h>
#include <sys/time.h>

#include <event.h>
#include <stdlib.h>

#include <tls.h>

#include "compat/sandbox.h"
#include "lib/log.h"
#include "lib/process.h"
#include "smtpd-stoken/frontend/engines.h"
#include "smtpd-stoken/frontend/facts.h"
#include "smtpd-stoken/frontend/listener.h"
#include "smtpd-stoken/frontend/remote_key.h"
#include "smtpd-stoken/frontend/session.h"
#include "smtpd-stoken/frontend/setup.h"
#include "smtpd-stoken/frontend/signer.h"
#include "smtpd-stoken/frontend/tls_hook.h"

/* How often the end is looked for while shutting down. */
static const struct timeval tick = {0, 100000};
static struct event shutdown_timer;
static unsigned ticks_left;

static void
start(const struct process_start *s)
{
	/* Its listeners are given to it; it has nobody to call. */
	sandbox_accept_only();
	/* in this order, and before anything else of TLS: see the headers */
	if (remote_key_init(signer_sign) == -1 || tls_hook_init() == -1 ||
	    tls_init() == -1)
		fatalx("TLS does not start");
	setup_init(s->restarted);
}

static void
on_start_listening(struct channel *parent, const union message *m, int fd)
{
	(void)parent;
	(void)m;
	(void)fd;
	listeners_start();
}

static void
peer_new(struct channel *peer)
{
	if (channel_peer(peer) == ROLE_ENGINE)
		engine_new(peer);
	else
		signer_new(peer);
}

static void
peer_gone(struct channel *peer)
{
	if (channel_peer(peer) == ROLE_ENGINE)
		engine_gone(peer);
	else
		signer_gone(peer);
}

static void
peer_drained(struct channel *peer)
{
	(void)peer;
	listeners_update();
}

/* Engines end their sessions; we go when they are through, or time is up. */
static void
on_shutdown_tick(int fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	if (session_count() == 0 || ticks_left-- == 0) {
		session_end_all();
		process_exit();
	}
	(void)evtimer_add(&shutdown_timer, &tick);
}

static void
begin_shutdown(uint32_t seconds)
{
	listeners_stop();
	session_end_unserved();
	ticks_left = seconds * 10;
	evtimer_set(&shutdown_timer, on_shutdown_tick, NULL);
	(void)evtimer_add(&shutdown_timer, &tick);
}

static const struct channel_handler parent_handlers[] = {
    {MSG_SETUP_CERTIFICATE, setup_certificate},
    {MSG_SETUP_LISTENER, setup_listener},
    {MSG_START_LISTENING, on_start_listening},
    {0, NULL},
};

static const struct process_peer peers[] = {
    {ROLE_ENGINE, engine_handlers},
    {ROLE_SIGN, signer_handlers},
    {ROLE_NONE, NULL},
};

static const struct process_role role = {
    .role = ROLE_FRONTEND,
    .name = "frontend",
    .title = "frontend",
    .setup_promises = "stdio inet sendfd recvfd",
    .promises = "stdio inet sendfd recvfd",
    .start = start,
    .parent_handlers = parent_handlers,
    .peers = peers,
    .commit = setup_commit,
    .peer_new = peer_new,
    .peer_gone = peer_gone,
    .peer_drained = peer_drained,
    .measure = facts_send,
    .shutdown = begin_shutdown,
};

int
main(void)
{
	process_main(&role);
}
