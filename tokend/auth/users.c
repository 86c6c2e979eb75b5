/* SPDX-License-Identifier: ISC */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/sha.h>

#include "tokend/auth/login.h"
#include "tokend/auth/name_map.h"
#include "tokend/auth/users.h"

/* How many kinds (scheme and cost) of secret are counted at most. */
#define KINDS_MAX 32

struct table {
	char *text; /* the file, cut into strings */
	size_t text_length;
	struct user *users;
	size_t count;
	size_t room;
	struct name_map map;
	size_t usual[2]; /* users; [1] of those for SCRAM; or NAME_ABSENT */
};

struct users {
	struct source_file file;
};

static void
table_free(void *of)
{
	struct table *table = of;
	size_t i;

	if (table == NULL)
		return;
	for (i = 0; i < table->count; i++)
		free(table->users[i].name);
	free(table->users);
	name_map_free(&table->map);
	if (table->text != NULL)
		freezero(table->text, table->text_length + 1);
	free(table);
}

static struct user *
table_add(struct table *table)
{
	struct user *wider;
	size_t room;

	if (table->count == table->room) {
		room = table->room == 0 ? 64 : table->room * 2;
		wider = reallocarray(table->users, room, sizeof(*wider));
		if (wider == NULL)
			return NULL;
		table->users = wider;
		table->room = room;
	}
	memset(&table->users[table->count], 0, sizeof(struct user));
	rights_init(&table->users[table->count].rights);
	return &table->users[table->count];
}

/* Which colon behind the secret stands before the extra fields. */
#define EXTRA_COLON 6

/* `rest` is what follows the secret's colon: uid:gid:gecos:home:shell:extra. */
static int
parse_extra(struct user *user, char *rest, const struct source_place *at)
{
	int colon;

	for (colon = 1; rest != NULL && colon < EXTRA_COLON; colon++)
		if ((rest = strchr(rest, ':')) != NULL)
			rest++;
	return rest == NULL ? 0 : rights_parse(&user->rights, rest, at);
}

/* `secret` is what follows the name's colon: {SCHEME}text[:more]. */
static int
parse_secret(struct user *user, char *secret, const struct source_place *at)
{
	const char *expected;
	char *end, *more;

	if (secret[0] != '{' || (end = strchr(secret, '}')) == NULL) {
		source_fault(at, "no scheme before the secret, expected %s",
		    scheme_names());
		return -1;
	}
	*end = '\0';
	user->scheme = scheme_find(secret + 1, (size_t)(end - secret) - 1);
	if (user->scheme == NULL) {
		source_fault(at, "unknown scheme %.40s}, expected %s", secret,
		    scheme_names());
		return -1;
	}
	secret = end + 1;
	if ((more = strchr(secret, ':')) != NULL)
		*more++ = '\0';
	user->secret = secret;
	user->secret_length = strlen(secret);
	if (user->secret_length > SCHEME_TEXT_MAX)
		expected = "expected at most 511 octets";
	else
		expected = user->scheme->check(secret, user->secret_length);
	if (expected != NULL) {
		source_fault(at, "bad secret for {%s}, %s", user->scheme->name,
		    expected);
		return -1;
	}
	return parse_extra(user, more, at);
}

static int
parse_name(struct user *user, const struct text_list *domains, const char *name,
    const struct source_place *at)
{
	char canonical[ADDRESS_SIZE];

	if (login_canonical(domains, name, strlen(name), canonical) == -1) {
		source_fault(at,
		    "bad name \"%.100s\", expected an address like "
		    "alice@a.example",
		    name);
		return -1;
	}
	if ((user->name = strdup(canonical)) == NULL) {
		source_fault(at, "out of memory");
		return -1;
	}
	user->line = at->line;
	return 0;
}

/* The name is known to be good, and owned by table->users[count]. */
static int
insert(struct table *table, struct user *user, const struct source_place *at)
{
	size_t index;

	index = name_map_add(&table->map, user->name, table->count);
	if (index == table->count) {
		table->count++;
		return 0;
	}
	if (index == NAME_ABSENT)
		source_fault(at, "out of memory");
	else
		source_fault(at,
		    "%s is in line %zu already, expected each user once",
		    user->name, table->users[index].line);
	free(user->name);
	return -1;
}

static int
parse_line(struct table *table, const struct text_list *domains, char *line,
    const struct source_place *at)
{
	struct user *user;
	char *colon;

	if ((colon = strchr(line, ':')) == NULL) {
		source_fault(at, "no colon, expected NAME:{SCHEME}secret");
		return -1;
	}
	*colon = '\0';
	if (table->count >= USERS_MAX || (user = table_add(table)) == NULL) {
		source_fault(
		    at, "too many users, expected at most %d", USERS_MAX);
		return -1;
	}
	if (parse_name(user, domains, line, at) == -1)
		return -1;
	if (parse_secret(user, colon + 1, at) == -1) {
		free(user->name);
		return -1;
	}
	return insert(table, user, at);
}

static bool
same_kind(const struct user *a, const struct user *b)
{
	size_t cost = a->scheme->cost(a->secret, a->secret_length);

	return a->scheme == b->scheme &&
	    cost == b->scheme->cost(b->secret, b->secret_length) &&
	    memcmp(a->secret, b->secret, cost) == 0;
}

/* Counts the kinds of secret, and remembers a user of the commonest. */
static void
find_usual(struct table *table)
{
	struct {
		size_t user, count;
	} kinds[KINDS_MAX];
	size_t best[2] = {0, 0}, i, k, n = 0;
	int scram;

	for (i = 0; i < table->count; i++) {
		for (k = 0; k < n; k++) {
			if (same_kind(
				&table->users[kinds[k].user], &table->users[i]))
				break;
		}
		if (k == KINDS_MAX)
			continue;
		if (k == n)
			kinds[n++].count = 0;
		kinds[k].user = i;
		kinds[k].count++;
	}
	table->usual[0] = table->usual[1] = NAME_ABSENT;
	for (k = 0; k < n; k++) {
		for (scram = 0; scram < 2; scram++) {
			if ((scram &&
				!table->users[kinds[k].user].scheme->scram) ||
			    kinds[k].count <= best[scram])
				continue;
			best[scram] = kinds[k].count;
			table->usual[scram] = kinds[k].user;
		}
	}
}

/* Every fault is reported in one run. */
static void *
table_read(struct source *source, const struct text_list *domains,
    const struct source_report *report)
{
	struct source_place at = {report, source->path, 0};
	struct table *table;
	size_t left, length;
	char *rest, *line;
	int bad = 0;

	if ((table = calloc(1, sizeof(*table))) == NULL) {
		source_fault(&at, "out of memory");
		return NULL;
	}
	if (at.path != NULL &&
	    source_read(source, report, &table->text, &table->text_length) ==
		-1) {
		free(table);
		return NULL;
	}
	rest = table->text;
	left = table->text_length;
	while ((line = source_line(&rest, &left, &length)) != NULL) {
		at.line++;
		if (strlen(line) != length) {
			source_fault(&at, "a NUL, expected text");
			bad = 1;
		} else if (length > 0 && line[0] != '#' &&
		    parse_line(table, domains, line, &at) == -1)
			bad = 1;
	}
	if (bad) {
		table_free(table);
		return NULL;
	}
	find_usual(table);
	return table;
}

static const struct source_kind kind = {table_read, table_free};

struct users *
users_open(const char *path, const struct text_list *domains,
    const struct source_report *report)
{
	struct source_place at = {report, path, 0};
	struct users *users = calloc(1, sizeof(*users));

	if (users == NULL) {
		source_fault(&at, "out of memory");
		return NULL;
	}
	if (source_open(&users->file, &kind, path, domains, report) == 0)
		return users;
	free(users);
	return NULL;
}

void
users_refresh(struct users *users, const struct source_report *report)
{
	source_refresh(&users->file, report);
}

const struct user *
users_find(const struct users *users, const char *name)
{
	const struct table *table = users->file.table;
	size_t index = name_map_find(&table->map, name);

	return index == NAME_ABSENT ? NULL : &table->users[index];
}

const struct user *
users_usual(const struct users *users, bool scram)
{
	const struct table *table = users->file.table;
	size_t index = table->usual[scram];

	return index == NAME_ABSENT ? NULL : &table->users[index];
}

void
users_digest(const struct user *user, uint8_t out[USER_DIGEST_LENGTH])
{
	const char *name = user->scheme->name;
	uint8_t text[SCHEME_NAME_MAX + 1 + SCHEME_TEXT_MAX];
	size_t length = strlen(name) + 1;

	memcpy(text, name, length);
	memcpy(text + length, user->secret, user->secret_length);
	(void)SHA256(text, length + user->secret_length, out);
	explicit_bzero(text, sizeof(text));
}

size_t
users_count(const struct users *users)
{
	const struct table *table = users->file.table;

	return table->count;
}

void
users_close(struct users *users)
{
	if (users == NULL)
		return;
	table_free(users->file.table);
	free(users);
}
