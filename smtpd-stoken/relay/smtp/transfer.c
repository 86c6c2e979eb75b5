/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <string.h>

#include "smtpd-stoken/relay/smtp/state.h"

/*
 * From DATA or the first BDAT to the last result. The last octets, without
 * which no peer may accept the message, go out only when nothing of what was
 * sent before is unanswered, and when the caller says so.
 */

#define CHUNK_HEADER 32 /* "BDAT 18446744073709551615 LAST" CR LF */
#define CHUNKS_MAX 16 /* without an answer */

static int
chunking(const struct client *client)
{
	return (client->extensions.offered & EXTENSION_CHUNKING) != 0;
}

static void
tell(struct client *client, struct recipient *recipient,
    const struct client_reply *reply)
{
	recipient->state = RECIPIENT_DONE;
	client->transaction.accepted--;
	if (!client->transaction.abandoned)
		client->actions->result(client->owner, recipient->id, reply);
}

/* Tells every accepted recipient that has no result yet. */
static void
transfer_tell(struct client *client, const struct client_reply *reply)
{
	struct transaction *transaction = &client->transaction;
	size_t i;

	for (i = 0; i < transaction->count; i++) {
		if (transaction->recipients[i].state == RECIPIENT_ACCEPTED)
			tell(client, &transaction->recipients[i], reply);
	}
}

/* What cannot be sent is not begun. */
static int
decide(struct client *client, struct client_reply *reply)
{
	const struct client_message *message =
	    &client->transaction.message.message;
	uint64_t size = message->head_length + message->size;
	int eight = 0;

	if (client->transaction.containers) /* D-M08 */
		size += message->metadata->containers_size;
	if (client->extensions.size > 0 && size > client->extensions.size) {
		reply_make(reply, CLIENT_DECIDED, 552, "5.3.4",
		    "The message is too large for the next hop");
		return 1;
	}
	if (message->exact && !chunking(client)) {
		reply_make(reply, CLIENT_DECIDED, 554, "5.6.1",
		    "The next hop does not take BINARYMIME");
		return 1;
	}
	if (!(client->extensions.offered & EXTENSION_8BITMIME) &&
	    client->transaction.body != RELAY_BODY_BINARYMIME)
		eight = body_has_8bit(message);
	if (eight == 1)
		reply_make(reply, CLIENT_DECIDED, 554, "5.6.3",
		    "The next hop takes 7-bit mail only");
	else if (eight == -1)
		reply_make(reply, CLIENT_DECIDED, 451, "4.3.0",
		    "The message cannot be read");
	return eight != 0;
}

void
transfer_begin(struct client *client)
{
	struct transaction *transaction = &client->transaction;
	struct client_reply reply;

	metadata_begin(client);
	if (decide(client, &reply)) {
		transfer_tell(client, &reply);
		envelope_over(client);
		return;
	}
	body_begin(&transaction->message, &transaction->message.message,
	    !chunking(client));
	client->blocked = 0;
	if (chunking(client)) {
		transaction->phase = PHASE_BODY;
		return;
	}
	client_say(client, "DATA");
	transaction->phase = PHASE_DATA;
}

static void
unreadable(struct client *client)
{
	struct client_reply reply;

	reply_make(
	    &reply, CLIENT_DECIDED, 451, "4.3.0", "The message cannot be read");
	client->transaction.failed = 1;
	transfer_tell(client, &reply);
	if (!chunking(client))
		client_fail(client, "4.3.0", reply.text,
		    "the message cannot be read: DATA is broken off");
}

/* Whether the last octets wait for client_release(). */
static int
is_held(const struct client *client)
{
	return client->transaction.message.message.hold &&
	    !client->transaction.released;
}

static int
tell_held(struct client *client)
{
	if (client->transaction.told_held)
		return 0;
	client->transaction.told_held = 1;
	client->actions->held(client->owner);
	return 1;
}

static void
write_body(struct client *client, const char *data, size_t length, int last)
{
	if (last)
		client->transaction.phase = PHASE_FINAL;
	if (length > 0 &&
	    client->actions->write(client->owner, data, length) != 0 && !last)
		client->blocked = 1;
}

/* DATA: the body, and behind it the dot. */
static int
step_data(struct client *client, char *out)
{
	struct transaction *transaction = &client->transaction;
	struct body *body = &transaction->message;
	ssize_t n = 0;
	int last;

	if (transaction->body_out && is_held(client))
		return tell_held(client);
	if (transaction->body_out && reply_begun(&client->parser))
		return 0;
	if (!transaction->body_out &&
	    (n = body_take(body, out + CHUNK_HEADER)) == -1) {
		unreadable(client);
		return 1;
	}
	transaction->body_out = body_left(body) == 0;
	last = transaction->body_out && !is_held(client) &&
	    !reply_begun(&client->parser);
	if (last)
		memcpy(out + CHUNK_HEADER + n, ".\r\n", 3);
	write_body(
	    client, out + CHUNK_HEADER, (size_t)n + (last ? 3 : 0), last);
	return 1;
}

/*
 * RFC 3030. LAST waits for the answers to all chunks: how many replies a LAST
 * behind a refused chunk gets in LMTP, peers do not agree on (F-04, F-12). A
 * message that follows its containers at once in one piece, to one recipient,
 * does not wait: there is one reply to it, and that one counts (M-14, M-15).
 */
static int
may_end(const struct client *client)
{
	const struct transaction *transaction = &client->transaction;

	return transaction->message.position == 0 &&
	    transaction->accepted == 1 && !is_held(client);
}

/* Whether the peer may be sent a chunk. */
static int
may_send(const struct client *client, int last)
{
	unsigned int chunks = client->transaction.chunks;

	if (chunks == 0)
		return !reply_begun(&client->parser);
	return (!last || may_end(client)) && chunks < CHUNKS_MAX &&
	    (client->extensions.offered & EXTENSION_PIPELINING);
}

/* The octets stand in out behind room for the command. */
static void
write_chunk(
    struct client *client, const char *verb, char *out, size_t length, int last)
{
	char text[CHUNK_HEADER];
	int n;

	n = snprintf(text, sizeof(text), "%s %zu%s\r\n", verb, length,
	    last ? " LAST" : "");
	memcpy(out + CHUNK_HEADER - n, text, (size_t)n);
	if (!last)
		client->transaction.chunks++;
	write_body(client, out + CHUNK_HEADER - n, (size_t)n + length, last);
}

static int
step_container(struct client *client, char *out)
{
	ssize_t n;

	if (!may_send(client, 0))
		return 0;
	n = metadata_take(client, out + CHUNK_HEADER);
	if (n == -1)
		unreadable(client);
	else if (n == 0)
		client->transaction.containers = 0;
	else
		write_chunk(client, "BMTD", out, (size_t)n, 0);
	return 1;
}

static int
step_chunk(struct client *client, char *out)
{
	struct transaction *transaction = &client->transaction;
	struct body *body = &transaction->message;
	int last = body_left(body) <= BODY_PIECE;
	ssize_t n;

	if (transaction->failed || transaction->abandoned) {
		if (transaction->chunks > 0 || reply_begun(&client->parser))
			return 0;
		envelope_over(client);
		return 1;
	}
	if (transaction->containers)
		return step_container(client, out);
	if (last && transaction->chunks == 0 && is_held(client))
		return tell_held(client);
	if (!may_send(client, last))
		return 0;
	if ((n = body_take(body, out + CHUNK_HEADER)) == -1) {
		unreadable(client);
		return 1;
	}
	write_chunk(client, "BDAT", out, (size_t)n, last);
	return 1;
}

int
transfer_step(struct client *client)
{
	/* One for all connections: nothing stays in it. */
	static char out[CHUNK_HEADER + BODY_OUT + 3];

	client_flush(client);
	if (client->blocked)
		return 0;
	return chunking(client) ? step_chunk(client, out)
				: step_data(client, out);
}

static void
on_data(struct client *client, const struct client_reply *reply)
{
	if (reply->code / 100 >= 4) {
		transfer_tell(client, reply);
		envelope_over(client);
	} else if (reply->code != 354) {
		client_fault(client, "a reply of a wrong kind");
	} else if (client->transaction.abandoned) {
		client_fail(client, "4.4.2", "Given up",
		    "given up behind DATA, which cannot be taken back");
	} else
		client->transaction.phase = PHASE_BODY;
}

static void
on_chunk(struct client *client, const struct client_reply *reply)
{
	client->transaction.chunks--;
	if (reply->code / 100 == 2)
		return;
	if (reply->code / 100 == 3) {
		client_fault(client, "a reply of a wrong kind");
		return;
	}
	if (client->transaction.phase == PHASE_FINAL) {
		/* What is said to LAST counts: there may be mail there. */
		if (!client->transaction.refused)
			client->transaction.chunk_reply = *reply;
		client->transaction.refused = 1;
		return;
	}
	/*
	 * Other chunks may be on their way, and peers differ in how they
	 * answer them: no reply of theirs shall be taken for another's.
	 */
	transfer_tell(client, reply);
	client_fail(client, "4.3.0", reply->text, "a chunk was refused");
}

/*
 * Before the last octets were sent: a refusal is believed, since without
 * them the message cannot have been accepted; nothing else is.
 */
static void
on_early(struct client *client, const struct client_reply *reply)
{
	if (reply->code / 100 < 4) {
		client_fault(client, "a reply before the end of the message");
		return;
	}
	transfer_tell(client, reply);
	client_fault(client, "refused before the end of the message");
}

static void
on_final(struct client *client, const struct client_reply *reply)
{
	struct transaction *transaction = &client->transaction;
	size_t i;

	if (reply->code / 100 == 3) {
		client_fault(client, "a reply of a wrong kind");
		return;
	}
	if (reply->code / 100 != 2) {
		transaction->failed = 1;
		if (transaction->refused) /* that is why */
			reply = &transaction->chunk_reply;
	}
	if (client->settings->lmtp) {
		for (i = transaction->told; i < transaction->count &&
		     transaction->recipients[i].state != RECIPIENT_ACCEPTED;
		     i++)
			continue;
		transaction->told = i;
		if (i < transaction->count)
			tell(client, &transaction->recipients[i], reply);
	} else
		transfer_tell(client, reply);
	if (client->state == STATE_OVER || transaction->accepted > 0)
		return;
	/* RFC 3030 section 4.2: who refused a chunk waits for RSET. */
	if (transaction->failed && chunking(client))
		envelope_over(client);
	else
		envelope_free(transaction);
}

void
transfer_reply(struct client *client, const struct client_reply *reply)
{
	if (client->transaction.phase == PHASE_DATA)
		on_data(client, reply);
	else if (client->transaction.chunks > 0)
		on_chunk(client, reply);
	else if (client->transaction.phase == PHASE_FINAL)
		on_final(client, reply);
	else
		on_early(client, reply);
}

int
client_data(struct client *client, const struct client_message *message)
{
	struct transaction *transaction = &client->transaction;

	if (client->state >= STATE_QUIT ||
	    transaction->phase != PHASE_ENVELOPE || transaction->abandoned ||
	    transaction->data)
		return -1;
	transaction->message.message = *message;
	transaction->data = 1;
	client_advance(client);
	return 0;
}

void
client_release(struct client *client)
{
	if (client->transaction.phase == PHASE_NONE)
		return;
	client->transaction.released = 1;
	client_advance(client);
}

void
client_abandon(struct client *client)
{
	struct transaction *transaction = &client->transaction;

	if (transaction->phase == PHASE_NONE || client->state == STATE_OVER)
		return;
	transaction->abandoned = 1;
	if (transaction->phase == PHASE_BODY && !chunking(client)) {
		client_fail(client, "4.4.2", "Given up",
		    "given up behind DATA, which cannot be taken back");
		return;
	}
	if (client->state < STATE_READY)
		envelope_free(transaction);
	client->blocked = 0;
	client_advance(client);
}
