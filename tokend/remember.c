/* SPDX-License-Identifier: ISC */
/* Making tokens of REMEMBERME, and forgetting them when they are dead. */
#include "tokend/remember.h"

#include <stdlib.h>
#include <string.h>

#define CENTURY (100ULL * 365 * 86400000) /* ms: a JWT without end */

/* A token of the list as the client gets it. -1: a JWT that is too long. */
static int
write_text(struct rememberer *r, const char *login,
    const struct remembered *token, char out[REMEMBER_MAX + 1])
{
	const struct key *key = keyring_find(r->issuer->ring, token->key_id);
	const struct jwt_key *jwt_key;
	struct jwt jwt;

	if (key == NULL)
		return -1;
	if (token->type != REMEMBER_JWT) {
		remember_text(key, token->id, out);
		return 0;
	}
	memset(&jwt, 0, sizeof(jwt));
	if (strlcpy(jwt.issuer, r->hostname, sizeof(jwt.issuer)) >=
	    sizeof(jwt.issuer))
		return -1;
	(void)strlcpy(jwt.subject, login, sizeof(jwt.subject));
	jwt.issued = token->created / 1000;
	jwt.expires = token->expires / 1000;
	remember_name(token->id, jwt.id);
	if ((jwt_key = jwt_key_of(key)) == NULL)
		return -1;
	return jwt_write(jwt_key, &jwt, out) == -1 ? -1 : 0;
}

/* Nobody can log in by it, and nobody in its session may ask any more. */
static int
is_dead(
    const struct rememberer *r, const struct remembered *token, uint64_t now)
{
	switch (remember_state(r, token, now)) {
	case REMEMBER_GOOD:
		return 0;
	case REMEMBER_REPLACED:
		return now >= token->replaced + REMEMBER_AGAIN;
	default:
		return 1;
	}
}

/* Returns how many went, or -1. */
static int
drop_dead(struct rememberer *r, struct remembered_list *list, uint64_t now)
{
	int count = 0;
	size_t i;

	for (i = list->count; i-- > 0;) {
		if (!is_dead(r, &list->tokens[i], now))
			continue;
		if (remember_drop(r, list, i) == -1)
			return -1;
		count++;
	}
	return count;
}

/* Which goes first: one that was replaced, then the oldest. */
static int
is_rather(const struct remembered *a, const struct remembered *b)
{
	if ((a->replaced != 0) != (b->replaced != 0))
		return a->replaced != 0;
	return a->created < b->created;
}

/* D-R01: the oldest goes, but not the one that asks. */
static int
make_room(struct rememberer *r, struct remembered_list *list,
    const uint8_t *keep, uint64_t now)
{
	size_t i, oldest = REMEMBER_LIVE;

	if (drop_dead(r, list, now) == -1)
		return -1;
	if (list->count < REMEMBER_LIVE)
		return 0;
	for (i = 0; i < list->count; i++) {
		if (keep != NULL &&
		    memcmp(list->tokens[i].id, keep, REMEMBER_ID) == 0)
			continue;
		if (oldest == REMEMBER_LIVE ||
		    is_rather(&list->tokens[i], &list->tokens[oldest]))
			oldest = i;
	}
	return remember_drop(r, list, oldest);
}

static uint64_t
jwt_end(const struct rememberer *r, uint64_t started, uint64_t now)
{
	uint64_t end = r->lifetime != 0 ? now + r->lifetime : now + CENTURY;

	if (r->maximum != 0 && started + r->maximum < end)
		end = started + r->maximum;
	return end / 1000 * 1000;
}

/* Mechanisms that a type is for alone (D-R07). */
static uint8_t
pin_of(enum remember_type type)
{
	static const uint8_t pins[] = {
	    [REMEMBER_HT2_EXPR] = REMEMBER_BY_EXPR,
	    [REMEMBER_HT2_ENDP] = REMEMBER_BY_ENDP,
	    [REMEMBER_HT2_NONE] = REMEMBER_BY_NONE,
	};

	return pins[type];
}

/* A new one; its family is that of `parent`, or its own. */
static int
begin(struct rememberer *r, const struct remember_request *request,
    const struct remembered *parent, uint64_t now, struct remembered *token)
{
	const struct key *key = keyring_active(r->issuer->ring);
	char nobody[ADDRESS_SIZE];
	int taken;

	memset(token, 0, sizeof(*token));
	do {
		arc4random_buf(token->id, sizeof(token->id));
		taken = remember_owner(r, token->id, nobody);
	} while (taken == 0);
	if (taken == -1)
		return -1;
	memcpy(token->family, parent == NULL ? token->id : parent->family,
	    REMEMBER_ID);
	if (parent != NULL)
		memcpy(token->parent, parent->id, REMEMBER_ID);
	token->key_id = key->id;
	token->type = (uint8_t)request->type;
	token->pinned = pin_of(request->type);
	token->created = token->used = now;
	token->started = parent == NULL ? now : parent->started;
	if (request->type == REMEMBER_JWT)
		token->expires = jwt_end(r, token->started, now);
	token->bound = request->digest.length > 0;
	if (token->bound)
		remember_bind(key, bytes_text(request->login), request->digest,
		    token->binding);
	(void)strlcpy(token->address, request->address, sizeof(token->address));
	return 0;
}

/*
 * What the session's own token was replaced by already: the newest in line
 * (B3: parallel connections must not undo one another). None where the line
 * ended in one that was replaced by a token of another type.
 */
static struct remembered *
successor(const struct rememberer *r, struct remembered_list *list,
    const uint8_t *id, enum remember_type type, uint64_t now)
{
	struct remembered *found = NULL;
	size_t i, steps;

	for (steps = 0; steps < REMEMBER_LIVE; steps++) {
		/* From the newest on: there may be two after such an end. */
		for (i = list->count; i > 0; i--)
			if (list->tokens[i - 1].type == type &&
			    memcmp(list->tokens[i - 1].parent, id,
				REMEMBER_ID) == 0)
				break;
		if (i == 0)
			break;
		found = &list->tokens[i - 1];
		id = found->id;
	}
	return found != NULL && found->replaced == 0 &&
		remember_state(r, found, now) == REMEMBER_GOOD
	    ? found
	    : NULL;
}

/* Is the session's own token one that a successor may be made of? */
static int
is_parent(struct rememberer *r, const struct remember_request *request,
    const struct remembered *token, uint64_t now)
{
	uint8_t binding[REMEMBER_BINDING];
	const struct key *key;

	if (token == NULL || is_dead(r, token, now) ||
	    token->bound != (request->digest.length > 0))
		return 0;
	if (!token->bound)
		return 1;
	if ((key = keyring_find(r->issuer->ring, token->key_id)) == NULL)
		return 0;
	remember_bind(
	    key, bytes_text(request->login), request->digest, binding);
	return memcmp(binding, token->binding, sizeof(binding)) == 0;
}

static int
put_owner(
    struct rememberer *r, const struct remembered *token, const char *login)
{
	struct record_value value;
	struct record_key key;

	record_key_owner(&key, token->id);
	if (owner_encode(bytes_text(login), &value) == -1)
		return -1;
	return store_put(r->issuer->store, record_key_bytes(&key),
	    record_value_bytes(&value));
}

/* Into the list and the store; the parent is replaced from now on. */
static int
enter(struct rememberer *r, const struct remember_request *request,
    struct remembered_list *list, const struct remembered *token, uint64_t now)
{
	struct remembered *parent;
	uint64_t end = r->maximum == 0 ? 0 : token->started + r->maximum;

	if (make_room(r, list, request->by, now) == -1)
		return -1;
	if (request->by != NULL &&
	    (parent = remember_find(list, request->by)) != NULL &&
	    parent->replaced == 0)
		parent->replaced = now;
	list->tokens[list->count++] = *token;
	if (issue_reach(r->issuer, token->key_id, end) == -1 ||
	    put_owner(r, token, request->login) == -1)
		return -1;
	return remember_save(r, bytes_text(request->login), list);
}

enum remember_verdict
remember_make(struct rememberer *r, const struct remember_request *request,
    uint64_t now, char out[REMEMBER_MAX + 1], uint8_t id[REMEMBER_ID])
{
	struct remembered_list list;
	struct remembered *parent = NULL, *there, token;

	if (remember_load(r, bytes_text(request->login), &list) == -1)
		return REMEMBER_TEMPORARY;
	if (request->by != NULL) {
		parent = remember_find(&list, request->by);
		if (!is_parent(r, request, parent, now))
			return REMEMBER_WEAK;
		there = successor(r, &list, parent->id, request->type, now);
		if (there != NULL &&
		    write_text(r, request->login, there, out) == 0) {
			memcpy(id, there->id, REMEMBER_ID);
			return REMEMBER_OK;
		}
	}
	if (begin(r, request, parent, now, &token) == -1)
		return REMEMBER_TEMPORARY;
	if (write_text(r, request->login, &token, out) == -1)
		return REMEMBER_TYPE;
	if (enter(r, request, &list, &token, now) == -1)
		return REMEMBER_TEMPORARY;
	memcpy(id, token.id, REMEMBER_ID);
	return REMEMBER_OK;
}

/* Going through the users. */
struct pruning {
	struct rememberer *r;
	struct record_key *cursor;
	size_t left;
	uint64_t now;
	int found;
};

/* Stops at a user who has a dead token. */
static int
find_dead(struct bytes key, struct bytes value, void *argument)
{
	struct pruning *pruning = argument;
	struct remembered_list list;
	size_t i;

	memcpy(pruning->cursor->data, key.data, key.length);
	pruning->cursor->length = key.length;
	/* Not this one again. */
	pruning->cursor->data[pruning->cursor->length++] = 0;
	pruning->found = 0;
	pruning->r->seen++;
	if (remembered_decode(&list, value) == 0)
		for (i = 0; i < list.count; i++)
			if (is_dead(pruning->r, &list.tokens[i], pruning->now))
				pruning->found = 1;
	return --pruning->left == 0 || pruning->found;
}

static int
prune_user(struct rememberer *r, struct bytes login, uint64_t now)
{
	struct remembered_list list;

	if (remember_load(r, login, &list) == -1 ||
	    drop_dead(r, &list, now) == -1)
		return -1;
	return remember_save(r, login, &list);
}

int
remember_prune_some(
    struct rememberer *r, struct record_key *cursor, size_t limit, uint64_t now)
{
	struct pruning pruning = {r, cursor, limit, now, 0};
	struct record_key prefix;
	int more;

	record_key_single(&prefix, RECORD_REMEMBER);
	if (cursor->length == 0)
		*cursor = prefix;
	do {
		pruning.found = 0;
		more = store_each(r->issuer->store, record_key_bytes(&prefix),
		    record_key_bytes(cursor), find_dead, &pruning);
		if (more == -1 ||
		    (pruning.found &&
			prune_user(r,
			    bytes_of(cursor->data + 1, cursor->length - 2),
			    now) == -1))
			return -1;
	} while (pruning.found && pruning.left > 0);
	if (more == 0) {
		cursor->length = 0;
		r->users = r->seen;
		r->seen = 0;
	}
	return more;
}
