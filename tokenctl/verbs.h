/* SPDX-License-Identifier: ISC */
#ifndef TOKENCTL_VERBS_H
#define TOKENCTL_VERBS_H

#include <stddef.h>
#include <stdint.h>

/* The grammar of tokenctl: words, then arguments. */

#define VERB_ARGUMENTS_MAX 4

/* How an answer is printed. */
enum shape {
	SHAPE_OBJECT, /* one thing: "key: value" lines */
	SHAPE_LIST, /* rows: columns, a JSON array */
	SHAPE_VALUE, /* the value of the only field, and nothing else */
	SHAPE_FINDINGS, /* rows as lines; a problem makes the exit status 1 */
	SHAPE_ZONE, /* rows as lines of a zone file, a JSON array */
	SHAPE_METRICS, /* rows that are samples: Prometheus' text, a JSON array */
	SHAPE_JWKS /* rows that are JWKs: one JWK set, always JSON */
};

/* The numbers of what tokenctl does by itself, without the daemon. */
#define VERB_ENCRYPT 0x8001

struct verb {
	uint16_t number; /* CONTROL_VERB_... or VERB_... */
	const char *words;
	/*
	 * NAME must be given, [NAME] may be, [word NAME] may be given behind
	 * its word, in any place.
	 */
	const char *arguments;
	const char *meaning;
};

extern const struct verb verbs[];
extern const size_t verb_count;

struct command {
	const struct verb *verb;
	size_t count; /* arguments in verb->arguments */
	const char *values[VERB_ARGUMENTS_MAX]; /* "" is not given */
};

/*
 * Understands the words of a command line. Returns 0, or -1 with a line that
 * says what to do instead.
 */
int verb_parse(struct command *command, int argc, char *const *argv,
    char *problem, size_t size);

enum shape verb_shape(const struct verb *verb);

#endif
