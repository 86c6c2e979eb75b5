/* SPDX-License-Identifier: ISC */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/settings.h"

/* Bounds what a confused parent could make a child hold. */
#define LIST_MOST 100000

enum setting_kind {
	KIND_NUMBER,
	KIND_TEXT,
	KIND_LIST
};

#define TO_FRONTEND (1U << ROLE_FRONTEND)
#define TO_ENGINE (1U << ROLE_ENGINE)
#define TO_TOKEND (1U << ROLE_TOKEND)
#define TO_AUTH (1U << ROLE_AUTH)
#define TO_RELAY (1U << ROLE_RELAY)
#define TO_LMTPD (1U << ROLE_LMTPD)

static const struct setting_row {
	uint16_t number;
	enum setting_kind kind;
	size_t offset;
	unsigned int who;
} rows[] = {
#define NUMBER(number, name, who) \
	{number, KIND_NUMBER, offsetof(struct settings, name), who},
#define TEXT(number, name, who) \
	{number, KIND_TEXT, offsetof(struct settings, name), who},
#define LIST(number, name, who) \
	{number, KIND_LIST, offsetof(struct settings, name), who},
#include "lib/settings.def"
#undef NUMBER
#undef TEXT
#undef LIST
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

struct settings *
settings_new(void)
{
	return calloc(1, sizeof(struct settings));
}

static void *
place(const struct settings *settings, const struct setting_row *row)
{
	return (char *)(uintptr_t)settings + row->offset;
}

void
settings_free(struct settings *settings)
{
	size_t i;

	if (settings == NULL)
		return;
	for (i = 0; i < ROWS; i++) {
		if (rows[i].kind == KIND_TEXT)
			free(*(char **)place(settings, &rows[i]));
		else if (rows[i].kind == KIND_LIST)
			text_list_free(place(settings, &rows[i]));
	}
	free(settings);
}

int
text_list_add(struct text_list *list, const char *item, size_t length)
{
	char **items, *copy;

	if (list->count >= LIST_MOST || memchr(item, '\0', length) != NULL ||
	    (copy = strndup(item, length)) == NULL)
		return -1;
	items = reallocarray(list->items, list->count + 1, sizeof(*items));
	if (items == NULL) {
		free(copy);
		return -1;
	}
	list->items = items;
	list->items[list->count++] = copy;
	return 0;
}

int
text_list_has(const struct text_list *list, const char *item)
{
	size_t i;

	for (i = 0; i < list->count; i++)
		if (strcmp(list->items[i], item) == 0)
			return 1;
	return 0;
}

void
text_list_free(struct text_list *list)
{
	size_t i;

	for (i = 0; i < list->count; i++)
		free(list->items[i]);
	free(list->items);
	list->items = NULL;
	list->count = 0;
}

static int
take_number(uint64_t *number, struct bytes value)
{
	size_t i;

	if (value.length != 8)
		return -1;
	for (*number = 0, i = 0; i < 8; i++)
		*number |= (uint64_t)value.data[i] << (8 * i);
	return 0;
}

static int
take_text(char **text, struct bytes value)
{
	char *copy;

	if (value.length > 0 && memchr(value.data, '\0', value.length) != NULL)
		return -1;
	copy = strndup(
	    value.length > 0 ? (const char *)value.data : "", value.length);
	if (copy == NULL)
		return -1;
	free(*text);
	*text = copy;
	return 0;
}

int
settings_take(struct settings *settings, uint16_t number, struct bytes value)
{
	size_t i;

	for (i = 0; i < ROWS; i++) {
		if (rows[i].number != number)
			continue;
		if (rows[i].kind == KIND_NUMBER)
			return take_number(place(settings, &rows[i]), value);
		if (rows[i].kind == KIND_TEXT)
			return take_text(place(settings, &rows[i]), value);
		return text_list_add(place(settings, &rows[i]),
		    (const char *)value.data, value.length);
	}
	return -1;
}

static int
give_list(const struct text_list *list, uint16_t number,
    int (*give)(void *, uint16_t, struct bytes), void *context)
{
	size_t i;
	int error = 0;

	for (i = 0; i < list->count && error == 0; i++)
		error = give(context, number, bytes_text(list->items[i]));
	return error;
}

int
settings_each(const struct settings *settings, enum role role,
    int (*give)(void *, uint16_t, struct bytes), void *context)
{
	const char *text;
	uint8_t octets[8];
	uint64_t number;
	size_t i, j;
	int error = 0;

	for (i = 0; i < ROWS && error == 0; i++) {
		if ((rows[i].who & 1U << role) == 0)
			continue;
		if (rows[i].kind == KIND_LIST) {
			error = give_list(place(settings, &rows[i]),
			    rows[i].number, give, context);
		} else if (rows[i].kind == KIND_TEXT) {
			text = *(char **)place(settings, &rows[i]);
			if (text != NULL)
				error = give(
				    context, rows[i].number, bytes_text(text));
		} else {
			number = *(uint64_t *)place(settings, &rows[i]);
			for (j = 0; j < 8; j++)
				octets[j] = (uint8_t)(number >> (8 * j));
			error =
			    give(context, rows[i].number, bytes_of(octets, 8));
		}
	}
	return error;
}
