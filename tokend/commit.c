/* SPDX-License-Identifier: ISC */
#include "tokend/commit.h"

#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "lib/process.h"
#include "tokend/flight.h"
#include "tokend/recipient.h"

#define VERDICTS_MAX 1000
#define TICKETS_MAX 49152
#define TOKENS_MAX 49152
#define LEARNED_MAX 16 /* tokens in a message's fields */
#define SAFE 640

struct grant {
	uint64_t expires;
	uint8_t verdicts[VERDICTS_MAX];
	size_t verdict_count;
	uint8_t tickets[TICKETS_MAX];
	size_t tickets_length;
	int answers; /* something will come of the delivery */
};

static void
send_grant(struct channel *engine, const struct msg_commit_begin *m,
    const struct grant *grant)
{
	union message answer = {
	    .commit_grant = {
		.session = m->session,
		.transaction = m->transaction,
		.expires = grant->expires,
		.answers = (uint8_t)grant->answers,
		.verdicts = bytes_of(grant->verdicts, grant->verdict_count),
		.tickets = bytes_of(grant->tickets, grant->tickets_length),
	    }};

	(void)channel_send(engine, MSG_COMMIT_GRANT, &answer, -1);
}

/* Does a delivery by this token earn another one (S1-13, S1-30)? */
static int
earns_token(const struct token *token, uint64_t now)
{
	return token->kind == TOKEN_KIND_TEMPORARY ||
	    (token->expires != 0 &&
		token->expires < now + tokend.issuer.lifetimes.refresh);
}

/* A ticket for each mailbox of the recipient. */
static int
add_tickets(struct grant *grant, const struct recipient *recipient,
    struct bytes message)
{
	struct ticket_subject subject = {
	    .kind = TICKET_DELIVER,
	    .message = message.data,
	    .message_length = message.length,
	    .expires = grant->expires,
	};
	struct bytes mailbox, rest;

	if (grant->tickets_length + recipient->mailbox_count * TICKET_LENGTH >
	    sizeof(grant->tickets))
		return -1;
	rest = bytes_of(recipient->mailboxes, recipient->mailboxes_length);
	while (list_next(&rest, &mailbox) == 1) {
		subject.mailbox = mailbox.data;
		subject.mailbox_length = mailbox.length;
		if (ticket_make(grant->tickets + grant->tickets_length,
			tokend.ticket_key, &subject) == -1)
			return -1;
		grant->tickets_length += TICKET_LENGTH;
	}
	return 0;
}

/* Revocation is final: the last check is the one that counts. */
static enum rcpt_verdict
check_token_again(struct session *session, const struct recipient *recipient)
{
	enum check check;

	check = check_again(&tokend.issuer, &recipient->token,
	    bytes_text(recipient->remote), bytes_text(recipient->local),
	    wall_clock());
	if (check == CHECK_OK)
		return flight_add(session->flight, recipient->remote,
			   recipient->local) == -1
		    ? VERDICT_TEMPORARY
		    : VERDICT_OK;
	log_info("%s token failed address=%s port=%u reason=%s at=end-of-data",
	    session_name(session), session->address, session->port,
	    check_name(check));
	return check == CHECK_STORE ? VERDICT_TEMPORARY : VERDICT_REFUSED;
}

/*
 * Does a delivery change what is kept? Only then its reply waits for the
 * disk. A peer sends the same MYSTOKEN with each message; but what is not
 * flushed yet is not kept.
 */
static int
has_news(struct recipient *recipient, uint64_t now)
{
	if (recipient->mytoken != NULL)
		recipient->mytoken_held = !batch_pending(&tokend.batch) &&
		    held_is_settled(&tokend.issuer,
			bytes_text(recipient->remote),
			bytes_text(recipient->local),
			bytes_of(recipient->mytoken, recipient->mytoken_length),
			now);
	return (recipient->mytoken != NULL && !recipient->mytoken_held) ||
	    earns_token(&recipient->token, now);
}

static void
grant_one(struct session *session, struct recipient *recipient,
    struct bytes message, struct grant *grant)
{
	enum rcpt_verdict verdict = VERDICT_OK;

	if (recipient->has_token)
		verdict = check_token_again(session, recipient);
	if (verdict == VERDICT_OK &&
	    add_tickets(grant, recipient, message) == -1)
		verdict = VERDICT_TEMPORARY;
	recipient->granted = verdict == VERDICT_OK;
	if (recipient->granted && recipient->has_token &&
	    has_news(recipient, wall_clock()))
		grant->answers = 1;
	grant->verdicts[grant->verdict_count++] = (uint8_t)verdict;
}

void
on_commit_begin(struct channel *engine, const union message *message, int fd)
{
	const struct msg_commit_begin *m = &message->commit_begin;
	struct session *session = session_of(engine, m->session);
	static struct grant grant;
	size_t i;

	(void)fd;
	grant.verdict_count = grant.tickets_length = 0;
	grant.answers = 0;
	grant.expires = ticket_clock() + TICKET_LIFE;
	/* Nothing that this tokend knows of: no verdicts, no tickets. */
	if (session == NULL || session->transaction != m->transaction ||
	    session->flight != NULL || !tokend.has_ticket_key ||
	    (session->flight = flight_begin(grant.expires + TICKET_LANDING)) ==
		NULL) {
		send_grant(engine, m, &grant);
		return;
	}
	for (i = 0; i < session->recipient_count; i++)
		if (recipient_is_accepted(session->recipients[i].verdict))
			grant_one(session, &session->recipients[i], m->message,
			    &grant);
	session->answers = grant.answers;
	send_grant(engine, m, &grant);
}

/* An answer that waits for the flush. */
struct result {
	uint8_t engine;
	uint64_t session;
	uint32_t transaction;
	size_t length;
	uint8_t tokens[]; /* a LIST */
};

/* The store failed: the mail is delivered all the same, so 2.1.12 (D-S13). */
static void
send_tokens(void *argument, int durable)
{
	struct result *result = argument;
	struct channel *engine = process_peer(ROLE_ENGINE, result->engine);
	union message m = {.commit_result = {
			       .session = result->session,
			       .transaction = result->transaction,
			       .tokens = bytes_of(result->tokens,
				   durable ? result->length : 0),
			   }};

	if (engine != NULL)
		(void)channel_send(engine, MSG_COMMIT_RESULT, &m, -1);
	explicit_bzero(result->tokens, result->length);
}

/* Writes the new token of a delivery to `out`, or "". */
static void
reward(
    const struct recipient *recipient, uint64_t now, char out[TOKEN_LENGTH + 1])
{
	struct token made;
	int result;

	out[0] = '\0';
	/*
	 * One that was revoked while the message was under way has delivered
	 * it, but earns nothing: the new one would be later than the mark.
	 */
	if (!earns_token(&recipient->token, now) ||
	    check_again(&tokend.issuer, &recipient->token,
		bytes_text(recipient->remote), bytes_text(recipient->local),
		now) != CHECK_OK)
		return;
	result = issue_refreshed(&tokend.issuer, bytes_text(recipient->remote),
	    bytes_text(recipient->local), now, out);
	if (result == 0)
		tokend.counters.tokens_permanent++;
	/* The very one that was used is no news. */
	if (result == -1 ||
	    (result == 1 && token_decode(&made, bytes_text(out)) == 0 &&
		recipient->token.kind == TOKEN_KIND_PERMANENT &&
		made.issued == recipient->token.issued))
		out[0] = '\0';
}

static void
delivered(
    const struct recipient *recipient, uint64_t now, char out[TOKEN_LENGTH + 1])
{
	reward(recipient, now, out);
	if (recipient->mytoken == NULL || recipient->mytoken_held)
		return;
	if (held_put(&tokend.issuer, bytes_text(recipient->remote),
		bytes_text(recipient->local),
		bytes_of(recipient->mytoken, recipient->mytoken_length),
		HELD_MYSTOKEN, now) == 0)
		tokend.counters.tokens_held++;
}

/*
 * What the tokens in a message's fields were given for: its recipients here,
 * by who its From field names. A token session speaks for one sender alone;
 * on the socket the engine has looked who vouches for the address.
 */
static int
may_learn(const struct session *session, const struct recipient *recipient,
    const char *from)
{
	if (!recipient->granted || recipient->mailbox_count == 0)
		return 0;
	return session->who == WHO_MTA ||
	    (recipient->has_token && strcmp(recipient->remote, from) == 0);
}

static int
learn_token(
    const struct recipient *recipient, struct bytes from, struct bytes token)
{
	struct bytes local = bytes_text(recipient->local);

	if (recipient->mytoken_held)
		return held_put_behind(&tokend.issuer, from, local, token,
		    bytes_of(recipient->mytoken, recipient->mytoken_length),
		    wall_clock());
	return held_put(
	    &tokend.issuer, from, local, token, HELD_FIELD, wall_clock());
}

/* The first of several is tried first: it is put in last (S1-50). */
static void
learn_one(const struct session *session, const struct recipient *recipient,
    struct bytes from, struct bytes tokens)
{
	struct bytes all[LEARNED_MAX];
	size_t n = 0, kept = 0;
	char local[SAFE], remote[SAFE];

	while (n < LEARNED_MAX && list_next(&tokens, &all[n]) == 1)
		n++;
	while (n-- > 0)
		kept += learn_token(recipient, from, all[n]) == 0;
	if (kept == 0)
		return;
	tokend.counters.tokens_held += kept;
	tokend.held_pairs++; /* perhaps; the next count is right */
	log_safe(local, sizeof(local), bytes_text(recipient->local));
	log_safe(remote, sizeof(remote), from);
	log_info("%s token learned local=<%s> remote=<%s> count=%zu",
	    session_name(session), local, remote, kept);
}

static void
learn(const struct session *session, const struct msg_commit_end *m)
{
	const struct recipient *recipient;
	char from[ADDRESS_SIZE];
	size_t i, accepted = 0;

	/* Our own users have no need of them. */
	if (tokend.held_pairs >= HELD_PAIRS_MAX ||
	    address_canonical_text(
		(const char *)m->from.data, m->from.length, from) == -1 ||
	    is_local(bytes_text(from)))
		return;
	for (i = 0; i < session->recipient_count; i++) {
		recipient = &session->recipients[i];
		if (!recipient_is_accepted(recipient->verdict))
			continue;
		if (accepted < m->results.length &&
		    m->results.data[accepted] == 1 &&
		    may_learn(session, recipient, from))
			learn_one(
			    session, recipient, bytes_text(from), m->learned);
		accepted++;
	}
	flush_soon();
}

/* The new tokens of the accepted recipients, in order, as a LIST. */
static void
collect(struct session *session, struct bytes results, struct list_writer *list)
{
	const struct recipient *recipient;
	char token[TOKEN_LENGTH + 1];
	uint64_t now = wall_clock();
	size_t i, accepted = 0;

	for (i = 0; i < session->recipient_count; i++) {
		recipient = &session->recipients[i];
		if (!recipient_is_accepted(recipient->verdict))
			continue;
		token[0] = '\0';
		if (accepted < results.length && results.data[accepted] == 1)
			tokend.counters.relayed += recipient->outside_count;
		if (recipient->granted && recipient->has_token &&
		    accepted < results.length && results.data[accepted] == 1) {
			tokend.counters.deliveries++;
			if (session->answers)
				delivered(recipient, now, token);
		}
		(void)list_add(list, bytes_text(token));
		accepted++;
	}
	explicit_bzero(token, sizeof(token));
}

void
on_commit_end(struct channel *engine, const union message *message, int fd)
{
	const struct msg_commit_end *m = &message->commit_end;
	struct session *session = session_of(engine, m->session);
	static uint8_t tokens[TOKENS_MAX];
	struct list_writer list;
	struct result *result;
	size_t i;

	(void)fd;
	list_init(&list, tokens, sizeof(tokens));
	if (session == NULL || session->transaction != m->transaction)
		return; /* of a tokend before this one: nobody waits */
	if (session->flight == NULL) {
		/* Nothing here was to be committed: only relay had it. */
		session->answers = 0;
		for (i = 0; i < session->recipient_count; i++)
			session->recipients[i].granted = 0;
	}
	/* What MYSTOKEN says beside it is tried before. */
	if (m->learned.length > 0 && tokend.settings->tokens != 0)
		learn(session, m);
	collect(session, m->results, &list);
	if (session->flight != NULL)
		flight_end(session->flight);
	session->flight = NULL;
	recipients_drop(session);
	if (!session->answers)
		return;
	result = malloc(sizeof(*result) + list.length);
	if (result == NULL)
		fatal("a result");
	result->engine = channel_instance(engine);
	result->session = m->session;
	result->transaction = m->transaction;
	result->length = list.length;
	memcpy(result->tokens, tokens, list.length);
	explicit_bzero(tokens, list.length);
	answer_later(send_tokens, result);
}
