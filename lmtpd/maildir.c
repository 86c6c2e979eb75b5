/* SPDX-License-Identifier: ISC */
#include <sys/time.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lmtpd/keywords.h"
#include "lmtpd/maildir.h"

#define KNOWN 256

/*
 * The new directories of mailboxes that are settled, by the key of their path.
 * Who uses one takes it out, and puts it back.
 */
static struct known {
	int taken; /* the descriptor is valid */
	int fd;
	uint64_t key;
	dev_t device;
	ino_t inode;
} known[KNOWN];

/*
 * Opens a directory that may be used for mail: a real one, not a symbolic
 * link to one, and not writable by everybody (T27).
 */
int
maildir_directory(int parent, const char *name, struct stat *st)
{
	int error, fd = openat(parent, name, MAILDIR_DIRECTORY);

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
	int fd = maildir_directory(parent, name, st);

	if (fd != -1 || errno != ENOENT)
		return fd;
	if (mkdirat(parent, name, S_IRWXU) == -1 && errno != EEXIST)
		return -1;
	return maildir_directory(parent, name, st);
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
make_key(const struct mailbox_path *path)
{
	uint64_t h = 0xcbf29ce484222325;

	for (size_t i = 0; i < path->count; i++)
		h = hash(h, path->component[i], strlen(path->component[i]) + 1);
	return h;
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

/* The path of new, below the root. Returns 0, or -1 when it is too long. */
static int
new_path(char *out, size_t size, const struct mailbox_path *path)
{
	out[0] = '\0';
	for (size_t i = 0; i < path->count; i++) {
		(void)strlcat(out, path->component[i], size);
		(void)strlcat(out, "/", size);
	}
	return strlcat(out, "new", size) < size ? 0 : -1;
}

/*
 * Takes new from the known ones, if the path still leads there. Directories
 * that were exchanged for symbolic links may be followed by this look, but
 * then to the very directory that was checked step by step before.
 */
static int
take_known(struct maildir *box, int root, const struct mailbox_path *path)
{
	struct known *k = &known[box->key % KNOWN];
	char name[PATH_MAX];
	struct stat st;

	if (!k->taken || k->key != box->key)
		return 0;
	k->taken = 0;
	if (new_path(name, sizeof(name), path) == -1 ||
	    fstatat(root, name, &st, AT_SYMLINK_NOFOLLOW) == -1 ||
	    st.st_dev != k->device || st.st_ino != k->inode ||
	    (st.st_mode & S_IWOTH) != 0) {
		(void)close(k->fd);
		return 0;
	}
	box->new_fd = k->fd;
	box->device = k->device;
	box->inode = k->inode;
	box->settled = 1;
	return 1;
}

static void
put_known(struct maildir *box)
{
	struct known *k = &known[box->key % KNOWN];

	if (k->taken)
		(void)close(k->fd);
	*k = (struct known) {.taken = 1,
	    .fd = box->new_fd,
	    .key = box->key,
	    .device = box->device,
	    .inode = box->inode};
	box->new_fd = -1;
}

int
maildir_open(struct maildir *box, int root, const struct mailbox_path *path)
{
	struct stat st;
	int fd = root;

	*box = (struct maildir) {.new_fd = -1, .key = make_key(path)};
	if (take_known(box, root, path))
		return 0;
	for (size_t i = 0; i < path->count; i++) {
		fd = open_or_make(fd, path->component[i], &st);
		if (fd == -1)
			return give_up(box);
		box->above[box->above_count++] = fd;
	}
	if (complete(fd) == -1 ||
	    (box->new_fd = open_or_make(fd, "new", &st)) == -1)
		return give_up(box);
	box->device = st.st_dev;
	box->inode = st.st_ino;
	return 0;
}

int
maildir_find(struct maildir *box, int root, const struct mailbox_path *path)
{
	struct stat st;
	int fd = root;

	*box = (struct maildir) {.new_fd = -1};
	for (size_t i = 0; i < path->count; i++) {
		fd = maildir_directory(fd, path->component[i], &st);
		if (fd == -1)
			return give_up(box);
		box->above[box->above_count++] = fd;
	}
	if ((box->new_fd = maildir_directory(fd, "new", &st)) == -1)
		return give_up(box);
	return 0;
}

int
maildir_flush(const struct maildir *box, int root)
{
	if (fsync(box->new_fd) == -1)
		return -1;
	for (size_t i = 0; i < box->above_count; i++) {
		if (fsync(box->above[i]) == -1)
			return -1;
	}
	return box->above_count > 0 ? fsync(root) : 0;
}

void
maildir_settle(struct maildir *box, int durable)
{
	box->settled = durable;
	if (durable)
		close_above(box);
}

void
maildir_close(struct maildir *box)
{
	close_above(box);
	if (box->settled)
		put_known(box);
	if (box->new_fd != -1)
		(void)close(box->new_fd);
	box->new_fd = -1;
}
