/* SPDX-License-Identifier: ISC */
#include "tokend/mechanism.h"

/* As Google and Microsoft say it; then the client says nothing. */
#define PROBLEM "{\"status\":\"400\",\"schemes\":\"Bearer\",\"scope\":\"smtp\"}"

void
xoauth2_step(struct session *session, const struct msg_auth_step *m)
{
	remember_bearer_step(session, m, xoauth2_read, PROBLEM);
}
