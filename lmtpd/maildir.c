/* SPDX-License-Identifier: ISC */
#include <sys/stat.h>
#include <sys/time.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lmtpd/maildir.h"

#define DIRECTORY (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
#define SETTLED 4096
#define COPY_BLOCK 65536

/* Mailboxes of which this process knows that their directories are durable. */
static uint64_t settled[SETTLED];

/*
 * Opens a directory that may be used for mail: a real one, not a symbolic
 * link to one, and not writable by everybody (T27).
 */
static int
open_directory(int parent, const char *name, struct stat *st)
{
	int error, fd = openat(parent, name, DIRECTORY);

	if (fd == -1)
		return -1;
	if (fstat(fd, st) == -1)
		error = errno;
	else if ((st->st_mode & S_IWOTH) != 0)
		error = EPERM;
	else
		return fd;
	(void)close(fd);
	errno = error;
	return -1;
}

/* Two processes may want to make the same one: both then open it. */
static int
open_or_make(int parent, const char *name, struct stat *st)
{
	int fd = open_directory(parent, name, st);

	if (fd != -1 || errno != ENOENT)
		return fd;
	if (mkdirat(parent, name, S_IRWXU) == -1 && errno != EEXIST)
		return -1;
	return open_directory(parent, name, st);
}

/* FNV-1a, to tell mailboxes apart in a table; nothing depends on it. */
static uint64_t
hash(uint64_t h, const void *data, size_t length)
{
	const unsigned char *p = data;

	while (length-- > 0)
		h = (h ^ *p++) * 0x100000001b3;
	return h;
}

static uint64_t
make_key(const struct mailbox_path *path, const struct stat *st)
{
	uint64_t h = 0xcbf29ce484222325;

	for (size_t i = 0; i < path->count; i++)
		h = hash(h, path->component[i], strlen(path->component[i]) + 1);
	h = hash(h, &st->st_dev, sizeof(st->st_dev));
	h = hash(h, &st->st_ino, sizeof(st->st_ino));
	return h == 0 ? 1 : h;
}

static void
close_above(struct maildir *box)
{
	while (box->above_count > 0)
		(void)close(box->above[--box->above_count]);
}

/* tmp and cur must be there and be good; new comes last, it makes a Maildir. */
static int
complete(int maildir)
{
	static const char *const names[] = {"tmp", "cur"};
	struct stat st;
	int fd;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if ((fd = open_or_make(maildir, names[i], &st)) == -1)
			return -1;
		(void)close(fd);
	}
	return 0;
}

static int
give_up(struct maildir *box)
{
	int error = errno;

	maildir_close(box);
	errno = error;
	return -1;
}

int
maildir_open(struct maildir *box, int root, const struct mailbox_path *path)
{
	struct stat st;
	int fd = root;

	*box = (struct maildir) {.new_fd = -1};
	for (size_t i = 0; i < path->count; i++) {
		fd = open_or_make(fd, path->component[i], &st);
		if (fd == -1)
			return give_up(box);
		box->above[box->above_count++] = fd;
	}
	box->new_fd = open_directory(fd, "new", &st);
	if (box->new_fd != -1) {
		box->device = st.st_dev;
		box->key = make_key(path, &st);
		if (settled[box->key % SETTLED] == box->key) {
			close_above(box);
			return 0;
		}
	} else if (errno != ENOENT)
		return give_up(box);
	if (complete(fd) == -1)
		return give_up(box);
	if (box->new_fd == -1) {
		box->new_fd = open_or_make(fd, "new", &st);
		if (box->new_fd == -1)
			return give_up(box);
		box->device = st.st_dev;
		box->key = make_key(path, &st);
	}
	return 0;
}

void
maildir_settled(struct maildir *box)
{
	settled[box->key % SETTLED] = box->key;
	close_above(box);
}

void
maildir_close(struct maildir *box)
{
	close_above(box);
	if (box->new_fd != -1)
		(void)close(box->new_fd);
	box->new_fd = -1;
}

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
	struct timeval now;

	if (gettimeofday(&now, NULL) == -1)
		now = (struct timeval) {0};
	(void)snprintf(name, MAILDIR_NAME,
	    "%lld.M%06ldP%ldQ%lu_%.64s.%.100s,S=%llu", (long long)now.tv_sec,
	    (long)now.tv_usec, (long)getpid(), ++sequence, id, host,
	    (unsigned long long)size);
}

static int
write_all(int fd, const char *data, size_t length)
{
	ssize_t n;

	for (; length > 0; data += n, length -= (size_t)n) {
		if ((n = write(fd, data, length)) == -1) {
			if (errno != EINTR)
				return -1;
			n = 0;
		}
	}
	return 0;
}

/* Copies exactly `size` octets; a shorter file is an error. */
static int
copy_octets(int in, int out, uint64_t size)
{
	char block[COPY_BLOCK];
	uint64_t done = 0;
	ssize_t n;

	while (done < size) {
		n = pread(in, block,
		    size - done < sizeof(block) ? (size_t)(size - done)
						: sizeof(block),
		    (off_t)done);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == 0)
			errno = EIO;
		if (n <= 0 || write_all(out, block, (size_t)n) == -1)
			return -1;
		done += (uint64_t)n;
	}
	return 0;
}

/* The Maildir's tmp, found from its new. */
static int
open_tmp(const struct maildir *box)
{
	struct stat st;
	int error, tmp, maildir = openat(box->new_fd, "..", DIRECTORY);

	if (maildir == -1)
		return -1;
	tmp = open_directory(maildir, "tmp", &st);
	error = errno;
	(void)close(maildir);
	errno = error;
	return tmp;
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
	if (copy_octets(in, out, size) == -1 || fsync(out) == -1)
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
	int error = 0, tmp = open_tmp(box);

	if (tmp == -1)
		return -1;
	if (renameat(tmp, name, box->new_fd, name) == -1) {
		error = errno;
		(void)unlinkat(tmp, name, 0);
	}
	(void)close(tmp);
	errno = error;
	return error == 0 ? 0 : -1;
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
	int error = 0, in;

	if (compat_tmpfile_link(file, box->new_fd, name) == 0)
		return 0;
	if (errno != EXDEV && errno != EMLINK)
		return -1;
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
	(void)unlinkat(box->new_fd, name, 0);
}
