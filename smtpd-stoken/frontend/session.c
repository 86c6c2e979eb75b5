/* SPDX-License-Identifier: ISC */
/*
 * The life of a client's connection: which state follows which, and what each
 * waits for. What moves octets is in pump.c, TLS in handshake.c, the end in
 * closing.c.
 */
#include <sys/types.h>
#include <sys/socket.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <tls.h>

#include "imsg/verdicts.h"
#include "lib/log.h"
#include "lib/metrics.h"
#include "smtpd-stoken/frontend/address_count.h"
#include "smtpd-stoken/frontend/engines.h"
#include "smtpd-stoken/frontend/listener.h"
#include "smtpd-stoken/frontend/pump.h"
#include "smtpd-stoken/frontend/session.h"
#include "smtpd-stoken/frontend/steps.h"
#include "smtpd-stoken/frontend/tls.h"

static int
compare(const struct session *a, const struct session *b)
{
	return a->id < b->id ? -1 : a->id > b->id;
}

static RB_HEAD(sessions, session)
sessions = RB_INITIALIZER(&sessions);
RB_PROTOTYPE(sessions, session, by_id, compare)
RB_GENERATE(sessions, session, by_id, compare)
static size_t count, half_open_count;
static size_t half_open_per_address = 64;

/* Of all addresses together; each takes some 50 KiB at the worst. */
#define HALF_OPEN_MAX 2048

/*
 * What a state does when its socket or its pair is ready for `what`, and what
 * it waits for: EV_READ, EV_WRITE. NULL: it leaves the pair alone.
 */
static const struct {
	void (*client)(struct session *, short what);
	uint8_t (*client_wants)(const struct session *);
	void (*pair)(struct session *, short what);
	uint8_t (*pair_wants)(const struct session *);
	enum deadline_kind deadline;
} states[SESSION_STATES] = {
    [SESSION_HANDSHAKE] = {handshake_step, handshake_wants, NULL, NULL,
	DEADLINE_HANDSHAKE},
    [SESSION_RELAY] = {relay_client, relay_client_wants, relay_pair,
	relay_pair_wants, DEADLINE_NONE},
    [SESSION_UPGRADE] = {upgrade_step, upgrade_wants, NULL, NULL,
	DEADLINE_HANDSHAKE},
    [SESSION_CLOSING] = {closing_step, closing_wants, NULL, NULL,
	DEADLINE_CLOSING},
    [SESSION_LINGER] = {linger_step, linger_wants, NULL, NULL, DEADLINE_LINGER},
};

size_t
session_count(void)
{
	return count;
}

void
session_limits(size_t per_address)
{
	half_open_per_address = per_address;
}

struct session *
session_find(uint64_t id)
{
	struct session key;

	key.id = id;
	return RB_FIND(sessions, &sessions, &key);
}

const char *
session_address(const struct session *s, char *out, size_t size)
{
	static const uint8_t mapped[12] = {
	    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
	int is_v4 = memcmp(s->address, mapped, sizeof(mapped)) == 0;

	if (inet_ntop(is_v4 ? AF_INET : AF_INET6, s->address + (is_v4 ? 12 : 0),
		out, (socklen_t)size) == NULL)
		strlcpy(out, "unknown", size);
	return out;
}

void
session_not_half_open(struct session *s)
{
	if (!s->half_open)
		return;
	s->half_open = 0;
	half_open_count--;
	address_count_remove(s->address);
}

static void
session_free(struct session *s)
{
	if (s->upgrades)
		engine_session_lost(s);
	session_not_half_open(s);
	deadline_set(&s->deadline, DEADLINE_NONE);
	event_del(&s->client_event);
	session_close_pair(s);
	engine_forget(s);
	tls_free(s->tls);
	tls_context_release(s->context);
	close(s->client);
	pump_drop(s);
	RB_REMOVE(sessions, &sessions, s);
	count--;
	free(s);
	listeners_descriptor_free();
}

static void
client_ready(int fd, short what, void *arg)
{
	struct session *s = arg;

	(void)fd;
	states[s->state].client(s, what);
	session_settle(s);
}

static void
pair_ready(int fd, short what, void *arg)
{
	struct session *s = arg;

	(void)fd;
	states[s->state].pair(s, what);
	session_settle(s);
}

/* Makes an event wait for what is wanted, and asks the kernel only if that
 * is something else than before. */
static void
watch(struct session *s, struct event *event, int fd, uint8_t *mask,
    uint8_t wanted, void (*ready)(int, short, void *))
{
	if (*mask == wanted)
		return;
	event_del(event);
	*mask = wanted;
	if (wanted == 0)
		return;
	event_set(event, fd, (short)(wanted | EV_PERSIST), ready, s);
	if (event_add(event, NULL) == -1)
		log_warn("event_add");
}

void
session_settle(struct session *s)
{
	if (s->state == SESSION_ENDED) {
		session_free(s);
		return;
	}
	watch(s, &s->client_event, s->client, &s->client_mask,
	    states[s->state].client_wants(s), client_ready);
	if (s->pair != -1)
		watch(s, &s->pair_event, s->pair, &s->pair_mask,
		    states[s->state].pair_wants == NULL
			? 0
			: states[s->state].pair_wants(s),
		    pair_ready);
}

void
session_set_pair(struct session *s, int pair)
{
	s->pair = pair;
	s->pair_mask = 0;
	event_set(&s->pair_event, pair, EV_READ | EV_PERSIST, pair_ready, s);
}

void
session_close_pair(struct session *s)
{
	if (s->pair == -1)
		return;
	event_del(&s->pair_event);
	close(s->pair);
	s->pair = -1;
}

void
session_become(struct session *s, enum session_state state)
{
	if (s->state == SESSION_ENDED)
		return;
	s->state = (uint8_t)state;
	deadline_set(&s->deadline, states[state].deadline);
}

/* IPv4 becomes a mapped address, so that one form is enough. */
static void
set_address(struct session *s, const struct sockaddr *from)
{
	const struct sockaddr_in6 *six;
	const struct sockaddr_in *four;

	if (from->sa_family == AF_INET) {
		four = (const struct sockaddr_in *)(const void *)from;
		s->address[10] = s->address[11] = 0xff;
		memcpy(s->address + 12, &four->sin_addr, 4);
		s->port = ntohs(four->sin_port);
	} else if (from->sa_family == AF_INET6) {
		six = (const struct sockaddr_in6 *)(const void *)from;
		memcpy(s->address, &six->sin6_addr, 16);
		s->port = ntohs(six->sin6_port);
	}
}

static void
deadline_passed(struct deadline *deadline, enum deadline_kind kind)
{
	struct session *s = (struct session *)(void *)((char *)deadline -
	    offsetof(struct session, deadline));

	if (s->state == SESSION_HANDSHAKE)
		handshake_count(s, HANDSHAKE_TIMEOUT);
	if (kind != DEADLINE_LINGER)
		log_debug("%08x timed out", (unsigned int)s->id);
	session_become(s, SESSION_ENDED);
	session_settle(s);
}

void
session_init(void)
{
	deadline_init(deadline_passed);
}

/* Too many half-open ones: the oldest goes, which a flood is made of. */
static void
make_room(void)
{
	struct deadline *oldest = deadline_first(DEADLINE_HANDSHAKE);

	if (half_open_count >= HALF_OPEN_MAX && oldest != NULL)
		deadline_passed(oldest, DEADLINE_HANDSHAKE);
}

/* What comes first for this kind of listener. */
static void
begin(struct session *s)
{
	if (s->kind == LISTENER_SMTPS)
		handshake_begin(s);
	else if (engine_open_session(s, NULL) == -1)
		session_become(s, SESSION_ENDED);
	else
		session_become(s, SESSION_RELAY);
}

void
session_new(int client, const struct sockaddr *from, uint8_t kind,
    uint16_t listener_port, struct tls_context *context)
{
	static const int on = 1;
	struct session *s;

	if ((s = calloc(1, sizeof(*s))) == NULL) {
		close(client);
		return;
	}
	s->client = client;
	s->pair = -1;
	s->kind = kind;
	s->listener_port = listener_port;
	set_address(s, from);
	make_room();
	if (address_count_add(s->address, half_open_per_address) == -1) {
		metric_count(LIMITS, METRIC_LIMIT_HALF_OPEN);
		close(client);
		free(s);
		return;
	}
	s->half_open = 1;
	half_open_count++;
	/* without it, a TLS 1.3 client's first answer waits 40 ms */
	(void)setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	tls_context_hold(context);
	s->context = context;
	do
		arc4random_buf(&s->id, sizeof(s->id));
	while (RB_INSERT(sessions, &sessions, s) != NULL);
	count++;
	event_set(
	    &s->client_event, client, EV_READ | EV_PERSIST, client_ready, s);
	begin(s);
	session_settle(s);
}

void
session_engine_lost(struct session *s)
{
	s->upgrades = 0;
	if (s->state == SESSION_RELAY)
		relay_engine_lost(s);
	else if (s->state == SESSION_HANDSHAKE || s->state == SESSION_UPGRADE)
		session_become(s, SESSION_ENDED);
	session_settle(s);
}

void
session_end_unserved(void)
{
	struct session *s, *next;

	RB_FOREACH_SAFE (s, sessions, &sessions, next) {
		if (s->engine != NULL || s->state != SESSION_HANDSHAKE)
			continue;
		session_become(s, SESSION_ENDED);
		session_settle(s);
	}
}

void
session_end_all(void)
{
	struct session *s, *next;

	RB_FOREACH_SAFE (s, sessions, &sessions, next) {
		session_become(s, SESSION_ENDED);
		session_settle(s);
	}
}
