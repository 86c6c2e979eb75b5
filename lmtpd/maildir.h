/* SPDX-License-Identifier: ISC */
/*
 * A Maildir, found or made below the root directory, one openat(2) a step,
 * without following symbolic links (PEERS T27).
 */
#ifndef LMTPD_MAILDIR_H
#define LMTPD_MAILDIR_H

#include <sys/stat.h>
#include <sys/types.h>

#include <stddef.h>
#include <stdint.h>

#include "compat/tmpfile.h"
#include "lib/mailbox.h"

#define MAILDIR_NAME 256 /* octets of a file name, with its NUL */

struct maildir {
	int new_fd;
	dev_t device; /* of new */
	ino_t inode;
	/*
	 * The directories above new, from the root's child to the Maildir.
	 * Only until it is settled: a process that was killed may have made
	 * them without making them durable, so who sees a mailbox for the
	 * first time flushes them too.
	 */
	int above[MAILBOX_DEPTH];
	size_t above_count;
	int settled; /* they are durable, and new is remembered */
	uint64_t key; /* of the path */
};

/*
 * Opens a mailbox; makes what is missing of it (mode 0700) below the root.
 * Returns 0, or -1 with errno: EPERM for a directory that everybody may write
 * to, ENOTDIR or ELOOP for one that is none.
 */
int maildir_open(struct maildir *, int root, const struct mailbox_path *);

/* The same, but nothing is made and nothing remembered. */
int maildir_find(struct maildir *, int root, const struct mailbox_path *);

/*
 * Makes new/, and what may have been made above it, durable, one by one. For
 * a single delivery; see flush.h for many. Returns 0, or -1 with errno.
 */
int maildir_flush(const struct maildir *, int root);

/*
 * All of it, `above` too, is durable, or is not. The next maildir_open() of
 * a settled one is one look whether the path still leads to the same new/.
 */
void maildir_settle(struct maildir *, int durable);

void maildir_close(struct maildir *);

/*
 * A name for a message that no other has: SECONDS.MmicrosPpidQseq_ID.host,
 * S=size with `id` the delivery id and `host` as maildir_host() made it.
 */
void maildir_name(
    char name[MAILDIR_NAME], const char *id, const char *host, uint64_t size);

/* Makes a host name fit for a file name (/ , : and more as \\ooo). */
void maildir_host(char *out, size_t size, const char *hostname);

/*
 * Puts the letters of flags, a text of words, behind a name (keywords.h): a
 * name with flags is one for cur/ in all that follows, and that is flushed at
 * once. Without any that can be had the name stays one for new/.
 */
void maildir_flag(
    const struct maildir *, const char *flags, char name[MAILDIR_NAME]);

/*
 * Makes the file visible in new/: by a link, or where that cannot be by a
 * copy through tmp/. The file itself must be durable; afterwards new/ must be
 * flushed. Returns 0, or -1 with errno and nothing visible.
 */
int maildir_put(const struct maildir *, const struct tmpfile *, uint64_t size,
    const char *name);

/*
 * The two steps of a copy. The first copies `size` octets of `in`, from its
 * start and without moving its offset, to a durable file in tmp/; the second
 * moves that file to new/. Each returns 0, or -1 with errno and the file in
 * tmp/ removed.
 */
int
maildir_copy(const struct maildir *, int in, uint64_t size, const char *name);
int maildir_show(const struct maildir *, const char *name);

/* Removes the file from tmp/ instead. */
void maildir_discard(const struct maildir *, const char *name);

/*
 * Is a message of this delivery id in new/ or, read since, in cur/? Makes the
 * directory that it is in durable. Returns 1, 0 when there is none, or -1
 * with errno.
 */
int maildir_has(const struct maildir *, const char *id);

/* Takes it back, as far as that can be done. */
void maildir_remove(const struct maildir *, const char *name);

/*
 * For the files of this: opens a directory that may be used for mail. Returns
 * a descriptor, or -1 with errno.
 */
#define MAILDIR_DIRECTORY (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
int maildir_directory(int parent, const char *name, struct stat *);

#endif
