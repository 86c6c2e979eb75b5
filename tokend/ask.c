/* SPDX-License-Identifier: ISC */
#include "tokend/ask.h"

#include <stdlib.h>

#include "lib/process.h"

RB_HEAD(ask_tree, ask);
static struct ask_tree asks = RB_INITIALIZER(&asks);
static uint64_t last_number;
static size_t count;

static int
ask_compare(const struct ask *a, const struct ask *b)
{
	if (a->number == b->number)
		return 0;
	return a->number < b->number ? -1 : 1;
}

RB_PROTOTYPE(ask_tree, ask, entry, ask_compare)
RB_GENERATE(ask_tree, ask, entry, ask_compare)

struct session *
ask_session(const struct ask *ask)
{
	return ask->for_session ? session_find(ask->engine, ask->session)
				: NULL;
}

/* Calls it, after which it is no more. */
static void
finish(struct ask *ask, const union message *answer)
{
	ask->done(ask, answer);
	freezero(ask->more, ask->more_size);
}

/* Enters it in the table; NULL, and it has failed, if it cannot be asked. */
static struct ask *
enter(const struct ask *template, struct session *session)
{
	struct ask *ask, failed = *template;

	if (session != NULL) {
		failed.for_session = 1;
		failed.engine = session->engine;
		failed.session = session->id;
	}
	if (process_peer(ROLE_AUTH, 0) == NULL || count == ASKED ||
	    (session != NULL && session->asked == ASKED_BY_SESSION) ||
	    (ask = malloc(sizeof(*ask))) == NULL) {
		finish(&failed, NULL);
		return NULL;
	}
	*ask = failed;
	ask->number = ++last_number;
	RB_INSERT(ask_tree, &asks, ask);
	count++;
	if (session != NULL)
		session->asked++;
	return ask;
}

static void
leave(struct ask *ask, const union message *answer)
{
	struct session *session = ask_session(ask);

	RB_REMOVE(ask_tree, &asks, ask);
	count--;
	if (session != NULL)
		session->asked--;
	finish(ask, answer);
	free(ask);
}

void
ask_address(
    const struct ask *template, struct session *session, struct bytes address)
{
	struct ask *ask = enter(template, session);
	union message m;

	if (ask == NULL)
		return;
	m.address_lookup.request = ask->number;
	m.address_lookup.address = address;
	if (channel_send(
		process_peer(ROLE_AUTH, 0), MSG_ADDRESS_LOOKUP, &m, -1) == -1)
		leave(ask, NULL);
}

void
ask_owner(const struct ask *template, struct session *session,
    struct bytes login, struct bytes address)
{
	struct ask *ask = enter(template, session);
	union message m;

	if (ask == NULL)
		return;
	m.owner_check.request = ask->number;
	m.owner_check.login = login;
	m.owner_check.address = address;
	if (channel_send(process_peer(ROLE_AUTH, 0), MSG_OWNER_CHECK, &m, -1) ==
	    -1)
		leave(ask, NULL);
}

static void
answered(struct channel *auth, uint64_t number, const union message *m)
{
	struct ask key, *ask;

	key.number = number;
	if ((ask = RB_FIND(ask_tree, &asks, &key)) == NULL)
		process_complain(auth, "an answer to no question");
	else
		leave(ask, m);
}

void
on_address_result(struct channel *auth, const union message *m, int fd)
{
	(void)fd;
	answered(auth, m->address_result.request, m);
}

void
on_owner_result(struct channel *auth, const union message *m, int fd)
{
	(void)fd;
	answered(auth, m->owner_result.request, m);
}

void
asks_fail(void)
{
	struct ask *ask;
	uint64_t newest = last_number;

	while ((ask = RB_MIN(ask_tree, &asks)) != NULL && ask->number <= newest)
		leave(ask, NULL);
}
