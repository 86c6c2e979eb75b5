/* SPDX-License-Identifier: ISC */
#include <string.h>
#include <strings.h>

#include "smtpd-stoken/engine/smtp/command.h"

static const struct {
	const char *name;
	unsigned int setting; /* 0: goes with the tokens */
	int binding; /* needs channel binding data */
} mechanisms[] = {
    {"STOKEN", 0, 0},
    {"SCRAM-SHA-256-PLUS", SMTP_AUTH_SCRAM_SHA_256_PLUS, 1},
    {"SCRAM-SHA-256", SMTP_AUTH_SCRAM_SHA_256, 0},
    {"PLAIN", SMTP_AUTH_PLAIN, 0},
    {"LOGIN", SMTP_AUTH_LOGIN, 0},
};

#define COUNT (sizeof(mechanisms) / sizeof(mechanisms[0]))

static int
offered(const struct smtp_session *session, size_t i)
{
	if (mechanisms[i].setting == 0) /* D-S15: in LMTP alone */
		return session->settings->tokens && session->mode == MODE_LMTP;
	return (session->settings->mechanisms & mechanisms[i].setting) &&
	    (!mechanisms[i].binding || session->tls.binding);
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
