/* SPDX-License-Identifier: ISC */
#include "tokend/check.h"

static const struct {
	enum mark_scope scope;
	enum check check;
} revoked[] = {
    {MARK_ALL, CHECK_REVOKED_ALL},
    {MARK_LOCAL, CHECK_REVOKED_LOCAL},
    {MARK_REMOTE, CHECK_REVOKED_REMOTE},
    {MARK_DOMAIN, CHECK_REVOKED_DOMAIN},
    {MARK_PAIR, CHECK_REVOKED_PAIR},
};

static enum check
of_scope(enum mark_scope scope)
{
	size_t i;

	for (i = 0; i < sizeof(revoked) / sizeof(revoked[0]); i++)
		if (revoked[i].scope == scope)
			return revoked[i].check;
	return CHECK_OK;
}

const char *
check_name(enum check check)
{
	static const char *const names[] = {
	    [CHECK_OK] = "good",
	    [CHECK_MALFORMED] = "malformed",
	    [CHECK_UNKNOWN_KEY] = "unknown-key",
	    [CHECK_BAD_MAC] = "bad-mac",
	    [CHECK_EXPIRED] = "expired",
	    [CHECK_REVOKED_ALL] = "revoked-all",
	    [CHECK_REVOKED_LOCAL] = "revoked-local",
	    [CHECK_REVOKED_REMOTE] = "revoked-remote",
	    [CHECK_REVOKED_DOMAIN] = "revoked-domain",
	    [CHECK_REVOKED_PAIR] = "revoked-pair",
	    [CHECK_WRONG_REMOTE] = "wrong-remote",
	    [CHECK_SUPERSEDED] = "superseded",
	    [CHECK_STORE] = "store",
	};

	return names[check];
}

/* Form, key, MAC, time: what needs no more than the token and local. */
static enum check
check_itself(const struct issuer *issuer, struct bytes text, struct bytes local,
    uint64_t now, struct token *token)
{
	const struct key *key;

	if (token_decode(token, text) == -1)
		return CHECK_MALFORMED;
	if ((key = keyring_find(issuer->ring, token->key_id)) == NULL)
		return CHECK_UNKNOWN_KEY;
	if (!token_verify(token, &key->hmac, local))
		return CHECK_BAD_MAC;
	return token_expired(token, now) ? CHECK_EXPIRED : CHECK_OK;
}

/* A permanent token that was renewed is good for the grace period (D-S13). */
static enum check
check_superseded(
    const struct issuer *issuer, const struct token *token, uint64_t now)
{
	uint8_t value[STORE_VALUE_MAX];
	struct renewed renewed;
	struct record_key where;
	size_t length;
	int found;

	if (token->kind != TOKEN_KIND_PERMANENT)
		return CHECK_OK;
	record_key_renewed(&where, token->nonce);
	found =
	    store_get(issuer->store, record_key_bytes(&where), value, &length);
	if (found == 1)
		return CHECK_OK;
	if (found == -1 ||
	    renewed_decode(&renewed, bytes_of(value, length)) == -1)
		return CHECK_STORE;
	return now < renewed.good_until ? CHECK_OK : CHECK_SUPERSEDED;
}

enum check
check_token(const struct issuer *issuer, struct bytes text, struct bytes local,
    uint64_t now, struct token *token)
{
	enum check check = check_itself(issuer, text, local, now, token);
	enum mark_scope scope;

	if (check != CHECK_OK)
		return check;
	scope = marks_cover_token(issuer->marks, token,
	    keyring_find(issuer->ring, token->key_id), local);
	if (scope != 0)
		return of_scope(scope);
	return check_superseded(issuer, token, now);
}

enum check
check_pair(const struct issuer *issuer, struct bytes text, struct bytes remote,
    struct bytes local, uint64_t now, struct token *token)
{
	enum check check = check_itself(issuer, text, local, now, token);
	const struct key *key;

	if (check != CHECK_OK)
		return check;
	key = keyring_find(issuer->ring, token->key_id);
	if (!token_is_for(token, &key->hmac, remote, local))
		return CHECK_WRONG_REMOTE;
	return check_again(issuer, token, remote, local, now);
}

enum check
check_again(const struct issuer *issuer, const struct token *token,
    struct bytes remote, struct bytes local, uint64_t now)
{
	enum mark_scope scope;

	if (keyring_find(issuer->ring, token->key_id) == NULL)
		return CHECK_UNKNOWN_KEY;
	if (token_expired(token, now))
		return CHECK_EXPIRED;
	scope = marks_cover(issuer->marks, token->issued, remote, local);
	if (scope != 0)
		return of_scope(scope);
	return check_superseded(issuer, token, now);
}
