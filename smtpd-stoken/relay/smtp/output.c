/* SPDX-License-Identifier: ISC */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/base64.h"
#include "smtpd-stoken/relay/smtp/state.h"

#define COMMAND_MAX 2048 /* octets of any command: RCPT with ORCPT */

void
client_flush(struct client *client)
{
	size_t length = client->batched;

	client->batched = 0;
	if (length > 0 && client->state != STATE_OVER)
		(void)client->actions->write(
		    client->owner, client->batch, length);
}

/* What does not fit is never sent: its arguments have smaller bounds. */
void
client_say(struct client *client, const char *format, ...)
{
	size_t room;
	va_list ap;
	int n;

	if (sizeof(client->batch) - client->batched < COMMAND_MAX)
		client_flush(client);
	room = sizeof(client->batch) - client->batched - 2;
	va_start(ap, format);
	n = vsnprintf(client->batch + client->batched, room, format, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= room) {
		client_fault(client, "a command of ours is too long");
		return;
	}
	client->batched += (size_t)n;
	memcpy(client->batch + client->batched, "\r\n", 2);
	client->batched += 2;
	client->spoke = 1;
}

void
client_say_private(struct client *client, const char *format, ...)
{
	char line[COMMAND_MAX];
	va_list ap;
	int n;

	client_flush(client);
	va_start(ap, format);
	n = vsnprintf(line, sizeof(line) - 2, format, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(line) - 2)
		client_fault(client, "a command of ours is too long");
	else {
		memcpy(line + n, "\r\n", 2);
		client->spoke = 1;
		client->actions->write_secret(
		    client->owner, line, (size_t)n + 2);
	}
	explicit_bzero(line, sizeof(line));
}

int
client_say_secret(struct client *client, const char *command,
    const char *secret, size_t length)
{
	char line[64 + BASE64_SIZE(LOGIN_MESSAGE_MAX) + 2];
	size_t n = strlen(command);
	ssize_t text;

	client_flush(client);
	if (n > 64)
		return -1;
	memcpy(line, command, n);
	text = base64_encode(
	    line + n, sizeof(line) - n - 2, (const uint8_t *)secret, length);
	if (text == -1)
		return -1;
	n += (size_t)text;
	memcpy(line + n, "\r\n", 2);
	client->spoke = 1;
	client->actions->write_secret(client->owner, line, n + 2);
	explicit_bzero(line, sizeof(line));
	return 0;
}
