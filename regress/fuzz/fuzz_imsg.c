/* SPDX-License-Identifier: ISC */
/*
 * What a hijacked peer may write: octets on a channel, through framing, the
 * check and the decoder, up to the handler. The first octet picks who listens
 * to whom.
 * sources: imsg/channel.c imsg/messages.c imsg/imsg.c imsg/imsg-buffer.c lib/log.c
 */
#include <sys/types.h>
#include <sys/socket.h>

#include <event.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "imsg/channel.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static struct channel_handler handlers[128];

/* Touches every octet that the message says it has. */
static void
handle(struct channel *c, const union message *m, int fd)
{
	static volatile uint8_t sink;
	const struct message_row *row = channel_context(c);
	size_t i, j;

	for (i = 0; row != NULL && i < row->field_count; i++) {
		const struct bytes *b = (const void *)((const char *)m +
		    row->fields[i].offset);

		if (row->fields[i].kind != FIELD_BYTES)
			continue;
		for (j = 0; j < b->length; j++)
			sink ^= b->data[j];
	}
	if (fd != -1)
		close(fd);
}

static void
gone(struct channel *c, enum channel_end end, const char *why)
{
	(void)c;
	(void)end;
	(void)why;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
	static struct event_base *base;
	struct channel_settings set = {.handlers = handlers, .gone = gone};
	struct channel *c;
	const struct message_row *row;
	int pair[2];
	size_t i;

	if (base == NULL) {
		base = event_init();
		channel_set_phase(PHASE_RUNNING);
		for (i = 0; (row = message_row_at(i)) != NULL; i++) {
			handlers[i].number = row->number;
			handlers[i].function = handle;
		}
	}
	if (length < 2 || length > 60000 ||
	    socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == -1)
		return 0;
	set.self = ROLE_PARENT + data[0] % (ROLE_COUNT - 1);
	set.peer = ROLE_PARENT + data[0] / 16 % (ROLE_COUNT - 1);
	set.context = (void *)(uintptr_t)message_row_at(data[1] % 50);
	c = channel_open(pair[0], &set);
	if (write(pair[1], data + 2, length - 2) == -1)
		abort();
	close(pair[1]);
	for (i = 0; i < 4; i++)
		(void)event_loop(EVLOOP_NONBLOCK);
	(void)c;
	return 0;
}
