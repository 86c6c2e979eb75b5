/* SPDX-License-Identifier: ISC */
/*
 * Tokens as text, a line each, with blanks between the words:
 *	LOCAL REMOTE TOKEN
 *	mine LOCAL REMOTE TOKEN
 * LOCAL is the address that we send from. The first kind is what REMOTE gave
 * us; several for a pair are alternatives, of which the last one counts. The
 * second kind is what we give him for the way back (MYSTOKEN, S1-14). `#`
 * begins a comment line, and empty lines are nothing. All of it is secret.
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

/* Addresses are canonical from here on. Return 1 and the token, or 0. */
int tokens_find(const struct tokens *, const char *local, const char *remote,
    char token[TOKEN_SIZE]);
int tokens_find_mine(const struct tokens *, const char *local,
    const char *remote, char token[TOKEN_SIZE]);

struct tokens_change {
	const char *local, *remote;
	const char *token;
	const char *refused; /* the day, or NULL: it is a new one */
};

/*
 * A copy with a change. A new token stands on the line that tokens_find()
 * takes, or else on a new line; those lines of the pair with one that was
 * refused become comments. Returns 1; 0: there is nothing to be changed, and
 * no copy; -1 with errno: no memory, or too long.
 */
int tokens_change(
    struct tokens *to, const struct tokens *from, const struct tokens_change *);

void tokens_free(struct tokens *); /* wipes them */

#endif
