/* SPDX-License-Identifier: ISC */
#include "tokend/revoke.h"

#include <sys/tree.h>

#include <stdlib.h>
#include <string.h>

/* Sorted by the key that it has in the store, so by scope, then local. */
struct mark {
	RB_ENTRY(mark) entry;
	struct mark_times times;
	/* Of a pair: the tag that its tokens bear under the key tag_key. */
	uint16_t tag_key;
	uint8_t tag[TOKEN_TAG];
	size_t length;
	uint8_t key[];
};

RB_HEAD(mark_tree, mark);

struct marks {
	struct mark_tree tree;
	size_t count;
	uint64_t newest;
	struct record_key cursor; /* where pruning goes on */
};

static int
key_compare(struct bytes a, struct bytes b)
{
	size_t shorter = a.length < b.length ? a.length : b.length;
	int order = memcmp(a.data, b.data, shorter);

	if (order != 0 || a.length == b.length)
		return order;
	return a.length < b.length ? -1 : 1;
}

static struct bytes
mark_key(const struct mark *mark)
{
	return bytes_of(mark->key, mark->length);
}

static int
mark_compare(const struct mark *a, const struct mark *b)
{
	return key_compare(mark_key(a), mark_key(b));
}

RB_PROTOTYPE(mark_tree, mark, entry, mark_compare)
RB_GENERATE(mark_tree, mark, entry, mark_compare)

/* The mark of this key, or NULL; *after gets the first one behind it. */
static struct mark *
find(const struct marks *marks, struct bytes key, struct mark **after)
{
	struct mark *mark = RB_ROOT(&marks->tree), *next = NULL;
	int order;

	while (mark != NULL) {
		order = key_compare(key, mark_key(mark));
		if (order == 0)
			break;
		if (order < 0)
			next = mark;
		mark = order < 0 ? RB_LEFT(mark, entry) : RB_RIGHT(mark, entry);
	}
	if (after != NULL)
		*after = next;
	return mark;
}

static struct mark *
find_scope(const struct marks *marks, enum mark_scope scope,
    struct bytes remote, struct bytes local)
{
	struct record_key key;

	if (record_key_mark(&key, scope, remote, local) == -1)
		return NULL;
	return find(marks, record_key_bytes(&key), NULL);
}

static int
has_prefix(const struct mark *mark, const struct record_key *prefix)
{
	return mark != NULL && mark->length >= prefix->length &&
	    memcmp(mark->key, prefix->data, prefix->length) == 0;
}

/* The first mark whose key starts so. */
static struct mark *
find_prefix(const struct marks *marks, const struct record_key *prefix)
{
	struct mark *after, *mark;

	mark = find(marks, record_key_bytes(prefix), &after);
	if (mark == NULL)
		mark = after;
	return has_prefix(mark, prefix) ? mark : NULL;
}

static struct mark *
next_prefix(struct mark *mark, const struct record_key *prefix)
{
	mark = RB_NEXT(mark_tree, NULL, mark);
	return has_prefix(mark, prefix) ? mark : NULL;
}

/* What the keys of all pairs of a local address start with. */
static int
pairs_prefix(struct record_key *prefix, struct bytes local)
{
	record_key_single(prefix, RECORD_MARK);
	prefix->data[prefix->length++] = MARK_PAIR;
	if (prefix->length + local.length + 1 > sizeof(prefix->data))
		return -1;
	memcpy(prefix->data + prefix->length, local.data, local.length);
	prefix->length += local.length;
	prefix->data[prefix->length++] = 0;
	return 0;
}

struct marks *
marks_new(void)
{
	return calloc(1, sizeof(struct marks));
}

static void
mark_drop(struct marks *marks, struct mark *mark)
{
	RB_REMOVE(mark_tree, &marks->tree, mark);
	marks->count--;
	free(mark);
}

void
marks_free(struct marks *marks)
{
	struct mark *mark;

	if (marks == NULL)
		return;
	while ((mark = RB_ROOT(&marks->tree)) != NULL)
		mark_drop(marks, mark);
	free(marks);
}

static struct mark *
mark_insert(struct marks *marks, struct bytes key)
{
	struct mark *mark;

	if ((mark = calloc(1, sizeof(*mark) + key.length)) == NULL)
		return NULL;
	mark->length = key.length;
	memcpy(mark->key, key.data, key.length);
	RB_INSERT(mark_tree, &marks->tree, mark);
	marks->count++;
	return mark;
}

/* The wider of both: never may a token become good again. */
static void
mark_widen(struct mark *mark, const struct mark_times *times)
{
	if (times->before > mark->times.before)
		mark->times.before = times->before;
	if (times->until == 0 || mark->times.until == 0)
		mark->times.until = 0;
	else if (times->until > mark->times.until)
		mark->times.until = times->until;
}

static int
load_each(struct bytes key, struct bytes value, void *argument)
{
	struct marks *marks = argument;
	struct mark_times times;
	struct mark *mark;

	/* What cannot be read must not pass for "not revoked". */
	if (mark_decode(&times, value) == -1)
		return -1;
	if ((mark = find(marks, key, NULL)) == NULL) {
		if ((mark = mark_insert(marks, key)) == NULL)
			return -1;
		mark->times = times;
	}
	mark_widen(mark, &times);
	if (times.before > marks->newest)
		marks->newest = times.before;
	return 0;
}

int
marks_load(struct marks *marks, struct store *store)
{
	struct record_key prefix;

	record_key_single(&prefix, RECORD_MARK);
	return store_each(store, record_key_bytes(&prefix),
	    record_key_bytes(&prefix), load_each, marks);
}

static int
local_is_full(const struct marks *marks, struct bytes local)
{
	struct record_key prefix;
	struct mark *mark;
	size_t count = 0;

	if (pairs_prefix(&prefix, local) == -1)
		return 1;
	for (mark = find_prefix(marks, &prefix);
	     mark != NULL && count < MARKS_PER_LOCAL;
	     mark = next_prefix(mark, &prefix))
		count++;
	return count == MARKS_PER_LOCAL;
}

int
marks_add(struct marks *marks, struct store *store, enum mark_scope scope,
    struct bytes remote, struct bytes local, const struct mark_times *times)
{
	struct record_value value;
	struct record_key key;
	struct mark *mark;

	if (record_key_mark(&key, scope, remote, local) == -1)
		return -1;
	if ((mark = find(marks, record_key_bytes(&key), NULL)) == NULL) {
		if (scope == MARK_PAIR && local_is_full(marks, local))
			return 1;
		if ((mark = mark_insert(marks, record_key_bytes(&key))) == NULL)
			return -1;
		mark->times = *times;
	}
	mark_widen(mark, times);
	if (times->before > marks->newest)
		marks->newest = times->before;
	mark_encode(&mark->times, &value);
	return store_put(
	    store, record_key_bytes(&key), record_value_bytes(&value));
}

static int
covers(const struct marks *marks, enum mark_scope scope, uint64_t issued,
    struct bytes remote, struct bytes local)
{
	const struct mark *mark = find_scope(marks, scope, remote, local);

	return mark != NULL && issued <= mark->times.before;
}

static struct bytes
domain_of(struct bytes address)
{
	size_t at = address.length;

	while (at > 0 && address.data[at - 1] != '@')
		at--;
	return bytes_of(address.data + at, address.length - at);
}

enum mark_scope
marks_cover(const struct marks *marks, uint64_t issued, struct bytes remote,
    struct bytes local)
{
	if (covers(marks, MARK_ALL, issued, remote, local))
		return MARK_ALL;
	if (covers(marks, MARK_LOCAL, issued, remote, local))
		return MARK_LOCAL;
	if (covers(marks, MARK_REMOTE, issued, remote, local))
		return MARK_REMOTE;
	if (covers(marks, MARK_DOMAIN, issued, domain_of(remote), local))
		return MARK_DOMAIN;
	if (covers(marks, MARK_PAIR, issued, remote, local))
		return MARK_PAIR;
	return 0;
}

int
mark_covers(enum mark_scope scope, struct bytes mark_remote,
    struct bytes mark_local, struct bytes remote, struct bytes local)
{
	switch (scope) {
	case MARK_ALL:
		return 1;
	case MARK_LOCAL:
		return bytes_equal(mark_local, local);
	case MARK_REMOTE:
		return bytes_equal(mark_remote, remote);
	case MARK_DOMAIN:
		return bytes_equal(mark_remote, domain_of(remote));
	case MARK_PAIR:
		return bytes_equal(mark_remote, remote) &&
		    bytes_equal(mark_local, local);
	}
	return 0;
}

/* A pair's tag under a key is computed once and kept. */
static int
pair_bears(struct mark *mark, size_t prefix, const struct token *token,
    const struct key *key, struct bytes local)
{
	struct bytes remote;

	if (token->issued > mark->times.before)
		return 0;
	if (mark->tag_key != key->id) {
		remote = bytes_of(mark->key + prefix, mark->length - prefix);
		token_tag(mark->tag, &key->hmac, remote, local);
		mark->tag_key = key->id;
	}
	return memcmp(mark->tag, token->tag, TOKEN_TAG) == 0;
}

static int
pairs_cover(struct marks *marks, const struct token *token,
    const struct key *key, struct bytes local)
{
	struct record_key prefix;
	struct mark *mark;

	if (pairs_prefix(&prefix, local) == -1)
		return 0;
	for (mark = find_prefix(marks, &prefix); mark != NULL;
	     mark = next_prefix(mark, &prefix))
		if (pair_bears(mark, prefix.length, token, key, local))
			return 1;
	return 0;
}

/* Only an operator makes these, so there are few. */
static int
remotes_cover(struct marks *marks, const struct token *token,
    const struct key *key, struct bytes local)
{
	struct record_key prefix;
	struct mark *mark;
	struct bytes remote;

	record_key_single(&prefix, RECORD_MARK);
	prefix.data[prefix.length++] = MARK_REMOTE;
	for (mark = find_prefix(marks, &prefix); mark != NULL;
	     mark = next_prefix(mark, &prefix)) {
		remote = bytes_of(
		    mark->key + prefix.length, mark->length - prefix.length);
		if (token->issued <= mark->times.before &&
		    token_is_for(token, &key->hmac, remote, local))
			return 1;
	}
	return 0;
}

enum mark_scope
marks_cover_token(struct marks *marks, const struct token *token,
    const struct key *key, struct bytes local)
{
	const struct bytes none = {NULL, 0};

	if (covers(marks, MARK_ALL, token->issued, none, local))
		return MARK_ALL;
	if (covers(marks, MARK_LOCAL, token->issued, none, local))
		return MARK_LOCAL;
	if (pairs_cover(marks, token, key, local))
		return MARK_PAIR;
	return remotes_cover(marks, token, key, local) ? MARK_REMOTE : 0;
}

uint64_t
marks_newest(const struct marks *marks)
{
	return marks->newest;
}

size_t
marks_count(const struct marks *marks)
{
	return marks->count;
}

/* Is there a wider mark that covers at least as much, as long? */
static int
is_needless(const struct marks *marks, const struct mark *mark)
{
	struct bytes none = {NULL, 0}, remote = none, local = none;
	const struct mark *wider[2] = {NULL, NULL};
	size_t i;

	if (mark->key[1] == MARK_ALL)
		return 0;
	wider[0] = find_scope(marks, MARK_ALL, none, none);
	if (mark->key[1] == MARK_PAIR &&
	    record_key_split(bytes_of(mark->key + 1, mark->length - 1), &remote,
		&local) == 0)
		wider[1] = find_scope(marks, MARK_LOCAL, none, local);
	for (i = 0; i < 2; i++)
		if (wider[i] != NULL &&
		    wider[i]->times.before >= mark->times.before)
			return 1;
	return 0;
}

int
marks_prune(
    struct marks *marks, struct store *store, uint64_t now, size_t limit)
{
	struct mark *mark, *next;
	int deleted = 0;

	mark = find(marks, record_key_bytes(&marks->cursor), &next);
	if (mark == NULL)
		mark = next;
	for (; mark != NULL && limit > 0; mark = next, limit--) {
		next = RB_NEXT(mark_tree, &marks->tree, mark);
		if (!is_needless(marks, mark) &&
		    (mark->times.until == 0 || mark->times.until > now))
			continue;
		if (store_delete(store, mark_key(mark)) == -1)
			return -1;
		mark_drop(marks, mark);
		deleted++;
	}
	marks->cursor.length = 0;
	if (mark != NULL) {
		memcpy(marks->cursor.data, mark->key, mark->length);
		marks->cursor.length = mark->length;
	}
	return deleted;
}

const char *
mark_scope_name(enum mark_scope scope)
{
	static const struct {
		enum mark_scope scope;
		const char *name;
	} names[] = {
	    {MARK_ALL, "all"},
	    {MARK_DOMAIN, "domain"},
	    {MARK_LOCAL, "local"},
	    {MARK_PAIR, "pair"},
	    {MARK_REMOTE, "remote"},
	};
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].scope == scope)
			return names[i].name;
	return "none";
}
