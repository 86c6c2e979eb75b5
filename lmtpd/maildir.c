/* SPDX-License-Identifier: ISC */
#include <sys/stat.h>
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

#define DIRECTORY (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
#define KNOWN 256
#define COPY_BLOCK 65536

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
		fd = open_directory(fd, path->component[i], &st);
		if (fd == -1)
			return give_up(box);
		box->above[box->above_count++] = fd;
	}
	if ((box->new_fd = open_directory(fd, "new", &st)) == -1)
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

/* The Maildir's tmp or cur, found from its new. */
static int
open_beside(const struct maildir *box, const char *name)
{
	struct stat st;
	int error, fd, maildir = openat(box->new_fd, "..", DIRECTORY);

	if (maildir == -1)
		return -1;
	fd = open_directory(maildir, name, &st);
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
	int maildir = openat(box->new_fd, "..", DIRECTORY);

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
		fd = openat(box->new_fd, places[i], DIRECTORY);
		if (fd == -1 || (found = directory_has(fd, part)) == -1)
			return -1;
		if (found)
			break;
	}
	return found;
}
