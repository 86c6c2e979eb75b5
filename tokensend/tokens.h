/* SPDX-License-Identifier: ISC */
/*
 * Tokens that others gave us, as text: a line each, LOCAL REMOTE TOKEN with
 * blanks between; `#` begins a comment line, and empty lines are nothing.
 * LOCAL is the address that we send from. Of several lines for a pair the
 * last one counts. All of it is secret.
 */
#ifndef TOKENSEND_TOKENS_H
#define TOKENSEND_TOKENS_H

#include <stddef.h>

#define TOKEN_SIZE 256 /* octets of a token, and a NUL */
#define TOKENS_MOST ((size_t)16 * 1024 * 1024) /* octets of the text */

struct tokens {
	char *text;
	size_t length;
};

/* Returns 0, or the number of the first line that is none of these. */
size_t tokens_check(const struct tokens *);

/* Both addresses canonical. Returns 1 and the token, or 0. */
int tokens_find(const struct tokens *, const char *local, const char *remote,
    char token[TOKEN_SIZE]);

/*
 * A copy with another token on the line that tokens_find() takes, or with a
 * new line; else as it was. Returns 0, or -1: no memory, or too long.
 */
int tokens_replace(struct tokens *to, const struct tokens *from,
    const char *local, const char *remote, const char *token);

void tokens_free(struct tokens *); /* wipes them */

#endif
