/* SPDX-License-Identifier: ISC */
/*
 * What a hijacked peer may write: octets on a channel, through framing, the
 * check and the decoder, up to the handler. The first octet picks who listens
 * to whom.
 * sources: imsg/channel.c imsg/messages.c imsg/imsg.c imsg/imsg-socket.c imsg/imsg-buffer.c lib/log.c
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

/* Touches every octet that the message says it has. */
static void
touch(uint32_t number, const union message *m, int fd)
{
	static volatile uint8_t sink;
	const struct message_row *row = message_find(number);
	const struct bytes *b;
	size_t i, j;

	for (i = 0; i < row->field_count; i++) {
		if (row->fields[i].kind != FIELD_BYTES)
			continue;
		b = (const void *)((const char *)m + row->fields[i].offset);
		for (j = 0; j < b->length; j++)
			sink ^= b->data[j];
	}
	if (fd != -1)
		close(fd);
}

#define MESSAGE(NAME, name, number, from, to, fd, phase, text, fields) \
	static void handle_##name(                                     \
	    struct channel *c, const union message *m, int descriptor) \
	{                                                              \
		(void)c;                                               \
		touch(number, m, descriptor);                          \
	}
#include "imsg/messages.def"
#undef MESSAGE

static const struct channel_handler handlers[] = {
#define MESSAGE(NAME, name, number, from, to, fd, phase, text, fields) \
	{number, handle_##name},
#include "imsg/messages.def"
#undef MESSAGE
    {0, NULL},
};

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
	int pair[2];
	size_t i;

	if (base == NULL)
		base = event_init();
	if (length < 2 || length > 60000 ||
	    socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == -1)
		return 0;
	channel_set_phase(data[1] % 2 == 0 ? PHASE_RUNNING : PHASE_SETUP);
	set.self = ROLE_PARENT + data[0] % (ROLE_COUNT - 1);
	set.peer = ROLE_PARENT + data[0] / 16 % (ROLE_COUNT - 1);
	c = channel_open(pair[0], &set);
	if (write(pair[1], data + 2, length - 2) == -1)
		abort();
	close(pair[1]);
	for (i = 0; i < 4; i++)
		(void)event_loop(EVLOOP_NONBLOCK);
	(void)c;
	return 0;
}
