/* SPDX-License-Identifier: ISC */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "lib/log.h"
#include "lmtpd/keywords.h"

#define FILE_NAME "dovecot-keywords"
#define FILE_LOCK "dovecot-keywords.lock"
/*
 * What Dovecot holds while it changes the file. It removes FILE_LOCK of
 * others then, so that one alone would not do.
 */
#define UIDS_LOCK "dovecot-uidlist.lock"
#define STALE 120 /* seconds, as Dovecot has it */
#define TRIES 200
#define PAUSE 10000000 /* nanoseconds between two of them */
#define OPEN (O_NOFOLLOW | O_CLOEXEC)

void
keywords_read(struct keywords *keywords, const char *text, size_t length)
{
	const char *end, *line, *name;
	size_t n;
	int number;

	memset(keywords, 0, sizeof(*keywords));
	for (line = text; line < text + length; line = end + 1) {
		end = memchr(line, '\n', (size_t)(text + length - line));
		if (end == NULL)
			break;
		number = 0;
		for (name = line; *name >= '0' && *name <= '9' && number < 100;
		     name++)
			number = number * 10 + (*name - '0');
		if (name == line || *name++ != ' ' || number >= KEYWORDS)
			continue;
		n = (size_t)(end - name);
		/* One that is too long stays taken, and is nobody's. */
		if (n > KEYWORD_LENGTH)
			n = KEYWORD_LENGTH;
		memcpy(keywords->name[number], name, n);
		keywords->name[number][n] = '\0';
	}
}

int
keywords_add(
    struct keywords *keywords, const char *name, size_t length, int *added)
{
	int i, free = -1;

	if (length == 0 || length > KEYWORD_LENGTH)
		return -1;
	for (i = 0; i < KEYWORDS; i++) {
		if (keywords->name[i][0] == '\0') {
			free = free == -1 ? i : free;
			continue;
		}
		if (strlen(keywords->name[i]) == length &&
		    strncasecmp(keywords->name[i], name, length) == 0)
			return i;
	}
	if (free == -1)
		return -1;
	memcpy(keywords->name[free], name, length);
	keywords->name[free][length] = '\0';
	*added = 1;
	return free;
}

/* As the file has them, into out; returns the octets. */
static size_t
keywords_write(
    const struct keywords *keywords, char out[KEYWORDS * (KEYWORD_LENGTH + 5)])
{
	size_t n = 0;
	int i;

	for (i = 0; i < KEYWORDS; i++)
		if (keywords->name[i][0] != '\0')
			n += (size_t)sprintf(
			    out + n, "%d %s\n", i, keywords->name[i]);
	return n;
}

/* The file as it is now; *modified is 0 when there is none. 0, or -1. */
static int
load(int maildir, struct keywords *keywords, time_t *modified)
{
	char text[KEYWORDS_FILE];
	struct stat st;
	ssize_t n = -1;
	int fd;

	*modified = 0;
	keywords_read(keywords, "", 0);
	if ((fd = openat(maildir, FILE_NAME, O_RDONLY | OPEN)) == -1)
		return errno == ENOENT ? 0 : -1;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		n = read(fd, text, sizeof(text));
	(void)close(fd);
	if (n == -1 || n == (ssize_t)sizeof(text))
		return -1;
	*modified = st.st_mtime;
	keywords_read(keywords, text, (size_t)n);
	return 0;
}

/* One try: 1 when it is ours, 0 when it is another's, -1 with errno. */
static int
try_lock(int maildir)
{
	struct stat st, again;
	int fd;

	fd = openat(maildir, UIDS_LOCK, O_WRONLY | O_CREAT | O_EXCL | OPEN,
	    S_IRUSR | S_IWUSR);
	if (fd != -1) {
		(void)close(fd);
		return 1;
	}
	if (errno != EEXIST)
		return -1;
	/* Its owner is dead for long: the one that was looked at goes. */
	if (fstatat(maildir, UIDS_LOCK, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    st.st_mtime < time(NULL) - STALE &&
	    fstatat(maildir, UIDS_LOCK, &again, AT_SYMLINK_NOFOLLOW) == 0 &&
	    st.st_ino == again.st_ino && st.st_mtime == again.st_mtime)
		(void)unlinkat(maildir, UIDS_LOCK, 0);
	return 0;
}

/* Waits for a bounded time: others wait for this worker meanwhile. */
static int
lock(int maildir)
{
	struct timespec pause = {0, PAUSE};
	int i, got;

	for (i = 0; i < TRIES; i++) {
		if ((got = try_lock(maildir)) != 0)
			return got == 1 ? 0 : -1;
		(void)nanosleep(&pause, NULL);
	}
	errno = ETIMEDOUT;
	return -1;
}

/*
 * Readers tell a change by the seconds of its time, so that must grow. The
 * name is durable before any message has its letter.
 */
static int
replace(int maildir, const struct keywords *keywords, time_t modified)
{
	char text[KEYWORDS * (KEYWORD_LENGTH + 5)];
	size_t n = keywords_write(keywords, text);
	struct timespec times[2] = {{0, UTIME_OMIT}, {modified + 1, 0}};
	int fd, error = 0;

	(void)unlinkat(maildir, FILE_LOCK, 0);
	fd = openat(maildir, FILE_LOCK, O_WRONLY | O_CREAT | O_EXCL | OPEN,
	    S_IRUSR | S_IWUSR);
	if (fd == -1)
		return -1;
	if (write(fd, text, n) != (ssize_t)n ||
	    (time(NULL) <= modified && futimens(fd, times) == -1) ||
	    fsync(fd) == -1)
		error = errno != 0 ? errno : EIO;
	(void)close(fd);
	if (error == 0 &&
	    (renameat(maildir, FILE_LOCK, maildir, FILE_NAME) == -1 ||
		fsync(maildir) == -1))
		error = errno;
	if (error != 0)
		(void)unlinkat(maildir, FILE_LOCK, 0);
	errno = error;
	return error == 0 ? 0 : -1;
}

/* The letters of the names; *added when some are not in the file yet. */
static uint32_t
letters_of(struct keywords *keywords, const char *const *names,
    const size_t *lengths, size_t count, int *added)
{
	uint32_t letters = 0;
	size_t i;
	int number;

	*added = 0;
	for (i = 0; i < count; i++) {
		number = keywords_add(keywords, names[i], lengths[i], added);
		if (number != -1)
			letters |= UINT32_C(1) << number;
	}
	return letters;
}

/* Those that the file has already, when nothing can be added. */
static uint32_t
letters_known(const struct keywords *keywords, const char *const *names,
    const size_t *lengths, size_t count)
{
	struct keywords copy;
	uint32_t letters = 0;
	size_t i;
	int number, added;

	for (i = 0; i < count; i++) {
		copy = *keywords;
		added = 0;
		number = keywords_add(&copy, names[i], lengths[i], &added);
		if (number != -1 && !added)
			letters |= UINT32_C(1) << number;
	}
	return letters;
}

uint32_t
keywords_letters(
    int maildir, const char *const *names, const size_t *lengths, size_t count)
{
	struct keywords before, keywords;
	uint32_t letters;
	time_t modified;
	int added;

	if (load(maildir, &before, &modified) == -1) {
		log_warn("keywords cannot be read");
		return 0;
	}
	keywords = before;
	letters = letters_of(&keywords, names, lengths, count, &added);
	if (!added)
		return letters;
	if (lock(maildir) == -1) {
		log_warn("keywords cannot be locked");
		return letters_known(&before, names, lengths, count);
	}
	if (load(maildir, &before, &modified) == 0) {
		keywords = before;
		letters = letters_of(&keywords, names, lengths, count, &added);
		if (added && replace(maildir, &keywords, modified) == -1) {
			log_warn("keywords cannot be written");
			letters = letters_known(&before, names, lengths, count);
		}
	} else
		letters = 0;
	(void)unlinkat(maildir, UIDS_LOCK, 0);
	return letters;
}
