/* SPDX-License-Identifier: ISC */
#include "tokend/records.h"

#include <string.h>

#define VERSION 1
#define TIME_OCTETS 6
/* A list of the longest fits into a record (seal.h). */
#define HELD_SEALED_MAX (HELD_TOKEN_MAX + 28)

/* Writing: the sizes are fixed, so that room needs no check. */
static void
start(struct record_value *value)
{
	value->data[0] = VERSION;
	value->length = 1;
}

static void
add(struct record_value *value, const void *data, size_t length)
{
	memcpy(value->data + value->length, data, length);
	value->length += length;
}

static void
add_number(struct record_value *value, uint64_t number, size_t octets)
{
	size_t i;

	for (i = octets; i-- > 0; number >>= 8)
		value->data[value->length + i] = number & 0xff;
	value->length += octets;
}

/* Reading: takes octets off the front; -1 when there are not enough. */
static int
take(struct bytes *rest, void *out, size_t length)
{
	if (rest->length < length)
		return -1;
	memcpy(out, rest->data, length);
	rest->data += length;
	rest->length -= length;
	return 0;
}

static int
take_number(struct bytes *rest, uint64_t *number, size_t octets)
{
	uint8_t octet;

	*number = 0;
	while (octets-- > 0) {
		if (take(rest, &octet, 1) == -1)
			return -1;
		*number = *number << 8 | octet;
	}
	return 0;
}

static int
take_version(struct bytes *rest)
{
	uint8_t version;

	return take(rest, &version, 1) == 0 && version == VERSION ? 0 : -1;
}

struct bytes
record_key_bytes(const struct record_key *key)
{
	return bytes_of(key->data, key->length);
}

struct bytes
record_value_bytes(const struct record_value *value)
{
	return bytes_of(value->data, value->length);
}

void
record_key_single(struct record_key *key, char kind)
{
	key->data[0] = (uint8_t)kind;
	key->length = 1;
}

void
record_key_horizon(struct record_key *key, uint16_t key_id)
{
	record_key_single(key, RECORD_HORIZON);
	key->data[key->length++] = key_id >> 8;
	key->data[key->length++] = key_id & 0xff;
}

void
record_key_renewed(struct record_key *key, const uint8_t *nonce)
{
	record_key_single(key, RECORD_RENEWED);
	memcpy(key->data + 1, nonce, TOKEN_NONCE);
	key->length += TOKEN_NONCE;
}

static int
key_add(struct record_key *key, struct bytes address)
{
	if (address.length == 0 || memchr(address.data, 0, address.length) ||
	    key->length + address.length > sizeof(key->data) - 1)
		return -1;
	memcpy(key->data + key->length, address.data, address.length);
	key->length += address.length;
	return 0;
}

static int
key_add_pair(struct record_key *key, struct bytes remote, struct bytes local)
{
	if (key_add(key, local) == -1)
		return -1;
	key->data[key->length++] = 0;
	return key_add(key, remote);
}

int
record_key_pair(
    struct record_key *key, char kind, struct bytes remote, struct bytes local)
{
	record_key_single(key, kind);
	return key_add_pair(key, remote, local);
}

int
record_key_split(struct bytes key, struct bytes *remote, struct bytes *local)
{
	const uint8_t *zero;

	if (key.length < 1)
		return -1;
	local->data = key.data + 1;
	zero = memchr(local->data, 0, key.length - 1);
	if (zero == NULL)
		return -1;
	local->length = (size_t)(zero - local->data);
	remote->data = zero + 1;
	remote->length = key.length - local->length - 2;
	return 0;
}

int
record_key_mark(struct record_key *key, enum mark_scope scope,
    struct bytes remote, struct bytes local)
{
	record_key_single(key, RECORD_MARK);
	key->data[key->length++] = (uint8_t)scope;
	if (scope == MARK_ALL)
		return 0;
	if (scope == MARK_PAIR)
		return key_add_pair(key, remote, local);
	return key_add(key, scope == MARK_LOCAL ? local : remote);
}

void
permanent_encode(const struct permanent *permanent, struct record_value *value)
{
	start(value);
	add_number(value, permanent->key_id, 2);
	add_number(value, permanent->issued, TIME_OCTETS);
	add_number(value, permanent->expires, TIME_OCTETS);
	add(value, permanent->nonce, TOKEN_NONCE);
}

int
permanent_decode(struct permanent *permanent, struct bytes value)
{
	uint64_t key_id;

	if (take_version(&value) == -1 ||
	    take_number(&value, &key_id, 2) == -1 ||
	    take_number(&value, &permanent->issued, TIME_OCTETS) == -1 ||
	    take_number(&value, &permanent->expires, TIME_OCTETS) == -1 ||
	    take(&value, permanent->nonce, TOKEN_NONCE) == -1 ||
	    value.length != 0)
		return -1;
	permanent->key_id = (uint16_t)key_id;
	return 0;
}

/* Two times. */
static void
times_encode(uint64_t a, uint64_t b, struct record_value *value)
{
	start(value);
	add_number(value, a, TIME_OCTETS);
	add_number(value, b, TIME_OCTETS);
}

static int
times_decode(uint64_t *a, uint64_t *b, struct bytes value)
{
	if (take_version(&value) == -1 ||
	    take_number(&value, a, TIME_OCTETS) == -1 ||
	    take_number(&value, b, TIME_OCTETS) == -1 || value.length != 0)
		return -1;
	return 0;
}

void
renewed_encode(const struct renewed *renewed, struct record_value *value)
{
	times_encode(renewed->good_until, renewed->expires, value);
}

int
renewed_decode(struct renewed *renewed, struct bytes value)
{
	return times_decode(&renewed->good_until, &renewed->expires, value);
}

void
mark_encode(const struct mark_times *mark, struct record_value *value)
{
	times_encode(mark->before, mark->until, value);
}

int
mark_decode(struct mark_times *mark, struct bytes value)
{
	return times_decode(&mark->before, &mark->until, value);
}

int
held_encode(const struct held_list *list, struct record_value *value)
{
	const struct held *held;
	size_t i;

	start(value);
	add_number(value, list->count, 1);
	for (i = 0; i < list->count; i++) {
		held = &list->tokens[i];
		if (held->sealed.length > HELD_SEALED_MAX)
			return -1;
		add_number(value, held->key_id, 2);
		add_number(value, held->source, 1);
		add_number(value, held->received, TIME_OCTETS);
		add_number(value, held->sealed.length, 2);
		add(value, held->sealed.data, held->sealed.length);
	}
	return 0;
}

static int
take_held(struct bytes *rest, struct held *held)
{
	uint64_t key_id, source, length;

	if (take_number(rest, &key_id, 2) == -1 ||
	    take_number(rest, &source, 1) == -1 ||
	    take_number(rest, &held->received, TIME_OCTETS) == -1 ||
	    take_number(rest, &length, 2) == -1 || length > rest->length ||
	    length > HELD_SEALED_MAX)
		return -1;
	held->key_id = (uint16_t)key_id;
	held->source = (uint8_t)source;
	held->sealed = bytes_of(rest->data, (size_t)length);
	rest->data += length;
	rest->length -= (size_t)length;
	return 0;
}

int
held_decode(struct held_list *list, struct bytes value)
{
	uint64_t count;

	list->count = 0;
	if (take_version(&value) == -1 ||
	    take_number(&value, &count, 1) == -1 || count == 0 ||
	    count > HELD_LIST_MAX)
		return -1;
	for (; list->count < count; list->count++)
		if (take_held(&value, &list->tokens[list->count]) == -1)
			return -1;
	return value.length == 0 ? 0 : -1;
}

void
time_encode(uint64_t time, struct record_value *value)
{
	start(value);
	add_number(value, time, TIME_OCTETS);
}

int
time_decode(uint64_t *time, struct bytes value)
{
	if (take_version(&value) == -1 ||
	    take_number(&value, time, TIME_OCTETS) == -1 || value.length != 0)
		return -1;
	return 0;
}

int
record_key_login(struct record_key *key, struct bytes login)
{
	record_key_single(key, RECORD_REMEMBER);
	return key_add(key, login);
}

void
record_key_owner(struct record_key *key, const uint8_t *id)
{
	record_key_single(key, RECORD_OWNER);
	memcpy(key->data + 1, id, REMEMBER_ID);
	key->length += REMEMBER_ID;
}

static void
add_remembered(struct record_value *value, const struct remembered *token)
{
	size_t length = strlen(token->address);

	add(value, token->id, REMEMBER_ID);
	add(value, token->family, REMEMBER_ID);
	add(value, token->parent, REMEMBER_ID);
	add_number(value, token->key_id, 2);
	add_number(value, token->type, 1);
	add_number(value, token->pinned, 1);
	add_number(value, token->mechanism, 1);
	add_number(value, token->bound, 1);
	add(value, token->binding, REMEMBER_BINDING);
	add_number(value, token->created, TIME_OCTETS);
	add_number(value, token->started, TIME_OCTETS);
	add_number(value, token->used, TIME_OCTETS);
	add_number(value, token->replaced, TIME_OCTETS);
	add_number(value, token->expires, TIME_OCTETS);
	add_number(value, length, 1);
	add(value, token->address, length);
}

void
remembered_encode(
    const struct remembered_list *list, struct record_value *value)
{
	size_t i;

	start(value);
	add_number(value, list->count, 1);
	for (i = 0; i < list->count; i++)
		add_remembered(value, &list->tokens[i]);
}

static int
take_small(struct bytes *rest, uint8_t *number)
{
	return take(rest, number, 1);
}

static int
take_remembered(struct bytes *rest, struct remembered *token)
{
	uint64_t key_id;
	uint8_t length;

	memset(token, 0, sizeof(*token));
	if (take(rest, token->id, REMEMBER_ID) == -1 ||
	    take(rest, token->family, REMEMBER_ID) == -1 ||
	    take(rest, token->parent, REMEMBER_ID) == -1 ||
	    take_number(rest, &key_id, 2) == -1 ||
	    take_small(rest, &token->type) == -1 ||
	    take_small(rest, &token->pinned) == -1 ||
	    take_small(rest, &token->mechanism) == -1 ||
	    take_small(rest, &token->bound) == -1 ||
	    take(rest, token->binding, REMEMBER_BINDING) == -1 ||
	    take_number(rest, &token->created, TIME_OCTETS) == -1 ||
	    take_number(rest, &token->started, TIME_OCTETS) == -1 ||
	    take_number(rest, &token->used, TIME_OCTETS) == -1 ||
	    take_number(rest, &token->replaced, TIME_OCTETS) == -1 ||
	    take_number(rest, &token->expires, TIME_OCTETS) == -1 ||
	    take_small(rest, &length) == -1 ||
	    length >= sizeof(token->address) ||
	    take(rest, token->address, length) == -1)
		return -1;
	token->key_id = (uint16_t)key_id;
	return 0;
}

int
remembered_decode(struct remembered_list *list, struct bytes value)
{
	uint8_t count;
	size_t i;

	if (take_version(&value) == -1 || take_small(&value, &count) == -1 ||
	    count > REMEMBER_LIVE)
		return -1;
	for (i = 0; i < count; i++)
		if (take_remembered(&value, &list->tokens[i]) == -1)
			return -1;
	list->count = count;
	return value.length == 0 ? 0 : -1;
}

int
owner_encode(struct bytes login, struct record_value *value)
{
	start(value);
	if (login.length > sizeof(value->data) - value->length)
		return -1;
	add(value, login.data, login.length);
	return 0;
}

int
owner_decode(struct bytes value, struct bytes *login)
{
	if (take_version(&value) == -1 || value.length == 0)
		return -1;
	*login = value;
	return 0;
}
