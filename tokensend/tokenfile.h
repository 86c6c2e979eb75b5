/* SPDX-License-Identifier: ISC */
/* The file with the tokens: its owner's alone, changed as a whole. */
#ifndef TOKENSEND_TOKENFILE_H
#define TOKENSEND_TOKENFILE_H

#include <sys/stat.h>

#include <limits.h>

#include "tokensend/tokens.h"

struct tokenfile {
	char path[PATH_MAX]; /* that is changed; "": there is none */
	char directory[PATH_MAX];
	struct tokens tokens; /* as they were read, less what was refused */
};

/*
 * Reads the file of that name (NULL: ~/.tokensend, which may be missing; "-":
 * the first lines of standard input, up to an empty one), or ends with
 * EX_NOPERM, EX_NOINPUT, EX_DATAERR or EX_IOERR. With `keep`, which may be
 * missing, that is the file that is changed; without, the one that was read.
 */
void tokenfile_open(struct tokenfile *, const char *name, const char *keep);

/* Why others might know or change what is in it, or NULL. */
const char *tokenfile_exposed(int fd, struct stat *);

/* All of it. Returns 0, or -1 with errno. */
int tokenfile_read(int fd, size_t length, struct tokens *);

/*
 * Changes the file: durably, at once, and also when somebody else changes it.
 * It is the old one or the new one, whenever the process or the machine dies.
 * Returns 0, also when there is nothing to be changed; or -1 with the problem
 * in words.
 */
int tokenfile_change(const struct tokenfile *, const struct tokens_change *,
    char *problem, size_t size);

#endif
