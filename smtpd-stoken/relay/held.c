/* SPDX-License-Identifier: ISC */
#include <sys/types.h>
#include <sys/queue.h>

#include <stdlib.h>
#include <string.h>

#include "lib/process.h"
#include "smtpd-stoken/relay/held.h"

struct held_request {
	TAILQ_ENTRY(held_request) entry;
	uint64_t number;
	const struct held_right *right;
	held_token_function *token; /* of a question */
	held_kept_function *kept; /* of a new token */
	void *owner;
	size_t length;
	uint8_t text[255]; /* the new one */
};

static TAILQ_HEAD(, held_request)
requests = TAILQ_HEAD_INITIALIZER(requests);
/*
 * The number of the last request. The first is drawn: an answer to a relay
 * that died would else be taken for one to its successor, and be the token
 * of another pair.
 */
static uint64_t last;

static struct channel *
tokend(void)
{
	return process_peer(ROLE_TOKEND, 0);
}

static struct held_request *
add(const struct held_right *right, void *owner)
{
	struct held_request *request = calloc(1, sizeof(*request));

	if (request == NULL)
		return NULL;
	if (last == 0)
		arc4random_buf(&last, sizeof(last));
	request->number = ++last;
	request->right = right;
	request->owner = owner;
	TAILQ_INSERT_TAIL(&requests, request, entry);
	return request;
}

void
held_cancel(struct held_request *request)
{
	if (request == NULL)
		return;
	TAILQ_REMOVE(&requests, request, entry);
	freezero(request, sizeof(*request));
}

static struct bytes
ticket(const struct held_right *right)
{
	return bytes_of(right->ticket, sizeof(right->ticket));
}

struct held_request *
held_ask(const struct held_right *right, held_token_function *done, void *owner)
{
	struct held_request *request;
	struct channel *c = tokend();
	union message m;

	if (c == NULL || (request = add(right, owner)) == NULL)
		return NULL;
	request->token = done;
	m = (union message) {.held_ask = {.request = request->number,
				 .session = right->session,
				 .expires = right->expires,
				 .sender = bytes_text(right->sender),
				 .recipient = bytes_text(right->recipient),
				 .ticket = ticket(right)}};
	if (channel_send(c, MSG_HELD_ASK, &m, -1) == 0)
		return request;
	held_cancel(request);
	return NULL;
}

static void
send_new(const struct held_request *request)
{
	const struct held_right *right = request->right;
	union message m = {
	    .held_new = {.request = request->number,
		.session = right->session,
		.expires = right->expires,
		.sender = bytes_text(right->sender),
		.recipient = bytes_text(right->recipient),
		.ticket = ticket(right),
		.token = bytes_of(request->text, request->length)}};

	if (tokend() != NULL)
		(void)channel_send(tokend(), MSG_HELD_NEW, &m, -1);
}

struct held_request *
held_new(const struct held_right *right, struct bytes token,
    held_kept_function *done, void *owner)
{
	struct held_request *request;

	if (token.length > sizeof(request->text) ||
	    (request = add(right, owner)) == NULL)
		return NULL;
	request->kept = done;
	request->length = token.length;
	memcpy(request->text, token.data, token.length);
	send_new(request);
	return request;
}

void
held_refused(const struct held_right *right, struct bytes token)
{
	union message m = {.held_refused = {.session = right->session,
			       .expires = right->expires,
			       .sender = bytes_text(right->sender),
			       .recipient = bytes_text(right->recipient),
			       .ticket = ticket(right),
			       .token = token}};

	if (tokend() != NULL)
		(void)channel_send(tokend(), MSG_HELD_REFUSED, &m, -1);
}

void
held_peer_new(void)
{
	const struct held_request *request;

	TAILQ_FOREACH (request, &requests, entry)
		if (request->kept != NULL)
			send_new(request);
}

static struct held_request *
find(uint64_t number)
{
	struct held_request *request;

	TAILQ_FOREACH (request, &requests, entry)
		if (request->number == number)
			return request;
	return NULL;
}

/* The answers may cancel other requests, or bring new ones about. */
static void
answer_token(
    struct held_request *request, struct bytes token, struct bytes mine)
{
	held_token_function *done = request->token;
	void *owner = request->owner;

	held_cancel(request);
	done(owner, token, mine);
}

void
held_peer_gone(void)
{
	struct held_request *request;
	struct bytes none = bytes_of(NULL, 0);

	do {
		TAILQ_FOREACH (request, &requests, entry)
			if (request->token != NULL)
				break;
		if (request != NULL)
			answer_token(request, none, none);
	} while (request != NULL);
}

static void
on_token(struct channel *c, const union message *m, int fd)
{
	struct held_request *request = find(m->held_token.request);

	(void)c;
	(void)fd;
	if (request != NULL && request->token != NULL)
		answer_token(request, m->held_token.token, m->held_token.mine);
}

static void
on_kept(struct channel *c, const union message *m, int fd)
{
	struct held_request *request = find(m->held_kept.request);
	held_kept_function *done;
	void *owner;

	(void)c;
	(void)fd;
	if (request == NULL || request->kept == NULL)
		return;
	done = request->kept;
	owner = request->owner;
	held_cancel(request);
	done(owner, m->held_kept.ok != 0);
}

const struct channel_handler held_handlers[] = {
    {MSG_HELD_TOKEN, on_token},
    {MSG_HELD_KEPT, on_kept},
    {0, NULL},
};
