/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "tokend/auth/exchange.h"
#include "tokend/auth/login.h"
#include "tokend/auth/saslprep.h"
#include "tokend/auth/site.h"
#include "tokend/auth/users.h"

/* What is tried for an unknown user of a site without any: 15000 rounds. */
static const char nobody_secret[] =
    "15000,bm9ib2R5J3Mgc2FsdC4uLg==,"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=,"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

static size_t
copy_binding(uint8_t *out, struct bytes binding)
{
	if (binding.length > EXCHANGE_BINDING_MAX)
		return 0;
	if (binding.length > 0)
		memcpy(out, binding.data, binding.length);
	return binding.length;
}

void
exchange_begin(struct exchange *exchange, const struct site *site,
    const struct mechanism *mechanism, bool plus_offered, struct bytes exporter,
    struct bytes endpoint)
{
	memset(exchange, 0, sizeof(*exchange));
	facts_init(&exchange->facts);
	exchange->mechanism = mechanism;
	exchange->site = site;
	exchange->plus_offered = plus_offered;
	exchange->exporter_length = copy_binding(exchange->exporter, exporter);
	exchange->endpoint_length = copy_binding(exchange->endpoint, endpoint);
}

enum step_result
exchange_step(struct exchange *exchange, const struct bytes *response)
{
	enum step_result result = STEP_MALFORMED;

	if (!exchange->checking)
		result = exchange->mechanism->step(exchange, response);
	exchange->checking = result == STEP_CHECK;
	exchange->step++;
	if (result == STEP_MALFORMED)
		exchange->reason = AUTH_REASON_PROTOCOL;
	return result;
}

void
exchange_end(struct exchange *exchange)
{
	explicit_bzero(exchange, sizeof(*exchange));
}

enum step_result
exchange_fail(struct exchange *exchange, enum auth_reason reason)
{
	exchange->reason = reason;
	return STEP_FAILED;
}

enum step_result
exchange_challenge(struct exchange *exchange, const char *text)
{
	exchange->challenge_length =
	    strlcpy(exchange->challenge, text, sizeof(exchange->challenge));
	return STEP_CHALLENGE;
}

/* Returns 0 with the canonical address, or -1 for what is nobody's name. */
static int
prepare_name(
    const struct exchange *exchange, struct bytes name, char out[ADDRESS_SIZE])
{
	char prepared[EXCHANGE_NAME_MAX + 1];
	ssize_t length;

	length = saslprep(
	    prepared, sizeof(prepared), (const char *)name.data, name.length);
	if (length <= 0)
		return -1;
	return login_canonical(
	    exchange->site->domains, prepared, (size_t)length, out);
}

void
exchange_name(struct exchange *exchange, struct bytes name)
{
	exchange->tried_length = name.length < sizeof(exchange->tried)
	    ? name.length
	    : sizeof(exchange->tried);
	if (exchange->tried_length > 0)
		memcpy(exchange->tried, name.data, exchange->tried_length);
	if (prepare_name(exchange, name, exchange->login) == -1)
		exchange->login[0] = '\0';
}

bool
exchange_authzid(const struct exchange *exchange, struct bytes authzid)
{
	char canonical[ADDRESS_SIZE];

	return authzid.length == 0 ||
	    (prepare_name(exchange, authzid, canonical) == 0 &&
		strcmp(canonical, exchange->login) == 0);
}

/* DESIGN section 11: repeats of the same wrong secret count once. */
int
exchange_digest(struct exchange *exchange, struct bytes secret)
{
	uint8_t text[ADDRESS_SIZE + EXCHANGE_SECRET_MAX], *end = text;
	size_t login = strlen(exchange->login);
	int result;

	if (secret.length > EXCHANGE_SECRET_MAX - sizeof(exchange->digest))
		return -1;
	memcpy(end, exchange->login, login + 1);
	end += login + 1;
	memcpy(end, exchange->digest, exchange->digest_length);
	end += exchange->digest_length;
	if (secret.length > 0)
		memcpy(end, secret.data, secret.length);
	end += secret.length;
	result = scram_hmac(exchange->digest, exchange->site->fake_key,
	    sizeof(exchange->site->fake_key), text, (size_t)(end - text));
	explicit_bzero(text, sizeof(text));
	exchange->digest_length = result == 0 ? sizeof(exchange->digest) : 0;
	return result;
}

enum step_result
exchange_password(struct exchange *exchange, struct bytes password)
{
	struct password_check *check = &exchange->state.check;
	const struct user *user;
	ssize_t length;

	memset(check, 0, sizeof(*check));
	length = saslprep(check->password, sizeof(check->password),
	    (const char *)password.data, password.length);
	if (length <= 0 ||
	    exchange_digest(
		exchange, bytes_of(check->password, (size_t)length)) == -1)
		return exchange_fail(exchange, AUTH_REASON_BAD_SECRET);
	user = users_find(exchange->site->users, exchange->login);
	check->known = user != NULL;
	/* The same work for those who are not there. */
	if (user == NULL)
		user = users_usual(exchange->site->users, false);
	if (user != NULL) {
		check->scheme = user->scheme;
		(void)strlcpy(
		    check->secret, user->secret, sizeof(check->secret));
	} else {
		check->scheme = scheme_find("SCRAM-SHA-256", 13);
		(void)strlcpy(
		    check->secret, nobody_secret, sizeof(check->secret));
	}
	return STEP_CHECK;
}

enum step_result
exchange_checked(struct exchange *exchange, bool matches)
{
	bool known = exchange->state.check.known;

	explicit_bzero(&exchange->state.check, sizeof(exchange->state.check));
	if (!known)
		return exchange_fail(exchange, AUTH_REASON_UNKNOWN_USER);
	if (!matches)
		return exchange_fail(exchange, AUTH_REASON_BAD_SECRET);
	return STEP_OK;
}
