/* SPDX-License-Identifier: ISC */
/* What the mechanisms by a token of REMEMBERME share: who it is, in or out. */
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "lib/settings.h"
#include "tokend/ask.h"
#include "tokend/auth/login.h"
#include "tokend/bearer.h"
#include "tokend/mechanism.h"

static void
user_answered(struct ask *ask, const union message *m)
{
	struct session *session = ask_session(ask);
	struct exchange *exchange;

	if (session == NULL || (exchange = session->exchange) == NULL ||
	    exchange->number != ask->exchange)
		return;
	exchange->waiting = 0;
	if (m == NULL || m->user_state.state == USER_TEMPORARY) {
		exchange_drop(session);
		auth_answer(session, AUTH_TEMPORARY);
		return;
	}
	exchange->user.is_there = m->user_state.state == USER_THERE;
	exchange->user.no_submit = m->user_state.no_submit;
	exchange->user.limits[LIMIT_MESSAGES] = m->user_state.messages_per_hour;
	exchange->user.limits[LIMIT_RECIPIENTS] =
	    m->user_state.recipients_per_hour;
	if (m->user_state.digest.length == sizeof(exchange->user.digest)) {
		memcpy(exchange->user.digest, m->user_state.digest.data,
		    sizeof(exchange->user.digest));
		exchange->user.digest_length = sizeof(exchange->user.digest);
	}
	exchange->then(session);
}

struct bytes
remember_whose(const struct remember_shown *shown)
{
	return bytes_text(shown->check == REMEMBER_UNKNOWN ||
		    shown->check == REMEMBER_MALFORMED ||
		    strcmp(shown->login, REMEMBER_NOBODY) == 0
		? ""
		: shown->login);
}

void
remember_ask(struct session *session, struct bytes tried, struct bytes secret,
    void (*then)(struct session *))
{
	struct exchange *exchange = session->exchange;
	struct ask ask = {.done = user_answered, .exchange = exchange->number};

	(void)log_safe(exchange->tried, sizeof(exchange->tried), tried);
	exchange->digest = auth_digest(tried, secret);
	exchange->then = then;
	exchange->waiting = 1;
	ask_user(&ask, session, bytes_text(exchange->shown.login));
}

/* Logs and counts a failure; the caller answers. */
static void
remember_count(struct session *session, enum remember_check check)
{
	const struct exchange *exchange = session->exchange;

	tokend.counters.remember_failed++;
	log_info("%s auth failed address=%s port=%u mech=%s reason=%s "
		 "user=\"%s\"",
	    session_name(session), session->address, session->port,
	    exchange->mechanism_name, remember_check_name(check),
	    exchange->tried);
	auth_count_failure(session, exchange->digest);
}

void
remember_refuse(struct session *session, enum remember_check check)
{
	remember_count(session, check);
	exchange_drop(session);
	auth_answer_failure(session);
}

/* In: what the session may do is what the user may do now. */
static void
pass(struct session *session)
{
	struct exchange *exchange = session->exchange;
	struct msg_auth_result result = {.outcome = AUTH_OK};
	char id[REMEMBER_NAME + 1], safe[640];

	if (session_login(session, WHO_USER, exchange->shown.login) == -1) {
		exchange_drop(session);
		auth_answer(session, AUTH_TEMPORARY);
		return;
	}
	session->no_submit = exchange->user.no_submit;
	memcpy(session->limits, exchange->user.limits, sizeof(session->limits));
	session->origin.by_token = 1;
	memcpy(session->origin.id, exchange->shown.id, REMEMBER_ID);
	session->origin.digest_length = exchange->user.digest_length;
	memcpy(session->origin.digest, exchange->user.digest,
	    sizeof(session->origin.digest));
	tokend.counters.remember_ok++;
	remember_name(exchange->shown.id, id);
	log_info("%s auth ok address=%s port=%u mech=%s id=%s user=\"%s\"",
	    session_name(session), session->address, session->port,
	    exchange->mechanism_name, id,
	    log_safe(safe, sizeof(safe), bytes_text(session->login)));
	result.login = bytes_text(session->login);
	auth_send(session, &result);
	exchange_drop(session);
}

/* A login that waits until its first use is durable. */
struct entering {
	uint8_t engine;
	uint64_t session;
	uint64_t exchange;
};

static void
entered(void *argument, int durable)
{
	const struct entering *entering = argument;
	struct session *session =
	    session_find(entering->engine, entering->session);

	if (session == NULL || session->exchange == NULL ||
	    session->exchange->number != entering->exchange)
		return;
	if (durable) {
		pass(session);
		return;
	}
	exchange_drop(session);
	auth_answer(session, AUTH_TEMPORARY);
}

static void
enter_durably(struct session *session)
{
	struct entering *entering = malloc(sizeof(*entering));

	if (entering == NULL) {
		exchange_drop(session);
		auth_answer(session, AUTH_TEMPORARY);
		return;
	}
	entering->engine = session->engine;
	entering->session = session->id;
	entering->exchange = session->exchange->number;
	session->exchange->waiting = 1;
	answer_later(entered, entering);
}

void
remember_finish(struct session *session,
    void (*failed)(struct session *, enum remember_check))
{
	struct exchange *exchange = session->exchange;
	enum remember_check check;
	int pinned;

	if (exchange->shown.check == REMEMBER_GOOD && !exchange->user.is_there)
		exchange->shown.check = REMEMBER_NO_USER;
	check = remember_use(&tokend.rememberer, &exchange->shown,
	    bytes_of(exchange->user.digest, exchange->user.digest_length),
	    session->address, wall_clock(), &pinned);
	if (check == REMEMBER_STORE) {
		exchange_drop(session);
		auth_answer(session, AUTH_TEMPORARY);
	} else if (check != REMEMBER_GOOD) {
		failed(session, check);
	} else if (pinned) {
		enter_durably(session);
	} else
		pass(session);
}

/*
 * Told in a challenge; whatever is said to it, the answer is 535. Not the last
 * one that is borne: a client that cancels must not get beyond it.
 */
static void
refuse_by_challenge(struct session *session, enum remember_check check)
{
	struct msg_auth_result result = {.outcome = AUTH_CHALLENGE,
	    .challenge = bytes_text(session->exchange->problem)};
	uint64_t limit = tokend.settings->limit_auth_failures;

	remember_count(session, check);
	if (limit != 0 && session->failures >= limit) {
		exchange_drop(session);
		auth_answer_failure(session);
		return;
	}
	session->exchange->stage = STAGE_REFUSED;
	auth_send(session, &result);
}

static void
bearer_known(struct session *session)
{
	remember_finish(session, refuse_by_challenge);
}

static void
check_bearer(struct session *session, const struct bearer *bearer)
{
	const struct text_list *domains = &tokend.settings->domains;
	struct exchange *exchange = session->exchange;
	char login[ADDRESS_SIZE];

	remember_bearer(&tokend.rememberer, bearer->token, 1,
	    exchange->mechanism->by, wall_clock(), &exchange->shown);
	if (bearer->user[0] != '\0' && exchange->shown.check == REMEMBER_GOOD &&
	    (login_canonical(
		 domains, bearer->user, strlen(bearer->user), login) == -1 ||
		strcmp(login, exchange->shown.login) != 0))
		exchange->shown.check = REMEMBER_NOT_HIS;
}

void
remember_bearer_step(struct session *session, const struct msg_auth_step *m,
    bearer_reader *read, const char *problem)
{
	struct exchange *exchange = session->exchange;
	struct bearer bearer;
	int malformed;

	if (exchange->stage == STAGE_REFUSED) {
		exchange_drop(session);
		auth_answer_failure(session);
		return;
	}
	if (m->first && !m->has_response) {
		auth_answer(session, AUTH_CHALLENGE);
		return;
	}
	exchange->problem = problem;
	malformed = read(m->response, &bearer) == -1;
	check_bearer(session, &bearer);
	if (malformed)
		exchange->shown.check = REMEMBER_MALFORMED;
	remember_ask(session,
	    bearer.user[0] != '\0' ? bytes_text(bearer.user)
				   : remember_whose(&exchange->shown),
	    bearer.token, bearer_known);
}
