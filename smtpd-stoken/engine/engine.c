/* SPDX-License-Identifier: ISC */
/*
 * engine: SMTP and LMTP. It gets the octets of sessions in clear from its
 * frontends, has everything checked by tokend, writes messages to files that
 * lmtpd opens, and has lmtpd make them durable. It opens nothing itself.
 */
#include <stdio.h>
#include <stdlib.h>

#include "compat/sandbox.h"
#include "imsg/channel.h"
#include "lib/log.h"
#include "lib/process.h"
#include "smtpd-stoken/engine/engine.h"
#include "smtpd-stoken/engine/files.h"
#include "smtpd-stoken/engine/relay.h"
#include "smtpd-stoken/engine/session.h"
#include "smtpd-stoken/engine/tokend.h"

static struct configuration *configuration;
static struct process_start about;

struct configuration *
engine_configuration(void)
{
	return configuration;
}

const struct process_start *
engine_start(void)
{
	return &about;
}

static void
start(const struct process_start *s)
{
	about = *s;
	sandbox_memory_files();
	sessions_init();
	session_io_init();
}

static int
commit(const struct settings *settings, int first, char *problem, size_t size)
{
	struct configuration *fresh;

	(void)first;
	if ((fresh = configuration_new(settings)) == NULL) {
		snprintf(problem, size, "engine: out of memory");
		return -1;
	}
	configuration_release(configuration);
	configuration = fresh;
	files_spread(settings->system_accounts != 0);
	return 0;
}

int
engine_is_blocked(void)
{
	return tokend_is_full() || files_are_full() || relay_is_full();
}

static void
peer_new(struct channel *c)
{
	if (channel_peer(c) == ROLE_TOKEND)
		tokend_new(c);
	else if (channel_peer(c) == ROLE_LMTPD)
		files_worker_new(c);
}

static void
peer_gone(struct channel *c)
{
	/* Its replacement may have come first. */
	if (process_peer(channel_peer(c), channel_instance(c)) != NULL)
		return;
	if (channel_peer(c) == ROLE_TOKEND)
		tokend_gone();
	else if (channel_peer(c) == ROLE_LMTPD)
		files_worker_gone(channel_instance(c));
	else if (channel_peer(c) == ROLE_FRONTEND)
		session_frontend_gone(channel_instance(c));
	else if (channel_peer(c) == ROLE_RELAY)
		relay_gone();
}

static void
peer_drained(struct channel *c)
{
	(void)c;
	session_io_resume();
}

static const struct process_peer peers[] = {{ROLE_FRONTEND, session_handlers},
    {ROLE_TOKEND, tokend_handlers}, {ROLE_LMTPD, file_handlers},
    {ROLE_RELAY, relay_handlers}, {ROLE_NONE, NULL}};

static const struct process_role role = {
    .role = ROLE_ENGINE,
    .name = "engine",
    .title = "engine",
    .setup_promises = "stdio sendfd recvfd unveil",
    .promises = "stdio sendfd recvfd",
    .start = start,
    .peers = peers,
    .commit = commit,
    .peer_new = peer_new,
    .peer_gone = peer_gone,
    .peer_drained = peer_drained,
    .shutdown = engine_shutdown,
};

int
main(void)
{
	process_main(&role);
}
