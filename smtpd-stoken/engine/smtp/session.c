/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "smtpd-stoken/engine/smtp/reply.h"

struct smtp_session *
smtp_session_new(const struct smtp_settings *settings,
    const struct smtp_actions *actions, enum smtp_listener listener,
    const char *client, void *owner)
{
	struct smtp_session *session;

	if ((session = calloc(1, sizeof(*session))) == NULL)
		return NULL;
	session->settings = settings;
	session->actions = actions;
	session->listener = (uint8_t)listener;
	session->owner = owner;
	if (listener == SMTP_LISTENER_SOCKET)
		session->login = SMTP_TRUSTED;
	strlcpy(session->client, client, sizeof(session->client));
	return session;
}

void
smtp_session_free(struct smtp_session *session)
{
	if (session == NULL)
		return;
	smtp_transaction_end(session);
	free(session->helo);
	free(session->identity);
	free(session);
}

void
smtp_close(struct smtp_session *session, const char *reason)
{
	if (session->closed)
		return;
	session->closed = 1;
	session->reading = READ_NOTHING;
	session->waiting = WAIT_NONE;
	smtp_transaction_end(session);
	session->actions->close(session->owner, reason);
}

void
smtp_set_tls(struct smtp_session *session, const struct smtp_tls *tls)
{
	session->tls = *tls;
}

void
smtp_greet(struct smtp_session *session, int early)
{
	if (early) { /* F-114 */
		smtp_reply(session, 554, NULL,
		    "%s refuses a client that speaks before the greeting",
		    session->settings->hostname);
		smtp_close(session, "early");
		return;
	}
	smtp_reply(session, 220, NULL, "%s %s", session->settings->hostname,
	    session->listener == SMTP_LISTENER_SOCKET ? "LMTP" : "ESMTP");
}

static void
say_421(struct smtp_session *session, const char *enhanced, const char *text,
    const char *reason)
{
	if (session->closed)
		return;
	smtp_reply(
	    session, 421, enhanced, "%s %s", session->settings->hostname, text);
	smtp_close(session, reason);
}

void
smtp_refuse(struct smtp_session *session)
{
	say_421(
	    session, "4.7.0", "Too many sessions, try again later", "refused");
}

void
smtp_shutdown(struct smtp_session *session)
{
	say_421(session, "4.3.2", "Shutting down", "shutdown");
}

void
smtp_timeout(struct smtp_session *session)
{
	say_421(session, "4.4.2", "Timeout, closing", "timeout");
}

void
smtp_restarted(struct smtp_session *session)
{
	say_421(session, "4.3.0", "Interrupted, connect again", "restarted");
}

void
smtp_checks_lost(struct smtp_session *session)
{
	struct smtp_auth_answer answer = {.outcome = SMTP_AUTH_TEMPORARY};
	struct smtp_transaction *transaction;
	size_t i;

	smtp_on_auth(session, &answer);
	smtp_on_sender(session, SMTP_TEMPORARY);
	smtp_on_token(session, SMTP_TEMPORARY, NULL);
	smtp_on_remembered(session, SMTP_REMEMBER_TEMPORARY, NULL);
	transaction = session->transaction;
	for (i = 0; transaction != NULL && i < transaction->count; i++)
		smtp_on_recipient(
		    session, (unsigned int)i, SMTP_TEMPORARY, NULL);
}

/* F-64: nothing that was said in clear counts. */
void
smtp_on_tls(struct smtp_session *session, const struct smtp_tls *tls)
{
	if (session->waiting != WAIT_TLS || session->closed)
		return;
	session->waiting = WAIT_NONE;
	session->reading = READ_COMMAND;
	session->mode = MODE_NONE;
	session->tls = *tls;
	session->stalled = 0;
	free(session->helo);
	session->helo = NULL;
}

int
smtp_stalled(const struct smtp_session *session)
{
	return session->stalled;
}

int
smtp_is_waiting(const struct smtp_session *session)
{
	return session->waiting != WAIT_NONE || smtp_outstanding(session);
}

int
smtp_in_transfer(const struct smtp_session *session)
{
	const struct smtp_transaction *transaction = session->transaction;

	/* Between two chunks too; not in one that is thrown away. */
	if (transaction != NULL && transaction->open)
		return 1;
	return session->reading == READ_DATA || session->waiting == WAIT_OPEN ||
	    session->waiting == WAIT_DELIVERY;
}

enum smtp_login
smtp_login(const struct smtp_session *session)
{
	return (enum smtp_login)session->login;
}

const char *
smtp_identity(const struct smtp_session *session)
{
	return session->identity != NULL ? session->identity : "";
}

const char *
smtp_helo(const struct smtp_session *session)
{
	return session->helo != NULL ? session->helo : "";
}

int
smtp_is_lmtp(const struct smtp_session *session)
{
	return session->mode == MODE_LMTP;
}

unsigned long
smtp_commands(const struct smtp_session *session)
{
	return session->commands;
}
