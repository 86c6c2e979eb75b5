/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lmtpd/deliver.h"
#include "lmtpd/place.h"

#define MAILBOX_MAX 320

struct message_file *
message_new(int directory)
{
	struct message_file *message = calloc(1, sizeof(*message));
	int error;

	if (message == NULL)
		return NULL;
	if (compat_tmpfile_open(&message->file, directory) == -1) {
		error = errno;
		free(message);
		errno = error;
		return NULL;
	}
	return message;
}

static struct recipient *
add_room(struct message_file *message)
{
	struct recipient *recipients;
	size_t room = message->room == 0 ? 4 : 2 * message->room;

	if (message->count < message->room)
		return &message->recipients[message->count];
	if (message->count >= DELIVER_RECIPIENTS)
		return NULL;
	recipients =
	    reallocarray(message->recipients, room, sizeof(*recipients));
	if (recipients == NULL)
		return NULL;
	message->recipients = recipients;
	message->room = room;
	return &recipients[message->count];
}

/* The id becomes part of a file name and of log lines. */
static int
valid_delivery(const char *id, size_t length)
{
	static const char allowed[] = "0123456789-_"
				      "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

	for (size_t i = 0; i < length; i++) {
		if (id[i] == '\0' || strchr(allowed, id[i]) == NULL)
			return 0;
	}
	return length > 0;
}

int
message_add(struct message_file *message, const void *mailbox,
    size_t mailbox_length, const void *delivery, size_t delivery_length,
    const void *ticket, size_t ticket_length)
{
	struct recipient *to;

	if (mailbox_length > MAILBOX_MAX ||
	    delivery_length >= sizeof(to->delivery) ||
	    !valid_delivery(delivery, delivery_length) ||
	    ticket_length > sizeof(to->ticket) ||
	    (to = add_room(message)) == NULL)
		return -1;
	memset(to, 0, sizeof(*to));
	if ((to->mailbox = malloc(mailbox_length + 1)) == NULL)
		return -1;
	memcpy(to->mailbox, mailbox, mailbox_length);
	to->mailbox[mailbox_length] = '\0';
	to->mailbox_length = mailbox_length;
	memcpy(to->delivery, delivery, delivery_length);
	if (ticket_length > 0)
		memcpy(to->ticket, ticket, ticket_length);
	to->ticket_length = ticket_length;
	message->count++;
	return 0;
}

/* The octets of a delivery id before the second hyphen. */
static size_t
base_length(const char *id)
{
	const char *hyphen = strchr(id, '-');

	if (hyphen == NULL)
		return strlen(id);
	return (size_t)(hyphen - id) + 1 + strcspn(hyphen + 1, "-");
}

size_t
message_group(const struct message_file *message, size_t first)
{
	const char *id = message->recipients[first].delivery, *next;
	size_t length = base_length(id), count = 1;

	for (; first + count < message->count && count < PLACE_MOST; count++) {
		next = message->recipients[first + count].delivery;
		if (strncmp(next, id, length) != 0 || next[length] != '-')
			break;
	}
	return count;
}

void
message_free(struct message_file *message)
{
	if (message == NULL)
		return;
	compat_tmpfile_close(&message->file);
	for (size_t i = 0; i < message->count; i++)
		free(message->recipients[i].mailbox);
	free(message->recipients);
	free(message->flags);
	free(message);
}
