/* SPDX-License-Identifier: ISC */
#include "tokend/mechanism.h"

/* RFC 7628 3.2.2: what is wrong, in JSON; then the client says 01. */
#define PROBLEM "{\"status\":\"invalid_token\",\"scope\":\"smtp\"}"

void
oauthbearer_step(struct session *session, const struct msg_auth_step *m)
{
	remember_bearer_step(session, m, oauthbearer_read, PROBLEM);
}
