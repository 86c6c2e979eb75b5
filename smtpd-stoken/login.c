/* SPDX-License-Identifier: ISC */
/*
 * users dovecot: tokend-auth may open no socket, so it gets them from here,
 * connected. What is said on them the parent never sees.
 */
#include <sys/types.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "smtpd-stoken/parent.h"

static const char *
path_of(const struct config *config, uint8_t socket)
{
	switch (socket) {
	case LOGIN_SOCKET_AUTH:
		return config->users_dovecot;
	case LOGIN_SOCKET_USERDB:
		return config->users_userdb;
	default:
		return NULL;
	}
}

/* Without waiting: a server that is too busy to accept is not there. */
static int
connect_to(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd, saved;

	if (strlcpy(address.sun_path, path, sizeof(address.sun_path)) >=
	    sizeof(address.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return -1;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	saved = errno;
	(void)close(fd);
	errno = saved;
	return -1;
}

void
on_login_connect(struct channel *c, const union message *m, int unused)
{
	const char *path = path_of(parent.config, m->login_connect.socket);
	union message answer = {
	    .login_connected = {.socket = m->login_connect.socket}};
	int fd = -1;

	(void)unused;
	errno = ENOENT;
	if (path == NULL || (fd = connect_to(path)) == -1)
		answer.login_connected.problem = bytes_text(strerror(errno));
	(void)channel_send(c, MSG_LOGIN_CONNECTED, &answer, fd);
}
