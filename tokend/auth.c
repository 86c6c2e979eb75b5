/* SPDX-License-Identifier: ISC */
#include "tokend/auth.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "lib/metrics.h"
#include "lib/process.h"
#include "tokend/ask.h"
#include "tokend/mechanism.h"

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

static const uint8_t counted[] = {
    [AUTH_OK] = METRIC_AUTH_OK,
    [AUTH_FAILED] = METRIC_AUTH_FAILED,
    [AUTH_FAILED_LAST] = METRIC_AUTH_FAILED,
    [AUTH_TEMPORARY] = METRIC_AUTH_TEMPORARY,
    [AUTH_MALFORMED] = METRIC_AUTH_MALFORMED,
    [AUTH_UNAVAILABLE] = METRIC_AUTH_UNAVAILABLE,
};

static void
count_answer(const struct session *session, uint8_t outcome)
{
	if (outcome == AUTH_FAILED_LAST)
		metric_count(LIMITS, METRIC_LIMIT_FAILURES);
	if (outcome >= AUTH_OK && outcome <= AUTH_UNAVAILABLE)
		metric_count2(AUTH, session->mechanism, AUTH, counted[outcome]);
}

void
auth_send(struct session *session, const struct msg_auth_result *result)
{
	struct channel *engine = session_engine(session);
	union message m = {.auth_result = *result};

	if (result->outcome != AUTH_CHALLENGE)
		count_answer(session, result->outcome);
	m.auth_result.session = session->id;
	if (engine != NULL)
		(void)channel_send(engine, MSG_AUTH_RESULT, &m, -1);
}

void
auth_answer(struct session *session, enum auth_outcome outcome)
{
	struct msg_auth_result result = {.outcome = (uint8_t)outcome};

	auth_send(session, &result);
}

uint64_t
auth_digest(struct bytes name, struct bytes secret)
{
	static struct hmac_key digest_key;
	static int has_key;
	uint8_t random[32], full[HMAC_LENGTH];
	struct hmac mac;
	uint64_t digest;

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
	return digest;
}

void
auth_count_failure(struct session *session, uint64_t digest)
{
	if (session->who != WHO_MTA)
		client_failed(session->client, digest,
		    tokend.settings->limit_auth_failures_per_address,
		    ticket_clock());
	session->failures++;
}

void
auth_answer_failure(struct session *session)
{
	uint64_t limit = tokend.settings->limit_auth_failures;

	auth_answer(session,
	    limit != 0 && session->failures >= limit ? AUTH_FAILED_LAST
						     : AUTH_FAILED);
}

static void
password_step(struct session *session, const struct msg_auth_step *m)
{
	struct exchange *exchange = session->exchange;
	struct channel *auth = process_peer(ROLE_AUTH, 0);
	union message out = {
	    .password_step = {
		.first = m->first,
		.has_response = m->has_response,
		.plus_offered = m->plus_offered,
		.listener = session->listener,
		.port = session->port,
		.name = bytes_text(session_name(session)),
		.mechanism = bytes_text(exchange->mechanism_name),
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
	auth_answer(session, AUTH_TEMPORARY);
}

/* As it is logged. */
static int
copy_mechanism(struct exchange *exchange, struct bytes name)
{
	size_t i;

	if (bytes_copy(exchange->mechanism_name,
		sizeof(exchange->mechanism_name), name) == -1)
		return -1;
	for (i = 0; i < name.length; i++)
		exchange->mechanism_name[i] =
		    (char)toupper((unsigned char)exchange->mechanism_name[i]);
	return 0;
}

/*
 * Is it on, and one for this session? Asked at every step, since it may have
 * been switched off meanwhile. tokend-auth says so itself of a first step.
 */
static int
may_use(const struct exchange *exchange, const struct msg_auth_step *m)
{
	const struct mechanism *mechanism = exchange->mechanism;
	const struct text_list *names = &tokend.settings->mechanisms;
	size_t i;

	if (mechanism != NULL && !mechanism->is_possible(m))
		return 0;
	if (mechanism == NULL ? m->first : mechanism->by == 0)
		return 1;
	for (i = 0; i < names->count; i++)
		if (strcasecmp(names->items[i], exchange->mechanism_name) == 0)
			return 1;
	return 0;
}

static void
refuse_mechanism(struct session *session)
{
	exchange_drop(session);
	auth_answer(session, AUTH_UNAVAILABLE);
}

/* Of the numbers: a name that is none of those known is "other". */
static uint8_t
mechanism_label(struct bytes name)
{
	char text[24];

	if (bytes_copy(text, sizeof(text), name) == -1)
		return 0;
	return (uint8_t)metric_mechanism(text);
}

/* A new login. Returns 0, or -1 when it was answered already. */
static int
exchange_begin(struct session *session, const struct msg_auth_step *m)
{
	struct exchange *exchange;

	exchange_drop(session);
	if ((exchange = calloc(1, sizeof(*exchange))) == NULL) {
		auth_answer(session, AUTH_TEMPORARY);
		return -1;
	}
	exchange->number = ++last_exchange;
	exchange->session = session;
	RB_INSERT(exchange_tree, &exchanges, exchange);
	session->exchange = exchange;
	if (copy_mechanism(exchange, m->mechanism) == -1) {
		refuse_mechanism(session);
		return -1;
	}
	exchange->mechanism = mechanism_find(exchange->mechanism_name);
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
	if (m->first)
		session->mechanism = mechanism_label(m->mechanism);
	if (m->first ? exchange_begin(session, m) == -1 : 0)
		return;
	if (session->exchange == NULL) {
		/* Begun with the tokend before this one. */
		auth_answer(session, AUTH_TEMPORARY);
		return;
	}
	if (!may_use(session->exchange, m))
		refuse_mechanism(session);
	else if (session->exchange->mechanism != NULL)
		session->exchange->mechanism->step(session, m);
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
	    session->exchange->mechanism_name,
	    *reason == '\0' ? "" : " reason=", reason,
	    log_safe(safe, sizeof(safe), name));
}

/* What REMEMBERME asks about a login (D-R06). */
static void
remember_origin(struct session *session, const struct msg_password_result *m)
{
	struct origin *origin = &session->origin;

	memset(origin, 0, sizeof(*origin));
	origin->is_strong = strcmp(session->exchange->mechanism_name,
				"SCRAM-SHA-256-PLUS") == 0;
	if (m->digest.length != sizeof(origin->digest))
		return;
	memcpy(origin->digest, m->digest.data, sizeof(origin->digest));
	origin->digest_length = sizeof(origin->digest);
}

static void
password_passed(struct session *session, const struct msg_password_result *m)
{
	struct msg_auth_result result = {.outcome = AUTH_OK};
	char login[ADDRESS_SIZE];

	if (bytes_copy(login, sizeof(login), m->login) == -1 ||
	    session_login(session, WHO_USER, login) == -1) {
		exchange_drop(session);
		auth_answer(session, AUTH_TEMPORARY);
		return;
	}
	session->no_submit = m->no_submit;
	session->limits[LIMIT_MESSAGES] = m->messages_per_hour;
	session->limits[LIMIT_RECIPIENTS] = m->recipients_per_hour;
	remember_origin(session, m);
	tokend.counters.auth_ok++;
	log_password(session, "ok", "", m->login);
	result.login = bytes_text(session->login);
	auth_send(session, &result);
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
	auth_count_failure(session, auth_digest(m->tried, m->secret));
	auth_answer_failure(session);
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
		auth_send(session, &result);
		break;
	default:
		exchange_free(session);
		auth_send(session, &result);
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
			auth_answer(session, AUTH_TEMPORARY);
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
