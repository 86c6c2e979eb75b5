/* SPDX-License-Identifier: ISC */
/* Inside the config parser: its state, its table, and its small change. */
#ifndef SMTPD_STOKEN_CONFIG_PARSE_H
#define SMTPD_STOKEN_CONFIG_PARSE_H

#include <stdint.h>
#include <stdio.h>

#include "smtpd-stoken/config.h"
#include "smtpd-stoken/lexer.h"

#define DIRECTIVES_MAX 64

struct place {
	const char *file;
	int line;
};

/* `pki NAME` of a listener: the pki may be defined further down. */
struct pki_use {
	size_t listener;
	char *name;
	struct place place;
};

struct parser {
	struct lexer *lexer;
	struct lexeme lexeme; /* the one to be looked at next */
	struct config *config;
	FILE *errors;
	int error_count;
	int defaults; /* reading default texts */
	struct place seen[DIRECTIVES_MAX];
	struct pki_use *uses;
	size_t use_count;
	struct place *listener_places;
	struct place *pki_places;
};

struct directive {
	const char *name;
	const char *word; /* the second word, or NULL */
	/* Reads what follows them. 0, or -1: the error was reported. */
	int (*parse)(struct parser *, const struct directive *);
	/* Writes the lines for it. */
	void (*print)(FILE *, const struct config *, const struct directive *);
	int repeat; /* may stand on several lines */
	const char *defaults; /* what follows when it is left out, or NULL */
	const char *expected; /* its form, for errors and the manual */
	size_t offset; /* of the value in struct config */
	uint64_t minimum;
	uint64_t maximum;
};

extern const struct directive directives[];
extern const size_t directive_count;

/* config-parse.c. Functions that return int: 0, or -1 and reported. */
int parse_error(struct parser *, const struct place *, const char *, ...)
    __attribute__((format(printf, 3, 4)));
void parse_next(struct parser *);
struct place parse_place(const struct parser *);
/* Whether the next lexeme is that word; takes it if so. */
int parse_accept(struct parser *, const char *word);
/* A word or string, copied; `expected` is for the error. */
int parse_text(struct parser *, char text[LEXEME_MAX], const char *expected);
char *parse_string(struct parser *, const char *expected); /* NULL on error */
int parse_absolute(struct parser *, char **path);
int parse_socket(struct parser *, char **path); /* of a socket: shorter */
/* One item or { several }: calls `item` for each, all errors reported. */
int parse_list(struct parser *, const char *expected,
    int (*item)(struct parser *, const char *text, const struct place *));
int parse_number(struct parser *, uint64_t *, uint64_t minimum,
    uint64_t maximum, const char *expected);
int parse_duration_value(struct parser *, uint64_t *);
/*
 * The candidate that resembles `word` most, or NULL. `candidate` gives the
 * one of an index, "" for one that is not to be had, and NULL at the end.
 */
const char *parse_nearest(const char *word,
    const char *(*candidate)(const void *context, size_t index),
    const void *context);
/* The next lexeme as an error message says it. */
const char *parse_describe(const struct parser *, char text[LEXEME_MAX + 2]);

/* config-check.c: what can be said only at the end of the file. */
void config_check(struct parser *, const struct place *end);
/* Where the file has a directive (word NULL: with whatever word), or NULL. */
const struct place *
parse_seen(const struct parser *, const char *name, const char *word);
/* config-users.c: the same for `users`. */
void config_check_users(struct parser *, const struct place *end);
/* config-remember.c: the same for `remember`. */
void config_check_remember(struct parser *);

/* config-print.c, config-relay.c */
void print_quoted(FILE *, const char *); /* a blank and the string */
void print_count(FILE *, const struct config *, const struct directive *);
void print_size(FILE *, const struct config *, const struct directive *);
void print_duration(FILE *, const struct config *, const struct directive *);
void print_choice(FILE *, const struct config *, const struct directive *);
void print_string(FILE *, const struct config *, const struct directive *);
void print_hostname(FILE *, const struct config *, const struct directive *);
void print_domains(FILE *, const struct config *, const struct directive *);
void print_pki(FILE *, const struct config *, const struct directive *);
void print_listen(FILE *, const struct config *, const struct directive *);
void print_control(FILE *, const struct config *, const struct directive *);
void print_dovecot(FILE *, const struct config *, const struct directive *);
void print_system(FILE *, const struct config *, const struct directive *);
void print_maildir(FILE *, const struct config *, const struct directive *);
void print_token_no(FILE *, const struct config *, const struct directive *);
void print_temporary(FILE *, const struct config *, const struct directive *);
void print_permanent(FILE *, const struct config *, const struct directive *);
void print_metadata_no(FILE *, const struct config *, const struct directive *);
void
print_metadata_strict(FILE *, const struct config *, const struct directive *);
void
print_metadata_flags(FILE *, const struct config *, const struct directive *);
void print_remember_no(FILE *, const struct config *, const struct directive *);
void
print_remember_types(FILE *, const struct config *, const struct directive *);
void
print_remember_strong(FILE *, const struct config *, const struct directive *);
/* A duration behind a space, in the largest unit that it is whole in. */
void print_duration_value(FILE *, uint64_t seconds);
void print_mechanisms(FILE *, const struct config *, const struct directive *);
void print_relay(FILE *, const struct config *, const struct directive *);
void print_lmtp(FILE *, const struct config *, const struct directive *);
void print_header(FILE *, const struct config *, const struct directive *);
void print_learn(FILE *, const struct config *, const struct directive *);
void print_resolver(FILE *, const struct config *, const struct directive *);

/* The last has no name. */
struct mechanism {
	const char *name;
	uint64_t bit;
};
extern const struct mechanism config_mechanisms[];

#endif
