/* SPDX-License-Identifier: ISC */
/*
 * Files that have no name until they are whole (DESIGN section 2, bulk data).
 * Linux: O_TMPFILE, made visible by linkat(2). Elsewhere, and on file systems
 * without O_TMPFILE: a random name in the same directory, removed when the
 * file is closed.
 */
#ifndef COMPAT_TMPFILE_H
#define COMPAT_TMPFILE_H

#define TMPFILE_NAME_SIZE 32

struct tmpfile {
	int fd; /* O_WRONLY | O_APPEND | O_CLOEXEC: may be passed on */
	int dirfd; /* the directory it was made in; borrowed */
	char name[TMPFILE_NAME_SIZE]; /* empty: the file has no name */
};

/*
 * Opens what linking needs where the kernel demands a path for it. To be
 * called once, before chroot and the sandbox. Nothing is wrong if it cannot:
 * named files are used then.
 */
void compat_tmpfile_prepare(void);

/*
 * Makes an empty file, mode 0600, in the directory `dirfd` (which must stay
 * open; a private one, since the file may have a name there). Returns 0, or
 * -1 with the errno of openat(2): ENOSPC, EDQUOT, EACCES ...
 */
int compat_tmpfile_open(struct tmpfile *, int dirfd);

/*
 * A second descriptor of the file, for reading, with an offset of its own.
 * Returns it, or -1 with errno.
 */
int compat_tmpfile_reader(const struct tmpfile *);

/*
 * Gives the file the (further) name `name` in the directory `dirfd` of the
 * same file system; never replaces one (EEXIST). It is for the caller to
 * fsync(2) file and directory. Returns 0, or -1 with the errno of linkat(2).
 */
int compat_tmpfile_link(const struct tmpfile *, int dirfd, const char *name);

/* Closes the file; without a name given to it, it is gone. */
void compat_tmpfile_close(struct tmpfile *);

/*
 * Removes from the directory `dirfd` what a process that was killed left there
 * under temporary names. Returns the number removed, or -1 with errno.
 */
int compat_tmpfile_sweep(int dirfd);

#endif
