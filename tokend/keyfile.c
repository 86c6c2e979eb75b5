/* SPDX-License-Identifier: ISC */
/* The keyring's file: see keyring.h for its form. */
#include "tokend/keyring.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base64.h"

#define FILE_MAX (KEYRING_MAX * 128)

static int
file_path(char *out, size_t size, const char *dir, const char *name,
    struct problem *problem)
{
	int n = snprintf(out, size, "%s/%s", dir, name);

	if (n >= 0 && (size_t)n < size)
		return 0;
	problem_set(problem, "%s: the name is too long", dir);
	return -1;
}

/* Reads one line into the next place of the ring; returns what is wrong. */
static const char *
line_parse(struct keyring *ring, char *line)
{
	const char *error, *field[3];
	struct key *key;
	size_t i;

	for (i = 0; i < 3; i++)
		if ((field[i] = strsep(&line, " ")) == NULL)
			return "expected: id created base64-key";
	if (line != NULL)
		return "expected nothing after the key";
	if (ring->count == KEYRING_MAX)
		return "too many keys";
	key = &ring->keys[ring->count];
	key->id = (uint16_t)strtonum(field[0], 1, UINT16_MAX, &error);
	if (error != NULL)
		return "the id must be a number from 1 to 65535";
	if (keyring_find(ring, key->id) != NULL)
		return "this id is there twice";
	key->created = (uint64_t)strtonum(field[1], 0, LLONG_MAX, &error);
	if (error != NULL)
		return "the time must be seconds since 1970";
	if (base64_decode(key->secret, sizeof(key->secret), field[2],
		strlen(field[2])) != KEY_LENGTH)
		return "the key must be 44 characters of base64";
	hmac_key_init(&key->hmac, key->secret, sizeof(key->secret));
	ring->count++;
	return NULL;
}

static int
file_parse(
    struct keyring *ring, const char *path, char *text, struct problem *problem)
{
	const char *wrong;
	char *line;
	int number = 0;

	while ((line = strsep(&text, "\n")) != NULL) {
		number++;
		if (text == NULL) {
			if (*line == '\0')
				break;
			wrong = "the last line has no end";
		} else
			wrong = line_parse(ring, line);
		if (wrong != NULL) {
			problem_set(problem, "%s:%d: %s", path, number, wrong);
			return -1;
		}
	}
	if (ring->count > 0)
		return 0;
	problem_set(problem, "%s: no key in it", path);
	return -1;
}

static int
file_check(int fd, const char *path, struct problem *problem)
{
	struct stat st;

	if (fstat(fd, &st) == -1)
		problem_set(problem, "%s: %s", path, strerror(errno));
	else if (!S_ISREG(st.st_mode))
		problem_set(problem, "%s: not a regular file", path);
	else if (st.st_uid != geteuid())
		problem_set(problem, "%s: belongs to user %u, expected %u",
		    path, (unsigned int)st.st_uid, (unsigned int)geteuid());
	else if ((st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
		problem_set(problem, "%s: mode %04o, expected 0600", path,
		    (unsigned int)st.st_mode & 07777);
	else if (st.st_size >= FILE_MAX)
		problem_set(problem, "%s: too long for a key file", path);
	else
		return 0;
	return -1;
}

/* Reads all of a file that file_check() has bounded. */
static char *
file_read(int fd, const char *path, struct problem *problem)
{
	char *text;
	ssize_t n;
	size_t length = 0;

	if ((text = calloc(1, FILE_MAX + 1)) == NULL) {
		problem_set(problem, "%s: %s", path, strerror(errno));
		return NULL;
	}
	while ((n = read(fd, text + length, FILE_MAX - length)) > 0)
		length += (size_t)n;
	if (n == 0 && strlen(text) == length)
		return text;
	problem_set(
	    problem, "%s: %s", path, n == -1 ? strerror(errno) : "a NUL in it");
	freezero(text, FILE_MAX + 1);
	return NULL;
}

int
keyring_load(struct keyring *ring, const char *dir, struct problem *problem)
{
	char path[PATH_MAX], *text = NULL;
	int error, fd, result = -1;

	memset(ring, 0, sizeof(*ring));
	if (file_path(path, sizeof(path), dir, KEYRING_FILE, problem) == -1)
		return -1;
	if ((fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)) == -1) {
		error = errno;
		problem_set(problem, "%s: %s", path, strerror(error));
		return error == ENOENT ? 1 : -1;
	}
	if (file_check(fd, path, problem) == 0 &&
	    (text = file_read(fd, path, problem)) != NULL)
		result = file_parse(ring, path, text, problem);
	close(fd);
	if (text != NULL)
		freezero(text, FILE_MAX + 1);
	if (result == -1)
		keyring_wipe(ring);
	return result;
}

static int
write_all(int fd, const char *text, size_t length)
{
	ssize_t n;

	while (length > 0) {
		if ((n = write(fd, text, length)) == -1) {
			if (errno == EINTR)
				continue;
			return -1;
		}
		text += n;
		length -= (size_t)n;
	}
	return 0;
}

static int
lines_write(const struct keyring *ring, int fd)
{
	char line[128], secret[BASE64_SIZE(KEY_LENGTH)];
	size_t i;
	int n, result = 0;

	for (i = 0; i < ring->count && result == 0; i++) {
		base64_encode(
		    secret, sizeof(secret), ring->keys[i].secret, KEY_LENGTH);
		n = snprintf(line, sizeof(line), "%u %llu %s\n",
		    (unsigned int)ring->keys[i].id,
		    (unsigned long long)ring->keys[i].created, secret);
		result = write_all(fd, line, (size_t)n);
	}
	explicit_bzero(line, sizeof(line));
	explicit_bzero(secret, sizeof(secret));
	return result;
}

/* A rename is durable when its directory is. */
static int
directory_sync(const char *dir)
{
	int fd, result;

	if ((fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1)
		return -1;
	result = fsync(fd);
	close(fd);
	return result;
}

int
keyring_save(
    const struct keyring *ring, const char *dir, struct problem *problem)
{
	char path[PATH_MAX], temporary[PATH_MAX];
	int fd, failed;

	if (file_path(path, sizeof(path), dir, KEYRING_FILE, problem) == -1 ||
	    file_path(temporary, sizeof(temporary), dir, KEYRING_FILE ".tmp",
		problem) == -1)
		return -1;
	unlink(temporary);
	fd = open(temporary,
	    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd == -1) {
		problem_set(problem, "%s: %s", temporary, strerror(errno));
		return -1;
	}
	failed = lines_write(ring, fd) == -1 || fsync(fd) == -1;
	if (close(fd) == -1 || failed || rename(temporary, path) == -1 ||
	    directory_sync(dir) == -1) {
		problem_set(problem, "%s: %s", path, strerror(errno));
		unlink(temporary);
		return -1;
	}
	return 0;
}
