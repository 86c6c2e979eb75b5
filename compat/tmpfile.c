/* SPDX-License-Identifier: ISC */
#include <sys/types.h>
#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compat/tmpfile.h"

#define PREFIX ".stoken-"
#define FLAGS (O_WRONLY | O_APPEND | O_CLOEXEC)

#ifdef O_TMPFILE
/* /proc, where a descriptor has a path that can be linked. */
static int proc = -1;
#endif

void
compat_tmpfile_prepare(void)
{
#ifdef O_TMPFILE
	if (proc == -1)
		proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
#endif
}

static int
open_named(struct tmpfile *file, int dirfd)
{
	for (int tries = 0; tries < 100; tries++) {
		(void)snprintf(file->name, sizeof(file->name),
		    PREFIX "%08x%08x", arc4random(), arc4random());
		file->fd =
		    openat(dirfd, file->name, FLAGS | O_CREAT | O_EXCL, 0600);
		if (file->fd != -1 || errno != EEXIST)
			break;
	}
	return file->fd == -1 ? -1 : 0;
}

#ifdef O_TMPFILE

/* "self" is whoever looks, so the descriptor of /proc survives fork(2). */
static void
proc_path(char *path, size_t size, int fd)
{
	(void)snprintf(path, size, "self/fd/%d", fd);
}

/*
 * Whether an unnamed file can be linked here: by descriptor alone (Linux 6.10
 * and later for who opened it) or by its path in /proc.
 */
static int
link_unnamed(int fd, int dirfd, const char *name)
{
	char path[32];

	if (linkat(fd, "", dirfd, name, AT_EMPTY_PATH) == 0)
		return 0;
	if ((errno != ENOENT && errno != EPERM && errno != EINVAL) ||
	    proc == -1)
		return -1;
	proc_path(path, sizeof(path), fd);
	return linkat(proc, path, dirfd, name, AT_SYMLINK_FOLLOW);
}

int
compat_tmpfile_open(struct tmpfile *file, int dirfd)
{
	file->dirfd = dirfd;
	file->name[0] = '\0';
	if (proc != -1) {
		file->fd = openat(dirfd, ".", FLAGS | O_TMPFILE, 0600);
		if (file->fd != -1)
			return 0;
		if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)
			return -1;
	}
	return open_named(file, dirfd);
}

int
compat_tmpfile_reader(const struct tmpfile *file)
{
	char path[32];

	if (file->name[0] != '\0')
		return openat(file->dirfd, file->name, O_RDONLY | O_CLOEXEC);
	proc_path(path, sizeof(path), file->fd);
	return openat(proc, path, O_RDONLY | O_CLOEXEC);
}

#else

static int
link_unnamed(int fd, int dirfd, const char *name)
{
	(void)fd, (void)dirfd, (void)name;
	errno = EINVAL;
	return -1;
}

int
compat_tmpfile_open(struct tmpfile *file, int dirfd)
{
	file->dirfd = dirfd;
	return open_named(file, dirfd);
}

int
compat_tmpfile_reader(const struct tmpfile *file)
{
	return openat(file->dirfd, file->name, O_RDONLY | O_CLOEXEC);
}

#endif

int
compat_tmpfile_link(const struct tmpfile *file, int dirfd, const char *name)
{
	if (file->name[0] == '\0')
		return link_unnamed(file->fd, dirfd, name);
	return linkat(file->dirfd, file->name, dirfd, name, 0);
}

void
compat_tmpfile_close(struct tmpfile *file)
{
	if (file->fd == -1)
		return;
	if (file->name[0] != '\0')
		(void)unlinkat(file->dirfd, file->name, 0);
	close(file->fd);
	file->fd = -1;
	file->name[0] = '\0';
}

int
compat_tmpfile_sweep(int dirfd)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent *entry;
	int removed = 0;
	DIR *dir;

	if (fd == -1)
		return -1;
	if ((dir = fdopendir(fd)) == NULL) {
		close(fd);
		return -1;
	}
	while ((entry = readdir(dir)) != NULL) {
		if (strncmp(entry->d_name, PREFIX, strlen(PREFIX)) == 0 &&
		    unlinkat(dirfd, entry->d_name, 0) == 0)
			removed++;
	}
	closedir(dir);
	return removed;
}
