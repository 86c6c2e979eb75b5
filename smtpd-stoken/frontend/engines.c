/* SPDX-License-Identifier: ISC */
/* The engines that this frontend gives its sessions to. */
#include <sys/types.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <tls.h>

#include "imsg/verdicts.h"
#include "lib/log.h"
#include "lib/process.h"
#include "smtpd-stoken/frontend/engines.h"
#include "smtpd-stoken/frontend/listener.h"
#include "smtpd-stoken/frontend/session.h"
#include "smtpd-stoken/frontend/tls_hook.h"

static TAILQ_HEAD(engine_list, engine)
engines = TAILQ_HEAD_INITIALIZER(engines);

void
engine_new(struct channel *channel)
{
	struct engine *engine;

	if ((engine = calloc(1, sizeof(*engine))) == NULL)
		fatal("engine");
	engine->channel = channel;
	LIST_INIT(&engine->sessions);
	channel_set_context(channel, engine);
	TAILQ_INSERT_TAIL(&engines, engine, entry);
	listeners_update();
}

void
engine_gone(struct channel *channel)
{
	struct engine *engine = channel_context(channel);
	struct session *s;

	engine->channel = NULL;
	TAILQ_REMOVE(&engines, engine, entry);
	if (engine->count > 0)
		log_warnx("engine[%u] is gone with %zu sessions",
		    channel_instance(channel), engine->count);
	while ((s = LIST_FIRST(&engine->sessions)) != NULL) {
		session_engine_lost(s);
		/* whatever became of it, it is no longer this engine's */
		if (LIST_FIRST(&engine->sessions) == s)
			engine_forget(s);
	}
	free(engine);
	listeners_update();
}

int
engine_is_dead(const struct engine *engine)
{
	return engine == NULL || engine->channel == NULL ||
	    channel_hung_up(engine->channel);
}

/* The one with the fewest sessions; the last asked comes last among equals. */
static struct engine *
choose(void)
{
	struct engine *engine, *best = NULL;

	TAILQ_FOREACH (engine, &engines, entry)
		if (!channel_full(engine->channel) &&
		    (best == NULL || engine->count < best->count))
			best = engine;
	if (best != NULL) {
		TAILQ_REMOVE(&engines, best, entry);
		TAILQ_INSERT_TAIL(&engines, best, entry);
	}
	return best;
}

int
engine_available(void)
{
	const struct engine *engine;

	TAILQ_FOREACH (engine, &engines, entry)
		if (!channel_full(engine->channel))
			return 1;
	return 0;
}

/* A pair: one end is kept in the session, the other returned; -1: none. */
static int
make_pair(struct session *s)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
		ends) == -1) {
		log_warn("socketpair");
		return -1;
	}
	session_set_pair(s, ends[0]);
	return ends[1];
}

static struct bytes
bytes_servername(const struct session *s)
{
	return bytes_text(s->tls == NULL ? NULL : tls_conn_servername(s->tls));
}

int
engine_open_session(struct session *s, const struct tls_facts *facts)
{
	static const struct tls_facts none;
	struct engine *engine = choose();
	char address[64];
	union message m;
	int end;

	if (engine == NULL || (end = make_pair(s)) == -1)
		return -1;
	if (facts == NULL)
		facts = &none;
	m.session_open = (struct msg_session_open) {
	    .session = s->id,
	    .kind = s->kind,
	    .tls = facts != &none,
	    .listener = s->listener_port,
	    .port = s->port,
	    .address = bytes_text(session_address(s, address, sizeof(address))),
	    .version = bytes_text(facts->version),
	    .cipher = bytes_text(facts->cipher),
	    .group = bytes_text(facts->group),
	    .servername = bytes_servername(s),
	    .exporter = bytes_of(facts->exporter, facts->exporter_length),
	    .endpoint = bytes_of(facts->endpoint, facts->endpoint_length),
	};
	if (channel_send(engine->channel, MSG_SESSION_OPEN, &m, end) == -1)
		return -1;
	s->engine = engine;
	engine->count++;
	LIST_INSERT_HEAD(&engine->sessions, s, of_engine);
	return 0;
}

int
engine_session_tls(struct session *s, const struct tls_facts *facts)
{
	union message m;
	int end;

	if (s->engine == NULL || (end = make_pair(s)) == -1)
		return -1;
	m.session_tls = (struct msg_session_tls) {
	    .session = s->id,
	    .version = bytes_text(facts->version),
	    .cipher = bytes_text(facts->cipher),
	    .group = bytes_text(facts->group),
	    .servername = bytes_servername(s),
	    .exporter = bytes_of(facts->exporter, facts->exporter_length),
	    .endpoint = bytes_of(facts->endpoint, facts->endpoint_length),
	};
	if (channel_send(s->engine->channel, MSG_SESSION_TLS, &m, end) == -1)
		return -1;
	s->upgrades = 0;
	return 0;
}

static void
say_lost(struct channel *channel, uint64_t session)
{
	union message m = {.session_lost = {.session = session}};

	(void)channel_send(channel, MSG_SESSION_LOST, &m, -1);
}

void
engine_session_lost(struct session *s)
{
	if (s->engine != NULL && s->engine->channel != NULL)
		say_lost(s->engine->channel, s->id);
}

void
engine_forget(struct session *s)
{
	if (s->engine == NULL)
		return;
	LIST_REMOVE(s, of_engine);
	s->engine->count--;
	s->engine = NULL;
}

int
engine_give_client(int client, uint16_t listener_port)
{
	struct engine *engine = choose();
	union message m = {.session_open = {.kind = LISTENER_SOCKET,
			       .listener = listener_port}};

	if (engine == NULL) {
		close(client);
		return -1;
	}
	arc4random_buf(&m.session_open.session, sizeof(uint64_t));
	return channel_send(engine->channel, MSG_SESSION_OPEN, &m, client);
}

static void
on_starttls(struct channel *channel, const union message *m, int fd)
{
	const struct msg_session_starttls *asked = &m->session_starttls;
	struct session *s = session_find(asked->session);

	(void)fd;
	/* It may have ended meanwhile: the engine waits, and hears of no end
	 * by the pair any more. */
	if (s == NULL) {
		say_lost(channel, asked->session);
		return;
	}
	if (s->engine != channel_context(channel)) {
		process_complain(channel, "STARTTLS for another's session");
		return;
	}
	session_starttls(s, asked->reply.data, asked->reply.length);
}

const struct channel_handler engine_handlers[] = {
    {MSG_SESSION_STARTTLS, on_starttls},
    {0, NULL},
};
