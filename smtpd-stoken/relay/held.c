/* SPDX-License-Identifier: ISC */
#include <sys/types.h>
#include <sys/queue.h>

#include <stdlib.h>
#include <string.h>

#include "lib/process.h"
#include "smtpd-stoken/relay/held.h"
#include "smtpd-stoken/relay/probe.h"
#include "smtpd-stoken/relay/questions.h"

#define ADDRESS_ROOM 321
/* New tokens that wait for a tokend, and whose senders do not wait for them. */
#define LEFT_MOST 4096

struct held_request {
	TAILQ_ENTRY(held_request) entry;
	uint64_t number;
	int is_new; /* a new token, not a question */
	held_token_function *token; /* of a question */
	held_kept_function *kept; /* of a new token; NULL: nobody waits */
	void *owner;
	/* For a new token: to be said once more. */
	struct held_right right;
	char sender[ADDRESS_ROOM], recipient[ADDRESS_ROOM];
	size_t length;
	uint8_t text[255];
};

static TAILQ_HEAD(, held_request)
requests = TAILQ_HEAD_INITIALIZER(requests);
/*
 * The number of the last request. The first is drawn: an answer to a relay
 * that died would else be taken for one to its successor, and be the token
 * of another pair.
 */
static uint64_t last;

static size_t left; /* that nobody waits for */

static struct channel *
tokend(void)
{
	return process_peer(ROLE_TOKEND, 0);
}

static struct held_request *
add(void *owner)
{
	struct held_request *request = calloc(1, sizeof(*request));

	if (request == NULL)
		return NULL;
	if (last == 0)
		arc4random_buf(&last, sizeof(last));
	request->number = ++last;
	request->owner = owner;
	TAILQ_INSERT_TAIL(&requests, request, entry);
	return request;
}

static void
forget(struct held_request *request)
{
	TAILQ_REMOVE(&requests, request, entry);
	left -= request->is_new && request->kept == NULL;
	freezero(request, sizeof(*request));
}

/*
 * A new token was given with a message that has arrived: it is kept whether
 * or not somebody waits for that, also by the next tokend.
 */
void
held_cancel(struct held_request *request)
{
	if (request == NULL)
		return;
	if (request->is_new && left < LEFT_MOST) {
		request->kept = NULL;
		request->owner = NULL;
		left++;
	} else
		forget(request);
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

	if (c == NULL || (request = add(owner)) == NULL)
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
	forget(request);
	return NULL;
}

static void
send_new(const struct held_request *request)
{
	const struct held_right *right = &request->right;
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
	    strlen(right->sender) >= ADDRESS_ROOM ||
	    strlen(right->recipient) >= ADDRESS_ROOM ||
	    (request = add(owner)) == NULL)
		return NULL;
	request->is_new = 1;
	request->kept = done;
	request->right = *right;
	(void)strlcpy(request->sender, right->sender, ADDRESS_ROOM);
	(void)strlcpy(request->recipient, right->recipient, ADDRESS_ROOM);
	request->right.sender = request->sender;
	request->right.recipient = request->recipient;
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
		if (request->is_new)
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

	forget(request);
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
	if (request == NULL || !request->is_new)
		return;
	done = request->kept;
	owner = request->owner;
	forget(request);
	if (done != NULL)
		done(owner, m->held_kept.ok != 0);
}

const struct channel_handler held_handlers[] = {
    {MSG_HELD_TOKEN, on_token},
    {MSG_HELD_KEPT, on_kept},
    {MSG_DNS_ASK, on_dns_ask},
    {MSG_PROBE, on_probe},
    {0, NULL},
};
