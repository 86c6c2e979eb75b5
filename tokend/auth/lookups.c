/* SPDX-License-Identifier: ISC */
#include <sys/queue.h>
#include <sys/tree.h>

#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "lib/metrics.h"
#include "lib/process.h"
#include "tokend/auth/lookups.h"
#include "tokend/auth/route.h"
#include "tokend/auth/site.h"

/* What one question may ask the back-end: what a wide alias may cost. */
#define ASKS_MAX 256

struct lookup;

/* A user who was asked for. */
struct ask {
	RB_ENTRY(ask) entry;
	uint64_t number;
	struct lookup *lookup;
	bool waiting;
	enum found found;
	struct user_facts facts;
	char address[ADDRESS_SIZE];
};

struct lookup {
	TAILQ_ENTRY(lookup) entry;
	/* Answers it; or returns false: something is not known yet. */
	bool (*run)(struct lookup *lookup);
	uint64_t request;
	time_t since;
	bool closed; /* nothing more is asked: "not now" */
	size_t waiting; /* asks without an answer */
	size_t count;
	struct ask *asks[ASKS_MAX];
	char login[ADDRESS_SIZE]; /* canonical; "" when it was none */
	char address[ADDRESS_SIZE];
};

static int
compare(const struct ask *a, const struct ask *b)
{
	return a->number < b->number ? -1 : a->number > b->number;
}

RB_HEAD(ask_tree, ask);
RB_PROTOTYPE(ask_tree, ask, entry, compare)
RB_GENERATE(ask_tree, ask, entry, compare)

static struct ask_tree asks = RB_INITIALIZER(&asks);
static TAILQ_HEAD(lookup_list, lookup)
lookups = TAILQ_HEAD_INITIALIZER(lookups);
static size_t lookup_count;
static uint64_t last_number;
static time_t clock_now; /* as lookups_expire() was last told */
static struct site *site;
static const struct backend *backend;

void
lookups_start(struct site *of, const struct backend *by)
{
	site = of;
	backend = by;
}

static struct ask *
ask_of(const struct lookup *lookup, const char *address)
{
	size_t i;

	for (i = 0; i < lookup->count; i++) {
		if (strcmp(lookup->asks[i]->address, address) == 0)
			return lookup->asks[i];
	}
	return NULL;
}

/* The back-end will tell; the question remembers whom it asked for. */
static enum found
ask_later(struct lookup *lookup, uint64_t number, const char *address)
{
	struct ask *ask;

	if (lookup->count == ASKS_MAX ||
	    (ask = calloc(1, sizeof(*ask))) == NULL)
		return FOUND_TEMPORARY;
	ask->number = number;
	ask->lookup = lookup;
	ask->waiting = true;
	(void)strlcpy(ask->address, address, sizeof(ask->address));
	(void)RB_INSERT(ask_tree, &asks, ask);
	lookup->asks[lookup->count++] = ask;
	lookup->waiting++;
	return FOUND_LATER;
}

/* For struct finder. */
static enum found
find(void *context, const char *address, struct user_facts *facts)
{
	struct lookup *lookup = context;
	struct ask *ask = ask_of(lookup, address);
	enum found found;

	if (ask != NULL) {
		*facts = ask->facts;
		return ask->waiting ? FOUND_LATER : ask->found;
	}
	if (lookup->closed)
		return FOUND_TEMPORARY;
	found = backend->find(address, ++last_number, facts);
	return found == FOUND_LATER ? ask_later(lookup, last_number, address)
				    : found;
}

static void
send_answer(uint16_t number, const union message *m)
{
	struct channel *tokend = process_peer(ROLE_TOKEND, 0);

	if (tokend != NULL)
		(void)channel_send(tokend, number, m, -1);
}

static void
lookup_free(struct lookup *lookup)
{
	size_t i;

	for (i = 0; i < lookup->count; i++) {
		if (lookup->asks[i]->waiting)
			RB_REMOVE(ask_tree, &asks, lookup->asks[i]);
		free(lookup->asks[i]);
	}
	TAILQ_REMOVE(&lookups, lookup, entry);
	lookup_count--;
	free(lookup);
}

static bool
run_address(struct lookup *lookup)
{
	static struct targets targets;
	static uint8_t here[16384], there[16384];
	const struct finder finder = {find, lookup};
	union message m = {.address_result = {.request = lookup->request}};
	struct list_writer mailboxes, outside;
	int result = LOOKUP_UNKNOWN;

	list_init(&mailboxes, here, sizeof(here));
	list_init(&outside, there, sizeof(there));
	targets.too_deep = false;
	if (lookup->address[0] != '\0')
		result =
		    route_resolve(site, &finder, lookup->address, &targets);
	if (result == LOOKUP_LATER)
		return false;
	if ((result == LOOKUP_MAILBOXES || result == LOOKUP_OUTSIDE) &&
	    route_split(site, &targets, &mailboxes, &outside) == -1) {
		result = LOOKUP_TEMPORARY;
		targets.too_deep = true;
	}
	if (result == LOOKUP_TEMPORARY)
		mailboxes.length = outside.length = 0;
	if (targets.too_deep)
		log_warnx(
		    "alias %s: a circle, or too many targets", lookup->address);
	m.address_result.lookup = (uint8_t)result;
	m.address_result.mailboxes = list_bytes(&mailboxes);
	m.address_result.outside = list_bytes(&outside);
	send_answer(MSG_ADDRESS_RESULT, &m);
	return true;
}

/* The user must still be there. */
static bool
run_owner(struct lookup *lookup)
{
	static const int owners[] = {
	    [FOUND_NO] = OWNER_NO,
	    [FOUND_YES] = OWNER_NO, /* see below */
	    [FOUND_TEMPORARY] = OWNER_TEMPORARY,
	    [FOUND_LATER] = OWNER_LATER,
	};
	const struct finder finder = {find, lookup};
	union message m = {.owner_result = {.request = lookup->request}};
	struct user_facts facts;
	enum found found = FOUND_NO;
	int own;

	if (lookup->login[0] != '\0')
		found = find(lookup, lookup->login, &facts);
	own = owners[found];
	if (found == FOUND_YES && lookup->address[0] != '\0')
		own = route_own(site, &finder, lookup->login, lookup->address);
	if (own == OWNER_LATER)
		return false;
	m.owner_result.own = (uint8_t)own;
	if (found == FOUND_YES)
		m.owner_result.address = bytes_text(lookup->address);
	send_answer(MSG_OWNER_RESULT, &m);
	return true;
}

static bool
run_user(struct lookup *lookup)
{
	static const uint8_t states[] = {
	    [FOUND_NO] = USER_UNKNOWN,
	    [FOUND_YES] = USER_THERE,
	    [FOUND_TEMPORARY] = USER_TEMPORARY,
	};
	union message m = {.user_state = {.request = lookup->request}};
	struct user_facts facts;
	enum found found = FOUND_NO;

	if (lookup->login[0] != '\0')
		found = find(lookup, lookup->login, &facts);
	if (found == FOUND_LATER)
		return false;
	if (found != FOUND_YES)
		facts_init(&facts);
	m.user_state.state = states[found];
	m.user_state.no_submit = facts.rights.no_submit;
	m.user_state.messages_per_hour = facts.rights.messages_per_hour;
	m.user_state.recipients_per_hour = facts.rights.recipients_per_hour;
	m.user_state.digest = bytes_of(facts.digest, facts.digest_length);
	send_answer(MSG_USER_STATE, &m);
	return true;
}

/* What is no address becomes "". */
static void
take(char out[ADDRESS_SIZE], struct bytes text)
{
	if (address_canonical_text((const char *)text.data, text.length, out) ==
	    -1)
		out[0] = '\0';
}

/* All that it asks for is answered "not now" when there are too many. */
static struct lookup *
lookup_new(bool (*run)(struct lookup *), uint64_t request)
{
	struct lookup *lookup = calloc(1, sizeof(*lookup));

	if (lookup == NULL)
		fatal("a question");
	lookup->run = run;
	lookup->request = request;
	lookup->since = clock_now;
	lookup->closed = lookup_count >= LOOKUPS_MAX;
	TAILQ_INSERT_TAIL(&lookups, lookup, entry);
	lookup_count++;
	return lookup;
}

static void
try(struct lookup *lookup)
{
	if (lookup->waiting > 0)
		return;
	site_refresh(site);
	if (lookup->run(lookup))
		lookup_free(lookup);
}

void
on_lookup(struct channel *c, const union message *m, int fd)
{
	struct lookup *lookup =
	    lookup_new(run_address, m->address_lookup.request);

	(void)c;
	(void)fd;
	metric_count(LOOKUPS, 0);
	take(lookup->address, m->address_lookup.address);
	try(lookup);
}

void
on_owner(struct channel *c, const union message *m, int fd)
{
	struct lookup *lookup = lookup_new(run_owner, m->owner_check.request);

	(void)c;
	(void)fd;
	take(lookup->login, m->owner_check.login);
	if (m->owner_check.address.length == 0)
		(void)strlcpy(
		    lookup->address, lookup->login, sizeof(lookup->address));
	else
		take(lookup->address, m->owner_check.address);
	try(lookup);
}

void
on_user_look(struct channel *c, const union message *m, int fd)
{
	struct lookup *lookup = lookup_new(run_user, m->user_look.request);

	(void)c;
	(void)fd;
	take(lookup->login, m->user_look.login);
	try(lookup);
}

static void
answered(struct ask *ask, enum found found, const struct user_facts *facts)
{
	RB_REMOVE(ask_tree, &asks, ask);
	ask->waiting = false;
	ask->found = found;
	if (found == FOUND_YES)
		ask->facts = *facts;
	ask->lookup->waiting--;
}

void
lookup_found(uint64_t number, enum found found, const struct user_facts *facts)
{
	struct ask key, *ask;

	key.number = number;
	if ((ask = RB_FIND(ask_tree, &asks, &key)) == NULL)
		return;
	answered(ask, found, facts);
	try(ask->lookup);
}

/* What it waits for is "not now"; it asks for nothing more. */
static void
give_up(struct lookup *lookup)
{
	size_t i;

	lookup->closed = true;
	for (i = 0; i < lookup->count; i++) {
		if (lookup->asks[i]->waiting)
			answered(lookup->asks[i], FOUND_TEMPORARY, NULL);
	}
	try(lookup);
}

void
lookups_expire(time_t now)
{
	struct lookup *lookup;

	clock_now = now;
	while ((lookup = TAILQ_FIRST(&lookups)) != NULL &&
	    now - lookup->since >= LOOKUP_SECONDS)
		give_up(lookup);
}

void
lookups_clear(void)
{
	struct lookup *lookup;

	while ((lookup = TAILQ_FIRST(&lookups)) != NULL)
		lookup_free(lookup);
}
