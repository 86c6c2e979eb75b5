/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "smtpd-stoken/engine/smtp/notify.h"

static int
always(const struct smtp_session *session)
{
	(void)session;
	return 1;
}

static int
before_tls(const struct smtp_session *session)
{
	return session->listener == SMTP_LISTENER_TLS_REQUIRE &&
	    !session->tls.active;
}

/* S1-04, S1-08, S1-58, S1-63: LMTP under TLS alone. */
static int
with_tokens(const struct smtp_session *session)
{
	return session->mode == MODE_LMTP && session->tls.active &&
	    session->settings->tokens;
}

static int
with_auth(const struct smtp_session *session)
{
	char names[256];

	return session->tls.active &&
	    smtp_mechanisms(session, names, sizeof(names)) > 0;
}

/* for users, under TLS alone, before AUTH too. */
static int
with_remember(const struct smtp_session *session)
{
	char names[256];

	return session->mode == MODE_SMTP && session->tls.active &&
	    smtp_remember_types(session, names, sizeof(names)) > 0;
}

/* LHLO in clear is for STARTTLS alone (section 11). */
static int
with_chunking(const struct smtp_session *session)
{
	return session->mode == MODE_SMTP || smtp_offers_binary(session);
}

int
smtp_offers_binary(const struct smtp_session *session)
{
	return session->tls.active || session->listener == SMTP_LISTENER_SOCKET;
}

/* M-01, M-02 */
static int
with_metadata(const struct smtp_session *session)
{
	return smtp_offers_binary(session) && session->settings->metadata;
}

static void
size_limit(const struct smtp_session *session, char *out, size_t size)
{
	if (session->settings->message_size > 0)
		snprintf(
		    out, size, " %" PRIu64, session->settings->message_size);
}

static void
mechanism_names(const struct smtp_session *session, char *out, size_t size)
{
	smtp_mechanisms(session, out, size);
}

static void
remember_types(const struct smtp_session *session, char *out, size_t size)
{
	smtp_remember_types(session, out, size);
}

static const struct {
	const char *keyword;
	int (*offered)(const struct smtp_session *);
	void (*parameters)(const struct smtp_session *, char *, size_t);
} capabilities[] = {
    {"STARTTLS", before_tls, NULL}, {"PIPELINING", always, NULL},
    {"SIZE", always, size_limit}, {"8BITMIME", always, NULL},
    {"BINARYMIME", smtp_offers_binary, NULL}, {"SMTPUTF8", always, NULL},
    {"DSN", smtp_offers_dsn, NULL}, {"CHUNKING", with_chunking, NULL},
    {"METADATA", with_metadata, NULL}, {"STOKEN", with_tokens, NULL},
    {"AUTH", with_auth, mechanism_names},
    {"REMEMBERME", with_remember, remember_types},
    {"ENHANCEDSTATUSCODES", always, NULL}, /* S1-11, and ends the list */
};

#define COUNT (sizeof(capabilities) / sizeof(capabilities[0]))

void
smtp_capabilities(struct smtp_session *session)
{
	char parameters[256];
	size_t i;

	smtp_say(session, "250-%s", session->settings->hostname);
	for (i = 0; i < COUNT; i++) {
		if (!capabilities[i].offered(session))
			continue;
		parameters[0] = '\0';
		if (capabilities[i].parameters != NULL)
			capabilities[i].parameters(
			    session, parameters, sizeof(parameters));
		smtp_say(session, "250%c%s%s", i == COUNT - 1 ? ' ' : '-',
		    capabilities[i].keyword, parameters);
	}
}
