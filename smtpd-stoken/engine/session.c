/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "imsg/channel.h"
#include "lib/log.h"
#include "lib/metrics.h"
#include "lib/process.h"
#include "smtpd-stoken/engine/engine.h"
#include "smtpd-stoken/engine/session.h"
#include "smtpd-stoken/engine/tokend.h"
#include "smtpd-stoken/engine/transfer.h"

/* How often sessions that have gone quiet are looked for. */
#define SWEEP_SECONDS 1
/* Milliseconds that an ended session may take to fetch its last replies. */
#define LINGER 15000

RB_HEAD(sessions, session);
TAILQ_HEAD(session_queue, session);

static struct sessions by_id = RB_INITIALIZER(&by_id);
static struct session_queue by_time = TAILQ_HEAD_INITIALIZER(by_time);
static size_t count;
static struct event sweep_event;

static int
compare(const struct session *a, const struct session *b)
{
	return a->id < b->id ? -1 : a->id > b->id;
}

RB_PROTOTYPE(sessions, session, by_id, compare)
RB_GENERATE(sessions, session, by_id, compare)

int64_t
engine_now(void)
{
	struct timespec now;

	if (clock_gettime(CLOCK_MONOTONIC, &now) == -1)
		return 0;
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

struct session *
session_find(uint64_t id)
{
	struct session key;

	key.id = id;
	return RB_FIND(sessions, &by_id, &key);
}

size_t
session_count(void)
{
	return count;
}

void
sessions_each(void (*function)(struct session *, void *), void *context)
{
	struct session *s, *next;

	TAILQ_FOREACH_SAFE (s, &by_time, by_time, next)
		function(s, context);
}

void
session_alive(struct session *s)
{
	s->active = engine_now();
	TAILQ_REMOVE(&by_time, s, by_time);
	TAILQ_INSERT_TAIL(&by_time, s, by_time);
}

static void
log_connected(const struct session *s)
{
	if (s->kind == LISTENER_SOCKET)
		log_info("%08x connected address=local port=0 listener=socket",
		    (unsigned int)s->id);
	else
		log_info("%08x connected address=%s port=%u listener=%u tls=%s",
		    (unsigned int)s->id, s->address, s->port, s->listener,
		    s->tls ? s->version : "none");
}

/* The TLS of a session, in its own words and in those of the protocol. */
static void
take_tls(struct session *s, struct smtp_tls *tls, struct bytes version,
    struct bytes cipher, struct bytes group, struct bytes exporter,
    struct bytes endpoint)
{
	memset(tls, 0, sizeof(*tls));
	tls->active = 1;
	(void)bytes_copy(s->version, sizeof(s->version), version);
	(void)bytes_copy(tls->cipher, sizeof(tls->cipher), cipher);
	(void)bytes_copy(tls->group, sizeof(tls->group), group);
	s->tls = 1;
	s->exporter_length = (uint8_t)exporter.length;
	if (exporter.length > 0)
		memcpy(s->exporter, exporter.data, exporter.length);
	s->endpoint_length = (uint8_t)endpoint.length;
	if (endpoint.length > 0)
		memcpy(s->endpoint, endpoint.data, endpoint.length);
	tls->binding = (exporter.length > 0 ? SMTP_BINDING_EXPORTER : 0) |
	    (endpoint.length > 0 ? SMTP_BINDING_ENDPOINT : 0);
}

/* While there are sessions. */
static void
sweep_later(void)
{
	struct timeval interval = {SWEEP_SECONDS, 0};

	if (!evtimer_pending(&sweep_event, NULL))
		(void)evtimer_add(&sweep_event, &interval);
}

static const enum smtp_listener listeners[] = {
    [LISTENER_SMTPS] = SMTP_LISTENER_SMTPS,
    [LISTENER_TLS_REQUIRE] = SMTP_LISTENER_TLS_REQUIRE,
    [LISTENER_SOCKET] = SMTP_LISTENER_SOCKET};

static struct session *
new_session(const struct msg_session_open *m)
{
	struct session *s;

	if ((s = calloc(1, sizeof(*s))) == NULL)
		return NULL;
	s->id = m->session;
	s->kind = m->kind;
	s->port = m->port;
	s->listener = m->listener;
	s->since = (uint64_t)time(NULL);
	s->transaction = 1;
	LIST_INIT(&s->mails);
	s->fd = -1;
	(void)bytes_copy(s->address, sizeof(s->address), m->address);
	s->configuration = configuration_hold(engine_configuration());
	s->smtp = smtp_session_new(&s->configuration->smtp, &session_actions,
	    listeners[m->kind], s->address, s);
	if (s->smtp == NULL) {
		configuration_release(s->configuration);
		free(s);
		return NULL;
	}
	RB_INSERT(sessions, &by_id, s);
	TAILQ_INSERT_TAIL(&by_time, s, by_time);
	s->active = engine_now();
	metric_count(SESSIONS, s->kind - LISTENER_SMTPS);
	metric_up(SESSIONS_NOW, s->kind - LISTENER_SMTPS);
	if (count++ == 0)
		sweep_later();
	return s;
}

/* Says the greeting, or 421 when tokend or a shutdown is against it. */
void
session_admitted(struct session *s, uint8_t admission)
{
	if (!s->admitting)
		return;
	s->admitting = 0;
	if (admission != ADMISSION_OK)
		smtp_refuse(s->smtp);
	else if (engine_is_shutting_down())
		smtp_shutdown(s->smtp);
	else
		smtp_greet(s->smtp, session_is_early(s));
	session_continue(s);
}

static void
on_open(struct channel *c, const union message *m, int fd)
{
	const struct msg_session_open *open = &m->session_open;
	struct smtp_tls tls;
	struct session *s;
	const char *problem = NULL;

	if (open->kind < LISTENER_SMTPS || open->kind > LISTENER_SOCKET)
		problem = "SESSION_OPEN of an unknown kind";
	else if (engine_start()->trusted != (open->kind == LISTENER_SOCKET))
		problem = "SESSION_OPEN for another engine";
	else if (session_find(open->session) != NULL)
		problem = "SESSION_OPEN of an open session";
	if (problem != NULL || (s = new_session(open)) == NULL) {
		close(fd);
		if (problem != NULL)
			process_complain(c, problem);
		return;
	}
	s->frontend = channel_instance(c);
	if (open->tls) {
		take_tls(s, &tls, open->version, open->cipher, open->group,
		    open->exporter, open->endpoint);
		smtp_set_tls(s->smtp, &tls);
	}
	session_attach(s, fd);
	log_connected(s);
	s->admitting = 1;
	if (tokend_admit(s, 0) == -1) /* away: it is told later */
		session_admitted(s, ADMISSION_OK);
}

static struct session *
find_of(struct channel *c, uint64_t id)
{
	struct session *s = session_find(id);

	if (s == NULL || s->frontend != channel_instance(c) ||
	    s->reason != NULL)
		return NULL;
	return s;
}

static void
on_tls(struct channel *c, const union message *m, int fd)
{
	const struct msg_session_tls *with = &m->session_tls;
	struct session *s = find_of(c, with->session);
	struct smtp_tls tls;

	if (s == NULL || s->starting_tls == 0) {
		close(fd);
		if (s != NULL)
			process_complain(
			    c, "SESSION_TLS that was not asked for");
		return;
	}
	take_tls(s, &tls, with->version, with->cipher, with->group,
	    with->exporter, with->endpoint);
	session_detach(s);
	session_attach(s, fd);
	session_alive(s);
	log_debug("%08x tls=%s", (unsigned int)s->id, s->version);
	(void)tokend_admit(s, 1);
	smtp_on_tls(s->smtp, &tls);
	session_continue(s);
}

static void
on_lost(struct channel *c, const union message *m, int fd)
{
	struct session *s = find_of(c, m->session_lost.session);

	(void)fd;
	if (s == NULL)
		return;
	session_detach(s);
	session_end(s, "lost");
}

const struct channel_handler session_handlers[] = {{MSG_SESSION_OPEN, on_open},
    {MSG_SESSION_TLS, on_tls}, {MSG_SESSION_LOST, on_lost}, {0, NULL}};

void
session_end(struct session *s, const char *reason)
{
	if (s->reason == NULL)
		s->reason = reason;
	session_mark(s);
}

void
session_destroy(struct session *s)
{
	if (s->transfer != NULL) {
		/* Without smtp's transaction nobody waits for its replies. */
		transfer_forget(s);
		if (s->transfer != NULL)
			return;
	}
	session_detach(s);
	log_info("%08x disconnected reason=%s commands=%lu",
	    (unsigned int)s->id, s->reason, smtp_commands(s->smtp));
	tokend_session_end(s);
	metric_down(SESSIONS_NOW, s->kind - LISTENER_SMTPS);
	RB_REMOVE(sessions, &by_id, s);
	TAILQ_REMOVE(&by_time, s, by_time);
	smtp_session_free(s->smtp);
	grants_drop(s);
	session_drop_held(s);
	freezero(s->output, s->output_size);
	configuration_release(s->configuration);
	/* A failed write, or its own end, may have marked it once more. */
	session_unmark(s);
	explicit_bzero(s, sizeof(*s));
	free(s);
	count--;
	engine_check_empty();
}

static void
end_of_frontend(struct session *s, void *context)
{
	const uint8_t *instance = context;

	/* The client of the socket is ours alone already. */
	if (s->frontend != *instance || s->kind == LISTENER_SOCKET)
		return;
	session_detach(s);
	session_end(s, "frontend-lost");
}

void
session_frontend_gone(uint8_t instance)
{
	sessions_each(end_of_frontend, &instance);
}

/* Whether a session has been quiet for too long; 0 is never (F-96). */
static int
is_late(const struct session *s, int64_t now)
{
	int64_t most = smtp_in_transfer(s->smtp)
	    ? s->configuration->timeout_data
	    : s->configuration->timeout_command;

	if (s->reason != NULL)
		most = LINGER;
	return most > 0 && now - s->active > most;
}

/*
 * The client is not late while the next hop is: relay has a time of its own,
 * and says when that is over.
 */
static int
waits_for_us(const struct session *s)
{
	if (s->transfer != NULL)
		return s->transfer->stage > TRANSFER_WRITING;
	return grants_are_opening(s);
}

static void
sweep(int fd, short what, void *context)
{
	struct session *s, *next;
	int64_t now = engine_now();

	(void)fd;
	(void)what;
	(void)context;
	TAILQ_FOREACH_SAFE (s, &by_time, by_time, next) {
		if (now - s->active < SWEEP_SECONDS * 1000)
			break;
		if (!is_late(s, now))
			continue;
		if (s->reason != NULL) {
			session_detach(s);
			session_mark(s);
		} else if (!waits_for_us(s)) {
			smtp_timeout(s->smtp);
			session_mark(s);
		}
	}
	if (count > 0)
		sweep_later();
}

void
sessions_init(void)
{
	evtimer_set(&sweep_event, sweep, NULL);
}
