/* SPDX-License-Identifier: ISC */
#include "tokend/ask.h"

#include <stdlib.h>

#include "lib/process.h"
#include "tokend/mailboxes.h"

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

static void
of_session(struct ask *ask, const struct session *session)
{
	if (session == NULL)
		return;
	ask->for_session = 1;
	ask->engine = session->engine;
	ask->session = session->id;
}

/* Enters it in the table; NULL, and it has failed, if it cannot be asked. */
static struct ask *
enter(const struct ask *template, struct session *session)
{
	struct ask *ask, failed = *template;

	of_session(&failed, session);
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

/* Answered at once if it was asked a moment ago. */
static int
is_known(
    const struct ask *template, struct session *session, struct bytes address)
{
	union message m = {.address_result = {.lookup = LOOKUP_MAILBOXES}};
	struct ask ask = *template;

	if (process_peer(ROLE_AUTH, 0) == NULL ||
	    !mailboxes_known(
		address, &m.address_result.mailboxes, ticket_clock()))
		return 0;
	of_session(&ask, session);
	finish(&ask, &m);
	return 1;
}

void
ask_address(
    const struct ask *template, struct session *session, struct bytes address)
{
	struct ask *ask;
	union message m;

	if (is_known(template, session, address) ||
	    (ask = enter(template, session)) == NULL)
		return;
	ask->expected = MSG_ADDRESS_RESULT;
	(void)bytes_copy(ask->address, sizeof(ask->address), address);
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
	ask->expected = MSG_OWNER_RESULT;
	m.owner_check.request = ask->number;
	m.owner_check.login = login;
	m.owner_check.address = address;
	if (channel_send(process_peer(ROLE_AUTH, 0), MSG_OWNER_CHECK, &m, -1) ==
	    -1)
		leave(ask, NULL);
}

void
ask_user(
    const struct ask *template, struct session *session, struct bytes login)
{
	struct ask *ask = enter(template, session);
	union message m;

	if (ask == NULL)
		return;
	ask->expected = MSG_USER_STATE;
	m.user_look.request = ask->number;
	m.user_look.login = login;
	if (channel_send(process_peer(ROLE_AUTH, 0), MSG_USER_LOOK, &m, -1) ==
	    -1)
		leave(ask, NULL);
}

static struct ask *
find(struct channel *auth, uint64_t number, uint16_t answer)
{
	struct ask key, *ask;

	key.number = number;
	ask = RB_FIND(ask_tree, &asks, &key);
	if (ask != NULL && ask->expected == answer)
		return ask;
	process_complain(auth, "an answer to no question");
	return NULL;
}

void
on_address_result(struct channel *auth, const union message *m, int fd)
{
	struct ask *ask =
	    find(auth, m->address_result.request, MSG_ADDRESS_RESULT);

	(void)fd;
	if (ask == NULL)
		return;
	if (m->address_result.lookup == LOOKUP_MAILBOXES)
		mailboxes_learn(bytes_text(ask->address),
		    m->address_result.mailboxes, ticket_clock());
	leave(ask, m);
}

void
on_owner_result(struct channel *auth, const union message *m, int fd)
{
	struct ask *ask = find(auth, m->owner_result.request, MSG_OWNER_RESULT);

	(void)fd;
	if (ask != NULL)
		leave(ask, m);
}

void
on_user_state(struct channel *auth, const union message *m, int fd)
{
	struct ask *ask = find(auth, m->user_state.request, MSG_USER_STATE);

	(void)fd;
	if (ask != NULL)
		leave(ask, m);
}

void
asks_fail(void)
{
	struct ask *ask;
	uint64_t newest = last_number;

	mailboxes_forget_all();
	while ((ask = RB_MIN(ask_tree, &asks)) != NULL && ask->number <= newest)
		leave(ask, NULL);
}
