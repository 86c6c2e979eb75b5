/* SPDX-License-Identifier: ISC */
#include "tokend/elsewhere.h"

#include <stdlib.h>
#include <string.h>

#include "lib/address.h"
#include "lib/log.h"
#include "lib/process.h"
#include "tokend/tokend.h"

/* What a message names, canonical: the user is local, the other remote. */
struct pair {
	char local[ADDRESS_SIZE];
	char remote[ADDRESS_SIZE];
};

/* Whose pair it is, if the ticket is for it. Returns 0 or -1. */
static int
take_pair(struct pair *pair, uint64_t session, uint64_t expires,
    struct bytes sender, struct bytes recipient, struct bytes ticket)
{
	struct ticket_subject subject;
	struct ticket_relay room;

	if (!tokend.has_ticket_key || sender.length == 0)
		return -1;
	ticket_relay_subject(&subject, &room, session, sender.data,
	    sender.length, recipient.data, recipient.length, expires);
	if (ticket_check(ticket.data, ticket.length, tokend.ticket_key,
		&subject, ticket_clock()) != TICKET_GOOD) {
		log_warnx("relay shows a ticket that is late or wrong");
		return -1;
	}
	if (address_canonical_text(
		(const char *)sender.data, sender.length, pair->local) == -1 ||
	    address_canonical_text((const char *)recipient.data,
		recipient.length, pair->remote) == -1)
		return -1;
	return is_local(bytes_text(pair->local)) ? 0 : -1;
}

/* An answer that waits for the flush: ours must be durable before it goes. */
struct answer {
	uint64_t request;
	size_t length;
	uint8_t token[HELD_TOKEN_MAX];
	char mine[TOKEN_LENGTH + 1];
};

static void
send_token(void *argument, int durable)
{
	struct answer *answer = argument;
	struct channel *relay = process_peer(ROLE_RELAY, 0);
	union message m = {
	    .held_token = {.request = answer->request,
		.token = bytes_of(answer->token, answer->length),
		.mine = bytes_text(durable ? answer->mine : "")}};

	if (relay != NULL)
		(void)channel_send(relay, MSG_HELD_TOKEN, &m, -1);
	explicit_bzero(answer, sizeof(*answer));
}

/* S1-14: where others can deliver to us, they get our token for it. */
static void
add_mine(struct answer *answer, const struct pair *pair)
{
	int result;

	if (!tokend.settings->token_mine)
		return;
	result = issue_permanent(&tokend.issuer, bytes_text(pair->remote),
	    bytes_text(pair->local), wall_clock(), answer->mine);
	if (result == 0)
		tokend.counters.tokens_permanent++;
	if (result == -1)
		answer->mine[0] = '\0';
}

void
on_held_ask(struct channel *relay, const union message *message, int fd)
{
	const struct msg_held_ask *m = &message->held_ask;
	struct answer *answer = calloc(1, sizeof(*answer));
	struct pair pair;

	(void)relay;
	(void)fd;
	if (answer == NULL)
		fatal("an answer");
	answer->request = m->request;
	if (tokend.settings->tokens &&
	    take_pair(&pair, m->session, m->expires, m->sender, m->recipient,
		m->ticket) == 0) {
		if (held_get(&tokend.issuer, bytes_text(pair.remote),
			bytes_text(pair.local), answer->token,
			&answer->length) == 0)
			add_mine(answer, &pair);
		else
			answer->length = 0;
	}
	answer_later(send_token, answer);
}

struct kept {
	uint64_t request;
	uint8_t ok;
};

static void
send_kept(void *argument, int durable)
{
	const struct kept *kept = argument;
	struct channel *relay = process_peer(ROLE_RELAY, 0);
	union message m = {
	    .held_kept = {.request = kept->request, .ok = kept->ok && durable}};

	if (relay != NULL)
		(void)channel_send(relay, MSG_HELD_KEPT, &m, -1);
}

/* S1-31: kept before the sender hears that his message has arrived. */
void
on_held_new(struct channel *relay, const union message *message, int fd)
{
	const struct msg_held_new *m = &message->held_new;
	struct kept *kept = calloc(1, sizeof(*kept));
	struct pair pair;

	(void)relay;
	(void)fd;
	if (kept == NULL)
		fatal("an answer");
	kept->request = m->request;
	if (m->token.length > 0 &&
	    take_pair(&pair, m->session, m->expires, m->sender, m->recipient,
		m->ticket) == 0 &&
	    held_put(&tokend.issuer, bytes_text(pair.remote),
		bytes_text(pair.local), m->token, HELD_RETURNED,
		wall_clock()) == 0) {
		tokend.counters.tokens_held++;
		kept->ok = 1;
	}
	answer_later(send_kept, kept);
}

static void
forgotten(void *unused, int durable)
{
	(void)unused;
	(void)durable; /* else it is refused once more */
}

void
on_held_refused(struct channel *relay, const union message *message, int fd)
{
	const struct msg_held_refused *m = &message->held_refused;
	char local[4 * ADDRESS_SIZE], remote[4 * ADDRESS_SIZE];
	struct pair pair;

	(void)relay;
	(void)fd;
	if (take_pair(&pair, m->session, m->expires, m->sender, m->recipient,
		m->ticket) == -1 ||
	    held_forget(&tokend.issuer, bytes_text(pair.remote),
		bytes_text(pair.local), m->token) != 0)
		return;
	log_info("a token of <%s> for <%s> was refused and is forgotten",
	    log_safe(remote, sizeof(remote), bytes_text(pair.remote)),
	    log_safe(local, sizeof(local), bytes_text(pair.local)));
	answer_later(forgotten, NULL);
}
