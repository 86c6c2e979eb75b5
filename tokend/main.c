/* SPDX-License-Identifier: ISC */
#include <sys/time.h>

#include <event.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/process.h"
#include "tokend/ask.h"
#include "tokend/auth.h"
#include "tokend/commit.h"
#include "tokend/control.h"
#include "tokend/elsewhere.h"
#include "tokend/flight.h"
#include "tokend/mailboxes.h"
#include "tokend/manage.h"
#include "tokend/measure.h"
#include "tokend/open.h"
#include "tokend/probe.h"
#include "tokend/publish.h"
#include "tokend/recipient.h"
#include "tokend/remember_command.h"
#include "tokend/submit.h"
#include "tokend/tokend.h"
#include "tokend/upkeep.h"

/* How long the tokend before this one may take to let go of the store. */
#define WAIT_SECONDS 5
#define FLUSHES_PER_LOOK 64 /* whether a checkpoint is due */

struct tokend tokend;

static struct event flush_timer, shutdown_timer;
static uint64_t shutdown_deadline;
static int flush_planned;

uint64_t
wall_clock(void)
{
	struct timespec now;

	if (clock_gettime(CLOCK_REALTIME, &now) == -1)
		fatal("clock_gettime");
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

int
is_local(struct bytes address)
{
	char domain[ADDRESS_DOMAIN_MAX + 1];
	size_t at = address.length;

	while (at > 0 && address.data[at - 1] != '@')
		at--;
	return bytes_copy(domain, sizeof(domain),
		   bytes_of(address.data + at, address.length - at)) == 0 &&
	    text_list_has(&tokend.settings->domains, domain);
}

/*
 * A store that fails cannot be trusted any more, and neither can what is in
 * memory beside it: the parent starts another tokend, which recovers it.
 */
static void
flush(int fd, short what, void *argument)
{
	static unsigned int flushes;

	(void)fd;
	(void)what;
	(void)argument;
	flush_planned = 0;
	if (batch_flush(&tokend.batch) == -1)
		fatalx("%s", store_problem(tokend.store));
	if (++flushes % FLUSHES_PER_LOOK == 0 &&
	    store_checkpoint(tokend.store, 0) == -1)
		fatalx("%s", store_problem(tokend.store));
}

/* Frees what waited, after it was told. */
struct waiting {
	batch_done *done;
	void *argument;
};

static void
tell(void *argument, int durable)
{
	struct waiting *waiting = argument;

	waiting->done(waiting->argument, durable);
	free(waiting->argument);
	free(waiting);
}

/*
 * The flush comes when everything that has arrived by now was read. Without
 * anything to flush nobody has to wait.
 */
void
answer_later(batch_done *done, void *argument)
{
	const struct timeval at_once = {0, 0};
	struct waiting *waiting;

	if (!batch_pending(&tokend.batch)) {
		done(argument, 1);
		free(argument);
		return;
	}
	waiting = malloc(sizeof(*waiting));
	if (waiting == NULL)
		fatal("an answer");
	waiting->done = done;
	waiting->argument = argument;
	if (batch_wait(&tokend.batch, tell, waiting) == -1)
		fatal("an answer");
	if (flush_planned)
		return;
	flush_planned = 1;
	(void)evtimer_add(&flush_timer, &at_once);
}

/* Who waits for something does not have to wait longer. */
void
flush_soon(void)
{
	const struct timeval second = {1, 0};

	if (store_dirty(tokend.store) && !evtimer_pending(&flush_timer, NULL))
		(void)evtimer_add(&flush_timer, &second);
}

static void
take_lifetimes(const struct settings *settings)
{
	struct lifetimes *l = &tokend.issuer.lifetimes;

	l->temporary = settings->temporary_lifetime * 1000;
	l->permanent = settings->permanent_lifetime * 1000;
	l->refresh = settings->permanent_refresh * 1000;
	l->grace = settings->permanent_grace * 1000;
}

static void
take_remember(const struct settings *settings)
{
	struct rememberer *r = &tokend.rememberer;

	r->issuer = &tokend.issuer;
	r->hostname =
	    settings->hostname == NULL ? "localhost" : settings->hostname;
	r->lifetime = settings->remember_lifetime * 1000;
	r->maximum = settings->remember_maximum * 1000;
}

static int
open_everything(const struct settings *settings, struct problem *problem)
{
	int created;

	tokend.store = open_all(
	    settings->store, WAIT_SECONDS, &tokend.ring, &created, problem);
	if (tokend.store == NULL)
		return -1;
	if (created)
		log_info("%s: a new store, with key %u", settings->store,
		    keyring_active(&tokend.ring)->id);
	tokend.batch.store = tokend.store;
	tokend.issuer.store = tokend.store;
	tokend.issuer.ring = &tokend.ring;
	if ((tokend.marks = marks_new()) == NULL)
		fatal("marks");
	tokend.issuer.marks = tokend.marks;
	if (marks_load(tokend.marks, tokend.store) == 0 &&
	    issuer_load(&tokend.issuer) == 0)
		return 0;
	problem_set(problem,
	    "store %s: a record cannot be read: restore it from a backup",
	    settings->store);
	return -1;
}

static int
commit(const struct settings *settings, int first, char *text, size_t size)
{
	struct problem problem;

	if (first) {
		if (open_everything(settings, &problem) == -1) {
			strlcpy(text, problem.text, size);
			return -1;
		}
		tokend.started = wall_clock();
		evtimer_set(&flush_timer, flush, NULL);
		upkeep_start();
	}
	mailboxes_forget_all();
	tokend.settings = settings;
	take_lifetimes(settings);
	take_remember(settings);
	return 0;
}

static void
start(const struct process_start *told)
{
	tokend.restarted = told->restarted;
	if (told->restarted)
		flights_unknown_until(
		    ticket_clock() + TICKET_LIFE + TICKET_LANDING);
}

static void
unveil_store(const struct settings *settings)
{
	if (unveil(settings->store, "rwc") == -1)
		fatal("unveil %s", settings->store);
}

static void
on_control(struct channel *parent, const union message *m, int fd)
{
	(void)parent;
	(void)m; /* the group is in the mode of the socket */
	control_listen(fd);
}

static void
on_ticket_key(struct channel *parent, const union message *m, int fd)
{
	(void)parent;
	(void)fd;
	if (m->setup_ticket_key.key.length != sizeof(tokend.ticket_key))
		fatalx("the ticket key has a wrong length");
	memcpy(tokend.ticket_key, m->setup_ticket_key.key.data,
	    sizeof(tokend.ticket_key));
	tokend.has_ticket_key = 1;
}

static void
peer_new(struct channel *c)
{
	if (channel_peer(c) == ROLE_ENGINE)
		auth_tell_mechanisms(c);
}

static void
peer_gone(struct channel *c)
{
	if (channel_peer(c) == ROLE_ENGINE)
		sessions_drop(channel_instance(c));
	if (channel_peer(c) == ROLE_RELAY) {
		publish_relay_gone();
		probe_relay_gone();
	}
	if (channel_peer(c) == ROLE_AUTH) {
		auth_fail_waiting();
		asks_fail();
	}
}

static void
wipe_and_exit(void)
{
	control_close();
	if (batch_flush(&tokend.batch) == -1)
		log_warnx("%s", store_problem(tokend.store));
	store_close(tokend.store);
	keyring_wipe(&tokend.ring);
	jwt_key_forget(0);
	explicit_bzero(tokend.ticket_key, sizeof(tokend.ticket_key));
	process_exit();
}

static int
has_engines(void)
{
	uint8_t i;

	for (i = 0; i < process_peer_count(ROLE_ENGINE); i++)
		if (process_peer(ROLE_ENGINE, i) != NULL)
			return 1;
	return 0;
}

/* The engines finish what is in flight; they need us for it. */
static void
shutdown_look(int fd, short what, void *argument)
{
	const struct timeval tenth = {0, 100000};

	(void)fd;
	(void)what;
	(void)argument;
	if (!has_engines() || ticket_clock() >= shutdown_deadline)
		wipe_and_exit();
	(void)evtimer_add(&shutdown_timer, &tenth);
}

static void
shut_down(uint32_t seconds)
{
	if (tokend.store == NULL)
		process_exit();
	if (shutdown_deadline != 0)
		return;
	shutdown_deadline = ticket_clock() + (uint64_t)seconds * 1000;
	evtimer_set(&shutdown_timer, shutdown_look, NULL);
	shutdown_look(-1, 0, NULL);
}

static const struct channel_handler parent_handlers[] = {
    {MSG_SETUP_CONTROL, on_control},
    {MSG_SETUP_TICKET_KEY, on_ticket_key},
    {MSG_RELOAD_DONE, on_reload_done},
    {MSG_MEASURED, on_measured},
    {MSG_CERTIFICATE_SEEN, on_certificate_seen},
    {MSG_FINDING_SEEN, on_finding_seen},
    {0, NULL},
};

static const struct channel_handler engine_handlers[] = {
    {MSG_SESSION_ADMIT, on_session_admit},
    {MSG_SESSION_END, on_session_end},
    {MSG_AUTH_STEP, on_auth_step},
    {MSG_AUTH_ABORT, on_auth_abort},
    {MSG_RCPT_CHECK, on_rcpt_check},
    {MSG_SENDER_CHECK, on_sender_check},
    {MSG_SUBMIT_BEGIN, on_submit_begin},
    {MSG_COMMIT_BEGIN, on_commit_begin},
    {MSG_COMMIT_END, on_commit_end},
    {MSG_NOTICE_BEGIN, on_notice_begin},
    {MSG_TOKEN_GENERATE, on_token_generate},
    {MSG_TOKEN_REVOKE, on_token_revoke},
    {MSG_REMEMBER, on_remember},
    {0, NULL},
};

static const struct channel_handler relay_handlers[] = {
    {MSG_HELD_ASK, on_held_ask},
    {MSG_HELD_NEW, on_held_new},
    {MSG_HELD_REFUSED, on_held_refused},
    {MSG_DNS_ANSWER, on_dns_answer},
    {MSG_PROBED, on_probed},
    {0, NULL},
};

static const struct channel_handler auth_handlers[] = {
    {MSG_PASSWORD_RESULT, on_password_result},
    {MSG_ADDRESS_RESULT, on_address_result},
    {MSG_OWNER_RESULT, on_owner_result},
    {MSG_MECHANISMS_CHANGED, on_mechanisms_changed},
    {MSG_USER_STATE, on_user_state},
    {0, NULL},
};

static const struct process_peer peers[] = {
    {ROLE_ENGINE, engine_handlers},
    {ROLE_AUTH, auth_handlers},
    {ROLE_RELAY, relay_handlers},
    {ROLE_NONE, NULL},
};

static const struct process_role role = {
    .role = ROLE_TOKEND,
    .name = "tokend",
    .title = "tokend",
    .setup_promises = "stdio rpath wpath cpath flock unix sendfd recvfd unveil",
    .promises = "stdio rpath wpath cpath flock unix recvfd",
    .start = start,
    .parent_handlers = parent_handlers,
    .peers = peers,
    .commit = commit,
    .unveil = unveil_store,
    .peer_new = peer_new,
    .peer_gone = peer_gone,
    .measure = measure_own,
    .shutdown = shut_down,
};

int
main(void)
{
	process_main(&role);
}
