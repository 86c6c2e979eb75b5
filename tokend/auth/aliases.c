/* SPDX-License-Identifier: ISC */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/settings.h"
#include "tokend/auth/aliases.h"
#include "tokend/auth/login.h"
#include "tokend/auth/name_map.h"

#define ALIASES_MAX 1000000

struct alias {
	char *name;
	size_t line;
	struct text_list targets;
	unsigned int height; /* aliases below it; 0 until known */
};

struct table {
	struct alias *aliases;
	size_t count;
	size_t room;
	struct name_map map;
};

struct aliases {
	struct source_file file;
};

static void
alias_clear(struct alias *alias)
{
	free(alias->name);
	text_list_free(&alias->targets);
}

static void
table_free(void *of)
{
	struct table *table = of;
	size_t i;

	if (table == NULL)
		return;
	for (i = 0; i < table->count; i++)
		alias_clear(&table->aliases[i]);
	free(table->aliases);
	name_map_free(&table->map);
	free(table);
}

static struct alias *
table_add(struct table *table)
{
	struct alias *wider;
	size_t room;

	if (table->count == table->room) {
		room = table->room == 0 ? 64 : table->room * 2;
		wider = reallocarray(table->aliases, room, sizeof(*wider));
		if (wider == NULL)
			return NULL;
		table->aliases = wider;
		table->room = room;
	}
	memset(&table->aliases[table->count], 0, sizeof(struct alias));
	return &table->aliases[table->count];
}

static struct alias *
table_find(const struct table *table, const char *name)
{
	size_t index = name_map_find(&table->map, name);

	return index == NAME_ABSENT ? NULL : &table->aliases[index];
}

/* Cuts white space off both ends. */
static char *
trimmed(char *text)
{
	size_t length;

	text += strspn(text, " \t");
	length = strlen(text);
	while (length > 0 && strchr(" \t", text[length - 1]) != NULL)
		text[--length] = '\0';
	return text;
}

/* The first `end` that stands outside of quotes, or the terminating NUL. */
static char *
unquoted(char *text, char end)
{
	int quoted = 0;

	for (; *text != '\0' && (quoted || *text != end); text++) {
		if (*text == '\\' && text[1] != '\0')
			text++;
		else if (*text == '"')
			quoted = !quoted;
	}
	return text;
}

static int
parse_targets(struct alias *alias, const struct text_list *domains, char *rest,
    const struct source_place *at)
{
	char canonical[ADDRESS_SIZE];
	char *target, *end;
	int more;

	do {
		end = unquoted(rest, ',');
		more = *end != '\0';
		*end = '\0';
		target = trimmed(rest);
		rest = end + more;
		if (login_canonical(
			domains, target, strlen(target), canonical) == -1) {
			source_fault(at,
			    "bad target \"%.100s\", expected an address like "
			    "alice@a.example",
			    target);
			return -1;
		}
		if (alias->targets.count >= ALIAS_TARGETS_MAX ||
		    text_list_add(
			&alias->targets, canonical, strlen(canonical)) == -1) {
			source_fault(at,
			    "too many targets, expected at most %d",
			    ALIAS_TARGETS_MAX);
			return -1;
		}
	} while (more);
	return 0;
}

static int
parse_name(struct alias *alias, const struct text_list *domains,
    const char *name, const struct source_place *at)
{
	char canonical[ADDRESS_SIZE];

	if (login_canonical(domains, name, strlen(name), canonical) == -1 ||
	    !login_is_local(domains, canonical)) {
		source_fault(at,
		    "bad name \"%.100s\", expected an address in one of the "
		    "site's domains",
		    name);
		return -1;
	}
	if ((alias->name = strdup(canonical)) == NULL) {
		source_fault(at, "out of memory");
		return -1;
	}
	alias->line = at->line;
	return 0;
}

static int
insert(struct table *table, struct alias *alias, const struct source_place *at)
{
	size_t index;

	index = name_map_add(&table->map, alias->name, table->count);
	if (index == table->count) {
		table->count++;
		return 0;
	}
	if (index == NAME_ABSENT)
		source_fault(at, "out of memory");
	else
		source_fault(at,
		    "%s is in line %zu already, expected each alias once",
		    alias->name, table->aliases[index].line);
	return -1;
}

static int
parse_line(struct table *table, const struct text_list *domains, char *line,
    const struct source_place *at)
{
	struct alias *alias;
	char *colon = unquoted(line, ':');

	if (*colon == '\0') {
		source_fault(at, "no colon, expected NAME: TARGET, TARGET");
		return -1;
	}
	*colon = '\0';
	if (table->count >= ALIASES_MAX || (alias = table_add(table)) == NULL) {
		source_fault(
		    at, "too many aliases, expected at most %d", ALIASES_MAX);
		return -1;
	}
	if (parse_name(alias, domains, trimmed(line), at) == -1 ||
	    parse_targets(alias, domains, colon + 1, at) == -1 ||
	    insert(table, alias, at) == -1) {
		alias_clear(alias);
		return -1;
	}
	return 0;
}

/*
 * How many aliases lie below this one, itself included. More than
 * ALIAS_DEPTH_MAX, or a circle, is ALIAS_DEPTH_MAX + 1.
 */
static unsigned int
measure(struct table *table, struct alias *alias, unsigned int depth)
{
	struct alias *next;
	unsigned int below, highest = 0;
	size_t i;

	if (alias->height != 0)
		return alias->height;
	if (depth > ALIAS_DEPTH_MAX)
		return ALIAS_DEPTH_MAX + 1;
	for (i = 0; i < alias->targets.count; i++) {
		next = table_find(table, alias->targets.items[i]);
		if (next == NULL || next == alias)
			continue;
		below = measure(table, next, depth + 1);
		if (below > highest)
			highest = below;
		if (highest > ALIAS_DEPTH_MAX)
			return highest;
	}
	alias->height = highest + 1;
	return alias->height;
}

static int
check_depth(struct table *table, const struct source_place *file)
{
	struct source_place at = *file;
	size_t i;
	int bad = 0;

	for (i = 0; i < table->count; i++) {
		at.line = table->aliases[i].line;
		if (measure(table, &table->aliases[i], 1) <= ALIAS_DEPTH_MAX)
			continue;
		source_fault(&at,
		    "%s leads to a circle of aliases, expected at most %d "
		    "behind one another",
		    table->aliases[i].name, ALIAS_DEPTH_MAX);
		bad = 1;
	}
	return bad;
}

static int
parse_text(struct table *table, const struct text_list *domains, char *text,
    size_t left, struct source_place *at)
{
	size_t length;
	char *line;
	int bad = 0;

	while ((line = source_line(&text, &left, &length)) != NULL) {
		at->line++;
		if (strlen(line) != length) {
			source_fault(at, "a NUL, expected text");
			bad = 1;
			continue;
		}
		line = trimmed(line);
		if (line[0] != '\0' && line[0] != '#' &&
		    parse_line(table, domains, line, at) == -1)
			bad = 1;
	}
	return bad || check_depth(table, at);
}

static void *
table_read(struct source *source, const struct text_list *domains,
    const struct source_report *report)
{
	struct source_place at = {report, source->path, 0};
	struct table *table;
	char *text;
	size_t length;
	int bad;

	if ((table = calloc(1, sizeof(*table))) == NULL) {
		source_fault(&at, "out of memory");
		return NULL;
	}
	if (at.path == NULL)
		return table;
	if (source_read(source, report, &text, &length) == -1) {
		table_free(table);
		return NULL;
	}
	bad = parse_text(table, domains, text, length, &at);
	free(text);
	if (bad) {
		table_free(table);
		return NULL;
	}
	return table;
}

static const struct source_kind kind = {table_read, table_free};

struct aliases *
aliases_open(const char *path, const struct text_list *domains,
    const struct source_report *report)
{
	struct source_place at = {report, path, 0};
	struct aliases *aliases = calloc(1, sizeof(*aliases));

	if (aliases == NULL) {
		source_fault(&at, "out of memory");
		return NULL;
	}
	if (source_open(&aliases->file, &kind, path, domains, report) == 0)
		return aliases;
	free(aliases);
	return NULL;
}

void
aliases_refresh(struct aliases *aliases, const struct source_report *report)
{
	source_refresh(&aliases->file, report);
}

void
aliases_close(struct aliases *aliases)
{
	if (aliases == NULL)
		return;
	table_free(aliases->file.table);
	free(aliases);
}

const struct text_list *
aliases_targets(const struct aliases *aliases, const char *name)
{
	const struct alias *alias = table_find(aliases->file.table, name);

	return alias == NULL ? NULL : &alias->targets;
}
