/* SPDX-License-Identifier: ISC */
/* The client's side of Dovecot's authentication protocol, version 1.2. */
#include <sys/queue.h>
#include <sys/tree.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base64.h"
#include "lib/log.h"
#include "tokend/auth/dovecot.h"
#include "tokend/auth/dovecot_link.h"
#include "tokend/auth/exchanges.h"
#include "tokend/auth/login.h"
#include "tokend/auth/site.h"

/* An exchange that Dovecot knows by this id. */
struct request {
	RB_ENTRY(request) entry;
	TAILQ_ENTRY(request) by_age;
	uint32_t id;
	uint64_t session;
	time_t since; /* the last line to Dovecot */
};

static int
compare(const struct request *a, const struct request *b)
{
	return a->id < b->id ? -1 : a->id > b->id;
}

RB_HEAD(request_tree, request);
RB_PROTOTYPE(request_tree, request, entry, compare)
RB_GENERATE(request_tree, request, entry, compare)

static struct request_tree requests = RB_INITIALIZER(&requests);
static TAILQ_HEAD(request_list, request)
ages = TAILQ_HEAD_INITIALIZER(ages);
static uint32_t last_id;
static const struct site *site;
static struct dovecot_link dovecot;

/*
 * What Dovecot said that it has, of ours; before it ever did, anything. The
 * forms with channel binding are not among them: it knows nothing of our TLS.
 */
static const char *const names[] = {"PLAIN", "LOGIN", "SCRAM-SHA-256"};
#define NAMES (sizeof(names) / sizeof(names[0]))
static bool greeted, offered[NAMES];

bool
dovecot_has(const struct mechanism *mechanism)
{
	size_t i;

	for (i = 0; i < NAMES; i++) {
		if (strcmp(names[i], mechanism->name) == 0)
			return !greeted || offered[i];
	}
	return false;
}

static struct request *
request_find(uint32_t id)
{
	struct request key;

	key.id = id;
	return RB_FIND(request_tree, &requests, &key);
}

static void
request_free(struct request *request)
{
	RB_REMOVE(request_tree, &requests, request);
	TAILQ_REMOVE(&ages, request, by_age);
	free(request);
}

/* Ids are Dovecot's to echo; 0 stands for none. */
static struct request *
request_new(uint64_t session)
{
	struct request *request;

	if (++last_id == 0)
		last_id = 1;
	if (request_find(last_id) != NULL ||
	    (request = calloc(1, sizeof(*request))) == NULL)
		return NULL;
	request->id = last_id;
	request->session = session;
	(void)RB_INSERT(request_tree, &requests, request);
	TAILQ_INSERT_TAIL(&ages, request, by_age);
	return request;
}

/* It is over: the id means nothing any more. */
static void
finish(struct request *request, enum step_result result)
{
	struct exchange *exchange = exchanges_find(request->session);
	uint64_t session = request->session;

	request_free(request);
	if (exchange == NULL)
		return;
	exchange->state.dovecot.id = 0;
	if (!exchange->state.dovecot.waiting)
		return; /* the client's next step will be told */
	exchange->state.dovecot.waiting = false;
	backend_told(session, exchange, result);
}

static void
cancel(uint32_t id)
{
	struct dovecot_line line;

	if (dovecot.state != LINK_UP)
		return;
	dovecot_begin(&line, "CANCEL");
	dovecot_add_number(&line, NULL, id);
	(void)dovecot_send(&dovecot, &line);
}

/* Dovecot has no use for what is not an address. */
static bool
is_address(const char *text)
{
	return *text != '\0' &&
	    strspn(text, "0123456789abcdefABCDEF:.") == strlen(text);
}

/* RFC 4954 gives SMTP no success data, so we do not say "final-resp-ok". */
static void
write_auth(struct dovecot_line *line, const struct exchange *exchange,
    uint32_t id, const struct bytes *response)
{
	const struct client_facts *client = &exchange->client;

	dovecot_begin(line, "AUTH");
	dovecot_add_number(line, NULL, id);
	dovecot_add(line, exchange->mechanism->name);
	dovecot_add_text(line, "service", "smtp");
	dovecot_add(line, "nologin");
	dovecot_add_text(line, "secured", "tls");
	if (is_address(client->address)) {
		dovecot_add_text(line, "rip", client->address);
		dovecot_add_number(line, "rport", client->port);
	}
	if (client->listener != 0)
		dovecot_add_number(line, "lport", client->listener);
	if (client->name[0] != '\0')
		dovecot_add_text(line, "session", client->name);
	if (response != NULL)
		dovecot_add_data(line, "resp", *response);
}

static void
write_cont(struct dovecot_line *line, uint32_t id, struct bytes response)
{
	dovecot_begin(line, "CONT");
	dovecot_add_number(line, NULL, id);
	dovecot_add_data(line, NULL, response);
}

/* A wrong password is one by what the client sent: only these two say it. */
static void
digest(struct exchange *exchange, const struct bytes *response)
{
	if (response != NULL &&
	    (strcmp(exchange->mechanism->name, "PLAIN") == 0 ||
		strcmp(exchange->mechanism->name, "LOGIN") == 0))
		(void)exchange_digest(exchange, *response);
}

/* Returns the result when there is one already, or STEP_CHECK. */
static enum step_result
send_step(struct exchange *exchange, struct request *request,
    const struct bytes *response)
{
	struct dovecot_line line;
	uint32_t id = request->id;

	if (exchange->step == 0)
		write_auth(&line, exchange, id, response);
	else
		write_cont(&line, id, *response);
	if (line.full) {
		explicit_bzero(&line, sizeof(line));
		return STEP_MALFORMED;
	}
	digest(exchange, response);
	return dovecot_send(&dovecot, &line) == 0 ? STEP_CHECK : STEP_TEMPORARY;
}

void
dovecot_step(
    uint64_t session, struct exchange *exchange, const struct bytes *response)
{
	struct dovecot_state *state = &exchange->state.dovecot;
	struct request *request;
	enum step_result result;

	if (state->waiting || (exchange->step > 0 && response == NULL)) {
		exchange->reason = AUTH_REASON_PROTOCOL;
		backend_told(session, exchange, STEP_MALFORMED);
		return;
	}
	request = exchange->step == 0 ? request_new(session)
				      : request_find(state->id);
	if (request == NULL) {
		backend_told(session, exchange, STEP_TEMPORARY);
		return;
	}
	state->id = request->id;
	if ((result = send_step(exchange, request, response)) != STEP_CHECK) {
		backend_told(session, exchange, result);
		return;
	}
	exchange->step++;
	state->waiting = true;
	request->since = dovecot_now();
	TAILQ_REMOVE(&ages, request, by_age);
	TAILQ_INSERT_TAIL(&ages, request, by_age);
}

void
dovecot_forget(uint64_t session)
{
	struct exchange *exchange = exchanges_find(session);
	struct request *request;
	uint32_t id;

	if (exchange == NULL || (id = exchange->state.dovecot.id) == 0)
		return;
	exchange->state.dovecot.id = 0;
	exchange->state.dovecot.waiting = false;
	if ((request = request_find(id)) == NULL)
		return;
	request_free(request);
	cancel(id);
}

void
dovecot_forget_all(void)
{
	struct request *request;
	uint32_t id;

	while ((request = TAILQ_FIRST(&ages)) != NULL) {
		id = request->id;
		request_free(request);
		cancel(id);
	}
}

/* Who it is: an address of ours, or it is nobody. */
static enum step_result
take_login(struct exchange *exchange, const struct dovecot_answer *answer)
{
	char safe[640];

	if (login_canonical(site->domains, answer->user, answer->user_length,
		exchange->login) == 0 &&
	    login_is_local(site->domains, exchange->login))
		return STEP_OK;
	log_warnx("dovecot: user \"%s\" is in none of the domains",
	    log_safe(safe, sizeof(safe),
		bytes_of(answer->user, answer->user_length)));
	return exchange_fail(exchange, AUTH_REASON_UNKNOWN_USER);
}

static void
take_tried(struct exchange *exchange, const struct dovecot_answer *answer)
{
	exchange->tried_length = answer->user_length < EXCHANGE_NAME_MAX
	    ? answer->user_length
	    : EXCHANGE_NAME_MAX;
	memcpy(exchange->tried, answer->user, exchange->tried_length);
}

static void
on_ok(struct request *request, struct exchange *exchange, struct bytes rest)
{
	struct dovecot_answer answer;

	dovecot_read(&answer, rest);
	take_tried(exchange, &answer);
	exchange->facts = answer.facts;
	/* What the AUTH line says by that word does not come back in OK. */
	finish(request,
	    answer.no_login ? exchange_fail(exchange, AUTH_REASON_DISABLED)
			    : take_login(exchange, &answer));
}

static void
on_fail(struct request *request, struct exchange *exchange, struct bytes rest)
{
	struct dovecot_answer answer;
	char safe[640];

	dovecot_read(&answer, rest);
	take_tried(exchange, &answer);
	exchange->reason = answer.reason;
	if (answer.result == STEP_TEMPORARY)
		log_warnx("dovecot: temporary failure for \"%s\"",
		    log_safe(safe, sizeof(safe),
			bytes_of(answer.user, answer.user_length)));
	finish(request, answer.result);
}

static void
on_cont(struct request *request, struct exchange *exchange, struct bytes rest)
{
	struct bytes text;
	ssize_t n = -1;

	if (dovecot_next(&rest, &text))
		n = base64_decode((uint8_t *)exchange->challenge,
		    sizeof(exchange->challenge), (const char *)text.data,
		    text.length);
	else
		n = 0;
	if (n == -1) {
		finish(request, STEP_TEMPORARY);
		return;
	}
	exchange->challenge_length = (size_t)n;
	exchange->state.dovecot.waiting = false;
	backend_told(request->session, exchange, STEP_CHALLENGE);
}

static const struct {
	const char *command;
	void (*take)(struct request *request, struct exchange *exchange,
	    struct bytes rest);
} answers[] = {
    {"OK", on_ok},
    {"FAIL", on_fail},
    {"CONT", on_cont},
};

/* MECH name [flags]: those for Dovecot's own use are not for us. */
static void
take_mechanism(struct bytes rest)
{
	struct bytes name, flag;
	size_t i;

	if (!dovecot_next(&rest, &name))
		return;
	while (dovecot_next(&rest, &flag)) {
		if (dovecot_is(flag, "private"))
			return;
	}
	for (i = 0; i < NAMES; i++)
		offered[i] |= dovecot_is(name, names[i]);
}

/* An answer counts when it was asked for, and is not needed any more else. */
static void
take_line(struct bytes command, struct bytes rest)
{
	struct request *request;
	struct exchange *exchange;
	struct bytes id;
	uint32_t number;
	size_t i;

	if (dovecot.state == LINK_GREETING) {
		if (dovecot_is(command, "VERSION"))
			memset(offered, 0, sizeof(offered));
		if (dovecot_is(command, "MECH"))
			take_mechanism(rest);
		return;
	}
	for (i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		if (dovecot_is(command, answers[i].command))
			break;
	}
	if (i == sizeof(answers) / sizeof(answers[0]) ||
	    !dovecot_next(&rest, &id) || dovecot_number(id, &number) == -1 ||
	    (request = request_find(number)) == NULL)
		return;
	exchange = exchanges_find(request->session);
	if (exchange == NULL || !exchange->state.dovecot.waiting) {
		/* It may have lost patience with a slow client. */
		finish(request, STEP_TEMPORARY);
		return;
	}
	answers[i].take(request, exchange, rest);
}

static void
up(void)
{
	uint8_t list[256];
	struct list_writer writer;
	size_t i;

	greeted = true;
	list_init(&writer, list, sizeof(list));
	for (i = 0; i < NAMES; i++)
		if (offered[i])
			(void)list_add(&writer, bytes_text(names[i]));
	backend_offers(list_bytes(&writer));
}

static void
down(void)
{
	struct request *request;

	while ((request = TAILQ_FIRST(&ages)) != NULL)
		finish(request, STEP_TEMPORARY);
}

/* Those that wait for their clients are old at EXCHANGE_SECONDS. */
static bool
look(time_t now)
{
	struct request *request, *next;
	struct exchange *exchange;
	bool awaited = false;
	uint32_t id;

	TAILQ_FOREACH_SAFE (request, &ages, by_age, next) {
		exchange = exchanges_find(request->session);
		if (exchange == NULL || !exchange->state.dovecot.waiting)
			continue;
		if (now - request->since < DOVECOT_ANSWER_SECONDS ||
		    dovecot.state != LINK_UP) {
			awaited = true;
			continue;
		}
		id = request->id;
		finish(request, STEP_TEMPORARY);
		cancel(id);
		return true; /* the list may be another one now */
	}
	return awaited;
}

void
dovecot_auth_start(const char *path, const struct site *of)
{
	static char hello[64];

	site = of;
	(void)snprintf(
	    hello, sizeof(hello), "VERSION\t1\t2\nCPID\t%ld\n", (long)getpid());
	dovecot.socket = LOGIN_SOCKET_AUTH;
	dovecot.path = path;
	dovecot.hello = hello;
	dovecot.last = "DONE";
	dovecot.up = up;
	dovecot.line = take_line;
	dovecot.down = down;
	dovecot.tick = look;
	dovecot_start(&dovecot);
}

void
dovecot_auth_connected(int fd, struct bytes problem)
{
	dovecot_connected(&dovecot, fd, problem);
}

void
dovecot_auth_stop(void)
{
	dovecot_stop(&dovecot);
}
