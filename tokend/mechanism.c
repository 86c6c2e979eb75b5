/* SPDX-License-Identifier: ISC */
#include "tokend/mechanism.h"

#include <string.h>

static int
for_tokens(const struct msg_auth_step *m)
{
	return m->lmtp && m->tls && tokend.settings->tokens;
}

/* In clear nobody shows a token (D-R08). */
static int
under_tls(const struct msg_auth_step *m)
{
	return m->tls && tokend.settings->remember;
}

static int
with_exporter(const struct msg_auth_step *m)
{
	return under_tls(m) && m->exporter.length > 0;
}

static int
with_endpoint(const struct msg_auth_step *m)
{
	return under_tls(m) && m->endpoint.length > 0;
}

/* H-08: there is neither where TLS 1.2 lacks extended master secret. */
static int
with_either(const struct msg_auth_step *m)
{
	return with_exporter(m) || with_endpoint(m);
}

static const struct mechanism mechanisms[] = {
    {"STOKEN", 0, for_tokens, stoken_step},
    {"REMEMBERME", REMEMBER_BY_REMEMBERME, under_tls, rememberme_step},
    {"HT2-SHA-256-EXPR", REMEMBER_BY_EXPR, with_exporter, ht2_step},
    {"HT2-SHA-256-ENDP", REMEMBER_BY_ENDP, with_endpoint, ht2_step},
    {"HT2-SHA-256-NONE", REMEMBER_BY_NONE, with_either, ht2_step},
    {"OAUTHBEARER", REMEMBER_BY_OAUTHBEARER, under_tls, oauthbearer_step},
    {"XOAUTH2", REMEMBER_BY_XOAUTH2, under_tls, xoauth2_step},
};

const struct mechanism *
mechanism_find(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(mechanisms) / sizeof(mechanisms[0]); i++)
		if (strcmp(mechanisms[i].name, name) == 0)
			return &mechanisms[i];
	return NULL;
}
