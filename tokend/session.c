/* SPDX-License-Identifier: ISC */
#include "tokend/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "lib/metrics.h"
#include "lib/process.h"
#include "tokend/auth.h"
#include "tokend/flight.h"

/*
 * Of all engines together, whatever they say: `again` and the trusted socket
 * know no other limit. Twice the configured one, where that is more.
 */
#define SESSIONS_MOST 100000

RB_HEAD(session_tree, session);
static struct session_tree sessions = RB_INITIALIZER(&sessions);
static size_t count;

static int
session_compare(const struct session *a, const struct session *b)
{
	if (a->engine != b->engine)
		return a->engine < b->engine ? -1 : 1;
	if (a->id != b->id)
		return a->id < b->id ? -1 : 1;
	return 0;
}

RB_PROTOTYPE(session_tree, session, entry, session_compare)
RB_GENERATE(session_tree, session, entry, session_compare)

struct session *
session_find(uint8_t engine, uint64_t id)
{
	struct session key;

	key.engine = engine;
	key.id = id;
	return RB_FIND(session_tree, &sessions, &key);
}

struct session *
session_of(struct channel *engine, uint64_t id)
{
	return session_find(channel_instance(engine), id);
}

struct channel *
session_engine(const struct session *session)
{
	return process_peer(ROLE_ENGINE, session->engine);
}

struct session *
session_first(void)
{
	return RB_MIN(session_tree, &sessions);
}

struct session *
session_after(uint8_t engine, uint64_t id)
{
	struct session key, *session;

	key.engine = engine;
	key.id = id;
	session = RB_NFIND(session_tree, &sessions, &key);
	if (session != NULL && session->engine == engine && session->id == id)
		session = RB_NEXT(session_tree, &sessions, session);
	return session;
}

size_t
sessions_count(void)
{
	return count;
}

const char *
session_name(const struct session *session)
{
	static char name[24];

	snprintf(name, sizeof(name), "%08x",
	    (unsigned int)(session->id & 0xffffffff));
	return name;
}

void
recipients_drop(struct session *session)
{
	struct recipient *recipient;
	size_t i;

	for (i = 0; i < session->recipient_count; i++) {
		recipient = &session->recipients[i];
		freezero(recipient->mytoken, recipient->mytoken_length);
		free(recipient->mailboxes);
		free(recipient->outside);
	}
	freezero(session->recipients,
	    session->recipient_room * sizeof(*session->recipients));
	session->recipients = NULL;
	session->recipient_count = session->recipient_room = 0;
	session->mailbox_count = session->outside_count = 0;
}

void
session_transaction(struct session *session, uint32_t transaction)
{
	if (transaction == session->transaction)
		return;
	recipients_drop(session);
	free(session->sender);
	session->sender = NULL;
	session->accepted = 0;
	session->noticed = 0;
	if (session->flight != NULL)
		flight_forget(session->flight);
	session->flight = NULL;
	session->transaction = transaction;
}

int
session_login(struct session *session, enum who who, const char *login)
{
	char *copy = strdup(login);
	size_t i;

	if (copy == NULL)
		return -1;
	free(session->login);
	session->login = copy;
	session->who = who;
	session->no_submit = 0;
	for (i = 0; i < LIMIT_COUNT; i++)
		session->limits[i] = LIMIT_SITE;
	return 0;
}

static void
session_drop(struct session *session)
{
	RB_REMOVE(session_tree, &sessions, session);
	count--;
	exchange_drop(session);
	recipients_drop(session);
	if (session->flight != NULL)
		flight_forget(session->flight);
	if (session->client != NULL)
		client_leave(session->client, ticket_clock());
	free(session->login);
	free(session->sender);
	free(session);
}

void
sessions_drop(uint8_t engine)
{
	struct session *session, *next;

	RB_FOREACH_SAFE (session, session_tree, &sessions, next)
		if (session->engine == engine)
			session_drop(session);
}

/* The site's own MTA is not limited; one from before a restart stays. */
static enum admission
admission_of(const struct session *session, int again)
{
	const struct settings *s = tokend.settings;

	if (again || session->who == WHO_MTA)
		return ADMISSION_OK;
	if (client_blocked(session->client, ticket_clock()))
		return ADMISSION_FAILURES;
	if (s->limit_sessions != 0 && count > s->limit_sessions)
		return ADMISSION_SESSIONS;
	if (s->limit_sessions_per_address != 0 &&
	    client_sessions(session->client) > s->limit_sessions_per_address)
		return ADMISSION_PER_ADDRESS;
	return ADMISSION_OK;
}

static uint64_t
sessions_most(void)
{
	uint64_t limit = tokend.settings->limit_sessions;

	return limit > SESSIONS_MOST / 2 ? 2 * limit : SESSIONS_MOST;
}

static struct session *
session_new(struct channel *engine, const struct msg_session_admit *m)
{
	struct session *session;

	if (count >= sessions_most() ||
	    (session = calloc(1, sizeof(*session))) == NULL)
		return NULL;
	session->engine = channel_instance(engine);
	session->id = m->session;
	session->kind = m->kind;
	session->tls = m->tls;
	session->listener = m->listener;
	session->port = m->port;
	session->since = m->since;
	/* For the log, as it is; an engine may say what it likes. */
	log_safe(session->address, sizeof(session->address), m->address);
	if (channel_trusted(engine))
		session->who = WHO_MTA;
	session->client = client_enter(m->address, ticket_clock());
	if (session->client == NULL) {
		free(session);
		return NULL;
	}
	RB_INSERT(session_tree, &sessions, session);
	count++;
	return session;
}

void
on_session_admit(struct channel *engine, const union message *message, int fd)
{
	const struct msg_session_admit *m = &message->session_admit;
	union message answer = {.session_verdict = {.session = m->session}};
	enum admission admission = ADMISSION_SESSIONS;
	struct session *session = session_of(engine, m->session);

	(void)fd;
	if (session != NULL && !m->again) {
		process_complain(engine, "a session was opened twice");
		return;
	}
	if (session != NULL) { /* STARTTLS */
		session->tls = m->tls;
		return;
	}
	if ((session = session_new(engine, m)) != NULL) {
		admission = admission_of(session, m->again);
		if (admission != ADMISSION_OK)
			session_drop(session);
	}
	if (admission == ADMISSION_OK)
		tokend.counters.sessions++;
	else {
		tokend.counters.sessions_refused++;
		metric_count(LIMITS, admission - ADMISSION_SESSIONS);
	}
	answer.session_verdict.admission = (uint8_t)admission;
	(void)channel_send(engine, MSG_SESSION_VERDICT, &answer, -1);
}

void
on_session_end(struct channel *engine, const union message *m, int fd)
{
	struct session *session = session_of(engine, m->session_end.session);

	(void)fd;
	if (session != NULL)
		session_drop(session);
}
