/* SPDX-License-Identifier: ISC */
#ifndef TOKEND_AUTH_SCHEME_H
#define TOKEND_AUTH_SCHEME_H

#include <stdbool.h>
#include <stddef.h>

/*
 * The password schemes of the users file, {NAME}text as Dovecot writes them.
 * One row a scheme.
 */

#define SCHEME_NAME_MAX 15 /* octets of the longest name */
#define SCHEME_TEXT_MAX 511 /* octets of the text after {NAME} */
#define PASSWORD_MAX 511 /* octets; crypt(3) knows no longer ones */

struct scheme {
	const char *name; /* without braces; any case is accepted */
	/* NULL when the text is well formed, else what was expected. */
	const char *(*check)(const char *text, size_t length);
	/* Is this the password? Slow. `password` has no NUL inside. */
	bool (*matches)(const char *text, size_t length, const char *password);
	/* How many leading octets of the text say how much work it is. */
	size_t (*cost)(const char *text, size_t length);
	bool scram; /* SCRAM can use it */
};

extern const struct scheme schemes[];
extern const size_t scheme_count;

/* The scheme of a name of `length` octets, or NULL. */
const struct scheme *scheme_find(const char *name, size_t length);

/* The row with this number, or NULL; its number is scheme_number(). */
const struct scheme *scheme_at(size_t number);
size_t scheme_number(const struct scheme *scheme);

/* All names, in braces, for messages. */
const char *scheme_names(void);

#endif
