/* SPDX-License-Identifier: ISC */
/* Tokens of REMEMBERME as they lie in the store, and what they come from. */
#include <string.h>

#include "lib/base64.h"
#include "tokend/remember_check.h"

struct remember_work remember_work;

static const struct {
	enum remember_type type;
	const char *name;
} types[] = {
    {REMEMBER_RANDOM, "random"},
    {REMEMBER_JWT, "jwt"},
    {REMEMBER_HT2_EXPR, "ht2-sha-256-expr"},
    {REMEMBER_HT2_ENDP, "ht2-sha-256-endp"},
    {REMEMBER_HT2_NONE, "ht2-sha-256-none"},
};

#define TYPES (sizeof(types) / sizeof(types[0]))

enum remember_type
remember_type_of(struct bytes name)
{
	char text[32];
	size_t i;

	if (bytes_copy(text, sizeof(text), name) == -1)
		return 0;
	for (i = 0; i < TYPES; i++)
		if (strcasecmp(text, types[i].name) == 0)
			return types[i].type;
	return 0;
}

const char *
remember_type_name(enum remember_type type)
{
	size_t i;

	for (i = 0; i < TYPES; i++)
		if (types[i].type == type)
			return types[i].name;
	return "?";
}

const char *
remember_mechanism_name(enum remember_mechanism mechanism)
{
	static const char *const names[] = {
	    [REMEMBER_BY_REMEMBERME] = "REMEMBERME",
	    [REMEMBER_BY_EXPR] = "HT2-SHA-256-EXPR",
	    [REMEMBER_BY_ENDP] = "HT2-SHA-256-ENDP",
	    [REMEMBER_BY_NONE] = "HT2-SHA-256-NONE",
	    [REMEMBER_BY_OAUTHBEARER] = "OAUTHBEARER",
	    [REMEMBER_BY_XOAUTH2] = "XOAUTH2",
	};

	if (mechanism < REMEMBER_BY_REMEMBERME ||
	    mechanism > REMEMBER_BY_XOAUTH2)
		return "";
	return names[mechanism];
}

const char *
remember_check_name(enum remember_check check)
{
	static const char *const names[] = {
	    [REMEMBER_GOOD] = "good",
	    [REMEMBER_MALFORMED] = "malformed",
	    [REMEMBER_UNKNOWN] = "unknown-token",
	    [REMEMBER_WRONG] = "badtoken",
	    [REMEMBER_EXPIRED] = "expired",
	    [REMEMBER_REPLACED] = "replaced",
	    [REMEMBER_PINNED] = "other-mechanism",
	    [REMEMBER_PASSWORD] = "password-changed",
	    [REMEMBER_NO_USER] = "unknown-user",
	    [REMEMBER_NOT_HIS] = "authzid",
	    [REMEMBER_STORE] = "store",
	};

	return names[check];
}

void
remember_name(const uint8_t *id, char out[REMEMBER_NAME + 1])
{
	(void)base64url_encode(out, REMEMBER_NAME + 1, id, REMEMBER_ID);
}

int
remember_name_read(struct bytes name, uint8_t id[REMEMBER_ID])
{
	return name.length == REMEMBER_NAME &&
		base64url_decode(id, REMEMBER_ID, (const char *)name.data,
		    name.length) == REMEMBER_ID
	    ? 0
	    : -1;
}

void
remember_text(
    const struct key *key, const uint8_t *id, char out[REMEMBER_TEXT + 1])
{
	static const uint8_t purpose = 0x10;
	uint8_t secret[HMAC_LENGTH];
	struct hmac mac;

	hmac_begin(&mac, &key->hmac);
	hmac_add(&mac, &purpose, 1);
	hmac_add(&mac, id, REMEMBER_ID);
	hmac_finish(&mac, secret);
	remember_work.macs++;
	remember_name(id, out);
	out[REMEMBER_NAME] = '.';
	(void)base64url_encode(out + REMEMBER_NAME + 1,
	    REMEMBER_TEXT - REMEMBER_NAME, secret, sizeof(secret));
	explicit_bzero(secret, sizeof(secret));
	explicit_bzero(&mac, sizeof(mac));
}

void
remember_bind(const struct key *key, struct bytes login, struct bytes digest,
    uint8_t out[REMEMBER_BINDING])
{
	static const uint8_t purpose = 0x11;
	uint8_t full[HMAC_LENGTH];
	struct hmac mac;

	hmac_begin(&mac, &key->hmac);
	hmac_add(&mac, &purpose, 1);
	hmac_add(&mac, digest.data, digest.length);
	hmac_add(&mac, login.data, login.length);
	hmac_finish(&mac, full);
	remember_work.macs++;
	memcpy(out, full, REMEMBER_BINDING);
}

int
remember_load(
    struct rememberer *r, struct bytes login, struct remembered_list *list)
{
	uint8_t value[STORE_VALUE_MAX];
	struct record_key key;
	size_t length;
	int found;

	list->count = 0;
	remember_work.reads++;
	if (record_key_login(&key, login) == -1)
		return 0;
	found =
	    store_get(r->issuer->store, record_key_bytes(&key), value, &length);
	if (found == 1)
		return 0;
	if (found == 0 && remembered_decode(list, bytes_of(value, length)) == 0)
		return 0;
	list->count = 0;
	return -1;
}

int
remember_save(struct rememberer *r, struct bytes login,
    const struct remembered_list *list)
{
	struct record_value value;
	struct record_key key;

	if (record_key_login(&key, login) == -1)
		return -1;
	if (list->count == 0)
		return store_delete(r->issuer->store, record_key_bytes(&key)) ==
			-1
		    ? -1
		    : 0;
	remembered_encode(list, &value);
	return store_put(r->issuer->store, record_key_bytes(&key),
	    record_value_bytes(&value));
}

struct remembered *
remember_find(struct remembered_list *list, const uint8_t *id)
{
	size_t i;

	for (i = 0; i < list->count; i++)
		if (memcmp(list->tokens[i].id, id, REMEMBER_ID) == 0)
			return &list->tokens[i];
	return NULL;
}

int
remember_owner(
    struct rememberer *r, const uint8_t *id, char login[ADDRESS_SIZE])
{
	uint8_t value[STORE_VALUE_MAX];
	struct record_key key;
	struct bytes owner;
	size_t length;
	int found;

	remember_work.reads++;
	record_key_owner(&key, id);
	found =
	    store_get(r->issuer->store, record_key_bytes(&key), value, &length);
	if (found == 0 &&
	    (owner_decode(bytes_of(value, length), &owner) == -1 ||
		bytes_copy(login, ADDRESS_SIZE, owner) == -1))
		return -1;
	return found;
}

int
remember_drop(struct rememberer *r, struct remembered_list *list, size_t n)
{
	struct record_key key;

	record_key_owner(&key, list->tokens[n].id);
	list->count--;
	memmove(&list->tokens[n], &list->tokens[n + 1],
	    (list->count - n) * sizeof(list->tokens[0]));
	return store_delete(r->issuer->store, record_key_bytes(&key)) == -1 ? -1
									    : 0;
}
