/* SPDX-License-Identifier: ISC */
/*
 * HT2-SHA-256-EXPR, -ENDP and -NONE (PROTOCOL B2): the client proves that it
 * has a token, and so do we. SMTP has no data beside a success, so our proof
 * is a challenge, which the client answers with an empty line (B2.4).
 */
#include <string.h>

#include "lib/settings.h"
#include "tokend/auth/login.h"
#include "tokend/mechanism.h"

/* 00 pairs 00 mac, and we have no pairs. */
static void
send_proof(struct session *session)
{
	struct exchange *exchange = session->exchange;
	uint8_t message[2 + HMAC_LENGTH] = {0};
	struct msg_auth_result result = {
	    .outcome = AUTH_CHALLENGE,
	    .challenge = bytes_of(message, sizeof(message)),
	};

	memcpy(message + 2, exchange->shown.proof, HMAC_LENGTH);
	exchange->stage = STAGE_LAST;
	auth_send(session, &result);
}

static void
user_known(struct session *session)
{
	struct exchange *exchange = session->exchange;
	enum remember_check check;

	check = remember_admit(&tokend.rememberer, &exchange->shown,
	    bytes_of(exchange->user.digest, exchange->user.digest_length),
	    wall_clock());
	if (check == REMEMBER_STORE) {
		exchange_drop(session);
		auth_answer(session, AUTH_TEMPORARY);
	} else if (check != REMEMBER_GOOD) {
		remember_refuse(session, check);
	} else if (!exchange->user.is_there) {
		remember_refuse(session, REMEMBER_NO_USER);
	} else
		send_proof(session);
}

/* H-12: nothing but an empty line; the token is looked at once more. */
static void
last_step(struct session *session, struct bytes response)
{
	if (response.length == 0) {
		remember_finish(session, remember_refuse);
		return;
	}
	exchange_drop(session);
	auth_answer(session, AUTH_MALFORMED);
}

static struct bytes
binding_of(const struct msg_auth_step *m, enum remember_mechanism by)
{
	if (by == REMEMBER_BY_EXPR)
		return m->exporter;
	return by == REMEMBER_BY_ENDP ? m->endpoint : bytes_of("", 0);
}

void
ht2_step(struct session *session, const struct msg_auth_step *m)
{
	static const uint8_t no_mac[HMAC_LENGTH];
	const struct text_list *domains = &tokend.settings->domains;
	struct exchange *exchange = session->exchange;
	struct ht2 ht2;
	char login[ADDRESS_SIZE];
	int read;

	if (exchange->stage == STAGE_LAST) {
		last_step(session, m->response);
		return;
	}
	if (m->first && !m->has_response) {
		auth_answer(session, AUTH_CHALLENGE);
		return;
	}
	if ((read = ht2_read(m->response, &ht2)) == -1) {
		memset(&ht2, 0, sizeof(ht2));
		ht2.mac = bytes_of(no_mac, sizeof(no_mac));
	}
	if (ht2.authcid.length == 0 ||
	    login_canonical(domains, (const char *)ht2.authcid.data,
		ht2.authcid.length, login) == -1)
		login[0] = '\0';
	remember_proof(&tokend.rememberer, &ht2,
	    binding_of(m, exchange->mechanism->by), login,
	    exchange->mechanism->by, &exchange->shown);
	if (read == -1)
		exchange->shown.check = REMEMBER_MALFORMED;
	remember_ask(session, ht2.authcid, m->response, user_known);
}
