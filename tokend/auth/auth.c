/* SPDX-License-Identifier: ISC */
/*
 * tokend-auth: the users, their secrets and the aliases. Answers tokend, and
 * nobody else.
 */
#include <errno.h>
#include <event.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "imsg/channel.h"
#include "imsg/messages.h"
#include "lib/log.h"
#include "lib/process.h"
#include "lib/settings.h"
#include "tokend/auth/aliases.h"
#include "tokend/auth/exchanges.h"
#include "tokend/auth/hasher.h"
#include "tokend/auth/login.h"
#include "tokend/auth/route.h"
#include "tokend/auth/site.h"
#include "tokend/auth/users.h"

#define WORKERS 2 /* unless `prefork auth` says otherwise */
#define EXPIRE_SECONDS 30 /* how often old exchanges are looked for */

static struct site site;
static const struct text_list *mechanisms; /* those switched on */
static struct event expire_event;

static void on_step(struct channel *, const union message *, int);
static void on_abort(struct channel *, const union message *, int);
static void on_lookup(struct channel *, const union message *, int);
static void on_owner(struct channel *, const union message *, int);

static const struct channel_handler tokend_handlers[] = {
    {MSG_PASSWORD_STEP, on_step},
    {MSG_PASSWORD_ABORT, on_abort},
    {MSG_ADDRESS_LOOKUP, on_lookup},
    {MSG_OWNER_CHECK, on_owner},
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

static void
log_fault(void *context, const char *path, size_t line, const char *what)
{
	(void)context;
	if (line > 0)
		log_warnx("%s:%zu: %s", path, line, what);
	else
		log_warnx("%s: %s", path, what);
}

static const struct source_report to_log = {log_fault, NULL};

/* A changed file counts from the next question on. */
static void
refresh(void)
{
	users_refresh(site.users, &to_log);
	aliases_refresh(site.aliases, &to_log);
}

/* What a step's result is called in a PASSWORD_RESULT. */
static const enum auth_outcome outcomes[] = {
    [STEP_CHALLENGE] = AUTH_CHALLENGE,
    [STEP_OK] = AUTH_OK,
    [STEP_CHECK] = AUTH_TEMPORARY, /* the queue of checks is full */
    [STEP_FAILED] = AUTH_FAILED,
    [STEP_MALFORMED] = AUTH_MALFORMED,
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
	hasher_forget(session);
	exchanges_drop(session);
}

/* What the users file says of a user beside the secret. */
static void
add_rights(struct msg_password_result *result, const char *login)
{
	const struct user *user = users_find(site.users, login);

	if (user == NULL)
		return;
	result->no_submit = user->no_submit;
	result->messages_per_hour = user->messages_per_hour;
	result->recipients_per_hour = user->recipients_per_hour;
}

/* Tells tokend; an exchange that is over is wiped. */
static void
tell(uint64_t session, struct exchange *exchange, enum step_result step)
{
	struct msg_password_result result = {.outcome = (uint8_t)outcomes[step],
	    .reason = (uint8_t)exchange->reason,
	    .messages_per_hour = LIMIT_SITE,
	    .recipients_per_hour = LIMIT_SITE,
	    .tried = bytes_of(exchange->tried, exchange->tried_length)};

	if (step == STEP_CHALLENGE)
		result.challenge =
		    bytes_of(exchange->challenge, exchange->challenge_length);
	if (step == STEP_OK) {
		result.login = bytes_text(exchange->login);
		add_rights(&result, exchange->login);
	}
	if (step == STEP_FAILED)
		result.secret =
		    bytes_of(exchange->digest, exchange->digest_length);
	send_result(session, &result);
	if (step != STEP_CHALLENGE)
		drop(session);
}

/* A worker's answer. */
static void
checked(uint64_t session, bool matches)
{
	struct exchange *exchange = exchanges_find(session);

	if (exchange != NULL)
		tell(session, exchange, exchange_checked(exchange, matches));
}

static void
step(uint64_t session, struct exchange *exchange, const struct bytes *response)
{
	enum step_result result = exchange_step(exchange, response);

	if (result == STEP_CHECK) {
		if (hasher_ask(session, &exchange->state.check) == 0)
			return;
		exchange->reason = AUTH_REASON_OVERLOAD;
	}
	tell(session, exchange, result);
}

/* A mechanism that is there, switched on, and possible in this session. */
static const struct mechanism *
usable_mechanism(const struct msg_password_step *m)
{
	const struct mechanism *mechanism = mechanism_find(m->mechanism);
	size_t i;

	if (mechanism == NULL ||
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
on_step(struct channel *c, const union message *message, int fd)
{
	const struct msg_password_step *m = &message->password_step;
	const struct mechanism *mechanism;
	struct exchange *exchange;

	(void)c;
	(void)fd;
	refresh();
	if (!m->first) {
		/* A restarted tokend-auth has forgotten it. */
		if ((exchange = exchanges_find(m->session)) == NULL)
			refuse(m->session, AUTH_TEMPORARY, AUTH_REASON_NONE);
		else
			step(m->session, exchange, &m->response);
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
	step(m->session, exchange, m->has_response ? &m->response : NULL);
}

static void
on_abort(struct channel *c, const union message *m, int fd)
{
	(void)c;
	(void)fd;
	drop(m->password_abort.session);
}

static void
on_lookup(struct channel *c, const union message *m, int fd)
{
	static struct targets targets;
	static uint8_t here[16384], there[16384];
	union message answer = {
	    .address_result = {.request = m->address_lookup.request}};
	struct list_writer mailboxes, outside;
	char address[ADDRESS_SIZE];
	enum address_lookup lookup = LOOKUP_UNKNOWN;

	(void)fd;
	refresh();
	list_init(&mailboxes, here, sizeof(here));
	list_init(&outside, there, sizeof(there));
	targets.count = 0;
	if (address_canonical_text((const char *)m->address_lookup.address.data,
		m->address_lookup.address.length, address) == 0)
		lookup = route_resolve(&site, address, &targets);
	if ((lookup == LOOKUP_MAILBOXES || lookup == LOOKUP_OUTSIDE) &&
	    route_split(&site, &targets, &mailboxes, &outside) == -1)
		lookup = LOOKUP_TEMPORARY;
	if (lookup == LOOKUP_TEMPORARY) {
		log_warnx("alias %s: a circle, or too many targets", address);
		mailboxes.length = outside.length = 0;
	}
	answer.address_result.lookup = (uint8_t)lookup;
	answer.address_result.mailboxes = list_bytes(&mailboxes);
	answer.address_result.outside = list_bytes(&outside);
	(void)channel_send(c, MSG_ADDRESS_RESULT, &answer, -1);
}

static void
on_owner(struct channel *c, const union message *m, int fd)
{
	const struct msg_owner_check *check = &m->owner_check;
	union message answer = {.owner_result = {.request = check->request}};
	char login[ADDRESS_SIZE], address[ADDRESS_SIZE];

	(void)fd;
	refresh();
	if (address_canonical_text((const char *)check->login.data,
		check->login.length, login) == 0 &&
	    users_find(site.users, login) != NULL) {
		if (check->address.length == 0)
			(void)strlcpy(address, login, sizeof(address));
		else if (address_canonical_text(
			     (const char *)check->address.data,
			     check->address.length, address) == -1)
			address[0] = '\0';
		answer.owner_result.own =
		    address[0] != '\0' && route_own(&site, login, address);
		answer.owner_result.address = bytes_text(address);
	}
	(void)channel_send(c, MSG_OWNER_RESULT, &answer, -1);
}

/* The first fault goes to the parent, all go to the log. */
struct problem {
	char *text;
	size_t size;
};

static void
take_fault(void *context, const char *path, size_t line, const char *what)
{
	const struct problem *problem = context;

	log_fault(NULL, path, line, what);
	if (problem->text[0] != '\0')
		return;
	if (line > 0)
		(void)snprintf(problem->text, problem->size, "%s:%zu: %s", path,
		    line, what);
	else
		(void)snprintf(
		    problem->text, problem->size, "%s: %s", path, what);
}

static void
worker_died(void)
{
	fatalx("a hash worker died; starting afresh");
}

static void
expire(int fd, short what, void *context)
{
	struct timeval again = {EXPIRE_SECONDS, 0};

	(void)fd;
	(void)what;
	(void)context;
	(void)exchanges_expire(now(), hasher_forget);
	(void)evtimer_add(&expire_event, &again);
}

/* Before any secret is read: the workers are forked from this process. */
static int
first_start(const struct settings *settings, char *problem, size_t size)
{
	unsigned int count = settings->hash_workers == 0
	    ? WORKERS
	    : (unsigned int)settings->hash_workers;

	if (hasher_start(count, checked, worker_died) == -1) {
		(void)snprintf(problem, size, "cannot start hash workers: %s",
		    strerror(errno));
		return -1;
	}
	arc4random_buf(site.fake_key, sizeof(site.fake_key));
	evtimer_set(&expire_event, expire, NULL);
	expire(-1, 0, NULL);
	return 0;
}

static int
commit(const struct settings *settings, int first, char *problem, size_t size)
{
	struct problem where = {problem, size};
	struct source_report report = {take_fault, &where};
	struct users *users;
	struct aliases *aliases;

	if (first && first_start(settings, problem, size) == -1)
		return -1;
	users = users_open(settings->users_file, &settings->domains, &report);
	aliases =
	    aliases_open(settings->aliases_file, &settings->domains, &report);
	if (users == NULL || aliases == NULL) {
		users_close(users);
		aliases_close(aliases);
		return -1;
	}
	users_close(site.users);
	aliases_close(site.aliases);
	site.users = users;
	site.aliases = aliases;
	site.domains = &settings->domains;
	mechanisms = &settings->mechanisms;
	log_debug("%zu users", users_count(users));
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
	hasher_forget_all();
	exchanges_clear();
}

static void
wipe(void)
{
	exchanges_clear();
	users_close(site.users);
	aliases_close(site.aliases);
	site.users = NULL;
	site.aliases = NULL;
}

static void
end(uint32_t seconds)
{
	(void)seconds;
	hasher_stop();
	wipe();
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
    .start = start,
    .peers = peers,
    .commit = commit,
    .unveil = unveil_files,
    .peer_gone = peer_gone,
    .shutdown = end,
};

int
main(void)
{
	process_main(&role);
}
