/* SPDX-License-Identifier: ISC */
/*
 * users dovecot: what a client says goes to Dovecot, which knows the
 * passwords, and whom there are is asked of its userdb.
 */
#include <unistd.h>

#include "lib/settings.h"
#include "tokend/auth/dovecot.h"

static bool
is_chosen(const struct settings *settings)
{
	return settings->users_dovecot != NULL;
}

/* It need not be there yet: until it is, clients are told to come again. */
static int
start(const struct settings *settings, const struct site *site, char *problem,
    size_t size)
{
	(void)problem;
	(void)size;
	dovecot_auth_start(settings->users_dovecot, site);
	dovecot_userdb_start(settings->users_userdb, site);
	return 0;
}

static void
stop(void)
{
	dovecot_auth_stop();
	dovecot_userdb_stop();
}

static const struct {
	uint8_t socket;
	void (*connected)(int fd, struct bytes problem);
} sockets[] = {
    {LOGIN_SOCKET_AUTH, dovecot_auth_connected},
    {LOGIN_SOCKET_USERDB, dovecot_userdb_connected},
};

void
on_login_connected(struct channel *c, const union message *m, int fd)
{
	size_t i;

	(void)c;
	for (i = 0; i < sizeof(sockets) / sizeof(sockets[0]); i++) {
		if (sockets[i].socket == m->login_connected.socket) {
			sockets[i].connected(fd, m->login_connected.problem);
			return;
		}
	}
	if (fd != -1)
		(void)close(fd);
}

const struct backend backend_dovecot = {
    .is_chosen = is_chosen,
    .start = start,
    .has = dovecot_has,
    .step = dovecot_step,
    .forget = dovecot_forget,
    .forget_all = dovecot_forget_all,
    .find = dovecot_find,
    .stop = stop,
};
