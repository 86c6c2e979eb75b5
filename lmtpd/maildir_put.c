/* SPDX-License-Identifier: ISC */
/* Messages in a mailbox that is open: their names, and how they get there. */
#include <sys/time.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lmtpd/copy.h"
#include "lmtpd/keywords.h"
#include "lmtpd/maildir.h"

/* Outside of letters, digits, dot and hyphen, as the Maildir rules say. */
void
maildir_host(char *out, size_t size, const char *hostname)
{
	size_t used = 0;
	const unsigned char *p = (const unsigned char *)hostname;

	for (; *p != '\0' && used + 5 < size; p++) {
		if ((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
		    (*p >= '0' && *p <= '9') || *p == '-' ||
		    (*p == '.' && used > 0))
			out[used++] = (char)*p;
		else
			used += (size_t)snprintf(
			    out + used, size - used, "\\%03o", *p);
	}
	out[used] = '\0';
}

void
maildir_name(
    char name[MAILDIR_NAME], const char *id, const char *host, uint64_t size)
{
	static unsigned long sequence;
	static pid_t pid;
	struct timeval now;

	if (pid == 0)
		pid = getpid();
	if (gettimeofday(&now, NULL) == -1)
		now = (struct timeval) {0};
	(void)snprintf(name, MAILDIR_NAME,
	    "%lld.M%06ldP%ldQ%lu_%.64s.%.100s,S=%llu", (long long)now.tv_sec,
	    (long)now.tv_usec, (long)pid, ++sequence, id, host,
	    (unsigned long long)size);
}

/* The Maildir's tmp or cur, found from its new. */
static int
open_beside(const struct maildir *box, const char *name)
{
	struct stat st;
	int error, fd, maildir = openat(box->new_fd, "..", MAILDIR_DIRECTORY);

	if (maildir == -1)
		return -1;
	fd = maildir_directory(maildir, name, &st);
	error = errno;
	(void)close(maildir);
	errno = error;
	return fd;
}

static int
open_tmp(const struct maildir *box)
{
	return open_beside(box, "tmp");
}

void
maildir_flag(
    const struct maildir *box, const char *flags, char name[MAILDIR_NAME])
{
	int maildir = openat(box->new_fd, "..", MAILDIR_DIRECTORY);

	if (maildir == -1)
		return;
	flags_append(maildir, flags, name, MAILDIR_NAME);
	(void)close(maildir);
}

static int
has_flags(const char *name)
{
	return strstr(name, ":2,") != NULL;
}

/* Where a file of this name belongs. */
static int
open_place(const struct maildir *box, const char *name)
{
	return has_flags(name) ? open_beside(box, "cur") : box->new_fd;
}

/*
 * new is flushed with others; cur here, and what that fails for is taken out
 * again. Returns 0, or -1 with errno.
 */
static int
close_place(const struct maildir *box, int place, const char *name, int error)
{
	if (place != box->new_fd) {
		if (error == 0 && fsync(place) == -1) {
			error = errno;
			(void)unlinkat(place, name, 0);
		}
		(void)close(place);
	}
	errno = error;
	return error == 0 ? 0 : -1;
}

/* Returns 0 or an errno. */
static int
copy_to(int tmp, int in, uint64_t size, const char *name)
{
	int error = 0, out;

	out = openat(tmp, name,
	    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
	    S_IRUSR | S_IWUSR);
	if (out == -1)
		return errno;
	if (copy_octets(in, out, 0, size) == -1 || fsync(out) == -1)
		error = errno;
	if (close(out) == -1 && error == 0)
		error = errno;
	if (error != 0)
		(void)unlinkat(tmp, name, 0);
	return error;
}

int
maildir_copy(const struct maildir *box, int in, uint64_t size, const char *name)
{
	int error, tmp = open_tmp(box);

	if (tmp == -1)
		return -1;
	error = copy_to(tmp, in, size, name);
	(void)close(tmp);
	errno = error;
	return error == 0 ? 0 : -1;
}

int
maildir_show(const struct maildir *box, const char *name)
{
	int error = 0, place, tmp = open_tmp(box);

	if (tmp == -1)
		return -1;
	if ((place = open_place(box, name)) == -1 ||
	    renameat(tmp, name, place, name) == -1) {
		error = errno;
		(void)unlinkat(tmp, name, 0);
	}
	(void)close(tmp);
	if (place != -1)
		return close_place(box, place, name, error);
	errno = error;
	return -1;
}

void
maildir_discard(const struct maildir *box, const char *name)
{
	int tmp = open_tmp(box);

	if (tmp == -1)
		return;
	(void)unlinkat(tmp, name, 0);
	(void)close(tmp);
}

int
maildir_put(const struct maildir *box, const struct tmpfile *file,
    uint64_t size, const char *name)
{
	int error = 0, in, place = open_place(box, name);

	if (place == -1)
		return -1;
	if (compat_tmpfile_link(file, place, name) == -1)
		error = errno;
	if (close_place(box, place, name, error) == 0)
		return 0;
	if (errno != EXDEV && errno != EMLINK)
		return -1;
	error = 0;
	if ((in = compat_tmpfile_reader(file)) == -1)
		return -1;
	if (maildir_copy(box, in, size, name) == -1 ||
	    maildir_show(box, name) == -1)
		error = errno;
	(void)close(in);
	errno = error;
	return error == 0 ? 0 : -1;
}

void
maildir_remove(const struct maildir *box, const char *name)
{
	int place = open_place(box, name);

	if (place == -1)
		return;
	(void)unlinkat(place, name, 0);
	(void)close_place(box, place, name, 0);
}

/* Looks through a directory, and closes it. */
static int
directory_has(int fd, const char *part)
{
	struct dirent *entry;
	DIR *directory = fdopendir(fd);
	int found = 0, error;

	if (directory == NULL) {
		error = errno;
		(void)close(fd);
		errno = error;
		return -1;
	}
	while (!found && (entry = readdir(directory)) != NULL)
		found = strstr(entry->d_name, part) != NULL;
	if (found && fsync(fd) == -1)
		found = -1;
	error = errno;
	(void)closedir(directory);
	errno = error;
	return found;
}

int
maildir_has(const struct maildir *box, const char *id)
{
	static const char *const places[] = {".", "../cur"};
	char part[MAILDIR_NAME];
	int fd, found = 0;

	(void)snprintf(part, sizeof(part), "_%.64s.", id);
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		fd = openat(box->new_fd, places[i], MAILDIR_DIRECTORY);
		if (fd == -1 || (found = directory_has(fd, part)) == -1)
			return -1;
		if (found)
			break;
	}
	return found;
}
