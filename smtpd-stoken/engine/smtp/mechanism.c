/* SPDX-License-Identifier: ISC */
#include <string.h>
#include <strings.h>

#include "smtpd-stoken/engine/smtp/command.h"

#define ANY_BINDING (SMTP_BINDING_EXPORTER | SMTP_BINDING_ENDPOINT)

static const struct {
	const char *name;
	unsigned int setting; /* 0: goes with the tokens */
	int binding; /* needs one of these channel binding data */
	int remembered; /* by a token of REMEMBERME */
} mechanisms[] = {
    {"STOKEN", 0, 0, 0},
    {"SCRAM-SHA-256-PLUS", SMTP_AUTH_SCRAM_SHA_256_PLUS, ANY_BINDING, 0},
    {"SCRAM-SHA-256", SMTP_AUTH_SCRAM_SHA_256, 0, 0},
    {"PLAIN", SMTP_AUTH_PLAIN, 0, 0},
    {"LOGIN", SMTP_AUTH_LOGIN, 0, 0},
    {"REMEMBERME", SMTP_AUTH_REMEMBERME, 0, 1},
    {"HT2-SHA-256-EXPR", SMTP_AUTH_HT2_EXPR, SMTP_BINDING_EXPORTER, 1},
    {"HT2-SHA-256-ENDP", SMTP_AUTH_HT2_ENDP, SMTP_BINDING_ENDPOINT, 1},
    /* H-08: it binds to nothing, yet wants a connection that could be. */
    {"HT2-SHA-256-NONE", SMTP_AUTH_HT2_NONE, ANY_BINDING, 1},
    {"OAUTHBEARER", SMTP_AUTH_OAUTHBEARER, 0, 1},
    {"XOAUTH2", SMTP_AUTH_XOAUTH2, 0, 1},
};

#define COUNT (sizeof(mechanisms) / sizeof(mechanisms[0]))

static int
offered(const struct smtp_session *session, size_t i)
{
	if (mechanisms[i].setting == 0) /* D-S15: in LMTP alone */
		return session->settings->tokens && session->mode == MODE_LMTP;
	return (session->settings->mechanisms & mechanisms[i].setting) &&
	    (mechanisms[i].binding == 0 ||
		(session->tls.binding & mechanisms[i].binding) != 0);
}

const char *
smtp_mechanism(
    const struct smtp_session *session, const char *name, size_t length)
{
	size_t i;

	for (i = 0; i < COUNT; i++)
		if (offered(session, i) &&
		    strlen(mechanisms[i].name) == length &&
		    strncasecmp(mechanisms[i].name, name, length) == 0)
			return mechanisms[i].name;
	return NULL;
}

int
smtp_mechanism_remembers(const char *name)
{
	size_t i;

	for (i = 0; i < COUNT; i++)
		if (strcmp(mechanisms[i].name, name) == 0)
			return mechanisms[i].remembered;
	return 0;
}

size_t
smtp_mechanisms(const struct smtp_session *session, char *out, size_t size)
{
	size_t i;

	out[0] = '\0';
	for (i = 0; i < COUNT; i++) {
		if (!offered(session, i))
			continue;
		strlcat(out, " ", size);
		strlcat(out, mechanisms[i].name, size);
	}
	return strlen(out);
}

int
smtp_offers_plus(const struct smtp_session *session)
{
	return (session->settings->mechanisms & SMTP_AUTH_SCRAM_SHA_256_PLUS) &&
	    session->tls.binding;
}
