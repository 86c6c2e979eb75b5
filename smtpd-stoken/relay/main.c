/* SPDX-License-Identifier: ISC */
/*
 * relay: sends mail on, to the relay host by SMTP and to the local LMTP
 * server. It runs as _smtpdst, connects and never accepts, sees a message only
 * through a descriptor that an engine hands over, opens no file but those of
 * the resolver, holds the password for the relay host and no other secret, and
 * sends nothing without a ticket of tokend's.
 */
#include <sys/time.h>

#include <errno.h>
#include <event.h>
#include <stdio.h>
#include <unistd.h>

#include "compat/sandbox.h"
#include "imsg/channel.h"
#include "lib/log.h"
#include "lib/process.h"
#include "smtpd-stoken/relay/discover.h"
#include "smtpd-stoken/relay/engines.h"
#include "smtpd-stoken/relay/held.h"
#include "smtpd-stoken/relay/hop.h"
#include "smtpd-stoken/relay/requests.h"
#include "smtpd-stoken/relay/setup.h"
#include "smtpd-stoken/relay/token_pool.h"
#include "smtpd-stoken/relay/trust.h"

#define SETUP "stdio rpath inet dns unix recvfd unveil"
#define PROMISES "stdio rpath inet dns recvfd"
/* The LMTP server is a socket in the file system. */
#define PROMISES_UNIX PROMISES " unix"

static struct event deadline_event;
static size_t engines;
static int ends;

static void
peer_new(struct channel *c)
{
	struct engine *engine;

	if (channel_peer(c) == ROLE_TOKEND) {
		held_peer_new();
		return;
	}
	engine = engine_new(c);
	if (engine == NULL)
		fatal("engine");
	channel_set_context(c, engine);
	engines++;
}

/* What it has asked for is given up, as far as that can be. */
static void
peer_gone(struct channel *c)
{
	if (channel_peer(c) == ROLE_TOKEND) {
		held_peer_gone();
		return;
	}
	engine_free(channel_context(c));
	if (--engines == 0 && ends)
		process_exit();
}

static void
peer_drained(struct channel *c)
{
	channel_resume(c);
}

static void
deadline(int fd, short what, void *unused)
{
	(void)fd;
	(void)what;
	(void)unused;
	process_exit();
}

/* The engines end first, each when its sessions have. */
static void
shut_down(uint32_t seconds)
{
	struct timeval wait = {.tv_sec = seconds};

	hops_shut_down();
	token_pool_stop();
	if (engines == 0)
		process_exit();
	ends = 1;
	(void)evtimer_add(&deadline_event, &wait);
}

static void
start(const struct process_start *s)
{
	(void)s;
	sandbox_connect_only();
	if (trust_init() == -1)
		fatalx("trust_init");
	hops_init();
	evtimer_set(&deadline_event, deadline, NULL);
}

static const struct process_peer peers[] = {
    {ROLE_ENGINE, engine_handlers},
    {ROLE_TOKEND, held_handlers},
    {ROLE_NONE, NULL},
};

static int commit(const struct settings *, int, char *, size_t);
static void narrow(const struct settings *);

static struct process_role role = {
    .role = ROLE_RELAY,
    .name = "relay",
    .title = "relay",
    .setup_promises = SETUP,
    .promises = PROMISES,
    .start = start,
    .parent_handlers = setup_handlers,
    .peers = peers,
    .commit = commit,
    .unveil = narrow,
    .peer_new = peer_new,
    .peer_gone = peer_gone,
    .peer_drained = peer_drained,
    .shutdown = shut_down,
};

static int
commit(const struct settings *settings, int first, char *problem, size_t size)
{
	struct discover_settings discovers = {
	    .mx_fallback = settings->mx_fallback != 0,
	    .dnssec = settings->dnssec != 0,
	    .clock = hop_clock};

	if (resolve_init(settings->resolver, problem, size) == -1 ||
	    setup_take(settings, problem, size) == -1)
		return -1;
	discover_configure(&discovers);
	if (discovers.dnssec && !resolve_is_local())
		log_warnx("relay dnssec: a resolver is not on this machine, and"
			  " is believed all the same");
	hops_configure();
	token_pool_clear();
	if (first && settings->lmtp_address != NULL &&
	    settings->lmtp_address[0] == '/')
		role.promises = PROMISES_UNIX;
	return 0;
}

/* A file that is missing now is missing for good. */
static void
see(const char *path, const char *how)
{
	if (unveil(path, how) == -1 && errno != ENOENT)
		fatal("unveil %s", path);
}

static void
narrow(const struct settings *settings)
{
	see("/dev/null", "r"); /* without any rule all would be seen */
	see("/etc/resolv.conf", "r");
	see("/etc/hosts", "r");
	/* c-ares numbers its questions by it, anew at each reload. */
	see("/dev/urandom", "r");
	if (settings->lmtp_address != NULL && settings->lmtp_address[0] == '/')
		see(settings->lmtp_address, "rw");
}

int
main(void)
{
	process_main(&role);
}
