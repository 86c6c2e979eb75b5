/* SPDX-License-Identifier: ISC */
#include "tokend/submit.h"

#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "lib/process.h"
#include "tokend/ask.h"
#include "tokend/outside.h"

#define TOKENS_MAX 16384
#define NOTICE_TICKETS (16384 / TICKET_LENGTH)
/* Life of a notice's tickets, in ms: relay first, the mailbox if it fails. */
#define NOTICE_LIFE 1200000

/* An answer that waits for the flush. */
struct result {
	uint8_t engine;
	uint64_t session;
	uint32_t transaction;
	size_t length;
	uint8_t tokens[]; /* a LIST */
};

static void
send_grant(struct channel *engine, uint64_t session, uint32_t transaction,
    struct bytes tokens)
{
	union message m = {.submit_grant = {.session = session,
			       .transaction = transaction,
			       .tokens = tokens}};

	if (engine != NULL)
		(void)channel_send(engine, MSG_SUBMIT_GRANT, &m, -1);
}

static void
send_result(void *argument, int durable)
{
	struct result *result = argument;

	send_grant(process_peer(ROLE_ENGINE, result->engine), result->session,
	    result->transaction,
	    bytes_of(result->tokens, durable ? result->length : 0));
	explicit_bzero(result->tokens, result->length);
}

/* A supplied one that is good for exactly this pair is used again (D-S11). */
static int
use_again(struct bytes supplied, struct bytes remote, struct bytes local,
    uint64_t now, char out[TOKEN_LENGTH + 1])
{
	struct token token;
	struct bytes text;

	while (list_next(&supplied, &text) == 1)
		if (check_pair(&tokend.issuer, text, remote, local, now,
			&token) == CHECK_OK)
			return bytes_copy(out, TOKEN_LENGTH + 1, text);
	return -1;
}

/* The token that `address` may answer `local` by (S1-32, S1-48), or "". */
static void
token_for(struct bytes address, const char *local, struct bytes supplied,
    char out[TOKEN_LENGTH + 1])
{
	char remote[ADDRESS_SIZE];
	uint64_t now = wall_clock();

	out[0] = '\0';
	if (!tokend.settings->tokens || local[0] == '\0' ||
	    address_canonical_text(
		(const char *)address.data, address.length, remote) == -1 ||
	    use_again(
		supplied, bytes_text(remote), bytes_text(local), now, out) == 0)
		return;
	if (issue_temporary(&tokend.issuer, bytes_text(remote),
		bytes_text(local), now, out) == 0)
		tokend.counters.tokens_temporary++;
	else
		out[0] = '\0';
}

static int
add_tokens(struct list_writer *list, const struct recipient *recipient,
    const char *local, struct bytes supplied)
{
	struct bytes rest, item;
	char token[TOKEN_LENGTH + 1];
	uint8_t index[4];
	int result = 0;
	size_t i;

	for (i = 0; i < sizeof(index); i++)
		index[i] = (uint8_t)(recipient->index >> (8 * i));
	rest = bytes_of(recipient->outside, recipient->outside_length);
	while (result == 0 && list_next(&rest, &item) == 1) {
		token_for(item, local, supplied, token);
		if (list_add(list, bytes_of(index, sizeof(index))) == -1 ||
		    list_add(list, bytes_text(token)) == -1)
			result = -1;
	}
	explicit_bzero(token, sizeof(token));
	return result;
}

/* Makes the tokens, `local` being what their holders may write to. */
static void
grant(struct session *session, const char *local, struct bytes supplied)
{
	static uint8_t tokens[TOKENS_MAX];
	const struct recipient *recipient;
	struct list_writer list;
	struct result *result;
	size_t i;

	list_init(&list, tokens, sizeof(tokens));
	for (i = 0; i < session->recipient_count; i++) {
		recipient = &session->recipients[i];
		if (recipient->verdict == VERDICT_OUTSIDE &&
		    add_tokens(&list, recipient, local, supplied) == -1)
			break; /* so many get none */
	}
	if ((result = malloc(sizeof(*result) + list.length)) == NULL)
		fatal("a result");
	result->engine = session->engine;
	result->session = session->id;
	result->transaction = session->transaction;
	result->length = list.length;
	memcpy(result->tokens, tokens, list.length);
	explicit_bzero(tokens, list.length);
	answer_later(send_result, result);
}

/* The sender's address, in which an answer finds him (D-S11). */
static const char *
envelope(const struct session *session)
{
	return session->own_transaction == session->transaction &&
		session->sender != NULL && session->sender[0] != '\0'
	    ? session->own
	    : "";
}

size_t
submit_tokens(const struct session *session, const struct recipient *recipient,
    uint8_t out[SUBMIT_TOKENS])
{
	struct bytes rest, item, local = bytes_text(envelope(session));
	char remote[ADDRESS_SIZE], token[TOKEN_LENGTH + 1];
	struct list_writer list;
	uint64_t now = wall_clock();

	if (session->who != WHO_USER || !tokend.settings->tokens ||
	    tokend.settings->token_header_recipients == 0 || local.length == 0)
		return 0;
	list_init(&list, out, SUBMIT_TOKENS);
	rest = bytes_of(recipient->outside, recipient->outside_length);
	while (list_next(&rest, &item) == 1) {
		if (address_canonical_text(
			(const char *)item.data, item.length, remote) == -1 ||
		    issue_temporary_at_once(&tokend.issuer, bytes_text(remote),
			local, now, token) != 0 ||
		    list_add(&list, bytes_text(token)) == -1)
			return 0;
		tokend.counters.tokens_temporary++;
	}
	explicit_bzero(token, sizeof(token));
	return list.length;
}

static void
owner_answered(struct ask *ask, const union message *m)
{
	struct session *session = ask_session(ask);
	struct bytes supplied = bytes_of(ask->more, ask->more_size);
	char local[ADDRESS_SIZE];

	if (session == NULL || session->transaction != ask->transaction)
		return;
	if (m == NULL || m->owner_result.own != OWNER_YES ||
	    bytes_copy(local, sizeof(local), m->owner_result.address) == -1)
		strlcpy(local, envelope(session), sizeof(local));
	grant(session, local, supplied);
}

/* From is looked at only where it is another address than the sender's. */
static void
ask_from(struct session *session, const char *from, struct bytes supplied)
{
	struct ask ask = {
	    .done = owner_answered, .transaction = session->transaction};

	if (supplied.length > 0 &&
	    (ask.more = malloc(supplied.length)) != NULL) {
		memcpy(ask.more, supplied.data, supplied.length);
		ask.more_size = supplied.length;
	}
	ask_owner(&ask, session, bytes_text(session->login), bytes_text(from));
}

void
on_submit_begin(struct channel *engine, const union message *message, int fd)
{
	const struct msg_submit_begin *m = &message->submit_begin;
	struct session *session = session_of(engine, m->session);
	char from[ADDRESS_SIZE];

	(void)fd;
	if (session == NULL || session->who != WHO_USER ||
	    session->transaction != m->transaction) {
		send_grant(
		    engine, m->session, m->transaction, bytes_of(NULL, 0));
		return;
	}
	if (m->from.length == 0 ||
	    address_canonical_text(
		(const char *)m->from.data, m->from.length, from) == -1 ||
	    strcmp(from, envelope(session)) == 0)
		grant(session, envelope(session), m->supplied);
	else
		ask_from(session, from, m->supplied);
}

static void
send_notice(
    struct session *session, struct bytes message, struct bytes mailboxes)
{
	static uint8_t tickets[NOTICE_TICKETS * TICKET_LENGTH];
	uint8_t relay[TICKET_LENGTH];
	struct ticket_subject subject = {
	    .kind = TICKET_DELIVER,
	    .message = message.data,
	    .message_length = message.length,
	    .expires = ticket_clock() + NOTICE_LIFE,
	};
	union message m = {.notice_grant = {.session = session->id,
			       .transaction = session->transaction,
			       .expires = subject.expires,
			       .mailboxes = mailboxes}};
	struct bytes mailbox, rest = mailboxes;
	size_t length = 0;

	while (list_next(&rest, &mailbox) == 1 && length < sizeof(tickets)) {
		subject.mailbox = mailbox.data;
		subject.mailbox_length = mailbox.length;
		if (ticket_make(
			tickets + length, tokend.ticket_key, &subject) == -1)
			break;
		length += TICKET_LENGTH;
	}
	m.notice_grant.tickets = bytes_of(tickets, length);
	if (tokend.settings->relay &&
	    outside_ticket(session, bytes_of(NULL, 0),
		bytes_text(session->sender), subject.expires, relay) == 0)
		m.notice_grant.relay = bytes_of(relay, sizeof(relay));
	if (session_engine(session) != NULL)
		(void)channel_send(
		    session_engine(session), MSG_NOTICE_GRANT, &m, -1);
}

static void
sender_answered(struct ask *ask, const union message *m)
{
	struct session *session = ask_session(ask);
	struct bytes mailboxes = bytes_of(NULL, 0);

	if (session == NULL || session->transaction != ask->transaction)
		return;
	if (m != NULL)
		mailboxes = m->address_result.mailboxes;
	send_notice(session, bytes_of(ask->more, ask->more_size), mailboxes);
}

/*
 * Once for a transaction, and only to who sent it: an engine that was taken
 * over can write to nobody by this whom it could not make a sender.
 */
void
on_notice_begin(struct channel *engine, const union message *message, int fd)
{
	const struct msg_notice_begin *m = &message->notice_begin;
	struct session *session = session_of(engine, m->session);
	struct ask ask = {
	    .done = sender_answered, .transaction = m->transaction};
	union message none = {.notice_grant = {.session = m->session,
				  .transaction = m->transaction}};
	char sender[ADDRESS_SIZE];

	(void)fd;
	if (session == NULL || session->transaction != m->transaction ||
	    (session->who != WHO_USER && session->who != WHO_MTA) ||
	    session->accepted == 0 || session->noticed ||
	    session->sender == NULL || session->sender[0] == '\0' ||
	    !tokend.has_ticket_key) {
		(void)channel_send(engine, MSG_NOTICE_GRANT, &none, -1);
		return;
	}
	session->noticed = 1;
	tokend.counters.notices++;
	if (address_canonical_text(
		session->sender, strlen(session->sender), sender) == -1 ||
	    !is_local(bytes_text(sender))) {
		send_notice(session, m->message, bytes_of(NULL, 0));
		return;
	}
	if ((ask.more = malloc(m->message.length + 1)) == NULL)
		fatal("a notice");
	memcpy(ask.more, m->message.data, m->message.length);
	ask.more_size = m->message.length;
	ask_address(&ask, session, bytes_text(sender));
}
