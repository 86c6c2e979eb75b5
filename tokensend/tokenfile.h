/* SPDX-License-Identifier: ISC */
/* The file with the tokens: its owner's alone, changed as a whole. */
#ifndef TOKENSEND_TOKENFILE_H
#define TOKENSEND_TOKENFILE_H

#include <limits.h>

#include "tokensend/tokens.h"

struct tokenfile {
	char path[PATH_MAX]; /* "": there is none to be written */
	char directory[PATH_MAX];
	struct tokens tokens;
};

/*
 * Reads the file of that name (NULL: ~/.tokensend, which may be missing; "-":
 * the first lines of standard input, up to an empty one), or ends with
 * EX_NOPERM, EX_NOINPUT, EX_DATAERR or EX_IOERR.
 */
void tokenfile_open(struct tokenfile *, const char *name);

/*
 * Writes a new token for the pair: durably, at once, and also when somebody
 * else writes there. Returns 0, or -1 with the problem in words.
 */
int tokenfile_keep(struct tokenfile *, const char *local, const char *remote,
    const char *token, char *problem, size_t size);

#endif
