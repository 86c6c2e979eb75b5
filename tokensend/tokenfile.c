/* SPDX-License-Identifier: ISC */
#include <sys/types.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "tokensend/fail.h"
#include "tokensend/tokenfile.h"

/* Why others might know what is in it, or NULL. */
static const char *
exposed(int fd, struct stat *st)
{
	if (fstat(fd, st) == -1)
		return strerror(errno);
	if (!S_ISREG(st->st_mode))
		return "not a regular file";
	if ((st->st_mode & 077) != 0)
		return "others may read it: chmod 600";
	if (st->st_uid != geteuid())
		return "it belongs to somebody else";
	return NULL;
}

/* All of it. Returns 0, or -1 with errno. */
static int
read_all(int fd, size_t length, struct tokens *tokens)
{
	ssize_t n;

	tokens->length = 0;
	if ((tokens->text = malloc(length + 1)) == NULL)
		return -1;
	while (tokens->length < length) {
		n = read(
		    fd, tokens->text + tokens->length, length - tokens->length);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1) {
			freezero(tokens->text, length + 1);
			tokens->text = NULL;
			return -1;
		}
		if (n == 0)
			break;
		tokens->length += (size_t)n;
	}
	return 0;
}

static void
check(const struct tokens *tokens, const char *name)
{
	size_t number = tokens_check(tokens);

	if (number != 0)
		fail(EX_DATAERR, "%s: line %zu: not LOCAL REMOTE TOKEN", name,
		    number);
}

static void
read_file(struct tokenfile *file, int fd, const char *name)
{
	struct stat st;
	const char *problem = exposed(fd, &st);

	if (problem != NULL)
		fail(EX_NOPERM, "%s: %s", name, problem);
	if ((uintmax_t)st.st_size > TOKENS_MOST)
		fail(EX_DATAERR, "%s: too long", name);
	if (read_all(fd, (size_t)st.st_size, &file->tokens) == -1)
		fail(EX_IOERR, "%s: %s", name, strerror(errno));
	check(&file->tokens, name);
}

/* Octet by octet: what follows the empty line is the message. */
static void
read_input(struct tokenfile *file)
{
	struct tokens *tokens = &file->tokens;
	size_t room = 64 * 1024;
	ssize_t n;
	char c;

	if ((tokens->text = malloc(room)) == NULL)
		fail(EX_OSERR, "out of memory");
	for (;;) {
		n = read(STDIN_FILENO, &c, 1);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			fail(EX_IOERR, "standard input: %s", strerror(errno));
		if (n == 0)
			break;
		if (c == '\r')
			continue;
		if (c == '\n' &&
		    (tokens->length == 0 ||
			tokens->text[tokens->length - 1] == '\n'))
			break;
		if (tokens->length == room)
			fail(EX_DATAERR,
			    "standard input: too many lines before an empty "
			    "one");
		tokens->text[tokens->length++] = c;
	}
	check(tokens, "standard input");
}

static const char *
home(void)
{
	const char *directory = getenv("HOME");
	const struct passwd *user;

	if (directory != NULL && directory[0] == '/')
		return directory;
	return (user = getpwuid(getuid())) == NULL ? NULL : user->pw_dir;
}

void
tokenfile_open(struct tokenfile *file, const char *name)
{
	char path[PATH_MAX], copy[PATH_MAX];
	const char *directory;
	int fd, needed = name != NULL;

	memset(file, 0, sizeof(*file));
	if (needed && strcmp(name, "-") == 0) {
		read_input(file);
		return;
	}
	if (!needed) {
		if ((directory = home()) == NULL ||
		    (size_t)snprintf(path, sizeof(path), "%s/.tokensend",
			directory) >= sizeof(path))
			return;
		name = path;
	}
	if ((fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK)) == -1) {
		if (errno == ENOENT && !needed)
			return;
		fail(errno == EACCES ? EX_NOPERM : EX_NOINPUT, "%s: %s", name,
		    strerror(errno));
	}
	read_file(file, fd, name);
	(void)close(fd);
	/* The file itself is what will be replaced, not a link to it. */
	if (realpath(name, file->path) == NULL)
		fail(EX_NOINPUT, "%s: %s", name, strerror(errno));
	(void)strlcpy(copy, file->path, sizeof(copy));
	(void)strlcpy(file->directory, dirname(copy), sizeof(file->directory));
}

static int
problem_is(char *problem, size_t size, const char *what)
{
	(void)snprintf(problem, size, "%s: %s", what, strerror(errno));
	return -1;
}

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

/* What a killed one left is written over: the lock says that it is dead. */
static int
replace(const struct tokenfile *file, const struct tokens *tokens)
{
	char path[PATH_MAX];
	int fd, directory, result;

	if ((size_t)snprintf(path, sizeof(path), "%s.new", file->path) >=
	    sizeof(path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	(void)unlink(path);
	fd = open(
	    path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd == -1)
		return -1;
	result = write_all(fd, tokens->text, tokens->length);
	if (close(fd) == -1 || result == -1 || rename(path, file->path) == -1) {
		(void)unlink(path);
		return -1;
	}
	directory = open(file->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (directory == -1)
		return -1;
	result = fsync(directory);
	(void)close(directory);
	return result;
}

/* Others may have changed it since it was read: their tokens stay. */
static int
read_again(const struct tokenfile *file, struct tokens *tokens)
{
	struct stat st;
	int fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), result;

	if (fd == -1)
		return -1;
	if (exposed(fd, &st) != NULL || (uintmax_t)st.st_size > TOKENS_MOST) {
		(void)close(fd);
		errno = EPERM;
		return -1;
	}
	result = read_all(fd, (size_t)st.st_size, tokens);
	(void)close(fd);
	return result;
}

int
tokenfile_keep(struct tokenfile *file, const char *local, const char *remote,
    const char *token, char *problem, size_t size)
{
	struct tokens old = {NULL, 0}, new = {NULL, 0};
	char lock[PATH_MAX];
	int fd, result = 0;

	if (file->path[0] == '\0') {
		(void)snprintf(problem, size, "there is no file for it");
		return -1;
	}
	if ((size_t)snprintf(lock, sizeof(lock), "%s.lock", file->path) >=
	    sizeof(lock)) {
		errno = ENAMETOOLONG;
		return problem_is(problem, size, file->path);
	}
	fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd == -1)
		return problem_is(problem, size, lock);
	if (flock(fd, LOCK_EX) == -1 || read_again(file, &old) == -1 ||
	    tokens_replace(&new, &old, local, remote, token) == -1 ||
	    replace(file, &new) == -1)
		result = problem_is(problem, size, file->path);
	tokens_free(&old);
	tokens_free(&new);
	(void)close(fd);
	return result;
}
