/* SPDX-License-Identifier: ISC */
/* The master's side of Dovecot's protocol: its userdb says who there is. */
#include <sys/queue.h>
#include <sys/tree.h>

#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "lib/settings.h"
#include "tokend/auth/dovecot.h"
#include "tokend/auth/dovecot_link.h"
#include "tokend/auth/login.h"
#include "tokend/auth/lookups.h"
#include "tokend/auth/site.h"

/* A user who was asked for by this id. */
struct request {
	RB_ENTRY(request) entry;
	TAILQ_ENTRY(request) by_age;
	uint32_t id;
	uint64_t number; /* of the question: backend.h */
	time_t since;
	bool bare; /* asked for without the domain */
	char address[ADDRESS_SIZE];
};

static int
compare(const struct request *a, const struct request *b)
{
	return a->id < b->id ? -1 : a->id > b->id;
}

RB_HEAD(user_tree, request);
RB_PROTOTYPE(user_tree, request, entry, compare)
RB_GENERATE(user_tree, request, entry, compare)

static struct user_tree requests = RB_INITIALIZER(&requests);
static TAILQ_HEAD(user_list, request)
ages = TAILQ_HEAD_INITIALIZER(ages);
static size_t count;
static uint32_t last_id;
static const struct site *site;
static struct dovecot_link dovecot;

#define REQUESTS_MAX 20000

static void
request_free(struct request *request)
{
	RB_REMOVE(user_tree, &requests, request);
	TAILQ_REMOVE(&ages, request, by_age);
	count--;
	free(request);
}

static void
answer(
    struct request *request, enum found found, const struct user_facts *facts)
{
	uint64_t number = request->number;

	request_free(request);
	lookup_found(number, found, facts);
}

/* Returns 0, or -1 as dovecot_send(). */
static int
ask(struct request *request)
{
	struct dovecot_line line;
	char name[ADDRESS_SIZE];

	(void)strlcpy(name, request->address, sizeof(name));
	if (request->bare)
		*strrchr(name, '@') = '\0';
	dovecot_begin(&line, "USER");
	dovecot_add_number(&line, NULL, request->id);
	dovecot_add(&line, name);
	dovecot_add_text(&line, "service", "smtp");
	return dovecot_send(&dovecot, &line);
}

/* As its bare name, where that can only be one of our single domain. */
static int
ask_bare(struct request *request)
{
	if (request->bare || site->domains->count != 1)
		return -1;
	request->bare = true;
	request->since = dovecot_now();
	TAILQ_REMOVE(&ages, request, by_age);
	TAILQ_INSERT_TAIL(&ages, request, by_age);
	return 0;
}

enum found
dovecot_find(const char *address, uint64_t number, struct user_facts *facts)
{
	struct request *request;

	facts_init(facts);
	if (!login_is_local(site->domains, address))
		return FOUND_NO;
	if (count >= REQUESTS_MAX ||
	    (request = calloc(1, sizeof(*request))) == NULL)
		return FOUND_TEMPORARY;
	request->id = ++last_id;
	request->number = number;
	request->since = dovecot_now();
	(void)strlcpy(request->address, address, sizeof(request->address));
	if (ask(request) == -1) {
		free(request);
		return FOUND_TEMPORARY;
	}
	if (RB_INSERT(user_tree, &requests, request) != NULL) {
		free(request);
		return FOUND_TEMPORARY;
	}
	TAILQ_INSERT_TAIL(&ages, request, by_age);
	count++;
	return FOUND_LATER;
}

static void
on_user(struct request *request, struct bytes rest)
{
	struct dovecot_answer said;
	struct bytes name;

	(void)dovecot_next(&rest, &name); /* as Dovecot calls the user */
	dovecot_read(&said, rest);
	answer(request, FOUND_YES, &said.facts);
}

static void
on_notfound(struct request *request, struct bytes rest)
{
	struct request key;

	(void)rest;
	key.id = request->id;
	if (ask_bare(request) == -1)
		answer(request, FOUND_NO, NULL);
	else if (ask(request) == -1 &&
	    (request = RB_FIND(user_tree, &requests, &key)) != NULL)
		answer(request, FOUND_TEMPORARY, NULL); /* not lost by it */
}

static void
on_fail(struct request *request, struct bytes rest)
{
	struct dovecot_answer said;
	char safe[512], user[640];

	dovecot_read(&said, rest);
	log_warnx("dovecot: cannot look up \"%s\": %s",
	    log_safe(user, sizeof(user), bytes_text(request->address)),
	    log_safe(safe, sizeof(safe), bytes_text(said.why)));
	answer(request, FOUND_TEMPORARY, NULL);
}

static const struct {
	const char *command;
	void (*take)(struct request *request, struct bytes rest);
} answers[] = {
    {"USER", on_user},
    {"NOTFOUND", on_notfound},
    {"FAIL", on_fail},
};

static void
take_line(struct bytes command, struct bytes rest)
{
	struct request key, *request;
	struct bytes id;
	size_t i;

	if (dovecot.state != LINK_UP || !dovecot_next(&rest, &id) ||
	    dovecot_number(id, &key.id) == -1 ||
	    (request = RB_FIND(user_tree, &requests, &key)) == NULL)
		return;
	for (i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		if (dovecot_is(command, answers[i].command)) {
			answers[i].take(request, rest);
			return;
		}
	}
}

static void
down(void)
{
	struct request *request;

	while ((request = TAILQ_FIRST(&ages)) != NULL)
		answer(request, FOUND_TEMPORARY, NULL);
}

static bool
look(time_t now)
{
	struct request *request;

	while ((request = TAILQ_FIRST(&ages)) != NULL &&
	    now - request->since >= DOVECOT_ANSWER_SECONDS)
		answer(request, FOUND_TEMPORARY, NULL);
	return request != NULL;
}

void
dovecot_userdb_start(const char *path, const struct site *of)
{
	site = of;
	dovecot.socket = LOGIN_SOCKET_USERDB;
	dovecot.path = path;
	dovecot.hello = "VERSION\t1\t1\n";
	dovecot.last = "SPID";
	dovecot.line = take_line;
	dovecot.down = down;
	dovecot.tick = look;
	dovecot_start(&dovecot);
}

void
dovecot_userdb_connected(int fd, struct bytes problem)
{
	dovecot_connected(&dovecot, fd, problem);
}

void
dovecot_userdb_stop(void)
{
	dovecot_stop(&dovecot);
}
