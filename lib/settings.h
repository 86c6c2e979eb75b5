/* SPDX-License-Identifier: ISC */
/* The settings that a process was told: see settings.def. */
#ifndef LIB_SETTINGS_H
#define LIB_SETTINGS_H

#include <stddef.h>
#include <stdint.h>

#include "imsg/messages.h"

struct text_list {
	char **items;
	size_t count;
};

/* Setting token_learn. */
enum token_learn {
	TOKEN_LEARN_NONE,
	TOKEN_LEARN_AUTHENTICATED, /* with the word of token_learn_authserv */
	TOKEN_LEARN_ANY
};

struct settings {
#define NUMBER(number, name, who) uint64_t name;
#define TEXT(number, name, who) char *name;
#define LIST(number, name, who) struct text_list name;
#include "lib/settings.def"
#undef NUMBER
#undef TEXT
#undef LIST
};

/* Empty settings: numbers 0, texts NULL, lists empty. NULL: no memory. */
struct settings *settings_new(void);
void settings_free(struct settings *);

/*
 * Takes one setting as it came: sets a number or a text, appends to a list.
 * Returns 0, or -1 for an unknown number, a value of the wrong shape, or when
 * memory is short.
 */
int settings_take(struct settings *, uint16_t number, struct bytes value);

/*
 * Calls `give` for each setting that `role` is to be told, list items one by
 * one. Stops at and returns the first result that is not 0.
 */
int settings_each(const struct settings *, enum role role,
    int (*give)(void *context, uint16_t number, struct bytes value),
    void *context);

/* Appends a copy of `item`. Returns 0 or -1. */
int text_list_add(struct text_list *, const char *item, size_t length);
int text_list_has(const struct text_list *, const char *item);
void text_list_free(struct text_list *);

#endif
