/* SPDX-License-Identifier: ISC */
#include "tokend/bearer.h"
#include "tokend/mechanism.h"

/* RFC 7628 3.2.2: what is wrong, in JSON; then the client says 01. */
#define PROBLEM "{\"status\":\"invalid_token\",\"scope\":\"smtp\"}"

void
oauthbearer_step(struct session *session, const struct msg_auth_step *m)
{
	struct bearer bearer;
	int malformed;

	if (session->exchange->stage == STAGE_REFUSED) {
		remember_bearer_step(
		    session, m->response, m->response, 0, PROBLEM);
		return;
	}
	if (m->first && !m->has_response) {
		auth_answer(session, AUTH_CHALLENGE);
		return;
	}
	malformed = oauthbearer_read(m->response, &bearer) == -1;
	remember_bearer_step(
	    session, bytes_text(bearer.user), bearer.token, malformed, PROBLEM);
}
