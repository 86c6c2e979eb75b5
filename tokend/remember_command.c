/* SPDX-License-Identifier: ISC */
#include "tokend/remember_command.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/log.h"
#include "lib/process.h"
#include "tokend/ask.h"

/* An answer on its way behind the flush. */
struct pending {
	uint8_t engine;
	uint64_t session;
	char token[REMEMBER_MAX + 1];
};

static void
send_verdict(uint8_t engine, uint64_t session, enum remember_verdict verdict,
    const char *token)
{
	struct channel *c = process_peer(ROLE_ENGINE, engine);
	union message m = {.remembered = {.session = session,
			       .verdict = (uint8_t)verdict,
			       .token = bytes_text(token)}};

	if (c != NULL)
		(void)channel_send(c, MSG_REMEMBERED, &m, -1);
}

static void
durable(void *argument, int is_durable)
{
	struct pending *pending = argument;

	if (is_durable)
		send_verdict(pending->engine, pending->session, REMEMBER_OK,
		    pending->token);
	else
		send_verdict(
		    pending->engine, pending->session, REMEMBER_TEMPORARY, "");
	explicit_bzero(pending, sizeof(*pending));
}

static void
log_made(
    const struct session *session, enum remember_type type, const uint8_t *id)
{
	char name[REMEMBER_NAME + 1], safe[640];

	remember_name(id, name);
	log_info("%s remembered address=%s port=%u type=%s id=%s user=\"%s\"",
	    session_name(session), session->address, session->port,
	    remember_type_name(type), name,
	    log_safe(safe, sizeof(safe), bytes_text(session->login)));
}

static enum remember_verdict
make(struct session *session, enum remember_type type, char *out)
{
	const struct origin *origin = &session->origin;
	const struct remember_request request = {
	    .login = session->login,
	    .type = type,
	    .by = origin->by_token ? origin->id : NULL,
	    .digest = bytes_of(origin->digest, origin->digest_length),
	    .address = session->address,
	};
	enum remember_verdict verdict;
	uint8_t id[REMEMBER_ID];

	verdict =
	    remember_make(&tokend.rememberer, &request, wall_clock(), out, id);
	if (verdict == REMEMBER_OK) {
		tokend.counters.remember_made++;
		log_made(session, type, id);
	}
	return verdict;
}

/* The secret that he logged in by is the one that he has now, or none is. */
static int
is_as_then(const struct origin *origin, const struct msg_user_state *m)
{
	return m->state == USER_THERE &&
	    bytes_equal(
		m->digest, bytes_of(origin->digest, origin->digest_length));
}

static void
user_answered(struct ask *ask, const union message *m)
{
	struct session *session = ask_session(ask);
	enum remember_verdict verdict = REMEMBER_TEMPORARY;
	struct pending *pending;

	if (session == NULL)
		return;
	if (m != NULL && m->user_state.state != USER_TEMPORARY &&
	    !is_as_then(&session->origin, &m->user_state))
		verdict = REMEMBER_WEAK;
	else if (m != NULL && m->user_state.state != USER_TEMPORARY &&
	    (pending = calloc(1, sizeof(*pending))) != NULL) {
		pending->engine = session->engine;
		pending->session = session->id;
		verdict = make(
		    session, (enum remember_type)ask->index, pending->token);
		if (verdict == REMEMBER_OK) {
			answer_later(durable, pending);
			return;
		}
		freezero(pending, sizeof(*pending));
	}
	send_verdict(session->engine, session->id, verdict, "");
}

static int
is_offered(struct bytes type)
{
	const struct text_list *list = &tokend.settings->remember_types;
	size_t i;

	for (i = 0; tokend.settings->remember && i < list->count; i++)
		if (strlen(list->items[i]) == type.length &&
		    strncasecmp(list->items[i], (const char *)type.data,
			type.length) == 0)
			return 1;
	return 0;
}

/* D-R06: after which logins a token is made. A token's has its own rules. */
static enum remember_verdict
may_ask(const struct session *session, struct bytes type)
{
	if (session->who != WHO_USER || !session->tls)
		return REMEMBER_REFUSED;
	if (!is_offered(type) || remember_type_of(type) == 0)
		return REMEMBER_TYPE;
	if (tokend.settings->remember_strong_only &&
	    !session->origin.is_strong && !session->origin.by_token)
		return REMEMBER_WEAK;
	return REMEMBER_OK;
}

void
on_remember(struct channel *engine, const union message *message, int fd)
{
	const struct msg_remember *m = &message->remember;
	struct session *session = session_of(engine, m->session);
	struct ask ask = {.done = user_answered};
	enum remember_verdict verdict = REMEMBER_TEMPORARY;

	(void)fd;
	if (session != NULL)
		verdict = may_ask(session, m->type);
	if (verdict != REMEMBER_OK) {
		send_verdict(channel_instance(engine), m->session, verdict, "");
		return;
	}
	ask.index = remember_type_of(m->type);
	ask_user(&ask, session, bytes_text(session->login));
}
