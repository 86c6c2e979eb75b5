/* SPDX-License-Identifier: ISC */
#include "tokend/manage.h"

#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "lib/process.h"
#include "tokend/ask.h"
#include "tokend/flight.h"

/* What was asked for, while tokend-auth says whose the local address is. */
struct request {
	int permanent;
	char remote[ADDRESS_SIZE];
};

/* An answer that waits. */
struct pending {
	uint8_t engine;
	uint64_t session;
	char token[TOKEN_LENGTH + 1];
};

static void
send_generated(uint8_t instance, uint64_t session, enum token_verdict verdict,
    const char *token)
{
	struct channel *engine = process_peer(ROLE_ENGINE, instance);
	union message m = {.token_generated = {
			       .session = session,
			       .verdict = (uint8_t)verdict,
			       .token = bytes_text(token),
			   }};

	if (engine != NULL)
		(void)channel_send(engine, MSG_TOKEN_GENERATED, &m, -1);
}

static void
generated(void *argument, int durable)
{
	struct pending *pending = argument;

	send_generated(pending->engine, pending->session,
	    durable ? TOKEN_VERDICT_OK : TOKEN_VERDICT_TEMPORARY,
	    durable ? pending->token : "");
	explicit_bzero(pending->token, sizeof(pending->token));
}

static void
log_made(const struct session *session, const char *what, const char *remote,
    struct bytes local)
{
	char safe_remote[640], safe_local[640];

	log_info("%s %s address=%s port=%u local=<%s> remote=<%s>",
	    session_name(session), what, session->address, session->port,
	    log_safe(safe_local, sizeof(safe_local), local),
	    log_safe(safe_remote, sizeof(safe_remote), bytes_text(remote)));
}

static int
issue(const struct request *request, struct bytes local, char *token)
{
	int result;

	if (!request->permanent) {
		tokend.counters.tokens_temporary++;
		return issue_temporary(&tokend.issuer,
		    bytes_text(request->remote), local, wall_clock(), token);
	}
	result = issue_permanent(&tokend.issuer, bytes_text(request->remote),
	    local, wall_clock(), token);
	if (result == 0)
		tokend.counters.tokens_permanent++;
	return result;
}

static void
generate(
    struct session *session, const struct request *request, struct bytes local)
{
	struct pending *pending = calloc(1, sizeof(*pending));

	if (pending == NULL || issue(request, local, pending->token) == -1) {
		free(pending);
		send_generated(
		    session->engine, session->id, TOKEN_VERDICT_TEMPORARY, "");
		return;
	}
	pending->engine = session->engine;
	pending->session = session->id;
	log_made(session,
	    request->permanent ? "generated kind=permanent"
			       : "generated kind=temporary",
	    request->remote, local);
	answer_later(generated, pending);
}

/* What tokend-auth said about the local address. */
static enum token_verdict
owner_verdict(const union message *m)
{
	if (m == NULL || m->owner_result.own == OWNER_TEMPORARY)
		return TOKEN_VERDICT_TEMPORARY;
	/* The same whether it exists or not. */
	return m->owner_result.own == OWNER_YES ? TOKEN_VERDICT_OK
						: TOKEN_VERDICT_BAD_LOCAL;
}

static void
generate_answered(struct ask *ask, const union message *m)
{
	struct session *session = ask_session(ask);
	enum token_verdict verdict = owner_verdict(m);

	if (session == NULL)
		return;
	if (verdict != TOKEN_VERDICT_OK)
		send_generated(session->engine, session->id, verdict, "");
	else
		generate(session, ask->more, m->owner_result.address);
}

/*
 * Reads both addresses and asks whose the local one is; an empty one means
 * the user's own (D-S06). Returns what is wrong already, or OK.
 */
static enum token_verdict
ask_whose(struct session *session, struct bytes remote, struct bytes local,
    int permanent, void (*done)(struct ask *, const union message *))
{
	struct ask ask = {.done = done, .more_size = sizeof(struct request)};
	struct request *request;
	char own[ADDRESS_SIZE] = "";

	if (session == NULL || session->who != WHO_USER)
		return TOKEN_VERDICT_TEMPORARY;
	if ((request = calloc(1, sizeof(*request))) == NULL)
		return TOKEN_VERDICT_TEMPORARY;
	request->permanent = permanent;
	if (address_canonical_text((const char *)remote.data, remote.length,
		request->remote) == -1) {
		free(request);
		return TOKEN_VERDICT_BAD_REMOTE;
	}
	if (local.length > 0 &&
	    address_canonical_text(
		(const char *)local.data, local.length, own) == -1) {
		free(request);
		return TOKEN_VERDICT_BAD_LOCAL;
	}
	ask.more = request;
	ask_owner(&ask, session, bytes_text(session->login), bytes_text(own));
	return TOKEN_VERDICT_OK;
}

void
on_token_generate(struct channel *engine, const union message *message, int fd)
{
	const struct msg_token_generate *m = &message->token_generate;
	enum token_verdict verdict;

	(void)fd;
	verdict = ask_whose(session_of(engine, m->session), m->remote, m->local,
	    m->permanent, generate_answered);
	if (verdict != TOKEN_VERDICT_OK)
		send_generated(
		    channel_instance(engine), m->session, verdict, "");
}

static void
send_revoked(void *argument, enum token_verdict verdict)
{
	struct pending *pending = argument;
	struct channel *engine = process_peer(ROLE_ENGINE, pending->engine);
	union message m = {.token_revoked = {.session = pending->session,
			       .verdict = (uint8_t)verdict}};

	if (engine != NULL)
		(void)channel_send(engine, MSG_TOKEN_REVOKED, &m, -1);
	free(pending);
}

static void
revoke_answered(struct ask *ask, const union message *m)
{
	struct session *session = ask_session(ask);
	const struct request *request = ask->more;
	enum token_verdict verdict = owner_verdict(m);
	struct pending *pending;

	if (session == NULL)
		return;
	if ((pending = calloc(1, sizeof(*pending))) == NULL)
		fatal("an answer");
	pending->engine = session->engine;
	pending->session = session->id;
	if (verdict != TOKEN_VERDICT_OK) {
		send_revoked(pending, verdict);
		return;
	}
	log_made(session, "revoked scope=pair", request->remote,
	    m->owner_result.address);
	revoke_finally(MARK_PAIR, bytes_text(request->remote),
	    m->owner_result.address, send_revoked, pending);
}

void
on_token_revoke(struct channel *engine, const union message *message, int fd)
{
	const struct msg_token_revoke *m = &message->token_revoke;
	union message answer = {.token_revoked = {.session = m->session}};
	enum token_verdict verdict;

	(void)fd;
	verdict = ask_whose(session_of(engine, m->session), m->remote, m->local,
	    0, revoke_answered);
	if (verdict == TOKEN_VERDICT_OK)
		return;
	answer.token_revoked.verdict = (uint8_t)verdict;
	(void)channel_send(engine, MSG_TOKEN_REVOKED, &answer, -1);
}

/* On its way to being final: first durable, then nothing is under way. */
struct revocation {
	enum mark_scope scope;
	char remote[ADDRESS_DOMAIN_MAX + 1];
	char local[ADDRESS_SIZE];
	revoke_done *done;
	void *argument;
};

static void
revocation_final(void *argument)
{
	struct revocation *revocation = argument;

	revocation->done(revocation->argument, TOKEN_VERDICT_OK);
	free(revocation);
}

static void
revocation_durable(void *argument, int durable)
{
	struct revocation *copy, *revocation = argument;

	/* `argument` is freed after us: what goes on is a copy. */
	if (!durable || (copy = malloc(sizeof(*copy))) == NULL) {
		revocation->done(revocation->argument, TOKEN_VERDICT_TEMPORARY);
		return;
	}
	*copy = *revocation;
	if (flights_wait(copy->scope, bytes_text(copy->remote),
		bytes_text(copy->local), revocation_final, copy) == -1) {
		copy->done(copy->argument, TOKEN_VERDICT_TEMPORARY);
		free(copy);
	}
}

void
revoke_finally(enum mark_scope scope, struct bytes remote, struct bytes local,
    revoke_done *done, void *argument)
{
	struct revocation *revocation = calloc(1, sizeof(*revocation));
	uint64_t before;

	if (revocation == NULL ||
	    bytes_copy(
		revocation->remote, sizeof(revocation->remote), remote) == -1 ||
	    bytes_copy(revocation->local, sizeof(revocation->local), local) ==
		-1 ||
	    issue_revocation(&tokend.issuer, scope, remote, local, wall_clock(),
		&before) != 0) {
		free(revocation);
		done(argument, TOKEN_VERDICT_TEMPORARY);
		return;
	}
	tokend.counters.revocations++;
	revocation->scope = scope;
	revocation->done = done;
	revocation->argument = argument;
	answer_later(revocation_durable, revocation);
}
