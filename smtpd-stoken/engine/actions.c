/* SPDX-License-Identifier: ISC */
/* What a session's protocol wants done, and who does it. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "imsg/channel.h"
#include "lib/process.h"
#include "smtpd-stoken/engine/delivery_log.h"
#include "smtpd-stoken/engine/numbers.h"
#include "smtpd-stoken/engine/session.h"
#include "smtpd-stoken/engine/tokend.h"
#include "smtpd-stoken/engine/transfer.h"

static void
say(void *owner, const char *text, size_t length)
{
	session_say(owner, text, length);
}

/* First all that was said before goes out: session_start_tls_now(). */
static void
start_tls(void *owner, const char *reply, size_t length)
{
	struct session *s = owner;

	(void)reply;
	(void)length;
	s->starting_tls = 1;
	session_mark(s);
}

void
session_start_tls_now(struct session *s)
{
	static const char ready[] = "220 2.0.0 Ready to start TLS\r\n";
	union message m = {.session_starttls = {.session = s->id,
			       .reply = bytes_of(ready, sizeof(ready) - 1)}};
	struct channel *c = process_peer(ROLE_FRONTEND, s->frontend);

	s->starting_tls = 2;
	if (c == NULL || channel_send(c, MSG_SESSION_STARTTLS, &m, -1) == -1)
		session_end(s, "frontend-lost");
}

static void
auth(void *owner, const char *mechanism, const uint8_t *response, size_t length)
{
	struct smtp_auth_answer away = {.outcome = SMTP_AUTH_TEMPORARY};
	struct session *s = owner;

	if (tokend_auth(s, mechanism, response, length) == -1)
		smtp_on_auth(s->smtp, &away);
}

static void
auth_abort(void *owner)
{
	tokend_auth_abort(owner);
}

static void
sender(void *owner, const char *address)
{
	struct session *s = owner;

	if (tokend_sender(s, address) == -1)
		smtp_on_sender(s->smtp, SMTP_TEMPORARY);
}

static void
recipient(void *owner, const struct smtp_recipient_check *check)
{
	struct session *s = owner;

	if (s->mail_time == 0)
		s->mail_time = engine_now();
	if (grant_ask(s, check) == 0 && tokend_recipient(s, check) == 0)
		return;
	numbers_recipient(s, SMTP_TEMPORARY);
	smtp_on_recipient(s->smtp, check->number, SMTP_TEMPORARY, NULL);
}

static void
open_message(void *owner)
{
	transfer_open(owner);
}

static enum smtp_verdict
write_message(void *owner, const void *data, size_t length)
{
	return transfer_write(owner, data, length);
}

static void
finish(void *owner, uint64_t size)
{
	transfer_finish(owner, size);
}

static void
abandon(void *owner)
{
	transfer_abandon(owner);
}

static void
refused(void *owner, const char *id, enum smtp_verdict verdict)
{
	delivery_log_refused(owner, id, verdict);
}

static void
reset(void *owner)
{
	struct session *s = owner;

	transfer_forget(s);
	grants_drop(s);
	s->transaction++;
	s->mail_time = 0;
}

static void
generate(void *owner, int permanent, const char *remote, const char *local)
{
	struct session *s = owner;

	if (tokend_generate(s, permanent, remote, local) == -1)
		smtp_on_token(s->smtp, SMTP_TEMPORARY, NULL);
}

static void
revoke(void *owner, const char *remote, const char *local)
{
	struct session *s = owner;

	if (tokend_revoke(s, remote, local) == -1)
		smtp_on_token(s->smtp, SMTP_TEMPORARY, NULL);
}

static void
remember(void *owner, const char *type)
{
	struct session *s = owner;

	if (tokend_remember(s, type) == -1)
		smtp_on_remembered(s->smtp, SMTP_REMEMBER_TEMPORARY, NULL);
}

static void
close_session(void *owner, const char *reason)
{
	session_end(owner, reason);
}

static time_t
now(void *owner)
{
	(void)owner;
	return time(NULL);
}

const struct smtp_actions session_actions = {
    .reply = say,
    .start_tls = start_tls,
    .auth = auth,
    .auth_abort = auth_abort,
    .sender = sender,
    .recipient = recipient,
    .open = open_message,
    .write = write_message,
    .finish = finish,
    .abandon = abandon,
    .refused = refused,
    .reset = reset,
    .generate = generate,
    .revoke = revoke,
    .remember = remember,
    .close = close_session,
    .now = now,
};
