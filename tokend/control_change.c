/* SPDX-License-Identifier: ISC */
/* The verbs that change something: tokens, revocations, keys. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "lib/process.h"
#include "tokend/ask.h"
#include "tokend/control.h"
#include "tokend/manage.h"
#include "tokend/upkeep.h"

/* A token that is being made: first the local address, then the flush. */
struct making {
	uint64_t client;
	int permanent;
	char remote[ADDRESS_SIZE];
	char local[ADDRESS_SIZE];
	char token[TOKEN_LENGTH + 1];
};

static void
made(void *argument, int durable)
{
	struct making *making = argument;
	struct client_request *client = control_find(making->client);
	struct row row;

	if (client != NULL && durable) {
		row_start(&row);
		row_text(&row.list, "token", bytes_text(making->token));
		row_send(client, &row);
		explicit_bzero(&row, sizeof(row));
	}
	if (client != NULL)
		control_end_verdict(client,
		    durable ? TOKEN_VERDICT_OK : TOKEN_VERDICT_TEMPORARY);
	explicit_bzero(making, sizeof(*making));
}

static int
make(struct making *making)
{
	struct bytes remote = bytes_text(making->remote);
	struct bytes local = bytes_text(making->local);
	int result;

	if (!making->permanent) {
		tokend.counters.tokens_temporary++;
		return issue_temporary(
		    &tokend.issuer, remote, local, wall_clock(), making->token);
	}
	result = issue_permanent(
	    &tokend.issuer, remote, local, wall_clock(), making->token);
	if (result == 0)
		tokend.counters.tokens_permanent++;
	return result;
}

static void
local_known(struct client_request *client, const struct making *asked)
{
	struct making *making = malloc(sizeof(*making));

	if (making != NULL)
		*making = *asked;
	if (making == NULL || make(making) == -1) {
		free(making);
		control_end_verdict(client, TOKEN_VERDICT_TEMPORARY);
		return;
	}
	answer_later(made, making);
}

static void
local_answered(struct ask *ask, const union message *m)
{
	const struct making *making = ask->more;
	struct client_request *client = control_find(making->client);
	uint8_t lookup =
	    m == NULL ? LOOKUP_TEMPORARY : m->address_result.lookup;

	if (client == NULL)
		return;
	if (lookup == LOOKUP_MAILBOXES)
		local_known(client, making);
	else if (lookup == LOOKUP_TEMPORARY)
		control_end(client, CONTROL_AGAIN,
		    "users and aliases cannot be read now: try again");
	else
		control_end(client, CONTROL_DATA,
		    "the local address has no mailbox here");
}

/* Two addresses that must both be there. */
static int
two_addresses(struct client_request *client, struct bytes *arguments,
    char remote[ADDRESS_SIZE], char local[ADDRESS_SIZE])
{
	if (control_address(client, arguments, "remote address", remote) ==
		-1 ||
	    control_address(client, arguments, "local address", local) == -1)
		return -1;
	if (*remote != '\0' && *local != '\0')
		return 0;
	control_end(client, CONTROL_DATA, "an address is empty");
	return -1;
}

static void
generate(struct client_request *client, struct bytes arguments, int permanent)
{
	struct ask ask = {
	    .done = local_answered, .more_size = sizeof(struct making)};
	struct making *making = calloc(1, sizeof(*making));

	if (making == NULL) {
		control_end_verdict(client, TOKEN_VERDICT_TEMPORARY);
		return;
	}
	making->client = client->number;
	making->permanent = permanent;
	if (two_addresses(client, &arguments, making->remote, making->local) ==
	    -1) {
		free(making);
		return;
	}
	ask.more = making;
	ask_address(&ask, NULL, bytes_text(making->local));
}

void
control_generate_temporary(
    struct client_request *client, struct bytes arguments)
{
	generate(client, arguments, 0);
}

void
control_generate_permanent(
    struct client_request *client, struct bytes arguments)
{
	generate(client, arguments, 1);
}

static void
revoked(void *argument, enum token_verdict verdict)
{
	uint64_t *number = argument;
	struct client_request *client = control_find(*number);

	free(number);
	if (client != NULL)
		control_end_verdict(client, verdict);
}

static void
revoke_scope(struct client_request *client, enum mark_scope scope,
    const char *remote, const char *local)
{
	uint64_t *number = malloc(sizeof(*number));
	char safe_local[640], safe_remote[640];

	if (number == NULL) {
		control_end_verdict(client, TOKEN_VERDICT_TEMPORARY);
		return;
	}
	*number = client->number;
	log_info("revoked scope=%s local=<%s> remote=<%s> by user %u",
	    mark_scope_name(scope),
	    log_safe(safe_local, sizeof(safe_local), bytes_text(local)),
	    log_safe(safe_remote, sizeof(safe_remote), bytes_text(remote)),
	    client->uid);
	revoke_finally(
	    scope, bytes_text(remote), bytes_text(local), revoked, number);
}

void
control_revoke_pair(struct client_request *client, struct bytes arguments)
{
	char remote[ADDRESS_SIZE], local[ADDRESS_SIZE];

	if (two_addresses(client, &arguments, remote, local) == 0)
		revoke_scope(client, MARK_PAIR, remote, local);
}

static int
one_address(struct client_request *client, struct bytes *arguments,
    char out[ADDRESS_SIZE])
{
	if (control_address(client, arguments, "address", out) == -1)
		return -1;
	if (*out != '\0')
		return 0;
	control_end(client, CONTROL_DATA, "the address is empty");
	return -1;
}

void
control_revoke_local(struct client_request *client, struct bytes arguments)
{
	char local[ADDRESS_SIZE];

	if (one_address(client, &arguments, local) == 0)
		revoke_scope(client, MARK_LOCAL, "", local);
}

void
control_revoke_remote(struct client_request *client, struct bytes arguments)
{
	char remote[ADDRESS_SIZE];

	if (one_address(client, &arguments, remote) == 0)
		revoke_scope(client, MARK_REMOTE, remote, "");
}

void
control_revoke_domain(struct client_request *client, struct bytes arguments)
{
	char domain[ADDRESS_DOMAIN_MAX + 1];
	struct bytes text;

	if (list_next(&arguments, &text) != 1)
		control_end(client, CONTROL_USAGE, "no domain was given");
	else if (domain_canonical(
		     (const char *)text.data, text.length, domain) == -1)
		control_end(client, CONTROL_DATA, "that is not a domain");
	else
		revoke_scope(client, MARK_DOMAIN, domain, "");
}

void
control_revoke_all(struct client_request *client, struct bytes arguments)
{
	(void)arguments;
	revoke_scope(client, MARK_ALL, "", "");
}

/* Whatever was written before is made durable first. */
static int
flush(struct client_request *client)
{
	if (batch_flush(&tokend.batch) == 0)
		return 0;
	control_end(client, CONTROL_FAILED, store_problem(tokend.store));
	return -1;
}

void
control_rotate_key(struct client_request *client, struct bytes arguments)
{
	struct problem problem;
	const struct key *key;
	struct row row;

	(void)arguments;
	key = keyring_add(&tokend.ring, wall_clock() / 1000);
	if (key == NULL) {
		control_end(client, CONTROL_FAILED,
		    "there are too many keys: retire one first");
		return;
	}
	if (keyring_save(&tokend.ring, tokend.settings->store, &problem) ==
	    -1) {
		keyring_remove(&tokend.ring, key->id);
		control_end(client, CONTROL_FAILED, problem.text);
		return;
	}
	log_info("key %u is active now", key->id);
	row_start(&row);
	row_number(&row.list, "id", key->id);
	row_time(&row.list, "created", key->created * 1000);
	row_send(client, &row);
	control_end(client, CONTROL_OK, "");
}

void
control_retire_key(struct client_request *client, struct bytes arguments)
{
	struct problem problem;
	struct bytes text;
	const char *error = "a key id is missing";
	char number[8];
	uint16_t id = 0;

	if (list_next(&arguments, &text) == 1 &&
	    bytes_copy(number, sizeof(number), text) == 0)
		id = (uint16_t)strtonum(number, 1, UINT16_MAX, &error);
	if (error != NULL || keyring_find(&tokend.ring, id) == NULL) {
		control_end(client, CONTROL_DATA,
		    "there is no such key: see tokenctl show keys");
		return;
	}
	if (keyring_active(&tokend.ring)->id == id) {
		control_end(client, CONTROL_DATA,
		    "that is the active key: tokenctl rotate key first");
		return;
	}
	if (flush(client) == -1)
		return;
	if (key_retire(id, &problem) == -1) {
		control_end(client, CONTROL_FAILED, problem.text);
		return;
	}
	control_end(client, CONTROL_OK, "");
}

void
control_log_brief(struct client_request *client, struct bytes arguments)
{
	union message m = {.verbose = {.verbose = 0}};

	(void)arguments;
	(void)channel_send(process_parent(), MSG_VERBOSE, &m, -1);
	control_end(client, CONTROL_OK, "");
}

void
control_log_verbose(struct client_request *client, struct bytes arguments)
{
	union message m = {.verbose = {.verbose = 1}};

	(void)arguments;
	(void)channel_send(process_parent(), MSG_VERBOSE, &m, -1);
	control_end(client, CONTROL_OK, "");
}
