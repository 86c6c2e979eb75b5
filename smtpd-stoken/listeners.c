/* SPDX-License-Identifier: ISC */
/* The sockets that the parent binds and hands to others. */
#include <sys/types.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <netinet/in.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/log.h"
#include "smtpd-stoken/parent.h"

/* Bursts of connections must not wait a second for a SYN to be sent again. */
#define BACKLOG 4096

static int
bind_inet(const struct listener *l)
{
	int fd, on = 1;

	fd = socket(l->address.ss_family,
	    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == -1 ||
	    /* As OpenBSD has it: "::" leaves IPv4 to a listener of its own. */
	    (l->address.ss_family == AF_INET6 &&
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) ==
		    -1) ||
	    bind(fd, (const struct sockaddr *)&l->address, l->address_length) ==
		-1 ||
	    listen(fd, BACKLOG) == -1) {
		close(fd);
		return -1;
	}
	return fd;
}

/* Is somebody listening there? */
static int
is_alive(const struct sockaddr_un *address)
{
	int fd, alive;

	if ((fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) == -1)
		return 0;
	alive = connect(fd, (const struct sockaddr *)address,
		    sizeof(*address)) == 0;
	close(fd);
	return alive;
}

static int
give_group(const char *path, const char *name)
{
	struct group *group;

	if (name == NULL || geteuid() != 0)
		return 0;
	if ((group = getgrnam(name)) == NULL) {
		log_warnx("%s: no group %s", path, name);
		errno = EINVAL;
		return -1;
	}
	return chown(path, (uid_t)-1, group->gr_gid);
}

/*
 * Children of a parent that was killed need a moment to die: until then they
 * hold its sockets.
 */
static int
stays_alive(const struct sockaddr_un *address)
{
	const struct timespec moment = {0, 50000000};
	int tries;

	for (tries = 0; is_alive(address); tries++) {
		if (tries == 20)
			return 1;
		nanosleep(&moment, NULL);
	}
	return 0;
}

/* Binds a socket in the file system, in place of a dead one. */
static int
bind_local(const char *path, const char *group, mode_t mode)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct stat st;
	mode_t old;
	int fd, failed;

	if (strlcpy(address.sun_path, path, sizeof(address.sun_path)) >=
	    sizeof(address.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode)) {
		if (stays_alive(&address)) {
			errno = EADDRINUSE;
			return -1;
		}
		(void)unlink(path);
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return -1;
	old = umask(0177);
	failed = bind(fd, (struct sockaddr *)&address, sizeof(address)) == -1;
	(void)umask(old);
	if (failed || give_group(path, group) == -1 ||
	    chmod(path, mode) == -1 || listen(fd, BACKLOG) == -1) {
		close(fd);
		return -1;
	}
	return fd;
}

int
control_open(const struct config *config, char *problem, size_t size)
{
	int fd = bind_local(config->control, config->control_group, 0660);

	if (fd == -1)
		(void)snprintf(problem, size, "control socket %s: %s",
		    config->control, strerror(errno));
	return fd;
}

static int
same_name(const struct bound *bound, const char *name)
{
	return bound->name != NULL && strcmp(bound->name, name) == 0;
}

/* A socket that is bound already serves again: no client is turned away. */
static int
find_bound(const char *name)
{
	size_t i;

	for (i = 0; i < parent.bound_count; i++)
		if (same_name(&parent.bound[i], name))
			return fcntl(parent.bound[i].fd, F_DUPFD_CLOEXEC, 0);
	return -1;
}

int
listeners_open(const struct config *config, struct bound **bound, size_t *count,
    char *problem, size_t size)
{
	const struct listener *l;
	char name[512];
	struct bound *b;
	size_t i;
	int failed = 0;

	*count = config->listener_count;
	*bound = calloc(*count + 1, sizeof(**bound));
	if (*bound == NULL)
		fatal("calloc");
	for (i = 0; i < *count; i++) {
		l = &config->listeners[i];
		b = &(*bound)[i];
		if (l->kind == LISTENER_SOCKET)
			(void)snprintf(name, sizeof(name), "%s", l->host);
		else
			(void)snprintf(
			    name, sizeof(name), "%s port %u", l->host, l->port);
		b->listener = l;
		if ((b->fd = find_bound(name)) == -1)
			b->fd = l->kind == LISTENER_SOCKET
			    ? bind_local(l->host, l->group, 0660)
			    : bind_inet(l);
		if (b->fd == -1) {
			if (failed++ == 0)
				(void)snprintf(problem, size,
				    "cannot listen on %s: %s", name,
				    strerror(errno));
			else
				log_warn("cannot listen on %s, either", name);
		} else if ((b->name = strdup(name)) == NULL)
			fatal("strdup");
	}
	if (!failed)
		return 0;
	listeners_close(*bound, *count);
	*bound = NULL;
	*count = 0;
	return -1;
}

void
listeners_close(struct bound *bound, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		if (bound[i].fd != -1)
			close(bound[i].fd);
		free(bound[i].name);
	}
	free(bound);
}
