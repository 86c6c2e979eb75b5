/* SPDX-License-Identifier: ISC */
/*
 * relay: sends mail on, to the relay host by SMTP and to the local LMTP
 * server. It runs as _smtpdst, connects and never accepts, sees a message only
 * through a descriptor that an engine hands over, opens no file but those of
 * the resolver, holds the password for the relay host and no other secret, and
 * sends nothing without a ticket of tokend's.
 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "imsg/channel.h"
#include "lib/log.h"
#include "lib/process.h"
#include "smtpd-stoken/relay/setup.h"

#define SETUP "stdio rpath inet dns unix recvfd unveil"
#define PROMISES "stdio rpath inet dns recvfd"
/* The LMTP server is a socket in the file system. */
#define PROMISES_UNIX PROMISES " unix"

static const struct channel_handler engine_handlers[] = {{0, NULL}};

static const struct process_peer peers[] = {
    {ROLE_ENGINE, engine_handlers},
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
    .parent_handlers = setup_handlers,
    .peers = peers,
    .commit = commit,
    .unveil = narrow,
};

static int
commit(const struct settings *settings, int first, char *problem, size_t size)
{
	if (setup_take(settings, problem, size) == -1)
		return -1;
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
	if (settings->lmtp_address != NULL && settings->lmtp_address[0] == '/')
		see(settings->lmtp_address, "rw");
}

int
main(void)
{
	process_main(&role);
}
