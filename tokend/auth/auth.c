/* SPDX-License-Identifier: ISC */
/*
 * tokend-auth: the users, their secrets and the aliases. Answers tokend, and
 * nobody else.
 */
#include <errno.h>
#include <event.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "imsg/channel.h"
#include "imsg/messages.h"
#include "lib/log.h"
#include "lib/measure.h"
#include "lib/process.h"
#include "lib/settings.h"
#include "tokend/auth/backend.h"
#include "tokend/auth/backend_system.h"
#include "tokend/auth/dovecot.h"
#include "tokend/auth/exchanges.h"
#include "tokend/auth/lookups.h"
#include "tokend/auth/site.h"
#include "tokend/auth/users.h"

#define EXPIRE_SECONDS 30 /* how often old exchanges are looked for */

static struct site site;
static const struct backend *backend;
static const struct text_list *mechanisms; /* those switched on */
static const char *users_file, *aliases_file; /* of the settings, or NULL */
static struct event expire_event;

static void on_step(struct channel *, const union message *, int);
static void on_abort(struct channel *, const union message *, int);

static const struct channel_handler tokend_handlers[] = {
    {MSG_PASSWORD_STEP, on_step},
    {MSG_PASSWORD_ABORT, on_abort},
    {MSG_ADDRESS_LOOKUP, on_lookup},
    {MSG_OWNER_CHECK, on_owner},
    {MSG_USER_LOOK, on_user_look},
    {0, NULL},
};

static time_t
now(void)
{
	struct timespec t;

	if (clock_gettime(CLOCK_MONOTONIC, &t) == -1)
		fatal("clock_gettime");
	return t.tv_sec;
}

/* What a step's result is called in a PASSWORD_RESULT. */
static const enum auth_outcome outcomes[] = {
    [STEP_CHALLENGE] = AUTH_CHALLENGE,
    [STEP_OK] = AUTH_OK,
    [STEP_FAILED] = AUTH_FAILED,
    [STEP_MALFORMED] = AUTH_MALFORMED,
    [STEP_TEMPORARY] = AUTH_TEMPORARY,
};

static void
send_result(uint64_t session, const struct msg_password_result *result)
{
	struct channel *tokend = process_peer(ROLE_TOKEND, 0);
	union message m = {.password_result = *result};

	m.password_result.session = session;
	if (tokend != NULL)
		(void)channel_send(tokend, MSG_PASSWORD_RESULT, &m, -1);
}

/* An answer that no exchange stands behind. */
static void
refuse(uint64_t session, enum auth_outcome outcome, enum auth_reason reason)
{
	struct msg_password_result result = {.outcome = (uint8_t)outcome,
	    .reason = (uint8_t)reason,
	    .messages_per_hour = LIMIT_SITE,
	    .recipients_per_hour = LIMIT_SITE};

	send_result(session, &result);
}

static void
drop(uint64_t session)
{
	backend->forget(session);
	exchanges_drop(session);
}

/* Tells tokend; an exchange that is over is wiped. */
void
backend_told(uint64_t session, struct exchange *exchange, enum step_result step)
{
	const struct user_facts *facts = &exchange->facts;
	struct msg_password_result result = {.outcome = (uint8_t)outcomes[step],
	    .reason = (uint8_t)exchange->reason,
	    .messages_per_hour = facts->rights.messages_per_hour,
	    .recipients_per_hour = facts->rights.recipients_per_hour,
	    .tried = bytes_of(exchange->tried, exchange->tried_length)};

	if (step == STEP_CHALLENGE)
		result.challenge =
		    bytes_of(exchange->challenge, exchange->challenge_length);
	if (step == STEP_OK) {
		result.login = bytes_text(exchange->login);
		result.no_submit = facts->rights.no_submit;
		result.digest = bytes_of(facts->digest, facts->digest_length);
	}
	if (step == STEP_FAILED)
		result.secret =
		    bytes_of(exchange->digest, exchange->digest_length);
	send_result(session, &result);
	if (step != STEP_CHALLENGE)
		drop(session);
}

/* What the back-end has, for a tokend that comes later, too. */
static uint8_t offers[256];
static size_t offers_length;
static bool has_offers;

static void
send_offers(struct channel *tokend)
{
	union message m = {.mechanisms_changed = {
			       .mechanisms = bytes_of(offers, offers_length)}};

	if (tokend != NULL && has_offers)
		(void)channel_send(tokend, MSG_MECHANISMS_CHANGED, &m, -1);
}

void
backend_offers(struct bytes names)
{
	if (names.length > sizeof(offers))
		return;
	if (names.length > 0)
		memcpy(offers, names.data, names.length);
	offers_length = names.length;
	has_offers = true;
	send_offers(process_peer(ROLE_TOKEND, 0));
}

/* A mechanism that is there, switched on, and possible in this session. */
static const struct mechanism *
usable_mechanism(const struct msg_password_step *m)
{
	const struct mechanism *mechanism = mechanism_find(m->mechanism);
	size_t i;

	if (mechanism == NULL || !backend->has(mechanism) ||
	    (mechanism->plus && m->exporter.length == 0 &&
		m->endpoint.length == 0))
		return NULL;
	for (i = 0; i < mechanisms->count; i++) {
		if (strcasecmp(mechanisms->items[i], mechanism->name) == 0)
			return mechanism;
	}
	return NULL;
}

static void
take_client(struct client_facts *client, const struct msg_password_step *m)
{
	if (bytes_copy(client->address, sizeof(client->address), m->address) ==
	    -1)
		client->address[0] = '\0';
	if (bytes_copy(client->name, sizeof(client->name), m->name) == -1)
		client->name[0] = '\0';
	client->port = m->port;
	client->listener = m->listener;
}

static void
on_step(struct channel *c, const union message *message, int fd)
{
	const struct msg_password_step *m = &message->password_step;
	const struct mechanism *mechanism;
	struct exchange *exchange;

	(void)c;
	(void)fd;
	site_refresh(&site);
	if (!m->first) {
		/* A restarted tokend-auth has forgotten it. */
		if ((exchange = exchanges_find(m->session)) == NULL)
			refuse(m->session, AUTH_TEMPORARY, AUTH_REASON_NONE);
		else
			backend->step(m->session, exchange, &m->response);
		return;
	}
	drop(m->session);
	if ((mechanism = usable_mechanism(m)) == NULL) {
		refuse(m->session, AUTH_UNAVAILABLE, AUTH_REASON_NONE);
		return;
	}
	if ((exchange = exchanges_new(m->session, now())) == NULL) {
		refuse(m->session, AUTH_TEMPORARY, AUTH_REASON_OVERLOAD);
		return;
	}
	exchange_begin(exchange, &site, mechanism, m->plus_offered, m->exporter,
	    m->endpoint);
	take_client(&exchange->client, m);
	backend->step(
	    m->session, exchange, m->has_response ? &m->response : NULL);
}

static void
on_abort(struct channel *c, const union message *m, int fd)
{
	(void)c;
	(void)fd;
	drop(m->password_abort.session);
}

static void
expire(int fd, short what, void *context)
{
	struct timeval again = {EXPIRE_SECONDS, 0};

	(void)fd;
	(void)what;
	(void)context;
	(void)exchanges_expire(now(), backend->forget);
	lookups_expire(now());
	(void)evtimer_add(&expire_event, &again);
}

/* Before any secret is read: processes may be forked from this one. */
static int
first_start(const struct settings *settings, char *problem, size_t size)
{
	arc4random_buf(site.fake_key, sizeof(site.fake_key));
	site.domains = &settings->domains;
	backend = backend_choose(settings);
	if (backend->start(settings, &site, problem, size) == -1)
		return -1;
	lookups_start(&site, backend);
	evtimer_set(&expire_event, expire, NULL);
	expire(-1, 0, NULL);
	return 0;
}

static int
commit(const struct settings *settings, int first, char *problem, size_t size)
{
	if ((first && first_start(settings, problem, size) == -1) ||
	    site_take(&site, settings, problem, size) == -1)
		return -1;
	mechanisms = &settings->mechanisms;
	users_file = settings->users_file;
	aliases_file = settings->aliases_file;
	return 0;
}

/* The directories, since a file that is replaced is another one. */
static void
unveil_directory(const char *file)
{
	char *path, *directory;

	if (file == NULL)
		return;
	if ((path = strdup(file)) == NULL)
		fatal("strdup");
	directory = dirname(path);
	if (unveil(directory, "r") == -1)
		fatal("unveil %s", directory);
	free(path);
}

static void
unveil_files(const struct settings *settings)
{
	/* Where there are no files at all, still nothing else is seen. */
	if (unveil("/dev/null", "r") == -1)
		fatal("unveil /dev/null");
	unveil_directory(settings->users_file);
	unveil_directory(settings->aliases_file);
}

/*
 * Another tokend knows nothing of the exchanges of the one before, and numbers
 * its own from 1 again: a check of the old one's that is still under way must
 * not answer for one of these.
 */
static void
peer_gone(struct channel *c)
{
	(void)c;
	backend->forget_all();
	exchanges_clear();
	lookups_clear();
}

static void
end(uint32_t seconds)
{
	(void)seconds;
	backend->stop();
	exchanges_clear();
	site_close(&site);
	process_exit();
}

/* libcrypto would read its configuration at the first hash, in the sandbox. */
static void
start(const struct process_start *s)
{
	(void)s;
	if (OPENSSL_init_crypto(OPENSSL_INIT_LOAD_CONFIG, NULL) != 1)
		fatalx("libcrypto");
}

/* Is a file still there, and ours to read? It counts when it has changed. */
static void
look_at_file(const char *path, const char *item)
{
	int fd;

	if (path == NULL)
		return;
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) == -1)
		measure_finding(FINDING_PROBLEM, item,
		    "%s: %s: what was read of it at the start counts, changes "
		    "do not",
		    path, strerror(errno));
	else
		(void)close(fd);
}

static void
measure(int check)
{
	size_t count;

	if (!check)
		return;
	site_refresh(&site);
	look_at_file(users_file, "users");
	look_at_file(aliases_file, "aliases");
	if (backend == &backend_dovecot)
		measure_finding(
		    offers_length > 0 ? FINDING_OK : FINDING_PROBLEM, "users",
		    offers_length > 0
			? "Dovecot offers mechanisms"
			: "Dovecot offers no mechanism: does it run, and may "
			  "we use its socket?");
	if (backend != &backend_file)
		return;
	count = users_count(site.users);
	measure_finding(count > 0 ? FINDING_OK : FINDING_WARNING, "users",
	    count > 0 ? "%zu can log in"
		      : "%zu: nobody can log in; see `tokenctl encrypt`",
	    count);
}

static const struct channel_handler parent_handlers[] = {
    {MSG_LOGIN_CONNECTED, on_login_connected},
    {0, NULL},
};

static const struct process_peer peers[] = {
    {ROLE_TOKEND, tokend_handlers},
    {ROLE_NONE, NULL},
};

static const struct process_role role = {
    .role = ROLE_AUTH,
    .name = "tokend-auth",
    .title = "tokend-auth",
    .setup_promises = "stdio rpath proc recvfd unveil",
    .promises = "stdio rpath recvfd",
    .privileged = system_privileged,
    .start = start,
    .parent_handlers = parent_handlers,
    .peers = peers,
    .commit = commit,
    .unveil = unveil_files,
    .peer_new = send_offers,
    .peer_gone = peer_gone,
    .measure = measure,
    .shutdown = end,
};

int
main(void)
{
	process_main(&role);
}
