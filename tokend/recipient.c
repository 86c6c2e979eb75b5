/* SPDX-License-Identifier: ISC */
#include "tokend/recipient.h"

#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "lib/process.h"
#include "tokend/ask.h"
#include "tokend/outside.h"
#include "tokend/submit.h"

#define SAFE 640
/* COMMIT_GRANT has room for so many tickets. */
#define MAILBOXES_MAX (49152 / TICKET_LENGTH)
#define RECIPIENTS_MAX 1000

static void
send_verdict(struct session *session, const struct recipient *recipient,
    enum rcpt_verdict verdict)
{
	static uint8_t tickets[OUTSIDE_TICKETS * TICKET_LENGTH];
	static uint8_t tokens[SUBMIT_TOKENS];
	struct channel *engine = session_engine(session);
	union message m = {.rcpt_verdict = {
			       .session = session->id,
			       .transaction = session->transaction,
			       .recipient_index = recipient->index,
			       .verdict = (uint8_t)verdict,
			   }};

	if (verdict == VERDICT_OUTSIDE) {
		m.rcpt_verdict.outside =
		    bytes_of(recipient->outside, recipient->outside_length);
		m.rcpt_verdict.expires = ticket_clock() + TICKET_RELAY_LIFE;
		m.rcpt_verdict.tickets = bytes_of(tickets,
		    outside_tickets(
			session, recipient, m.rcpt_verdict.expires, tickets));
		if (m.rcpt_verdict.tickets.length > 0)
			m.rcpt_verdict.tokens = bytes_of(
			    tokens, submit_tokens(session, recipient, tokens));
	}
	if (!recipient_is_accepted(verdict))
		tokend.counters.recipients_refused++;
	else {
		m.rcpt_verdict.mailboxes =
		    bytes_of(recipient->mailboxes, recipient->mailboxes_length);
		m.rcpt_verdict.token_kind = recipient->has_token
		    ? (uint8_t)recipient->token.kind
		    : TOKEN_KIND_NONE;
	}
	if (engine != NULL)
		(void)channel_send(engine, MSG_RCPT_VERDICT, &m, -1);
	explicit_bzero(tokens, m.rcpt_verdict.tokens.length);
}

static void
settle(struct session *session, struct recipient *recipient,
    enum rcpt_verdict verdict)
{
	if (recipient_is_accepted(verdict))
		session->accepted++;
	recipient->verdict = (uint8_t)verdict;
	send_verdict(session, recipient, verdict);
}

static void
log_token(const struct session *session, const struct recipient *recipient,
    enum check check)
{
	char id[TOKEN_ID + 1], local[SAFE], remote[SAFE];

	log_safe(local, sizeof(local), bytes_text(recipient->local));
	log_safe(remote, sizeof(remote), bytes_text(recipient->remote));
	if (check != CHECK_OK) {
		tokend.counters.token_failed++;
		log_info("%s token failed address=%s port=%u reason=%s "
			 "local=<%s> remote=<%s>",
		    session_name(session), session->address, session->port,
		    check_name(check), local, remote);
		return;
	}
	token_id(&recipient->token, id);
	log_info("%s token ok address=%s port=%u id=%s kind=%s local=<%s> "
		 "remote=<%s>",
	    session_name(session), session->address, session->port, id,
	    token_kind_name(recipient->token.kind), local, remote);
}

/* Whoever needs a token has shown one; the rest was shown by the login. */
static int
needs_token(const struct session *session)
{
	return session->who != WHO_USER && session->who != WHO_MTA;
}

static struct recipient *
find(struct session *session, const struct ask *ask)
{
	size_t i;

	if (session == NULL || session->transaction != ask->transaction)
		return NULL;
	for (i = 0; i < session->recipient_count; i++)
		if (session->recipients[i].index == ask->index)
			return &session->recipients[i];
	return NULL;
}

static enum rcpt_verdict
keep_mailboxes(
    struct session *session, struct recipient *recipient, struct bytes list)
{
	struct bytes rest = list, item;
	size_t count = 0;
	int more;

	while ((more = list_next(&rest, &item)) == 1)
		count++;
	if (more == -1 || count == 0)
		return VERDICT_TEMPORARY;
	if (session->mailbox_count + count > MAILBOXES_MAX)
		return VERDICT_TOO_MANY;
	if ((recipient->mailboxes = malloc(list.length)) == NULL)
		return VERDICT_TEMPORARY;
	memcpy(recipient->mailboxes, list.data, list.length);
	recipient->mailboxes_length = list.length;
	recipient->mailbox_count = count;
	session->mailbox_count += count;
	return VERDICT_OK;
}

/* A token delivers into a mailbox here and nowhere else (S1-15, S1-73). */
static enum rcpt_verdict
verdict_of(const struct session *session, uint8_t lookup)
{
	switch (lookup) {
	case LOOKUP_MAILBOXES:
		return VERDICT_OK;
	case LOOKUP_OUTSIDE:
		return outside_allowed(session);
	case LOOKUP_DISABLED:
		return needs_token(session) ? VERDICT_REFUSED
					    : VERDICT_DISABLED;
	case LOOKUP_UNKNOWN:
		return needs_token(session) ? VERDICT_REFUSED : VERDICT_UNKNOWN;
	default:
		return VERDICT_TEMPORARY;
	}
}

/* Where its mail goes is known; the last that is asked is his limit. */
static void
decide(struct session *session, struct recipient *recipient, uint8_t lookup,
    struct bytes mailboxes, struct bytes outside)
{
	enum rcpt_verdict verdict = verdict_of(session, lookup), kept;

	if (recipient_is_accepted(verdict) &&
	    (verdict == VERDICT_OK || mailboxes.length > 0) &&
	    (kept = keep_mailboxes(session, recipient, mailboxes)) !=
		VERDICT_OK)
		verdict = kept;
	if (verdict == VERDICT_OUTSIDE)
		verdict = outside_keep(session, recipient, outside);
	if (recipient_is_accepted(verdict) &&
	    (kept = limit_recipient(session)) != VERDICT_OK)
		verdict = kept;
	if (recipient->has_token && verdict == VERDICT_OK)
		log_token(session, recipient, CHECK_OK);
	settle(session, recipient, verdict);
}

static void
address_answered(struct ask *ask, const union message *m)
{
	struct session *session = ask_session(ask);
	struct recipient *recipient = find(session, ask);

	if (recipient == NULL || recipient->verdict != 0)
		return;
	if (m == NULL)
		settle(session, recipient, VERDICT_TEMPORARY);
	else
		decide(session, recipient, m->address_result.lookup,
		    m->address_result.mailboxes, m->address_result.outside);
}

/* Elsewhere, by the client's own spelling. */
static void
decide_outside(
    struct session *session, struct recipient *recipient, struct bytes address)
{
	uint8_t space[TICKET_ADDRESS + 2];
	struct list_writer list;

	list_init(&list, space, sizeof(space));
	(void)list_add(&list, address);
	decide(session, recipient, LOOKUP_OUTSIDE, bytes_of(NULL, 0),
	    list_bytes(&list));
}

/* The token must be good for (MAIL FROM, RCPT TO) (S1-16, S1-72). */
static int
token_check(
    struct session *session, struct recipient *recipient, struct bytes token)
{
	enum check check;

	check = check_pair(&tokend.issuer, token, bytes_text(recipient->remote),
	    bytes_text(recipient->local), wall_clock(), &recipient->token);
	if (check == CHECK_OK) {
		recipient->has_token = 1;
		return 0;
	}
	log_token(session, recipient, check);
	settle(session, recipient,
	    check == CHECK_STORE ? VERDICT_TEMPORARY : VERDICT_REFUSED);
	return -1;
}

/* Room for one more; it doubles, since addresses are long. */
static int
make_room(struct session *session)
{
	size_t room = session->recipient_room;
	struct recipient *all;

	if (session->recipient_count < room)
		return 0;
	room = room == 0 ? 1 : room * 2;
	all = recallocarray(
	    session->recipients, session->recipient_room, room, sizeof(*all));
	if (all == NULL)
		return -1;
	session->recipients = all;
	session->recipient_room = room;
	return 0;
}

static struct recipient *
recipient_new(struct session *session, const struct msg_rcpt_check *m)
{
	struct recipient *recipient;
	uint64_t most = tokend.settings->limit_recipients;

	if (most == 0 || most > RECIPIENTS_MAX)
		most = RECIPIENTS_MAX;
	if (session->recipient_count >= most || make_room(session) == -1)
		return NULL;
	recipient = &session->recipients[session->recipient_count++];
	recipient->index = m->recipient_index;
	return recipient;
}

static int
keep_mytoken(struct recipient *recipient, struct bytes mytoken)
{
	if (mytoken.length == 0)
		return 0;
	if ((recipient->mytoken = malloc(mytoken.length)) == NULL)
		return -1;
	memcpy(recipient->mytoken, mytoken.data, mytoken.length);
	recipient->mytoken_length = mytoken.length;
	return 0;
}

/* Both addresses in the form in which they are compared (D-S04). */
static int
keep_addresses(struct recipient *recipient, const struct msg_rcpt_check *m)
{
	if (m->sender.length > 0 &&
	    address_canonical_text((const char *)m->sender.data,
		m->sender.length, recipient->remote) == -1)
		return -1;
	return address_canonical_text((const char *)m->recipient.data,
	    m->recipient.length, recipient->local);
}

static void
check(struct session *session, struct recipient *recipient,
    const struct msg_rcpt_check *m)
{
	struct ask ask = {.done = address_answered};

	if (session->sender == NULL &&
	    (session->sender = strndup(
		 (const char *)m->sender.data, m->sender.length)) == NULL) {
		settle(session, recipient, VERDICT_TEMPORARY);
		return;
	}
	if (keep_addresses(recipient, m) == -1) {
		settle(session, recipient,
		    needs_token(session) ? VERDICT_REFUSED : VERDICT_UNKNOWN);
		return;
	}
	if (needs_token(session) &&
	    token_check(session, recipient, m->token) == -1)
		return;
	if (!is_local(bytes_text(recipient->local))) {
		decide_outside(session, recipient, m->recipient);
		return;
	}
	if (keep_mytoken(recipient, m->mytoken) == -1) {
		settle(session, recipient, VERDICT_TEMPORARY);
		return;
	}
	ask.transaction = session->transaction;
	ask.index = recipient->index;
	ask_address(&ask, session, bytes_text(recipient->local));
}

/* The session is of a tokend before this one, or was never there. */
static void
answer_unknown(struct channel *engine, const struct msg_rcpt_check *m)
{
	union message answer = {.rcpt_verdict = {
				    .session = m->session,
				    .transaction = m->transaction,
				    .recipient_index = m->recipient_index,
				    .verdict = VERDICT_TEMPORARY,
				}};

	(void)channel_send(engine, MSG_RCPT_VERDICT, &answer, -1);
}

void
on_rcpt_check(struct channel *engine, const union message *message, int fd)
{
	const struct msg_rcpt_check *m = &message->rcpt_check;
	struct session *session = session_of(engine, m->session);
	struct recipient *recipient, refused = {.index = m->recipient_index};
	size_t last;

	(void)fd;
	tokend.counters.recipients++;
	/* Without a token, who it is was only known to the one before. */
	if (session == NULL ||
	    (session->who == WHO_NOBODY && m->token.length == 0)) {
		answer_unknown(engine, m);
		return;
	}
	session_transaction(session, m->transaction);
	last = session->recipient_count;
	if (session->flight != NULL ||
	    (last > 0 &&
		session->recipients[last - 1].index >= m->recipient_index)) {
		process_complain(engine, "RCPT_CHECK out of turn");
		return;
	}
	if ((recipient = recipient_new(session, m)) == NULL)
		send_verdict(session, &refused, VERDICT_TOO_MANY);
	else
		check(session, recipient, m);
}

static void
send_sender(
    struct session *session, uint32_t transaction, enum rcpt_verdict verdict)
{
	struct channel *engine = session_engine(session);
	union message m = {.sender_verdict = {
			       .session = session->id,
			       .transaction = transaction,
			       .verdict = (uint8_t)verdict,
			   }};

	if (engine != NULL)
		(void)channel_send(engine, MSG_SENDER_VERDICT, &m, -1);
}

static void
owner_answered(struct ask *ask, const union message *m)
{
	struct session *session = ask_session(ask);
	enum rcpt_verdict verdict = VERDICT_TEMPORARY;

	if (session == NULL)
		return;
	if (m != NULL && m->owner_result.own != OWNER_TEMPORARY)
		verdict = m->owner_result.own == OWNER_YES ? VERDICT_OK
							   : VERDICT_REFUSED;
	/* Remembered: what goes elsewhere goes from here alone. */
	if (verdict == VERDICT_OK &&
	    bytes_copy(session->own, sizeof(session->own),
		m->owner_result.address) == 0)
		session->own_transaction = ask->transaction;
	send_sender(session, ask->transaction, verdict);
}

/* The envelope sender must be the user's own, or <> (DESIGN 11). */
void
on_sender_check(struct channel *engine, const union message *message, int fd)
{
	const struct msg_sender_check *m = &message->sender_check;
	struct session *session = session_of(engine, m->session);
	struct ask ask = {
	    .done = owner_answered, .transaction = m->transaction};
	struct session unknown = {
	    .engine = channel_instance(engine), .id = m->session};
	enum rcpt_verdict limit;
	char sender[ADDRESS_SIZE];

	(void)fd;
	if (session == NULL || session->who == WHO_NOBODY)
		send_sender(session == NULL ? &unknown : session,
		    m->transaction, VERDICT_TEMPORARY);
	else if ((limit = limit_message(session)) != VERDICT_OK)
		send_sender(session, m->transaction, limit);
	else if (session->who != WHO_USER || m->sender.length == 0)
		send_sender(session, m->transaction, VERDICT_OK);
	else if (address_canonical_text((const char *)m->sender.data,
		     m->sender.length, sender) == -1)
		send_sender(session, m->transaction, VERDICT_REFUSED);
	else
		ask_owner(&ask, session, bytes_text(session->login),
		    bytes_text(sender));
}
