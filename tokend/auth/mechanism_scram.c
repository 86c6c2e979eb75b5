/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base64.h"
#include "tokend/auth/mechanisms.h"
#include "tokend/auth/scram_text.h"
#include "tokend/auth/site.h"
#include "tokend/auth/users.h"

/*
 * SCRAM-SHA-256 and SCRAM-SHA-256-PLUS: RFC 5802 with RFC 7677 and the
 * channel bindings of RFC 9266 and RFC 5929 (PROTOCOL B8, X-4).
 */

#define SERVER_NONCE 18 /* octets, before base 64 */

static bool
is_letter(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/*
 * Extensions up to the end are passed over, but for "m=", which says that
 * whoever does not know it must fail (RFC 5802 section 5.1).
 */
static enum step_result
skip_extensions(struct exchange *exchange, struct bytes rest)
{
	struct bytes attribute;

	while (rest.length > 0) {
		attribute = scram_next(&rest);
		if (attribute.length < 3 || !is_letter(attribute.data[0]) ||
		    attribute.data[1] != '=')
			return STEP_MALFORMED;
		if (attribute.data[0] == 'm')
			return exchange_fail(exchange, AUTH_REASON_PROTOCOL);
	}
	return STEP_OK;
}

/* The binding data that "p=NAME" asks for. */
static bool
find_binding(const struct exchange *exchange, struct scram_state *scram,
    struct bytes name)
{
	const struct {
		const char *name;
		const uint8_t *data;
		size_t length;
	} bindings[] = {
	    {"tls-exporter", exchange->exporter, exchange->exporter_length},
	    {"tls-server-end-point", exchange->endpoint,
		exchange->endpoint_length},
	};
	size_t i;

	for (i = 0; i < sizeof(bindings) / sizeof(bindings[0]); i++) {
		if (!bytes_equal(name, bytes_text(bindings[i].name)))
			continue;
		scram->binding = bindings[i].data;
		scram->binding_length = bindings[i].length;
		return bindings[i].length > 0;
	}
	return false;
}

/* The gs2-cbind-flag (RFC 5802 section 6). */
static enum step_result
check_flag(
    struct exchange *exchange, struct scram_state *scram, struct bytes flag)
{
	struct bytes name;

	if (scram_value(flag, 'p', &name) == 0) {
		if (!exchange->mechanism->plus ||
		    !find_binding(exchange, scram, name))
			return exchange_fail(exchange, AUTH_REASON_BINDING);
		return STEP_OK;
	}
	if (flag.length != 1 || (flag.data[0] != 'n' && flag.data[0] != 'y'))
		return STEP_MALFORMED;
	/*
	 * "y": the client would bind, and believes that the server cannot.
	 * Where we offered it, somebody took that out of our list.
	 */
	if (exchange->mechanism->plus ||
	    (flag.data[0] == 'y' && exchange->plus_offered))
		return exchange_fail(exchange, AUTH_REASON_BINDING);
	return STEP_OK;
}

/*
 * A user who cannot do this gets a salt all the same: always the same one,
 * and of the kind that the site's other users have.
 */
static int
make_up_key(const struct exchange *exchange, struct scram_key *key)
{
	const struct user *usual = users_usual(exchange->site->users, true);
	uint8_t salt[SCRAM_KEY_LENGTH];
	const char *name = exchange->login;
	size_t length = strlen(name);

	if (usual == NULL ||
	    scram_key_parse(key, usual->secret, usual->secret_length) != NULL ||
	    key->salt_length > sizeof(salt)) {
		key->iterations = SCRAM_ITERATIONS_MADE;
		key->salt_length = SCRAM_SALT_MADE;
	}
	if (length == 0) {
		name = exchange->tried;
		length = exchange->tried_length;
	}
	if (scram_hmac(salt, exchange->site->fake_key,
		sizeof(exchange->site->fake_key), name, length) == -1)
		return -1;
	memcpy(key->salt, salt, key->salt_length);
	arc4random_buf(key->stored_key, sizeof(key->stored_key));
	arc4random_buf(key->server_key, sizeof(key->server_key));
	return 0;
}

static int
find_key(struct exchange *exchange, struct scram_state *scram)
{
	const struct user *user;

	user = users_find(exchange->site->users, exchange->login);
	if (user == NULL)
		exchange->reason = AUTH_REASON_UNKNOWN_USER;
	else if (!user->scheme->scram)
		exchange->reason = AUTH_REASON_DISABLED;
	else if (scram_key_parse(
		     &scram->key, user->secret, user->secret_length) == NULL) {
		scram->known = true;
		return 0;
	}
	return make_up_key(exchange, &scram->key);
}

static enum step_result
server_first(
    struct exchange *exchange, struct scram_state *scram, struct bytes nonce)
{
	char salt[BASE64_SIZE(SCRAM_SALT_MAX)];
	char ours[BASE64_SIZE(SERVER_NONCE)];
	uint8_t random[SERVER_NONCE];
	int n;

	arc4random_buf(random, sizeof(random));
	if (base64url_encode(ours, sizeof(ours), random, sizeof(random)) ==
		-1 ||
	    base64_encode(salt, sizeof(salt), scram->key.salt,
		scram->key.salt_length) == -1)
		return exchange_fail(exchange, AUTH_REASON_PROTOCOL);
	n = snprintf(exchange->challenge, sizeof(exchange->challenge),
	    "r=%.*s%s,s=%s,i=%" PRIu32, (int)nonce.length,
	    (const char *)nonce.data, ours, salt, scram->key.iterations);
	if (n < 0 || (size_t)n >= sizeof(exchange->challenge))
		return exchange_fail(exchange, AUTH_REASON_PROTOCOL);
	exchange->challenge_length = (size_t)n;
	scram->nonce = exchange->challenge + 2;
	scram->nonce_length = nonce.length + strlen(ours);
	return STEP_CHALLENGE;
}

/* client-first-message-bare = [m=...,] n=saslname,r=nonce [,extensions] */
static enum step_result
client_first_bare(
    struct exchange *exchange, struct scram_state *scram, struct bytes rest)
{
	struct bytes attribute, name, nonce;
	char plain[EXCHANGE_NAME_MAX];
	enum step_result result;
	ssize_t length;

	if (rest.length > sizeof(scram->bare))
		return STEP_MALFORMED;
	memcpy(scram->bare, rest.data, rest.length);
	scram->bare_length = rest.length;
	attribute = scram_next(&rest);
	if (scram_value(attribute, 'm', &name) == 0)
		return exchange_fail(exchange, AUTH_REASON_PROTOCOL);
	if (scram_value(attribute, 'n', &name) == -1 ||
	    (length = scram_unescape(plain, sizeof(plain), name)) == -1)
		return STEP_MALFORMED;
	exchange_name(exchange, bytes_of(plain, (size_t)length));
	attribute = scram_next(&rest);
	if (scram_value(attribute, 'r', &nonce) == -1 ||
	    !scram_nonce_is_good(nonce))
		return STEP_MALFORMED;
	if ((result = skip_extensions(exchange, rest)) != STEP_OK)
		return result;
	if (find_key(exchange, scram) == -1)
		return exchange_fail(exchange, AUTH_REASON_PROTOCOL);
	return server_first(exchange, scram, nonce);
}

/* client-first-message = gs2-cbind-flag "," [a=saslname] "," bare */
static enum step_result
client_first(struct exchange *exchange, struct bytes message)
{
	struct scram_state *scram = &exchange->state.scram;
	struct bytes rest = message, flag, authzid = {NULL, 0}, attribute;
	char plain[EXCHANGE_NAME_MAX];
	enum step_result result;
	ssize_t length = 0;

	flag = scram_next(&rest);
	attribute = scram_next(&rest);
	if (rest.length == 0 ||
	    (size_t)(rest.data - message.data) > sizeof(scram->header))
		return STEP_MALFORMED;
	if (attribute.length > 0 &&
	    (scram_value(attribute, 'a', &authzid) == -1 ||
		(length = scram_unescape(plain, sizeof(plain), authzid)) <= 0))
		return STEP_MALFORMED;
	scram->header_length = (size_t)(rest.data - message.data);
	memcpy(scram->header, message.data, scram->header_length);
	if ((result = check_flag(exchange, scram, flag)) != STEP_OK ||
	    (result = client_first_bare(exchange, scram, rest)) !=
		STEP_CHALLENGE)
		return result;
	if (!exchange_authzid(exchange, bytes_of(plain, (size_t)length)))
		return exchange_fail(exchange, AUTH_REASON_PROTOCOL);
	return STEP_CHALLENGE;
}

/* c= is the gs2-header and the binding data, byte for byte. */
static bool
binding_matches(const struct scram_state *scram, struct bytes text)
{
	uint8_t got[SCRAM_HEADER_MAX + EXCHANGE_BINDING_MAX];
	ssize_t length;

	length = base64_decode(
	    got, sizeof(got), (const char *)text.data, text.length);
	return length >= 0 &&
	    (size_t)length == scram->header_length + scram->binding_length &&
	    memcmp(got, scram->header, scram->header_length) == 0 &&
	    (scram->binding_length == 0 ||
		memcmp(got + scram->header_length, scram->binding,
		    scram->binding_length) == 0);
}

/* AuthMessage: what both sides said, up to the proof. */
static enum step_result
check_proof(struct exchange *exchange, struct bytes without_proof,
    const uint8_t proof[SCRAM_KEY_LENGTH])
{
	struct scram_state *scram = &exchange->state.scram;
	uint8_t signature[SCRAM_KEY_LENGTH];
	char text[BASE64_SIZE(SCRAM_KEY_LENGTH)];
	char message[SCRAM_BARE_MAX + EXCHANGE_CHALLENGE_MAX + SCRAM_BARE_MAX +
	    2];
	bool matches;
	int n;

	n = snprintf(message, sizeof(message), "%.*s,%.*s,%.*s",
	    (int)scram->bare_length, scram->bare,
	    (int)exchange->challenge_length, exchange->challenge,
	    (int)without_proof.length, (const char *)without_proof.data);
	if (n < 0 || (size_t)n >= sizeof(message))
		return STEP_MALFORMED;
	matches = scram_proof_matches(
	    &scram->key, message, (size_t)n, proof, signature);
	if (!scram->known)
		return exchange_fail(exchange, exchange->reason);
	if (!matches)
		return exchange_fail(exchange, AUTH_REASON_BAD_SECRET);
	if (base64_encode(text, sizeof(text), signature, sizeof(signature)) ==
	    -1)
		return exchange_fail(exchange, AUTH_REASON_PROTOCOL);
	(void)strlcpy(exchange->challenge, "v=", sizeof(exchange->challenge));
	exchange->challenge_length =
	    strlcat(exchange->challenge, text, sizeof(exchange->challenge));
	return STEP_CHALLENGE;
}

/* client-final-message = c=base64,r=nonce [,extensions] ,p=base64 */
static enum step_result
client_final(struct exchange *exchange, struct bytes message)
{
	struct scram_state *scram = &exchange->state.scram;
	struct bytes without_proof, rest, channel, nonce;
	const uint8_t *end = scram_find_proof(message);
	uint8_t proof[SCRAM_KEY_LENGTH];
	enum step_result result;

	if (end == NULL)
		return STEP_MALFORMED;
	without_proof = bytes_of(message.data, (size_t)(end - message.data));
	if (without_proof.length > SCRAM_BARE_MAX ||
	    base64_decode(proof, sizeof(proof), (const char *)end + 3,
		message.length - without_proof.length - 3) != SCRAM_KEY_LENGTH)
		return STEP_MALFORMED;
	rest = without_proof;
	if (scram_value(scram_next(&rest), 'c', &channel) == -1 ||
	    scram_value(scram_next(&rest), 'r', &nonce) == -1)
		return STEP_MALFORMED;
	if ((result = skip_extensions(exchange, rest)) != STEP_OK)
		return result;
	if (!binding_matches(scram, channel))
		return exchange_fail(exchange, AUTH_REASON_BINDING);
	if (!bytes_equal(nonce, bytes_of(scram->nonce, scram->nonce_length)))
		return exchange_fail(exchange, AUTH_REASON_PROTOCOL);
	return check_proof(exchange, without_proof, proof);
}

/* Over SMTP the client answers "v=" with an empty line (RFC 4954). */
static enum step_result
client_empty(struct exchange *exchange, struct bytes message)
{
	return message.length == 0
	    ? STEP_OK
	    : exchange_fail(exchange, AUTH_REASON_PROTOCOL);
}

enum step_result
scram_step(struct exchange *exchange, const struct bytes *response)
{
	struct scram_state *scram = &exchange->state.scram;

	if (response == NULL)
		return exchange->step == 0 ? exchange_challenge(exchange, "")
					   : STEP_MALFORMED;
	if (response->length > 0 &&
	    memchr(response->data, '\0', response->length) != NULL)
		return STEP_MALFORMED;
	if (scram->header_length == 0)
		return client_first(exchange, *response);
	if (exchange->challenge[0] == 'r')
		return client_final(exchange, *response);
	return client_empty(exchange, *response);
}
