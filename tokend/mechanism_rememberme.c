/* SPDX-License-Identifier: ISC */
#include "tokend/mechanism.h"

static void
user_known(struct session *session)
{
	remember_finish(session, remember_refuse);
}

/* PROTOCOL B3: the token, and nothing else (RS-01, RS-02, RS-05). */
void
rememberme_step(struct session *session, const struct msg_auth_step *m)
{
	struct exchange *exchange = session->exchange;

	if (m->first && !m->has_response) {
		auth_answer(session, AUTH_CHALLENGE);
		return;
	}
	remember_bearer(&tokend.rememberer, m->response, 0,
	    exchange->mechanism->by, wall_clock(), &exchange->shown);
	remember_ask(
	    session, remember_whose(&exchange->shown), m->response, user_known);
}
