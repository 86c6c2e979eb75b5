/* SPDX-License-Identifier: ISC */
/* How the file with the tokens is changed: see tokenfile.h. */
#include <sys/types.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tokensend/tokenfile.h"

#define LOCK_TRIES 200
#define LOCK_NANOSECONDS 50000000

static int
write_all(int fd, const char *data, size_t length)
{
	ssize_t n;

	while (length > 0) {
		n = write(fd, data, length);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return -1;
		data += n;
		length -= (size_t)n;
	}
	return fsync(fd);
}

/* The name is not there yet, and gets what it is to be by one rename(2). */
static int
fill(const char *path, const char *become, const struct tokens *tokens,
    mode_t mode)
{
	int fd, result, problem;

	fd = open(
	    path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd == -1)
		return -1;
	result = write_all(fd, tokens->text, tokens->length);
	problem = errno;
	if (close(fd) == -1 && result == 0) {
		problem = errno;
		result = -1;
	}
	if (result == 0 && (result = rename(path, become)) == -1)
		problem = errno;
	if (result == -1) {
		(void)unlink(path);
		errno = problem;
	}
	return result;
}

/* What a killed one left is in the way: the lock says that it is dead. */
static int
replace(const struct tokenfile *file, const struct tokens *tokens, mode_t mode)
{
	char path[PATH_MAX];
	int directory, result;

	if ((size_t)snprintf(path, sizeof(path), "%s.new", file->path) >=
	    sizeof(path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	(void)unlink(path);
	if (fill(path, file->path, tokens, mode) == -1)
		return -1;
	directory = open(file->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (directory == -1)
		return -1;
	result = fsync(directory);
	(void)close(directory);
	return result;
}

/*
 * Others may have changed it since it was read: their tokens stay. Where it
 * is missing it is empty. Returns NULL, or the problem.
 */
static const char *
read_again(const struct tokenfile *file, struct tokens *tokens, mode_t *mode)
{
	struct stat st;
	const char *problem;
	int fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	*mode = 0600;
	if (fd == -1)
		return errno == ENOENT ? NULL : strerror(errno);
	problem = tokenfile_exposed(fd, &st);
	if (problem == NULL && (uintmax_t)st.st_size > TOKENS_MOST)
		problem = strerror(EFBIG);
	if (problem == NULL &&
	    tokenfile_read(fd, (size_t)st.st_size, tokens) == -1)
		problem = strerror(errno);
	*mode = st.st_mode & 0600;
	(void)close(fd);
	return problem;
}

/* Who holds it for long is stopped, or is no tokensend: nobody hangs here. */
static int
lock(int fd)
{
	const struct timespec wait = {.tv_nsec = LOCK_NANOSECONDS};
	int tries = 0;

	while (flock(fd, LOCK_EX | LOCK_NB) == -1) {
		if (errno != EWOULDBLOCK || ++tries == LOCK_TRIES)
			return -1;
		(void)nanosleep(&wait, NULL);
	}
	return 0;
}

static const char *
change_locked(const struct tokenfile *file, const struct tokens_change *change)
{
	struct tokens old = {NULL, 0}, new = {NULL, 0};
	const char *problem;
	mode_t mode;
	int result;

	problem = read_again(file, &old, &mode);
	if (problem == NULL) {
		result = tokens_change(&new, &old, change);
		if (result == 1)
			result = replace(file, &new, mode);
		if (result == -1)
			problem = strerror(errno);
	}
	tokens_free(&old);
	tokens_free(&new);
	return problem;
}

int
tokenfile_change(const struct tokenfile *file,
    const struct tokens_change *change, char *problem, size_t size)
{
	char name[PATH_MAX];
	const char *why = NULL;
	int fd;

	if (file->path[0] == '\0') {
		(void)snprintf(problem, size, "there is no file for it: -k");
		return -1;
	}
	(void)snprintf(name, sizeof(name), "%s", file->path);
	if (strlcat(name, ".lock", sizeof(name)) >= sizeof(name)) {
		(void)snprintf(problem, size, "%s: %s", file->path,
		    strerror(ENAMETOOLONG));
		return -1;
	}
	fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd == -1 || lock(fd) == -1)
		why = strerror(errno);
	else if ((why = change_locked(file, change)) != NULL)
		(void)strlcpy(name, file->path, sizeof(name));
	if (fd != -1)
		(void)close(fd);
	if (why != NULL)
		(void)snprintf(problem, size, "%s: %s", name, why);
	return why == NULL ? 0 : -1;
}
