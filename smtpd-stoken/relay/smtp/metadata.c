/* SPDX-License-Identifier: ISC */
#include <string.h>
#include <strings.h>

#include "smtpd-stoken/relay/smtp/state.h"

/* Containers of METADATA, each a BMTD, before the first BDAT (B5.2). */

#define TYPE 2 /* octets */
#define TRACE_MAX 8192 /* octets of a Received field of ours */

/* The octets of the field that text begins with, if it is a trace field. */
static size_t
field_length(const char *text, size_t length)
{
	static const char *const names[] = {
	    "Received:", "Authentication-Results:"};
	const char *lf;
	size_t i, n = 0;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (length > strlen(names[i]) &&
		    strncasecmp(text, names[i], strlen(names[i])) == 0)
			break;
	if (i == sizeof(names) / sizeof(names[0]))
		return 0;
	do {
		lf = memchr(text + n, '\n', length - n);
		if (lf == NULL)
			return 0;
		n = (size_t)(lf - text) + 1;
	} while (n < length && (text[n] == ' ' || text[n] == '\t'));
	return n;
}

/* The octets of the trace fields that the head begins with. */
static size_t
trace_length(const struct client_message *message)
{
	size_t n, all = 0;

	if (message->head == NULL)
		return 0;
	do {
		n = field_length(
		    message->head + all, message->head_length - all);
		all += n;
	} while (n > 0);
	return all <= TRACE_MAX ? all : 0;
}

void
metadata_begin(struct client *client)
{
	struct client_message *message = &client->transaction.message.message;
	const unsigned int needed = EXTENSION_METADATA | EXTENSION_CHUNKING;

	if (message->metadata == NULL ||
	    (client->extensions.offered & needed) != needed)
		return;
	client->transaction.containers = 1;
	client->transaction.traced =
	    message->metadata->count >= CLIENT_CONTAINERS_MOST;
	message->size = message->metadata->content_size;
	message->read = message->metadata->read_content;
}

/* Ours, and so the newest: it goes first (D-M05). */
static ssize_t
take_trace(struct client_message *message, char *out)
{
	struct client_message field = {.head = message->head};
	struct body body;
	ssize_t n;

	field.head_length = trace_length(message);
	if (field.head_length == 0)
		return 0;
	message->head += field.head_length;
	message->head_length -= field.head_length;
	body_begin(&body, &field, 0);
	memset(out, 0, TYPE);
	n = body_take(&body, out + TYPE);
	return n == -1 ? -1 : n + TYPE;
}

/* The file was written by an engine: it is not believed. */
static ssize_t
take_next(struct transaction *transaction, char *out)
{
	const struct client_message *message = &transaction->message.message;
	const struct client_metadata *metadata = message->metadata;
	uint64_t left = metadata->containers_size - transaction->taken;
	uint8_t head[4];
	size_t length;

	if (left == 0)
		return 0;
	if (left < sizeof(head) ||
	    metadata->read_containers(
		message->reader, transaction->taken, head, sizeof(head)) == -1)
		return -1;
	length = (size_t)head[0] << 24 | (size_t)head[1] << 16 |
	    (size_t)head[2] << 8 | head[3];
	left -= sizeof(head);
	if (length < TYPE || length > left || length > BODY_PIECE)
		return -1;
	if (metadata->read_containers(message->reader,
		transaction->taken + sizeof(head), out, length) == -1)
		return -1;
	transaction->taken += sizeof(head) + length;
	return (ssize_t)length;
}

ssize_t
metadata_take(struct client *client, char *out)
{
	struct transaction *transaction = &client->transaction;
	ssize_t n = 0;

	if (!transaction->traced) {
		transaction->traced = 1;
		n = take_trace(&transaction->message.message, out);
	}
	return n != 0 ? n : take_next(transaction, out);
}
