/* SPDX-License-Identifier: ISC */
/*
 * Is this token good? Whatever is wrong, the same work is done: a client
 * learns nothing from the time (H-09, H-11).
 */
#include <string.h>

#include <openssl/crypto.h>

#include "tokend/remember_check.h"

/* How exact "last used" is: a login need not write. */
#define USED_STEP 60000ULL /* ms */

static const struct key *
key_of(const struct rememberer *r, const struct remembered *token)
{
	return token == NULL ? NULL
			     : keyring_find(r->issuer->ring, token->key_id);
}

enum remember_check
remember_state(
    const struct rememberer *r, const struct remembered *token, uint64_t now)
{
	if (key_of(r, token) == NULL)
		return REMEMBER_UNKNOWN;
	if (token->expires != 0 && now >= token->expires)
		return REMEMBER_EXPIRED;
	if (r->maximum != 0 && now >= token->started + r->maximum)
		return REMEMBER_EXPIRED;
	/* A JWT says itself when it ends. */
	if (r->lifetime != 0 && token->type != REMEMBER_JWT &&
	    now >= token->used + r->lifetime)
		return REMEMBER_EXPIRED;
	if (token->replaced != 0 && now >= token->replaced + REMEMBER_OVERLAP)
		return REMEMBER_REPLACED;
	return REMEMBER_GOOD;
}

uint64_t
remember_end(const struct rememberer *r, const struct remembered *token)
{
	uint64_t end = token->expires;

	if (r->maximum != 0 && (end == 0 || token->started + r->maximum < end))
		end = token->started + r->maximum;
	if (r->lifetime != 0 && token->type != REMEMBER_JWT &&
	    (end == 0 || token->used + r->lifetime < end))
		end = token->used + r->lifetime;
	if (token->replaced != 0 &&
	    (end == 0 || token->replaced + REMEMBER_OVERLAP < end))
		end = token->replaced + REMEMBER_OVERLAP;
	return end;
}

static int
same(const void *a, const void *b, size_t length)
{
	return CRYPTO_memcmp(a, b, length) == 0;
}

/* ID "." SECRET, of a token that can be shown as it is. */
static enum remember_check
check_random(struct rememberer *r, struct bytes text,
    const struct remembered *token, const uint8_t *id)
{
	const struct key *key = key_of(r, token);
	char wanted[REMEMBER_TEXT + 1];
	uint8_t given[REMEMBER_TEXT] = {0};
	int right;

	remember_text(
	    key != NULL ? key : keyring_active(r->issuer->ring), id, wanted);
	if (text.length == sizeof(given))
		memcpy(given, text.data, sizeof(given));
	right = same(given, wanted, sizeof(given));
	explicit_bzero(wanted, sizeof(wanted));
	explicit_bzero(given, sizeof(given));
	if (key == NULL)
		return REMEMBER_UNKNOWN;
	if (!right)
		return REMEMBER_WRONG;
	if (token->type == REMEMBER_RANDOM)
		return REMEMBER_GOOD;
	return token->type == REMEMBER_JWT ? REMEMBER_WRONG : REMEMBER_PINNED;
}

static enum remember_check
check_jwt(const struct rememberer *r, const struct jwt *jwt,
    const struct remembered *token, const char *login, uint64_t now)
{
	if (strcmp(jwt->issuer, r->hostname) != 0)
		return REMEMBER_WRONG;
	if (jwt->expires <= now / 1000)
		return REMEMBER_EXPIRED;
	if (token == NULL || token->type != REMEMBER_JWT)
		return REMEMBER_UNKNOWN;
	return strcmp(jwt->subject, login) == 0 ? REMEMBER_GOOD
						: REMEMBER_WRONG;
}

/* The id that a bearer token says it has; -1: it says none. */
static int
read_id(struct rememberer *r, struct bytes text, struct jwt *jwt, uint8_t *id)
{
	if (jwt != NULL) {
		remember_work.signatures++;
		return jwt_read(r->issuer->ring, text, jwt) == -1
		    ? -1
		    : remember_name_read(bytes_text(jwt->id), id);
	}
	if (text.length != REMEMBER_TEXT || text.data[REMEMBER_NAME] != '.')
		return -1;
	return remember_name_read(bytes_of(text.data, REMEMBER_NAME), id);
}

void
remember_bearer(struct rememberer *r, struct bytes text, int jwt_only,
    enum remember_mechanism mechanism, uint64_t now,
    struct remember_shown *shown)
{
	int is_jwt = jwt_only || jwt_is(text), read, owner, loaded;
	struct remembered_list list;
	struct remembered *token;
	struct jwt jwt;

	memset(shown, 0, sizeof(*shown));
	shown->mechanism = mechanism;
	read = read_id(r, text, is_jwt ? &jwt : NULL, shown->id);
	owner = remember_owner(r, shown->id, shown->login);
	if (owner != 0)
		(void)strlcpy(
		    shown->login, REMEMBER_NOBODY, sizeof(shown->login));
	loaded = remember_load(r, bytes_text(shown->login), &list);
	token = remember_find(&list, shown->id);
	if (owner == -1 || loaded == -1)
		shown->check = REMEMBER_STORE;
	else if (is_jwt)
		shown->check = read == -1
		    ? REMEMBER_WRONG
		    : check_jwt(r, &jwt, token, shown->login, now);
	else {
		shown->check = check_random(r, text, token, shown->id);
		if (read == -1)
			shown->check = REMEMBER_MALFORMED;
	}
}

/* B2.2: kc = ALPHA / DIGIT / "/" / "+" / "-" / "_" */
static int
is_pairs(struct bytes pairs)
{
	static const char kc[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				 "abcdefghijklmnopqrstuvwxyz0123456789/+-_";
	size_t i, start = 0, equals = 0;

	if (pairs.length == 0)
		return 1;
	for (i = 0; i <= pairs.length; i++) {
		if (i == pairs.length || pairs.data[i] == ',') {
			if (equals <= start || equals + 1 >= i)
				return 0;
			start = i + 1;
			equals = 0;
		} else if (pairs.data[i] == '=') {
			if (equals != 0 || i == start)
				return 0;
			equals = i;
		} else if (pairs.data[i] == '\0' ||
		    strchr(kc, pairs.data[i]) == NULL)
			return 0;
	}
	return 1;
}

int
ht2_read(struct bytes message, struct ht2 *ht2)
{
	const uint8_t *first, *second;

	if (message.length == 0 ||
	    (first = memchr(message.data, '\0', message.length)) == NULL)
		return -1;
	ht2->authcid = bytes_of(message.data, (size_t)(first - message.data));
	message.length -= ht2->authcid.length + 1;
	if (message.length == 0 ||
	    (second = memchr(first + 1, '\0', message.length)) == NULL)
		return -1;
	ht2->pairs = bytes_of(first + 1, (size_t)(second - first) - 1);
	ht2->mac = bytes_of(second + 1, message.length - ht2->pairs.length - 1);
	if (ht2->authcid.length == 0 || ht2->authcid.length > 255 ||
	    ht2->mac.length != HMAC_LENGTH || !is_pairs(ht2->pairs))
		return -1;
	return 0;
}

void
ht2_mac(struct bytes token, const char *side, struct bytes binding,
    struct bytes pairs, uint8_t out[HMAC_LENGTH])
{
	struct hmac_key key;
	struct hmac mac;

	hmac_key_init(&key, token.data, token.length);
	hmac_begin(&mac, &key);
	hmac_add(&mac, side, strlen(side));
	hmac_add(&mac, binding.data, binding.length);
	hmac_add(&mac, pairs.data, pairs.length);
	hmac_finish(&mac, out);
	remember_work.macs++;
	explicit_bzero(&key, sizeof(key));
	explicit_bzero(&mac, sizeof(mac));
}

/* The id that the client gives among its pairs, or an empty one. */
static struct bytes
id_pair(struct bytes pairs)
{
	struct bytes pair, rest = pairs;
	const uint8_t *comma;

	while (rest.length > 0) {
		comma = memchr(rest.data, ',', rest.length);
		pair = bytes_of(rest.data,
		    comma == NULL ? rest.length : (size_t)(comma - rest.data));
		if (pair.length > 3 && memcmp(pair.data, "id=", 3) == 0)
			return bytes_of(pair.data + 3, pair.length - 3);
		if (comma == NULL)
			break;
		rest.data += pair.length + 1;
		rest.length -= pair.length + 1;
	}
	return bytes_of(NULL, 0);
}

/* A proof that is being looked at. */
struct proof {
	struct rememberer *r;
	const struct ht2 *ht2;
	struct bytes binding;
	struct remember_shown *shown;
	const struct remembered *found;
};

/* The text of a token; of NULL, or without its key, of none that there is. */
static void
text_or_fake(const struct proof *proof, const struct remembered *token,
    char text[REMEMBER_TEXT + 1])
{
	static const uint8_t no_id[REMEMBER_ID];
	const struct key *key = key_of(proof->r, token);

	if (key == NULL)
		remember_text(
		    keyring_active(proof->r->issuer->ring), no_id, text);
	else
		remember_text(key, token->id, text);
}

/* Tries one token, or, NULL, does what trying one costs. */
static void
try_token(struct proof *proof, const struct remembered *token)
{
	char text[REMEMBER_TEXT + 1];
	uint8_t mac[HMAC_LENGTH];
	int right;

	text_or_fake(proof, token, text);
	ht2_mac(bytes_of((uint8_t *)text, REMEMBER_TEXT), "Initiator",
	    proof->binding, proof->ht2->pairs, mac);
	right = same(mac, proof->ht2->mac.data, sizeof(mac));
	if (right && key_of(proof->r, token) != NULL &&
	    token->type != REMEMBER_JWT)
		proof->found = token;
	explicit_bzero(text, sizeof(text));
	explicit_bzero(mac, sizeof(mac));
}

/* Our side of it, for nobody too. */
static void
respond(const struct proof *proof)
{
	char text[REMEMBER_TEXT + 1];

	text_or_fake(proof, proof->found, text);
	ht2_mac(bytes_of((uint8_t *)text, REMEMBER_TEXT), "Responder",
	    proof->binding, bytes_of("", 0), proof->shown->proof);
	explicit_bzero(text, sizeof(text));
	if (proof->found == NULL)
		return;
	proof->shown->check = REMEMBER_GOOD;
	memcpy(proof->shown->id, proof->found->id, REMEMBER_ID);
}

void
remember_proof(struct rememberer *r, const struct ht2 *ht2,
    struct bytes binding, const char *login, enum remember_mechanism mechanism,
    struct remember_shown *shown)
{
	struct proof proof = {r, ht2, binding, shown, NULL};
	struct bytes name = id_pair(ht2->pairs);
	struct remembered_list list;
	uint8_t id[REMEMBER_ID];
	int loaded;
	size_t i;

	memset(shown, 0, sizeof(*shown));
	shown->mechanism = mechanism;
	(void)strlcpy(shown->login, *login == '\0' ? REMEMBER_NOBODY : login,
	    sizeof(shown->login));
	shown->check = REMEMBER_WRONG;
	loaded = remember_load(r, bytes_text(shown->login), &list);
	if (remember_name_read(name, id) == 0)
		try_token(&proof, remember_find(&list, id));
	else
		for (i = 0; i < REMEMBER_LIVE; i++)
			try_token(
			    &proof, i < list.count ? &list.tokens[i] : NULL);
	respond(&proof);
	if (loaded == -1)
		shown->check = REMEMBER_STORE;
}

/* All of a token's family leave the list. */
static int
drop_family(
    struct rememberer *r, struct remembered_list *list, const uint8_t *family)
{
	uint8_t copy[REMEMBER_ID];
	size_t i;

	memcpy(copy, family, sizeof(copy));
	for (i = list->count; i-- > 0;)
		if (memcmp(list->tokens[i].family, copy, REMEMBER_ID) == 0 &&
		    remember_drop(r, list, i) == -1)
			return -1;
	return 0;
}

/* Ties to the secret that he has now, or to none where none is known. */
static int
is_bound(struct rememberer *r, const struct remembered *token,
    const char *login, struct bytes digest)
{
	const struct key *key = key_of(r, token);
	uint8_t binding[REMEMBER_BINDING];

	remember_bind(key != NULL ? key : keyring_active(r->issuer->ring),
	    bytes_text(login), digest, binding);
	if (token == NULL)
		return 0;
	if (digest.length == 0 || !token->bound)
		return digest.length == 0 && !token->bound;
	return same(binding, token->binding, sizeof(binding));
}

static enum remember_check
admit(struct rememberer *r, const struct remember_shown *shown,
    struct bytes digest, uint64_t now, struct remembered_list *list)
{
	int loaded = remember_load(r, bytes_text(shown->login), list);
	struct remembered *token = remember_find(list, shown->id);
	int bound = is_bound(r, token, shown->login, digest);
	enum remember_check state;

	if (shown->check != REMEMBER_GOOD)
		return shown->check;
	if (loaded == -1)
		return REMEMBER_STORE;
	if (token == NULL)
		return REMEMBER_UNKNOWN;
	if ((state = remember_state(r, token, now)) != REMEMBER_GOOD)
		return state;
	if (token->pinned != 0 && token->pinned != shown->mechanism)
		return REMEMBER_PINNED;
	if (bound)
		return REMEMBER_GOOD;
	/* For good: the old password may come back, the token must not. */
	if (drop_family(r, list, token->family) == -1 ||
	    remember_save(r, bytes_text(shown->login), list) == -1)
		return REMEMBER_STORE;
	return REMEMBER_PASSWORD;
}

enum remember_check
remember_admit(struct rememberer *r, const struct remember_shown *shown,
    struct bytes digest, uint64_t now)
{
	struct remembered_list list;

	return admit(r, shown, digest, now, &list);
}

static int
is_proof(enum remember_mechanism mechanism)
{
	return mechanism == REMEMBER_BY_EXPR || mechanism == REMEMBER_BY_ENDP ||
	    mechanism == REMEMBER_BY_NONE;
}

enum remember_check
remember_use(struct rememberer *r, const struct remember_shown *shown,
    struct bytes digest, const char *address, uint64_t now, int *pinned)
{
	struct remembered_list list;
	enum remember_check check = admit(r, shown, digest, now, &list);
	struct remembered *token;

	*pinned = 0;
	if (check != REMEMBER_GOOD)
		return check;
	token = remember_find(&list, shown->id);
	if (token->pinned == 0 && is_proof(shown->mechanism)) {
		token->pinned = (uint8_t)shown->mechanism;
		*pinned = 1;
	}
	if (!*pinned && token->mechanism == shown->mechanism &&
	    now < token->used + USED_STEP &&
	    strcmp(token->address, address) == 0)
		return REMEMBER_GOOD;
	token->used = now;
	token->mechanism = (uint8_t)shown->mechanism;
	(void)strlcpy(token->address, address, sizeof(token->address));
	if (remember_save(r, bytes_text(shown->login), &list) == -1)
		return REMEMBER_STORE;
	return REMEMBER_GOOD;
}

int
remember_revoke_user(struct rememberer *r, struct bytes login)
{
	struct remembered_list list;
	int count;

	if (remember_load(r, login, &list) == -1)
		return -1;
	count = (int)list.count;
	while (list.count > 0)
		if (remember_drop(r, &list, list.count - 1) == -1)
			return -1;
	if (count > 0 && remember_save(r, login, &list) == -1)
		return -1;
	return count;
}

int
remember_revoke_family(struct rememberer *r, const uint8_t *id)
{
	struct remembered_list list;
	struct remembered *token;
	char login[ADDRESS_SIZE];
	size_t count;
	int owner = remember_owner(r, id, login);

	if (owner != 0)
		return owner == 1 ? 0 : -1;
	if (remember_load(r, bytes_text(login), &list) == -1)
		return -1;
	if ((token = remember_find(&list, id)) == NULL)
		return 0;
	count = list.count;
	if (drop_family(r, &list, token->family) == -1 ||
	    remember_save(r, bytes_text(login), &list) == -1)
		return -1;
	return (int)(count - list.count);
}
