/* SPDX-License-Identifier: ISC */
#include "tokend/auth.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "lib/process.h"
#include "tokend/ask.h"
#include "tokend/stoken.h"

#define SAFE 640 /* octets of an address in a log line */

/*
 * tokend-auth knows logins by numbers of ours, never used again: an answer
 * to one that was given up finds nobody.
 */
RB_HEAD(exchange_tree, exchange);
static struct exchange_tree exchanges = RB_INITIALIZER(&exchanges);
static uint64_t last_exchange;

static int
exchange_compare(const struct exchange *a, const struct exchange *b)
{
	if (a->number == b->number)
		return 0;
	return a->number < b->number ? -1 : 1;
}

RB_PROTOTYPE(exchange_tree, exchange, entry, exchange_compare)
RB_GENERATE(exchange_tree, exchange, entry, exchange_compare)

static const char *const reasons[] = {
    [AUTH_REASON_NONE] = "failed",
    [AUTH_REASON_UNKNOWN_USER] = "unknown-user",
    [AUTH_REASON_BAD_SECRET] = "badcred",
    [AUTH_REASON_BINDING] = "binding",
    [AUTH_REASON_PROTOCOL] = "protocol",
    [AUTH_REASON_DISABLED] = "disabled",
    [AUTH_REASON_OVERLOAD] = "overload",
    [AUTH_REASON_EXPIRED] = "expired",
};

/* The exchange is over, for tokend-auth too. */
static void
exchange_free(struct session *session)
{
	RB_REMOVE(exchange_tree, &exchanges, session->exchange);
	freezero(session->exchange, sizeof(*session->exchange));
	session->exchange = NULL;
}

void
exchange_drop(struct session *session)
{
	struct channel *auth = process_peer(ROLE_AUTH, 0);
	union message m;

	if (session->exchange == NULL)
		return;
	if (session->exchange->with_auth && auth != NULL) {
		m.password_abort.session = session->exchange->number;
		(void)channel_send(auth, MSG_PASSWORD_ABORT, &m, -1);
	}
	exchange_free(session);
}

static void
send_result(struct session *session, const struct msg_auth_result *result)
{
	struct channel *engine = session_engine(session);
	union message m = {.auth_result = *result};

	m.auth_result.session = session->id;
	if (engine != NULL)
		(void)channel_send(engine, MSG_AUTH_RESULT, &m, -1);
}

static void
answer(struct session *session, enum auth_outcome outcome)
{
	struct msg_auth_result result = {.outcome = (uint8_t)outcome};

	send_result(session, &result);
}

/*
 * A failure counts for the session, and for its address unless the same
 * secret failed a moment ago. At the limit the engine closes (F-39).
 */
static void
failed(struct session *session, struct bytes name, struct bytes secret)
{
	static struct hmac_key digest_key;
	static int has_key;
	uint64_t limit = tokend.settings->limit_auth_failures, digest;
	uint8_t random[32], full[HMAC_LENGTH];
	struct hmac mac;

	if (!has_key) {
		arc4random_buf(random, sizeof(random));
		hmac_key_init(&digest_key, random, sizeof(random));
		has_key = 1;
	}
	hmac_begin(&mac, &digest_key);
	hmac_add(&mac, name.data, name.length);
	hmac_add(&mac, "", 1);
	hmac_add(&mac, secret.data, secret.length);
	hmac_finish(&mac, full);
	memcpy(&digest, full, sizeof(digest));
	if (secret.length == 0)
		arc4random_buf(&digest, sizeof(digest));
	if (session->who != WHO_MTA)
		client_failed(session->client, digest,
		    tokend.settings->limit_auth_failures_per_address,
		    ticket_clock());
	session->failures++;
	answer(session,
	    limit != 0 && session->failures >= limit ? AUTH_FAILED_LAST
						     : AUTH_FAILED);
}

static void
token_failed(struct session *session, const char *reason, struct bytes local,
    struct bytes token)
{
	char safe[SAFE];

	tokend.counters.token_failed++;
	log_info("%s token failed address=%s port=%u reason=%s local=<%s>",
	    session_name(session), session->address, session->port, reason,
	    log_safe(safe, sizeof(safe), local));
	exchange_drop(session);
	failed(session, local, token);
}

static void
token_passed(struct session *session)
{
	struct exchange *exchange = session->exchange;
	struct msg_auth_result result = {.outcome = AUTH_OK};
	char id[TOKEN_ID + 1], safe[SAFE];

	if (session_login(session, WHO_TOKEN, exchange->local) == -1) {
		exchange_drop(session);
		answer(session, AUTH_TEMPORARY);
		return;
	}
	tokend.counters.token_ok++;
	token_id(&exchange->token, id);
	log_info("%s auth ok address=%s port=%u mech=STOKEN id=%s kind=%s "
		 "user=\"%s\"",
	    session_name(session), session->address, session->port, id,
	    token_kind_name(exchange->token.kind),
	    log_safe(safe, sizeof(safe), bytes_text(session->login)));
	result.token_kind = (uint8_t)exchange->token.kind;
	result.token_id = bytes_text(id);
	result.login = bytes_text(session->login);
	send_result(session, &result);
	exchange_drop(session);
}

/* The token is good; is there still somebody whom it belongs to? */
static void
local_answered(struct ask *ask, const union message *m)
{
	struct session *session = ask_session(ask);
	uint8_t lookup =
	    m == NULL ? LOOKUP_TEMPORARY : m->address_result.lookup;
	char local[ADDRESS_SIZE];

	if (session == NULL || session->exchange == NULL ||
	    session->exchange->number != ask->exchange)
		return;
	if (lookup == LOOKUP_MAILBOXES) {
		token_passed(session);
	} else if (lookup == LOOKUP_TEMPORARY) {
		exchange_drop(session);
		answer(session, AUTH_TEMPORARY);
	} else {
		strlcpy(local, session->exchange->local, sizeof(local));
		token_failed(session, "unknown-user", bytes_text(local),
		    bytes_of(NULL, 0));
	}
}

static void
stoken_response(struct session *session, struct bytes response)
{
	struct ask ask = {.done = local_answered};
	struct exchange *exchange = session->exchange;
	struct bytes recipient, token;
	enum check check;

	if (stoken_split(response, &recipient, &token) == -1 ||
	    address_canonical_text((const char *)recipient.data,
		recipient.length, exchange->local) == -1) {
		token_failed(session, "malformed", bytes_of(NULL, 0), response);
		return;
	}
	check = check_token(&tokend.issuer, token, bytes_text(exchange->local),
	    wall_clock(), &exchange->token);
	if (check != CHECK_OK) {
		token_failed(session, check_name(check), recipient, token);
		return;
	}
	ask.exchange = exchange->number;
	exchange->waiting = 1;
	ask_address(&ask, session, bytes_text(exchange->local));
}

/* D-S15: client-first; an empty challenge asks for what did not come yet. */
static void
stoken_step(struct session *session, const struct msg_auth_step *m)
{
	if (m->first && !m->has_response)
		answer(session, AUTH_CHALLENGE);
	else
		stoken_response(session, m->response);
}

static void
password_step(struct session *session, const struct msg_auth_step *m)
{
	struct exchange *exchange = session->exchange;
	struct channel *auth = process_peer(ROLE_AUTH, 0);
	union message out = {.password_step = {
				 .first = m->first,
				 .has_response = m->has_response,
				 .plus_offered = m->plus_offered,
				 .listener = session->listener,
				 .port = session->port,
				 .name = bytes_text(session_name(session)),
				 .mechanism = bytes_text(exchange->mechanism),
				 .address = bytes_text(session->address),
				 .exporter = m->exporter,
				 .endpoint = m->endpoint,
				 .response = m->response,
			     }};

	out.password_step.session = exchange->number;
	exchange->waiting = exchange->with_auth = 1;
	if (auth != NULL &&
	    channel_send(auth, MSG_PASSWORD_STEP, &out, -1) == 0)
		return;
	exchange_drop(session);
	answer(session, AUTH_TEMPORARY);
}

static int
is_stoken(const struct session *session)
{
	return strcmp(session->exchange->mechanism, "STOKEN") == 0;
}

/* As it is logged. */
static int
copy_mechanism(struct exchange *exchange, struct bytes name)
{
	size_t i;

	if (bytes_copy(
		exchange->mechanism, sizeof(exchange->mechanism), name) == -1)
		return -1;
	for (i = 0; i < name.length; i++)
		exchange->mechanism[i] =
		    (char)toupper((unsigned char)exchange->mechanism[i]);
	return 0;
}

/* A new login. Returns 0, or -1 when it was answered already. */
static int
exchange_begin(struct session *session, const struct msg_auth_step *m)
{
	struct exchange *exchange;

	exchange_drop(session);
	if ((exchange = calloc(1, sizeof(*exchange))) == NULL) {
		answer(session, AUTH_TEMPORARY);
		return -1;
	}
	exchange->number = ++last_exchange;
	exchange->session = session;
	RB_INSERT(exchange_tree, &exchanges, exchange);
	session->exchange = exchange;
	if (copy_mechanism(exchange, m->mechanism) == -1 ||
	    (is_stoken(session) &&
		(!m->lmtp || !m->tls || !tokend.settings->tokens))) {
		exchange_drop(session);
		answer(session, AUTH_UNAVAILABLE);
		return -1;
	}
	return 0;
}

void
on_auth_step(struct channel *engine, const union message *message, int fd)
{
	const struct msg_auth_step *m = &message->auth_step;
	struct session *session = session_of(engine, m->session);
	union message away = {
	    .auth_result = {.session = m->session, .outcome = AUTH_TEMPORARY}};

	(void)fd;
	if (session == NULL) {
		(void)channel_send(engine, MSG_AUTH_RESULT, &away, -1);
		return;
	}
	if (session->who != WHO_NOBODY ||
	    (session->exchange != NULL && session->exchange->waiting)) {
		process_complain(engine, "AUTH_STEP out of turn");
		return;
	}
	session->lmtp = m->lmtp;
	if (m->first ? exchange_begin(session, m) == -1 : 0)
		return;
	if (session->exchange == NULL) {
		/* Begun with the tokend before this one. */
		answer(session, AUTH_TEMPORARY);
		return;
	}
	if (is_stoken(session))
		stoken_step(session, m);
	else
		password_step(session, m);
}

void
on_auth_abort(struct channel *engine, const union message *m, int fd)
{
	struct session *session = session_of(engine, m->auth_abort.session);

	(void)fd;
	if (session != NULL)
		exchange_drop(session);
}

static void
log_password(const struct session *session, const char *what,
    const char *reason, struct bytes name)
{
	char safe[SAFE];

	log_info("%s auth %s address=%s port=%u mech=%s%s%s user=\"%s\"",
	    session_name(session), what, session->address, session->port,
	    session->exchange->mechanism,
	    *reason == '\0' ? "" : " reason=", reason,
	    log_safe(safe, sizeof(safe), name));
}

static void
password_passed(struct session *session, const struct msg_password_result *m)
{
	struct msg_auth_result result = {.outcome = AUTH_OK};
	char login[ADDRESS_SIZE];

	if (bytes_copy(login, sizeof(login), m->login) == -1 ||
	    session_login(session, WHO_USER, login) == -1) {
		exchange_drop(session);
		answer(session, AUTH_TEMPORARY);
		return;
	}
	session->no_submit = m->no_submit;
	session->limits[LIMIT_MESSAGES] = m->messages_per_hour;
	session->limits[LIMIT_RECIPIENTS] = m->recipients_per_hour;
	tokend.counters.auth_ok++;
	log_password(session, "ok", "", m->login);
	result.login = bytes_text(session->login);
	send_result(session, &result);
	exchange_free(session);
}

static void
password_failed(struct session *session, const struct msg_password_result *m)
{
	const char *reason = m->reason < sizeof(reasons) / sizeof(reasons[0])
	    ? reasons[m->reason]
	    : "failed";

	tokend.counters.auth_failed++;
	log_password(session, "failed", reason, m->tried);
	exchange_free(session);
	failed(session, m->tried, m->secret);
}

void
on_password_result(struct channel *auth, const union message *message, int fd)
{
	const struct msg_password_result *m = &message->password_result;
	struct msg_auth_result result = {
	    .outcome = m->outcome, .challenge = m->challenge};
	struct exchange key = {.number = m->session}, *exchange;
	struct session *session;

	(void)auth;
	(void)fd;
	exchange = RB_FIND(exchange_tree, &exchanges, &key);
	if (exchange == NULL || !exchange->waiting || !exchange->with_auth)
		return;
	exchange->waiting = 0;
	session = exchange->session;
	switch (m->outcome) {
	case AUTH_OK:
		password_passed(session, m);
		break;
	case AUTH_FAILED:
		password_failed(session, m);
		break;
	case AUTH_CHALLENGE:
		send_result(session, &result);
		break;
	default:
		exchange_free(session);
		send_result(session, &result);
		break;
	}
}

void
auth_fail_waiting(void)
{
	struct exchange *exchange, *next;
	struct session *session;

	RB_FOREACH_SAFE (exchange, exchange_tree, &exchanges, next) {
		if (!exchange->with_auth)
			continue;
		session = exchange->session;
		if (exchange->waiting)
			answer(session, AUTH_TEMPORARY);
		exchange_free(session);
	}
}

static uint8_t offers[256]; /* of MECHANISMS_CHANGED */
static size_t offers_length;
static int has_offers;

void
auth_tell_mechanisms(struct channel *engine)
{
	union message m = {
	    .mechanisms = {.mechanisms = bytes_of(offers, offers_length)}};

	if (has_offers)
		(void)channel_send(engine, MSG_MECHANISMS, &m, -1);
}

void
on_mechanisms_changed(
    struct channel *auth, const union message *message, int fd)
{
	struct bytes names = message->mechanisms_changed.mechanisms;
	uint8_t i;

	(void)auth;
	(void)fd;
	if (names.length > 0)
		memcpy(offers, names.data, names.length);
	offers_length = names.length;
	has_offers = 1;
	for (i = 0; i < process_peer_count(ROLE_ENGINE); i++)
		if (process_peer(ROLE_ENGINE, i) != NULL)
			auth_tell_mechanisms(process_peer(ROLE_ENGINE, i));
}
