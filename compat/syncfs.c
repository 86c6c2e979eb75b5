/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/utsname.h>
#endif

#include "compat/syncfs.h"

#ifdef __linux__
/*
 * syncfs(2) reports write errors since Linux 5.8, and those of the journal
 * since 5.17 (sync_filesystem() threw the result of ->sync_fs away before).
 */
static int
reports_errors(void)
{
	struct utsname system;
	unsigned int major, minor;

	if (uname(&system) == -1 ||
	    sscanf(system.release, "%u.%u", &major, &minor) != 2)
		return 0;
	return major > 5 || (major == 5 && minor >= 17);
}

int
compat_syncfs(int fd)
{
	static int usable = -1;

	if (usable == -1)
		usable = reports_errors();
	if (!usable) {
		errno = ENOSYS;
		return -1;
	}
	return syncfs(fd);
}
#else
int
compat_syncfs(int fd)
{
	(void)fd;
	errno = ENOSYS;
	return -1;
}
#endif
