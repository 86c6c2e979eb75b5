/* SPDX-License-Identifier: ISC */
/* smtpd-stoken.conf(5) as lexemes: quotes, comments, macros, included files. */
#ifndef SMTPD_STOKEN_LEXER_H
#define SMTPD_STOKEN_LEXER_H

#include <stddef.h>

#define LEXEME_MAX 1024 /* octets of one word or string */

enum lexeme_kind {
	LEXEME_EOF,
	LEXEME_NEWLINE,
	LEXEME_WORD, /* text */
	LEXEME_STRING, /* text, was quoted */
	LEXEME_OPEN,
	LEXEME_CLOSE,
	LEXEME_COMMA,
	LEXEME_EQUALS,
	LEXEME_BAD /* text says what is wrong, and what was expected */
};

struct lexeme {
	enum lexeme_kind kind;
	char text[LEXEME_MAX];
	const char *file; /* valid as long as the lexer */
	int line;
};

struct lexer;

/* An empty lexer, or NULL with errno. */
struct lexer *lexer_new(void);
void lexer_free(struct lexer *);

/*
 * Reads from here on from the file at `path`, then goes on where it was.
 * A file that others may write is refused. 0, or -1 with the reason in `why`.
 */
int lexer_push_file(struct lexer *, const char *path, char *why, size_t size);

/* The same with a text, whose lines are counted as those of `name`. */
int lexer_push_text(struct lexer *, const char *name, const char *text);

/*
 * Defines a macro; one defined with `fixed` (option -D) stays. 0, or -1: no
 * name of letters, digits and "_", or no memory.
 */
int
lexer_define(struct lexer *, const char *name, const char *value, int fixed);

void lexer_next(struct lexer *, struct lexeme *);

#endif
