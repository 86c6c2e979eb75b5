/* SPDX-License-Identifier: ISC */
#include "tokend/bearer.h"
#include "tokend/mechanism.h"

/* As Google and Microsoft say it; then the client says nothing. */
#define PROBLEM "{\"status\":\"400\",\"schemes\":\"Bearer\",\"scope\":\"smtp\"}"

void
xoauth2_step(struct session *session, const struct msg_auth_step *m)
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
	malformed = xoauth2_read(m->response, &bearer) == -1;
	remember_bearer_step(
	    session, bytes_text(bearer.user), bearer.token, malformed, PROBLEM);
}
