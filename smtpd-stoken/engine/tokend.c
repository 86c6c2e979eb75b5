/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "lib/process.h"
#include "smtpd-stoken/engine/notice.h"
#include "smtpd-stoken/engine/submission.h"
#include "smtpd-stoken/engine/engine.h"
#include "smtpd-stoken/engine/tokend.h"
#include "smtpd-stoken/engine/transfer.h"

#define LEARNED_MAX 4096 /* octets of COMMIT_END.learned */

static int
ask(uint16_t number, const union message *m)
{
	struct channel *c = process_peer(ROLE_TOKEND, 0);

	return c == NULL ? -1 : channel_send(c, number, m, -1);
}

int
tokend_is_full(void)
{
	struct channel *c = process_peer(ROLE_TOKEND, 0);

	return c != NULL && channel_full(c);
}

int
tokend_admit(struct session *s, int again)
{
	union message m = {.session_admit = {.session = s->id,
			       .again = (uint8_t)again,
			       .kind = s->kind,
			       .tls = s->tls,
			       .listener = s->listener,
			       .port = s->port,
			       .since = s->since,
			       .address = bytes_text(s->address)}};

	if (ask(MSG_SESSION_ADMIT, &m) == -1)
		return -1;
	s->announced = 1;
	return 0;
}

void
tokend_session_end(struct session *s)
{
	union message m = {.session_end = {.session = s->id}};

	if (s->announced)
		(void)ask(MSG_SESSION_END, &m);
}

int
tokend_auth(struct session *s, const char *mechanism, const uint8_t *response,
    size_t length)
{
	union message m = {
	    .auth_step = {.session = s->id,
		.tls = s->tls,
		.first = mechanism != NULL,
		.has_response = response != NULL,
		.lmtp = (uint8_t)smtp_is_lmtp(s->smtp),
		.plus_offered = (uint8_t)smtp_offers_plus(s->smtp),
		.mechanism = bytes_text(mechanism),
		.exporter = bytes_of(s->exporter, s->exporter_length),
		.endpoint = bytes_of(s->endpoint, s->endpoint_length),
		.response = bytes_of(response, length)}};

	return ask(MSG_AUTH_STEP, &m);
}

void
tokend_auth_abort(struct session *s)
{
	union message m = {.auth_abort = {.session = s->id}};

	(void)ask(MSG_AUTH_ABORT, &m);
}

int
tokend_sender(struct session *s, const char *address)
{
	union message m = {.sender_check = {.session = s->id,
			       .transaction = s->transaction,
			       .sender = bytes_text(address)}};

	return ask(MSG_SENDER_CHECK, &m);
}

int
tokend_recipient(struct session *s, const struct smtp_recipient_check *check)
{
	union message m = {.rcpt_check = {.session = s->id,
			       .transaction = s->transaction,
			       .recipient_index = check->number,
			       .sender = bytes_text(smtp_sender(s->smtp)),
			       .recipient = bytes_text(check->address),
			       .token = bytes_text(check->token),
			       .mytoken = bytes_text(check->mine)}};

	return ask(MSG_RCPT_CHECK, &m);
}

int
tokend_generate(
    struct session *s, int permanent, const char *remote, const char *local)
{
	union message m = {.token_generate = {.session = s->id,
			       .permanent = (uint8_t)permanent,
			       .remote = bytes_text(remote),
			       .local = bytes_text(local)}};

	return ask(MSG_TOKEN_GENERATE, &m);
}

int
tokend_revoke(struct session *s, const char *remote, const char *local)
{
	union message m = {.token_revoke = {.session = s->id,
			       .remote = bytes_text(remote),
			       .local = bytes_text(local)}};

	return ask(MSG_TOKEN_REVOKE, &m);
}

int
tokend_remember(struct session *s, const char *type)
{
	union message m = {
	    .remember = {.session = s->id, .type = bytes_text(type)}};

	return ask(MSG_REMEMBER, &m);
}

int
tokend_commit_begin(
    struct session *s, uint32_t transaction, const char *message)
{
	union message m = {.commit_begin = {.session = s->id,
			       .transaction = transaction,
			       .message = bytes_text(message)}};

	return ask(MSG_COMMIT_BEGIN, &m);
}

int
tokend_commit_end(struct session *s, uint32_t transaction, struct bytes results)
{
	union message m = {.commit_end = {.session = s->id,
			       .transaction = transaction,
			       .results = results}};
	const char *tokens[SMTP_SUPPLIED_MAX], *from;
	uint8_t space[LEARNED_MAX];
	struct list_writer list;
	size_t i, n = 0;

	if (transaction == s->transaction)
		n = smtp_learned_tokens(s->smtp, tokens, &from);
	if (n > 0) {
		list_init(&list, space, sizeof(space));
		for (i = 0; i < n; i++)
			if (list_add(&list, bytes_text(tokens[i])) == -1)
				break;
		m.commit_end.from = bytes_text(from);
		m.commit_end.learned = list_bytes(&list);
	}

	return ask(MSG_COMMIT_END, &m);
}

int
tokend_submit(struct session *s, uint32_t transaction, const char *from,
    struct bytes supplied)
{
	union message m = {.submit_begin = {.session = s->id,
			       .transaction = transaction,
			       .from = bytes_text(from),
			       .supplied = supplied}};

	return ask(MSG_SUBMIT_BEGIN, &m);
}

int
tokend_notice(struct session *s, uint32_t transaction, const char *message)
{
	union message m = {.notice_begin = {.session = s->id,
			       .transaction = transaction,
			       .message = bytes_text(message)}};

	return ask(MSG_NOTICE_BEGIN, &m);
}

static void
on_admission(struct channel *c, const union message *m, int fd)
{
	struct session *s = session_find(m->session_verdict.session);

	(void)c;
	(void)fd;
	if (s != NULL)
		session_admitted(s, m->session_verdict.admission);
}

/* tokend's outcomes; what is not listed is a failure of ours. */
static const uint8_t outcomes[] = {[AUTH_OK] = SMTP_AUTH_OK,
    [AUTH_CHALLENGE] = SMTP_AUTH_CHALLENGE,
    [AUTH_FAILED] = SMTP_AUTH_FAILED,
    [AUTH_FAILED_LAST] = SMTP_AUTH_FAILED_LAST,
    [AUTH_TEMPORARY] = SMTP_AUTH_TEMPORARY,
    [AUTH_MALFORMED] = SMTP_AUTH_MALFORMED,
    [AUTH_UNAVAILABLE] = SMTP_AUTH_UNKNOWN};

static void
on_auth(struct channel *c, const union message *m, int fd)
{
	const struct msg_auth_result *r = &m->auth_result;
	struct session *s = session_find(r->session);
	struct smtp_auth_answer answer = {.outcome = SMTP_AUTH_TEMPORARY};
	char login[321];

	(void)c;
	(void)fd;
	if (s == NULL || s->reason != NULL)
		return;
	if (r->outcome >= AUTH_OK && r->outcome <= AUTH_UNAVAILABLE &&
	    bytes_copy(login, sizeof(login), r->login) == 0)
		answer.outcome = outcomes[r->outcome];
	answer.challenge = r->challenge.data;
	answer.length = r->challenge.length;
	answer.identity = login;
	answer.token = r->token_kind != TOKEN_KIND_NONE;
	answer.permanent = r->token_kind == TOKEN_KIND_PERMANENT;
	smtp_on_auth(s->smtp, &answer);
	session_continue(s);
}

enum smtp_verdict
tokend_verdict(uint8_t said)
{
	static const uint8_t verdicts[] = {[VERDICT_OK] = SMTP_OK,
	    [VERDICT_UNKNOWN] = SMTP_UNKNOWN,
	    [VERDICT_REFUSED] = SMTP_REFUSED,
	    [VERDICT_OUTSIDE] = SMTP_NO_RELAY,
	    [VERDICT_TEMPORARY] = SMTP_TEMPORARY,
	    [VERDICT_TOO_MANY] = SMTP_TOO_MANY,
	    [VERDICT_LIMIT] = SMTP_LIMIT,
	    [VERDICT_DISABLED] = SMTP_DISABLED};

	if (said < VERDICT_OK || said > VERDICT_DISABLED)
		return SMTP_TEMPORARY;
	return (enum smtp_verdict)verdicts[said];
}

static void
on_sender(struct channel *c, const union message *m, int fd)
{
	const struct msg_sender_verdict *r = &m->sender_verdict;
	struct session *s = session_find(r->session);
	enum smtp_verdict v = tokend_verdict(r->verdict);

	(void)c;
	(void)fd;
	if (s == NULL || s->reason != NULL || r->transaction != s->transaction)
		return;
	if (v == SMTP_DISABLED)
		v = SMTP_NOT_ALLOWED; /* submit=no */
	/* Whatever else is wrong with it: it is not his. */
	else if (v != SMTP_OK && v != SMTP_TEMPORARY && v != SMTP_LIMIT)
		v = SMTP_NOT_OWNER;
	smtp_on_sender(s->smtp, v);
	session_continue(s);
}

static void
on_recipient(struct channel *c, const union message *m, int fd)
{
	const struct msg_rcpt_verdict *r = &m->rcpt_verdict;
	struct session *s = session_find(r->session);

	(void)c;
	(void)fd;
	if (s == NULL || s->reason != NULL || r->transaction != s->transaction)
		return;
	grant_answered(s, r);
	session_continue(s);
}

static void
on_grant(struct channel *c, const union message *m, int fd)
{
	const struct msg_commit_grant *r = &m->commit_grant;
	struct session *s = session_find(r->session);

	(void)c;
	(void)fd;
	if (s != NULL)
		transfer_granted(s, r);
}

static void
on_result(struct channel *c, const union message *m, int fd)
{
	const struct msg_commit_result *r = &m->commit_result;
	struct session *s = session_find(r->session);

	(void)c;
	(void)fd;
	if (s != NULL && s->transfer != NULL &&
	    s->transfer->transaction == r->transaction)
		transfer_ended(s, r->tokens);
}

static void
on_submit_grant(struct channel *c, const union message *m, int fd)
{
	const struct msg_submit_grant *r = &m->submit_grant;
	struct session *s = session_find(r->session);

	(void)c;
	(void)fd;
	if (s != NULL && s->transfer != NULL &&
	    s->transfer->transaction == r->transaction)
		submission_granted(s->transfer, r->tokens);
}

static void
on_notice_grant(struct channel *c, const union message *m, int fd)
{
	const struct msg_notice_grant *r = &m->notice_grant;
	struct session *s = session_find(r->session);

	(void)c;
	(void)fd;
	if (s != NULL && s->transfer != NULL &&
	    s->transfer->transaction == r->transaction)
		notice_granted(s->transfer, r);
}

static void
token_answer(uint64_t id, uint8_t said, struct bytes text)
{
	static const uint8_t verdicts[] = {[TOKEN_VERDICT_OK] = SMTP_OK,
	    [TOKEN_VERDICT_BAD_REMOTE] = SMTP_BAD_REMOTE,
	    [TOKEN_VERDICT_BAD_LOCAL] = SMTP_BAD_LOCAL,
	    [TOKEN_VERDICT_TEMPORARY] = SMTP_TEMPORARY};
	struct session *s = session_find(id);
	enum smtp_verdict v = SMTP_TEMPORARY;
	char token[128];

	if (s == NULL || s->reason != NULL)
		return;
	if (said >= TOKEN_VERDICT_OK && said <= TOKEN_VERDICT_TEMPORARY &&
	    bytes_copy(token, sizeof(token), text) == 0)
		v = (enum smtp_verdict)verdicts[said];
	smtp_on_token(s->smtp, v, token);
	session_continue(s);
}

static void
on_generated(struct channel *c, const union message *m, int fd)
{
	(void)c;
	(void)fd;
	token_answer(m->token_generated.session, m->token_generated.verdict,
	    m->token_generated.token);
}

static void
on_revoked(struct channel *c, const union message *m, int fd)
{
	(void)c;
	(void)fd;
	token_answer(
	    m->token_revoked.session, m->token_revoked.verdict, bytes_text(""));
}

static void
on_remembered(struct channel *c, const union message *m, int fd)
{
	static const uint8_t said[] = {[REMEMBER_OK] = SMTP_REMEMBERED,
	    [REMEMBER_TYPE] = SMTP_REMEMBER_TYPE,
	    [REMEMBER_WEAK] = SMTP_REMEMBER_WEAK,
	    [REMEMBER_REFUSED] = SMTP_REMEMBER_REFUSED,
	    [REMEMBER_TEMPORARY] = SMTP_REMEMBER_TEMPORARY};
	const struct msg_remembered *r = &m->remembered;
	struct session *s = session_find(r->session);
	enum smtp_remembered what = SMTP_REMEMBER_TEMPORARY;
	char token[SMTP_REMEMBER_MAX + 1];

	(void)c;
	(void)fd;
	if (s == NULL || s->reason != NULL)
		return;
	if (r->verdict >= REMEMBER_OK && r->verdict <= REMEMBER_TEMPORARY &&
	    bytes_copy(token, sizeof(token), r->token) == 0)
		what = (enum smtp_remembered)said[r->verdict];
	smtp_on_remembered(s->smtp, what, token);
	explicit_bzero(token, sizeof(token));
	session_continue(s);
}

static void
on_mechanisms(struct channel *c, const union message *m, int fd)
{
	(void)c;
	(void)fd;
	if (engine_configuration() != NULL)
		configuration_offer(
		    engine_configuration(), m->mechanisms.mechanisms);
}

const struct channel_handler tokend_handlers[] = {
    {MSG_SESSION_VERDICT, on_admission}, {MSG_AUTH_RESULT, on_auth},
    {MSG_SENDER_VERDICT, on_sender}, {MSG_RCPT_VERDICT, on_recipient},
    {MSG_COMMIT_GRANT, on_grant}, {MSG_COMMIT_RESULT, on_result},
    {MSG_SUBMIT_GRANT, on_submit_grant}, {MSG_NOTICE_GRANT, on_notice_grant},
    {MSG_TOKEN_GENERATED, on_generated}, {MSG_TOKEN_REVOKED, on_revoked},
    {MSG_REMEMBERED, on_remembered}, {MSG_MECHANISMS, on_mechanisms},
    {0, NULL}};

static void
admit_again(struct session *s, void *context)
{
	(void)context;
	if (s->reason == NULL)
		(void)tokend_admit(s, 1);
}

void
tokend_new(struct channel *c)
{
	(void)c;
	sessions_each(admit_again, NULL);
}

/*
 * What was asked fails for now; who had logged in has to do so again, since
 * the next tokend knows nothing of it.
 */
static void
lose(struct session *s, void *context)
{
	(void)context;
	s->announced = 0;
	grants_lose(s);
	if (s->reason == NULL) {
		s->stale = smtp_login(s->smtp) == SMTP_USER ||
		    smtp_login(s->smtp) == SMTP_TOKEN;
		smtp_checks_lost(s->smtp);
	}
	transfer_tokend_gone(s);
	session_admitted(s, ADMISSION_OK);
	session_continue(s);
}

void
tokend_gone(void)
{
	sessions_each(lose, NULL);
}
