/* SPDX-License-Identifier: ISC */
#include <sys/types.h>
#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/settings.h"
#include "tokenctl/backup.h"
#include "tokenctl/fail.h"

static const char *path;
static int directory = -1;
static int made; /* we made it */
static int file = -1;
static char file_name[NAME_MAX + 1];
static struct text_list files;

static void
undo(void)
{
	size_t i;

	for (i = 0; i < files.count; i++)
		(void)unlinkat(directory, files.items[i], 0);
	if (made)
		(void)rmdir(path);
}

#define GIVE_UP(code, ...)               \
	do {                             \
		undo();                  \
		fail(code, __VA_ARGS__); \
	} while (0)

static int
is_empty(void)
{
	struct dirent *entry;
	int count = 0, fd = dup(directory);
	DIR *dir;

	if (fd == -1 || (dir = fdopendir(fd)) == NULL)
		return 0;
	while ((entry = readdir(dir)) != NULL)
		count += strcmp(entry->d_name, ".") != 0 &&
		    strcmp(entry->d_name, "..") != 0;
	(void)closedir(dir);
	return count == 0;
}

void
backup_open(const char *name)
{
	path = name;
	if (mkdir(path, 0700) == 0)
		made = 1;
	else if (errno != EEXIST)
		fail(EX_CANTCREAT, "%s: %s", path, strerror(errno));
	directory = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
	if (directory == -1)
		fail(EX_CANTCREAT, "%s: %s", path, strerror(errno));
	if (!is_empty())
		fail(EX_CANTCREAT, "%s is not empty: name a new directory",
		    path);
	if (fchmod(directory, 0700) == -1)
		fail(EX_CANTCREAT, "%s: %s", path, strerror(errno));
}

static void
open_file(struct bytes name)
{
	if (bytes_copy(file_name, sizeof(file_name), name) == -1 ||
	    file_name[0] == '\0' || file_name[0] == '.' ||
	    strchr(file_name, '/') != NULL)
		GIVE_UP(EX_PROTOCOL, "the daemon sent a file without a name");
	file = openat(directory, file_name,
	    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	if (file == -1)
		GIVE_UP(EX_CANTCREAT, "%s/%s: %s", path, file_name,
		    strerror(errno));
	if (text_list_add(&files, file_name, strlen(file_name)) == -1)
		GIVE_UP(EX_OSERR, "out of memory");
}

static void
write_all(struct bytes data)
{
	ssize_t n;

	while (data.length > 0) {
		n = write(file, data.data, data.length);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			GIVE_UP(EX_IOERR, "%s/%s: %s", path, file_name,
			    strerror(errno));
		data.data += n;
		data.length -= (size_t)n;
	}
}

void
backup_piece(struct bytes name, struct bytes data, int last)
{
	if (directory == -1)
		fail(EX_PROTOCOL, "the daemon sent a file unasked");
	if (file == -1)
		open_file(name);
	else if (!bytes_equal(name, bytes_text(file_name)))
		GIVE_UP(EX_PROTOCOL, "the daemon sent two files at once");
	write_all(data);
	if (!last)
		return;
	if (fsync(file) == -1 || close(file) == -1)
		GIVE_UP(
		    EX_IOERR, "%s/%s: %s", path, file_name, strerror(errno));
	file = -1;
}

void
backup_close(int ok)
{
	if (directory == -1)
		return;
	if (!ok)
		undo();
	else if (file != -1 || files.count == 0)
		GIVE_UP(EX_PROTOCOL, "the daemon sent no whole backup");
	else if (fsync(directory) == -1)
		GIVE_UP(EX_IOERR, "%s: %s", path, strerror(errno));
}
