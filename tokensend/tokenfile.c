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

const char *
tokenfile_exposed(int fd, struct stat *st)
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

int
tokenfile_read(int fd, size_t length, struct tokens *tokens)
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
	const char *problem = tokenfile_exposed(fd, &st);

	if (problem != NULL)
		fail(EX_NOPERM, "%s: %s", name, problem);
	if ((uintmax_t)st.st_size > TOKENS_MOST)
		fail(EX_DATAERR, "%s: too long", name);
	if (tokenfile_read(fd, (size_t)st.st_size, &file->tokens) == -1)
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

__attribute__((noreturn)) static void
cannot_open(const char *name)
{
	fail(errno == EACCES ? EX_NOPERM : EX_NOINPUT, "%s: %s", name,
	    strerror(errno));
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

/* The file itself is what will be replaced, not a link to it. */
static void
will_change(struct tokenfile *file, const char *name)
{
	char copy[PATH_MAX];

	if (realpath(name, file->path) == NULL)
		fail(EX_NOINPUT, "%s: %s", name, strerror(errno));
	(void)strlcpy(copy, file->path, sizeof(copy));
	(void)strlcpy(file->directory, dirname(copy), sizeof(file->directory));
}

/* Its directory must be there. */
static void
will_make(struct tokenfile *file, const char *name)
{
	char copy[PATH_MAX], base[PATH_MAX];

	if (strlcpy(copy, name, sizeof(copy)) >= sizeof(copy))
		fail(EX_CANTCREAT, "%s: the name is too long", name);
	(void)strlcpy(base, basename(copy), sizeof(base));
	(void)strlcpy(copy, name, sizeof(copy));
	if (realpath(dirname(copy), file->directory) == NULL)
		fail(EX_CANTCREAT, "%s: %s", name, strerror(errno));
	if ((size_t)snprintf(file->path, sizeof(file->path), "%s/%s",
		file->directory, base) >= sizeof(file->path))
		fail(EX_CANTCREAT, "%s: the name is too long", name);
}

/* Nothing of it is used, but it must be one that can be. */
static void
open_kept(struct tokenfile *file, const char *name)
{
	struct tokenfile kept = {.path = ""};
	int fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd == -1 && errno == ENOENT) {
		will_make(file, name);
		return;
	}
	if (fd == -1)
		cannot_open(name);
	read_file(&kept, fd, name);
	(void)close(fd);
	tokens_free(&kept.tokens);
	will_change(file, name);
}

/* Where the default is missing there are no tokens. */
static int
default_name(char path[PATH_MAX])
{
	const char *directory = home();

	if (directory == NULL ||
	    (size_t)snprintf(path, PATH_MAX, "%s/.tokensend", directory) >=
		PATH_MAX) {
		tell("there is no home directory, and so there are no tokens");
		return 0;
	}
	if (access(path, F_OK) == 0)
		return 1;
	tell("%s: %s: there are no tokens", path, strerror(errno));
	return 0;
}

void
tokenfile_open(struct tokenfile *file, const char *name, const char *keep)
{
	char path[PATH_MAX];
	int fd;

	memset(file, 0, sizeof(*file));
	if (keep != NULL)
		open_kept(file, keep);
	if (name != NULL && strcmp(name, "-") == 0) {
		read_input(file);
		return;
	}
	if (name == NULL && !default_name(path))
		return;
	if (name == NULL)
		name = path;
	if ((fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK)) == -1)
		cannot_open(name);
	read_file(file, fd, name);
	(void)close(fd);
	if (keep == NULL)
		will_change(file, name);
}
