/* SPDX-License-Identifier: ISC */
/* What each child is told: who it is, its settings, descriptors and peers. */
#include <sys/types.h>
#include <sys/socket.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "paths.h"
#include "lib/log.h"
#include "lib/settings.h"
#include "smtpd-stoken/parent.h"

/* Complaints of one process that are believed, in so many seconds. */
#define COMPLAINTS_MOST 5
#define COMPLAINTS_SECONDS 60

static void on_ready(struct channel *, const union message *, int);
static void on_complaint(struct channel *, const union message *, int);
static void on_reload(struct channel *, const union message *, int);
static void on_verbose(struct channel *, const union message *, int);

const struct channel_handler parent_handlers[] = {
    {MSG_SETUP_READY, on_ready},
    {MSG_COMPLAINT, on_complaint},
    {MSG_RELOAD, on_reload},
    {MSG_VERBOSE, on_verbose},
    {MSG_LOGIN_CONNECT, on_login_connect},
    {MSG_MEASURE, on_measure},
    {MSG_COUNTED, on_counted},
    {MSG_CERTIFICATE, on_certificate},
    {MSG_FINDING, on_finding},
    {0, NULL},
};

static int
give_setting(void *context, uint16_t number, struct bytes value)
{
	struct child *child = context;
	union message m = {.setup_setting = {.number = number, .value = value}};

	return channel_send(child->channel, MSG_SETUP_SETTING, &m, -1);
}

static void
send_start(struct child *child)
{
	const char *user = NULL, *empty = NULL;
	union message m;

	if (geteuid() == 0) {
		user = role_user_name(child->row, parent.config);
		empty = child->row->chroot ? PATH_EMPTY : NULL;
	}
	memset(&m, 0, sizeof(m));
	m.setup_start.role = (uint8_t)child->row->role;
	m.setup_start.instance = child->instance;
	m.setup_start.trusted = child->trusted;
	m.setup_start.debug = (uint8_t)parent.debug;
	m.setup_start.verbose = (uint8_t)parent.verbose;
	m.setup_start.restarted = child->restarted;
	m.setup_start.system_users =
	    child->row->role == ROLE_AUTH && parent.config->users_system != 0;
	m.setup_start.sandbox_log = parent.config->sandbox == SANDBOX_LOG;
	m.setup_start.user = bytes_text(user);
	m.setup_start.chroot = bytes_text(empty);
	(void)channel_send(child->channel, MSG_SETUP_START, &m, -1);
}

static void
send_listener(struct child *child, const struct bound *bound)
{
	const struct listener *l = bound->listener;
	uint8_t names[4096];
	struct list_writer list;
	union message m;
	size_t i;
	int fd;

	if ((l->kind == LISTENER_SOCKET) != child->trusted)
		return;
	list_init(&list, names, sizeof(names));
	for (i = 0; i < l->pki_count; i++)
		if (list_add(&list,
			bytes_text(parent.config->pki[l->pki[i]].name)) == -1)
			fatalx("too many pki names on one listener");
	memset(&m, 0, sizeof(m));
	m.setup_listener.kind = (uint8_t)l->kind;
	m.setup_listener.port = l->port;
	m.setup_listener.address = bytes_text(l->host);
	m.setup_listener.pki = list_bytes(&list);
	if ((fd = dup(bound->fd)) == -1 ||
	    channel_send(child->channel, MSG_SETUP_LISTENER, &m, fd) == -1)
		fatal("listener %s", bound->name);
}

/*
 * Certificates and keys go as open descriptors: the parent never reads a
 * private key, and who may not open files needs none.
 */
static void
send_pki(struct child *child, uint16_t number, int secret)
{
	const struct pki *pki;
	union message m;
	size_t i;
	int fd;

	for (i = 0; i < parent.config->pki_count; i++) {
		pki = &parent.config->pki[i];
		fd = config_open_file(
		    secret ? pki->key : pki->cert, secret, stderr);
		if (fd == -1) {
			log_warnx("pki %s: cannot open its %s", pki->name,
			    secret ? "key" : "certificate");
			continue;
		}
		memset(&m, 0, sizeof(m));
		if (secret)
			m.setup_key.pki = bytes_text(pki->name);
		else
			m.setup_certificate.pki = bytes_text(pki->name);
		(void)channel_send(child->channel, number, &m, fd);
	}
}

static void
send_control(struct child *child)
{
	union message m;
	int fd;

	if (parent.control == -1 || child->row->role != ROLE_TOKEND)
		return;
	memset(&m, 0, sizeof(m));
	if ((fd = dup(parent.control)) == -1 ||
	    channel_send(child->channel, MSG_SETUP_CONTROL, &m, fd) == -1)
		fatal("control socket");
}

static void
send_ticket_key(struct child *child)
{
	union message m = {
	    .setup_ticket_key = {
		.key = bytes_of(parent.ticket_key, sizeof(parent.ticket_key))}};

	if (child->row->role == ROLE_TOKEND || child->row->role == ROLE_LMTPD ||
	    child->row->role == ROLE_RELAY)
		(void)channel_send(
		    child->channel, MSG_SETUP_TICKET_KEY, &m, -1);
}

/* What relay verifies by and what it logs in with, as open descriptors. */
static void
send_trust(struct child *child)
{
	const struct config *config = parent.config;
	union message m;
	int fd;

	memset(&m, 0, sizeof(m));
	/* Without it relay sends no tokens, which is no error. */
	if (config->relay_host != NULL &&
	    (fd = config_open_file(config->ca_file, 0,
		 config_needs_ca(config) ? stderr : NULL)) != -1)
		(void)channel_send(child->channel, MSG_SETUP_CA, &m, fd);
	if (config->relay_secrets != NULL &&
	    (fd = config_open_file(config->relay_secrets, 1, stderr)) != -1)
		(void)channel_send(child->channel, MSG_SETUP_SECRETS, &m, fd);
}

/* What may change with the configuration. */
static void
send_configuration(struct child *child)
{
	struct settings *settings = setup_settings(parent.config);
	size_t i;

	(void)settings_each(settings, child->row->role, give_setting, child);
	settings_free(settings);
	if (child->row->role == ROLE_SIGN)
		send_pki(child, MSG_SETUP_KEY, 1);
	if (child->row->role == ROLE_RELAY)
		send_trust(child);
	if (child->row->role != ROLE_FRONTEND)
		return;
	if (!child->trusted)
		send_pki(child, MSG_SETUP_CERTIFICATE, 0);
	for (i = 0; i < parent.bound_count; i++)
		send_listener(child, &parent.bound[i]);
}

void
setup_send(struct child *child)
{
	if (child->channel == NULL)
		return;
	if (child->generation == 0 || !child->ready) {
		send_start(child);
		send_control(child);
		send_ticket_key(child);
	}
	send_configuration(child);
}

void
setup_commit(struct child *child)
{
	union message m = {.setup_commit = {.generation = parent.generation}};

	child->generation = parent.generation;
	if (child->channel != NULL)
		(void)channel_send(child->channel, MSG_SETUP_COMMIT, &m, -1);
}

static int
edge_joins(
    const struct edge_row *edge, const struct child *a, const struct child *b)
{
	if (edge->a != a->row->role || edge->b != b->row->role)
		return 0;
	switch (edge->trust) {
	case EDGE_ALL:
		return 1;
	case EDGE_SAME_TRUST:
		return a->trusted == b->trusted;
	case EDGE_UNTRUSTED:
		return !a->trusted && !b->trusted;
	}
	return 0;
}

static void
send_peer(struct child *to, const struct child *peer, int fd)
{
	union message m = {.setup_peer = {.role = (uint8_t)peer->row->role,
			       .instance = peer->instance,
			       .trusted = peer->trusted}};

	(void)channel_send(to->channel, MSG_SETUP_PEER, &m, fd);
}

static void
join(struct child *a, struct child *b)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == -1)
		fatal("socketpair");
	send_peer(a, b, pair[0]);
	send_peer(b, a, pair[1]);
}

/*
 * At the start every child is wired once: each joins those that come before
 * it in the table. A replacement joins all that run.
 */
void
setup_wire(struct child *child)
{
	const struct edge_row *edge;
	struct child *other;
	size_t i;

	for (i = 0; i < parent.child_count; i++) {
		other = &parent.children[i];
		if (other->channel == NULL || other == child ||
		    (!parent.started && other > child))
			continue;
		for (edge = edge_table; edge->a != ROLE_NONE; edge++) {
			if (edge_joins(edge, child, other))
				join(child, other);
			else if (edge_joins(edge, other, child))
				join(other, child);
		}
	}
}

static void
start_listening(struct child *child)
{
	union message m = {.start_listening = {.unused = 0}};

	if (child->row->role == ROLE_FRONTEND && child->channel != NULL)
		(void)channel_send(child->channel, MSG_START_LISTENING, &m, -1);
}

/* Whoever waits for those of lower ranks may commit now. */
static void
advance(int rank)
{
	size_t i;

	for (i = 0; i < parent.child_count; i++)
		if (parent.children[i].row->rank <= rank &&
		    !parent.children[i].ready)
			return;
	for (i = 0; i < parent.child_count; i++)
		if (parent.children[i].row->rank == rank + 1)
			setup_commit(&parent.children[i]);
}

static void
on_ready(struct channel *c, const union message *m, int fd)
{
	const struct msg_setup_ready *r = &m->setup_ready;
	struct child *child = child_of_channel(c);
	char problem[1024];
	size_t i;

	(void)fd;
	if (child == NULL || r->generation != child->generation)
		return;
	if (bytes_copy(problem, sizeof(problem), r->problem) == -1)
		strlcpy(problem, "it does not say why", sizeof(problem));
	if (!r->ok)
		log_warnx("%s: %s", child->row->program, problem);
	if (parent.started && child->ready) {
		reload_answered(child, r->ok, problem);
		return;
	}
	if (!r->ok) {
		if (!parent.started)
			parent_failed(problem);
		return;
	}
	child->ready = 1;
	if (parent.started) {
		if (!parent.self_test)
			start_listening(child);
		return;
	}
	if (!children_ready()) {
		advance(child->row->rank);
		return;
	}
	parent.started = 1;
	channel_set_phase(PHASE_RUNNING);
	for (i = 0; !parent.self_test && i < parent.child_count; i++)
		start_listening(&parent.children[i]);
	parent_ready();
}

/* Is the one complained of a peer of the one who complains? */
static int
are_joined(const struct child *child, uint8_t role, uint8_t instance)
{
	const struct child *other;
	const struct edge_row *edge;
	size_t i;

	for (i = 0; i < parent.child_count; i++) {
		other = &parent.children[i];
		if (other->row->role != role || other->instance != instance)
			continue;
		for (edge = edge_table; edge->a != ROLE_NONE; edge++)
			if (edge_joins(edge, child, other) ||
			    edge_joins(edge, other, child))
				return 1;
	}
	return 0;
}

/*
 * Who complains again and again is replaced as well: one that was taken over
 * could keep all others from working.
 */
static void
count_complaint(struct child *child)
{
	struct timespec now;

	if (clock_gettime(CLOCK_MONOTONIC, &now) == -1)
		fatal("clock_gettime");
	if (now.tv_sec - child->complains >= COMPLAINTS_SECONDS) {
		child->complains = now.tv_sec;
		child->complaints = 0;
	}
	if (++child->complaints <= COMPLAINTS_MOST)
		return;
	child->complaints = 0;
	log_warnx(
	    "%s[%u] complains too much", child->row->program, child->instance);
	child_kill(child->row->role, child->instance);
}

static void
on_complaint(struct channel *c, const union message *m, int fd)
{
	const struct msg_complaint *p = &m->complaint;
	struct child *child = child_of_channel(c);
	char text[512];

	(void)fd;
	if (child == NULL || p->role >= ROLE_COUNT)
		return;
	if (!are_joined(child, p->role, p->instance)) {
		log_warnx("%s[%u] complains of a process that it has nothing "
			  "to do with",
		    child->row->program, child->instance);
		child_kill(child->row->role, child->instance);
		return;
	}
	log_warnx("%s[%u] complains of %s[%u]: %s", child->row->program,
	    child->instance, role_name(p->role), p->instance,
	    log_safe(text, sizeof(text), p->problem));
	child_kill(p->role, p->instance);
	count_complaint(child);
}

static void
on_reload(struct channel *c, const union message *m, int fd)
{
	(void)fd;
	reload_start(c, m->reload.request);
}

static void
on_verbose(struct channel *c, const union message *m, int fd)
{
	union message told = {.log_level = {.verbose = m->verbose.verbose}};
	size_t i;

	(void)c;
	(void)fd;
	parent.verbose = m->verbose.verbose;
	log_verbose(parent.verbose);
	for (i = 0; i < parent.child_count; i++)
		if (parent.children[i].ready)
			(void)channel_send(parent.children[i].channel,
			    MSG_LOG_LEVEL, &told, -1);
}
