/* SPDX-License-Identifier: ISC */
/*
 * A service manager that wants to know when the service is ready names a
 * datagram socket in NOTIFY_SOCKET (the protocol of sd_notify(3)). This is
 * the only variable of the environment that is looked at.
 */
#include <sys/types.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "smtpd-stoken/parent.h"

void
notify(const char *state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const char *path = getenv("NOTIFY_SOCKET");
	size_t length;
	int fd;

	if (path == NULL || (*path != '/' && *path != '@'))
		return;
	length = strlcpy(address.sun_path, path, sizeof(address.sun_path));
	if (length >= sizeof(address.sun_path))
		return;
	if (*path == '@') /* an abstract socket */
		address.sun_path[0] = '\0';
	if ((fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) == -1)
		return;
	if (sendto(fd, state, strlen(state), 0,
		(const struct sockaddr *)&address,
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)) ==
	    -1)
		log_warn("NOTIFY_SOCKET %s", path);
	close(fd);
}
