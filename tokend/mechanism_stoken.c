/* SPDX-License-Identifier: ISC */
/* AUTH STOKEN (D-S15): a correspondent shows the token he was given. */
#include <string.h>

#include "lib/log.h"
#include "tokend/ask.h"
#include "tokend/mechanism.h"
#include "tokend/stoken.h"

#define SAFE 640 /* octets of an address in a log line */

static void
token_failed(struct session *session, const char *reason, struct bytes local,
    struct bytes token)
{
	uint64_t digest = auth_digest(local, token);
	char safe[SAFE];

	tokend.counters.token_failed++;
	log_info("%s token failed address=%s port=%u reason=%s local=<%s>",
	    session_name(session), session->address, session->port, reason,
	    log_safe(safe, sizeof(safe), local));
	exchange_drop(session);
	auth_count_failure(session, digest);
	auth_answer_failure(session);
}

static void
token_passed(struct session *session)
{
	struct exchange *exchange = session->exchange;
	struct msg_auth_result result = {.outcome = AUTH_OK};
	char id[TOKEN_ID + 1], safe[SAFE];

	if (session_login(session, WHO_TOKEN, exchange->local) == -1) {
		exchange_drop(session);
		auth_answer(session, AUTH_TEMPORARY);
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
	result.login = bytes_text(session->login);
	auth_send(session, &result);
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
		auth_answer(session, AUTH_TEMPORARY);
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
void
stoken_step(struct session *session, const struct msg_auth_step *m)
{
	if (m->first && !m->has_response)
		auth_answer(session, AUTH_CHALLENGE);
	else
		stoken_response(session, m->response);
}
