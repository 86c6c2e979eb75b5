/* SPDX-License-Identifier: ISC */
/* The verbs about tokens of REMEMBERME and the keys of JWTs. */
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "tokend/control.h"

/* Users looked at in one go: up to REMEMBER_LIVE rows each. */
#define USERS_AT_ONCE 20

static void
send_token(struct client_request *client, struct bytes login,
    const struct remembered *token, uint64_t now)
{
	const struct rememberer *r = &tokend.rememberer;
	char id[REMEMBER_NAME + 1];
	struct row row;

	remember_name(token->id, id);
	row_start(&row);
	row_text(&row.list, "user", login);
	row_text(&row.list, "id", bytes_text(id));
	row_text(&row.list, "type",
	    bytes_text(remember_type_name((enum remember_type)token->type)));
	row_text(&row.list, "state",
	    bytes_text(remember_check_name(remember_state(r, token, now))));
	row_time(&row.list, "created", token->created);
	row_time(&row.list, "used",
	    token->mechanism == 0 ? token->created : token->used);
	row_text(&row.list, "mechanism",
	    bytes_text(remember_mechanism_name(
		(enum remember_mechanism)token->mechanism)));
	row_text(&row.list, "address", bytes_text(token->address));
	row_boolean(&row.list, "pinned", token->pinned != 0);
	row_time(&row.list, "expires", remember_end(r, token));
	row_send(client, &row);
}

struct listing {
	struct client_request *client;
	int left;
};

static void
send_list(struct client_request *client, struct bytes login,
    const struct remembered_list *list)
{
	uint64_t now = wall_clock();
	size_t i;

	for (i = 0; i < list->count; i++)
		send_token(client, login, &list->tokens[i], now);
}

/* A user's record. */
static int
each_user(struct bytes key, struct bytes value, void *argument)
{
	struct listing *listing = argument;
	struct remembered_list list;
	struct client_request *client = listing->client;

	if (remembered_decode(&list, value) == 0)
		send_list(
		    client, bytes_of(key.data + 1, key.length - 1), &list);
	memcpy(client->next.data, key.data, key.length);
	client->next.data[key.length] = 0;
	client->next.length = key.length + 1;
	return --listing->left == 0;
}

static int
step_reauth(struct client_request *client)
{
	struct listing listing = {client, USERS_AT_ONCE};
	struct record_key prefix;
	int more;

	record_key_single(&prefix, RECORD_REMEMBER);
	if (client->next.length == 0)
		client->next = prefix;
	more = store_each(tokend.store, record_key_bytes(&prefix),
	    record_key_bytes(&client->next), each_user, &listing);
	if (more == 1)
		return 1;
	if (more == -1)
		control_end(
		    client, CONTROL_FAILED, store_problem(tokend.store));
	else
		control_end(client, CONTROL_OK, "");
	return 0;
}

void
control_show_reauth(struct client_request *client, struct bytes arguments)
{
	struct remembered_list list;
	char login[ADDRESS_SIZE];

	if (control_address(client, &arguments, "user", login) == -1)
		return;
	if (*login == '\0') {
		control_run(client, step_reauth);
		return;
	}
	if (remember_load(&tokend.rememberer, bytes_text(login), &list) == -1) {
		control_end(
		    client, CONTROL_FAILED, store_problem(tokend.store));
		return;
	}
	send_list(client, bytes_text(login), &list);
	control_end(client, CONTROL_OK, "");
}

/* The newest first: it signs. */
void
control_show_jwks(struct client_request *client, struct bytes arguments)
{
	const struct key *active = keyring_active(&tokend.ring);
	const struct jwt_key *key;
	char text[600];
	struct row row;
	size_t i, round;

	(void)arguments;
	for (round = 0; round < 2; round++)
		for (i = 0; i < tokend.ring.count; i++) {
			if ((&tokend.ring.keys[i] == active) != (round == 0))
				continue;
			key = jwt_key_of(&tokend.ring.keys[i]);
			if (key == NULL ||
			    jwt_key_print(key, text, sizeof(text)) == -1)
				continue;
			row_start(&row);
			row_text(&row.list, "key", bytes_text(text));
			row_send(client, &row);
		}
	control_end(client, CONTROL_OK, "");
}

/* A revocation that waits for its flush. */
static void
revoked(void *argument, int durable)
{
	const uint64_t *number = argument;
	struct client_request *client = control_find(*number);

	if (client != NULL)
		control_end_verdict(client,
		    durable ? TOKEN_VERDICT_OK : TOKEN_VERDICT_TEMPORARY);
}

static void
answer_revoked(struct client_request *client, int count, const char *what,
    const char *whose)
{
	uint64_t *number = malloc(sizeof(*number));
	char safe[640];

	if (count == -1 || number == NULL) {
		free(number);
		control_end_verdict(client, TOKEN_VERDICT_TEMPORARY);
		return;
	}
	*number = client->number;
	tokend.counters.remember_revoked += (uint64_t)count;
	log_info("revoked scope=%s of=\"%s\" tokens=%d by user %u", what,
	    log_safe(safe, sizeof(safe), bytes_text(whose)), count,
	    client->uid);
	answer_later(revoked, number);
}

void
control_revoke_user(struct client_request *client, struct bytes arguments)
{
	char login[ADDRESS_SIZE];

	if (control_address(client, &arguments, "user", login) == -1)
		return;
	if (*login == '\0') {
		control_end(client, CONTROL_DATA, "the user is empty");
		return;
	}
	answer_revoked(client,
	    remember_revoke_user(&tokend.rememberer, bytes_text(login)),
	    "reauth-user", login);
}

void
control_revoke_reauth(struct client_request *client, struct bytes arguments)
{
	uint8_t id[REMEMBER_ID];
	char name[REMEMBER_NAME + 1];
	struct bytes text;

	if (list_next(&arguments, &text) != 1 ||
	    remember_name_read(text, id) == -1) {
		control_end(client, CONTROL_DATA,
		    "that is no id: see tokenctl show reauth");
		return;
	}
	remember_name(id, name);
	answer_revoked(client, remember_revoke_family(&tokend.rememberer, id),
	    "reauth-token", name);
}
