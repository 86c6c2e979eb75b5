/* SPDX-License-Identifier: ISC */
/* The verbs that show something. */
#include <stdlib.h>
#include <string.h>

#include "tokend/ask.h"
#include "tokend/control.h"
#include "tokend/flight.h"

#define ROWS_AT_ONCE 200

/* A list that is going on: how much of it, and to whom. */
struct listing {
	struct client_request *client;
	int rows; /* that may still be sent in this step */
};

/* Keeps where to go on: right behind this key. */
static void
remember(struct client_request *client, struct bytes key)
{
	if (key.length + 1 > sizeof(client->next.data))
		return;
	memcpy(client->next.data, key.data, key.length);
	client->next.data[key.length] = 0;
	client->next.length = key.length + 1;
}

/* Goes through records of a kind. 1: there is more; 0: that was all. */
static int
list_kind(struct client_request *client, char kind, store_each_function *each)
{
	struct listing listing = {client, ROWS_AT_ONCE};
	struct record_key prefix;

	record_key_single(&prefix, kind);
	if (client->next.length == 0 || client->next.data[0] != kind)
		client->next = prefix;
	return store_each(tokend.store, record_key_bytes(&prefix),
	    record_key_bytes(&client->next), each, &listing);
}

/* An address that was not asked for keeps a row out. */
static int
is_wanted(const char *wanted, struct bytes address)
{
	return *wanted == '\0' || bytes_equal(bytes_text(wanted), address);
}

static void
token_fields(struct row *row, struct bytes remote, struct bytes local,
    const char *kind, const char *state)
{
	row_start(row);
	row_text(&row->list, "remote", remote);
	row_text(&row->list, "local", local);
	row_text(&row->list, "kind", bytes_text(kind));
	row_text(&row->list, "state", bytes_text(state));
}

static const char *
permanent_state(const struct permanent *permanent, const struct token *token,
    struct bytes remote, struct bytes local)
{
	if (keyring_find(&tokend.ring, permanent->key_id) == NULL)
		return check_name(CHECK_UNKNOWN_KEY);
	return check_name(
	    check_again(&tokend.issuer, token, remote, local, wall_clock()));
}

static int
each_permanent(struct bytes key, struct bytes value, void *argument)
{
	struct listing *listing = argument;
	struct permanent permanent;
	struct bytes remote, local;
	struct token token = {.kind = TOKEN_KIND_PERMANENT};
	char id[TOKEN_ID + 1];
	struct row row;

	remember(listing->client, key);
	if (record_key_split(key, &remote, &local) == -1 ||
	    permanent_decode(&permanent, value) == -1 ||
	    !is_wanted(listing->client->remote, remote) ||
	    !is_wanted(listing->client->local, local))
		return --listing->rows == 0;
	token.key_id = permanent.key_id;
	token.issued = permanent.issued;
	token.expires = permanent.expires;
	memcpy(token.nonce, permanent.nonce, sizeof(token.nonce));
	token_id(&token, id);
	token_fields(&row, remote, local, "permanent",
	    permanent_state(&permanent, &token, remote, local));
	row_time(&row.list, "issued", permanent.issued);
	row_time(&row.list, "expires", permanent.expires);
	row_text(&row.list, "id", bytes_text(id));
	row_send(listing->client, &row);
	return --listing->rows == 0;
}

/* The addresses of a mark, as far as its scope has them. */
static void
mark_addresses(struct bytes key, struct bytes *remote, struct bytes *local)
{
	struct bytes rest = bytes_of(key.data + 2, key.length - 2);

	*remote = *local = bytes_of(NULL, 0);
	if (key.data[1] == MARK_PAIR)
		(void)record_key_split(
		    bytes_of(key.data + 1, key.length - 1), remote, local);
	else if (key.data[1] == MARK_LOCAL)
		*local = rest;
	else
		*remote = rest;
}

static int
each_mark(struct bytes key, struct bytes value, void *argument)
{
	struct listing *listing = argument;
	struct mark_times times;
	struct bytes remote, local;
	struct row row;

	remember(listing->client, key);
	if (key.length < 2 || mark_decode(&times, value) == -1)
		return --listing->rows == 0;
	mark_addresses(key, &remote, &local);
	if (!is_wanted(listing->client->remote, remote) ||
	    !is_wanted(listing->client->local, local))
		return --listing->rows == 0;
	token_fields(
	    &row, remote, local, "revocation", mark_scope_name(key.data[1]));
	row_time(&row.list, "issued", times.before);
	row_time(&row.list, "expires", times.until);
	row_text(&row.list, "id", bytes_text(""));
	row_send(listing->client, &row);
	return --listing->rows == 0;
}

static void
store_failed(struct client_request *client)
{
	control_end(client, CONTROL_FAILED, store_problem(tokend.store));
}

/* Permanent tokens first, then revocations. */
static int
step_tokens(struct client_request *client)
{
	int more = 0;

	if (client->count == 0) {
		more = list_kind(client, RECORD_PERMANENT, each_permanent);
		if (more == 0)
			client->count = 1;
		if (more != -1)
			return 1;
	} else
		more = list_kind(client, RECORD_MARK, each_mark);
	if (more == 1)
		return 1;
	if (more == -1)
		store_failed(client);
	else
		control_end(client, CONTROL_OK, "");
	return 0;
}

void
control_show_tokens(struct client_request *client, struct bytes arguments)
{
	if (control_address(
		client, &arguments, "local address", client->local) == -1 ||
	    control_address(
		client, &arguments, "remote address", client->remote) == -1)
		return;
	control_run(client, step_tokens);
}

static int
each_held(struct bytes key, struct bytes value, void *argument)
{
	struct listing *listing = argument;
	struct bytes remote, local;
	struct held_list held;
	struct row row;

	remember(listing->client, key);
	if (record_key_split(key, &remote, &local) == 0 &&
	    held_decode(&held, value) == 0) {
		row_start(&row);
		row_text(&row.list, "remote", remote);
		row_text(&row.list, "local", local);
		row_time(&row.list, "received", held.tokens[0].received);
		row_text(&row.list, "learned",
		    bytes_text(held_source_name(held.tokens[0].source)));
		row_number(&row.list, "tokens", held.count);
		row_send(listing->client, &row);
	}
	return --listing->rows == 0;
}

static int
step_held(struct client_request *client)
{
	int more = list_kind(client, RECORD_HELD, each_held);

	if (more == 1)
		return 1;
	if (more == -1)
		store_failed(client);
	else
		control_end(client, CONTROL_OK, "");
	return 0;
}

void
control_show_held(struct client_request *client, struct bytes arguments)
{
	(void)arguments;
	control_run(client, step_held);
}

void
control_show_keys(struct client_request *client, struct bytes arguments)
{
	const struct key *key, *active = keyring_active(&tokend.ring);
	uint64_t expires;
	struct row row;
	size_t i;

	(void)arguments;
	for (i = 0; i < tokend.ring.count; i++) {
		key = &tokend.ring.keys[i];
		expires = issue_horizon(&tokend.issuer, key->id);
		row_start(&row);
		row_number(&row.list, "id", key->id);
		row_time(&row.list, "created", key->created * 1000);
		row_text(&row.list, "state",
		    bytes_text(key == active ? "active" : "checking"));
		/* Without a token under it, it could go at once. */
		row_time(&row.list, "needed_until",
		    expires == 1 ? key->created * 1000 : expires);
		row_send(client, &row);
	}
	control_end(client, CONTROL_OK, "");
}

static const char *const listener_kinds[] = {
    [0] = "unknown",
    [LISTENER_SMTPS] = "smtps",
    [LISTENER_TLS_REQUIRE] = "tls-require",
    [LISTENER_SOCKET] = "socket",
};
static const char *const whos[] = {
    [WHO_NOBODY] = "nobody",
    [WHO_USER] = "user",
    [WHO_TOKEN] = "token",
    [WHO_MTA] = "mta",
};

static void
send_session(struct client_request *client, const struct session *session)
{
	struct row row;

	row_start(&row);
	row_text(&row.list, "session", bytes_text(session_name(session)));
	row_text(&row.list, "address", bytes_text(session->address));
	row_number(&row.list, "port", session->port);
	row_text(&row.list, "listener",
	    bytes_text(
		listener_kinds[session->kind <= LISTENER_SOCKET ? session->kind
								: 0]));
	row_number(&row.list, "listener_port", session->listener);
	row_boolean(&row.list, "tls", session->tls);
	row_text(&row.list, "login_by", bytes_text(whos[session->who]));
	row_text(&row.list, "login", bytes_text(session->login));
	row_time(&row.list, "since", session->since * 1000);
	row_send(client, &row);
}

/* `count` is the id of the session that was sent last, next.data[0] its engine. */
static int
step_sessions(struct client_request *client)
{
	struct session *session;
	int i;

	session = client->next.length == 0
	    ? session_first()
	    : session_after(client->next.data[0], client->count);
	for (i = 0; session != NULL && i < ROWS_AT_ONCE; i++) {
		send_session(client, session);
		client->next.length = 1;
		client->next.data[0] = session->engine;
		client->count = session->id;
		session = session_after(session->engine, session->id);
	}
	if (session != NULL)
		return 1;
	control_end(client, CONTROL_OK, "");
	return 0;
}

void
control_show_sessions(struct client_request *client, struct bytes arguments)
{
	(void)arguments;
	control_run(client, step_sessions);
}

void
control_show_stats(struct client_request *client, struct bytes arguments)
{
	struct store_numbers numbers;
	struct row row;

	(void)arguments;
	store_numbers(tokend.store, &numbers);
	row_start(&row);
	row_time(&row.list, "started", tokend.started);
	row_number(&row.list, "sessions_now", sessions_count());
	row_number(&row.list, "addresses_now", clients_count());
	row_number(&row.list, "keys", tokend.ring.count);
	row_number(&row.list, "marks", marks_count(tokend.marks));
	row_number(&row.list, "store_commits", numbers.commits);
	row_number(&row.list, "store_writes", numbers.writes);
	row_number(&row.list, "store_log_octets", numbers.log_octets);
#define COUNTER(name) row_number(&row.list, #name, tokend.counters.name);
	COUNTERS
#undef COUNTER
	row_send(client, &row);
	control_end(client, CONTROL_OK, "");
}

/* `show token`: what is asked while tokend-auth looks for the user. */
struct shown {
	uint64_t client;
	enum check check;
	struct token token;
	char remote[ADDRESS_SIZE];
	char local[ADDRESS_SIZE];
};

static const char *
shown_state(const struct shown *shown, const union message *m)
{
	if (shown->check != CHECK_OK)
		return check_name(shown->check);
	if (m == NULL || m->address_result.lookup == LOOKUP_TEMPORARY)
		return "good, but whether the local address exists cannot be "
		       "told now";
	if (m->address_result.lookup != LOOKUP_MAILBOXES)
		return "unknown-user";
	return "good";
}

static void
show_answered(struct ask *ask, const union message *m)
{
	const struct shown *shown = ask->more;
	struct client_request *client = control_find(shown->client);
	const char *state = shown_state(shown, m);
	char id[TOKEN_ID + 1];
	struct row row;

	if (client == NULL)
		return;
	token_fields(&row, bytes_text(shown->remote), bytes_text(shown->local),
	    token_kind_name(shown->token.kind), state);
	row_boolean(&row.list, "accepted", strcmp(state, "good") == 0);
	token_id(&shown->token, id);
	row_time(&row.list, "issued", shown->token.issued);
	row_time(&row.list, "expires", shown->token.expires);
	row_number(&row.list, "key", shown->token.key_id);
	row_text(&row.list, "id", bytes_text(id));
	row_send(client, &row);
	control_end(client, CONTROL_OK, "");
}

void
control_show_token(struct client_request *client, struct bytes arguments)
{
	struct ask ask = {
	    .done = show_answered, .more_size = sizeof(struct shown)};
	struct shown *shown;
	struct bytes text;

	if ((shown = calloc(1, sizeof(*shown))) == NULL ||
	    control_address(
		client, &arguments, "local address", shown->local) == -1 ||
	    control_address(
		client, &arguments, "remote address", shown->remote) == -1 ||
	    list_next(&arguments, &text) != 1) {
		if (client->busy)
			control_end(
			    client, CONTROL_USAGE, "no token was given");
		free(shown);
		return;
	}
	shown->client = client->number;
	if (shown->remote[0] == '\0')
		shown->check = check_token(&tokend.issuer, text,
		    bytes_text(shown->local), wall_clock(), &shown->token);
	else
		shown->check =
		    check_pair(&tokend.issuer, text, bytes_text(shown->remote),
			bytes_text(shown->local), wall_clock(), &shown->token);
	if (shown->check == CHECK_MALFORMED) {
		control_end(client, CONTROL_DATA,
		    "malformed: that is not a token of this server");
		free(shown);
		return;
	}
	ask.more = shown;
	ask_address(&ask, NULL, bytes_text(shown->local));
}
