/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "tokensend/fail.h"
#include "tokensend/message.h"

#define PIECE (64 * 1024)

void
message_begin(struct message *message)
{
	memset(message, 0, sizeof(*message));
	message->fd = -1;
	message->in_header = message->line_is_empty = 1;
}

static void
line_feed(struct message *message)
{
	message->ends++;
	if (message->line_is_empty)
		message->in_header = 0;
	message->line_is_empty = 1;
}

int
message_convert(struct message *message, const char *data, size_t length,
    char *out, size_t *count)
{
	size_t i, n = 0;

	for (i = 0; i < length; i++) {
		if (data[i] == '\0')
			return -1;
		/* A CR alone stays: the client makes a line end of it. */
		if (message->after_cr && data[i] != '\n') {
			out[n++] = '\r';
			message->ends++;
		}
		message->after_cr = data[i] == '\r';
		if (message->after_cr)
			continue;
		out[n++] = data[i];
		if (data[i] == '\n') {
			line_feed(message);
			continue;
		}
		message->line_is_empty = 0;
		if (data[i] & 0x80) {
			message->has_8bit = 1;
			message->header_8bit |= message->in_header;
		}
	}
	*count = n;
	return 0;
}

/* Its directory is TMPDIR's or /tmp; nobody else ever sees a name. */
static int
make_file(void)
{
	const char *directory = getenv("TMPDIR");
	char path[1024];
	int fd;

	if (directory == NULL || directory[0] != '/')
		directory = "/tmp";
	if (strlcpy(path, directory, sizeof(path)) >= sizeof(path) ||
	    strlcat(path, "/tokensend.XXXXXXXXXX", sizeof(path)) >=
		sizeof(path))
		fail(EX_CANTCREAT, "%s: its name is too long", directory);
	if ((fd = mkstemp(path)) == -1)
		fail(EX_CANTCREAT, "a temporary file in %s: %s", directory,
		    strerror(errno));
	(void)unlink(path);
	return fd;
}

static void
put(struct message *message, const char *data, size_t length)
{
	ssize_t n;

	message->size += length;
	if (message->size > MESSAGE_MOST)
		fail(EX_DATAERR, "the message is too long");
	while (length > 0) {
		n = write(message->fd, data, length);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			fail(EX_IOERR, "the temporary file: %s",
			    strerror(errno));
		data += n;
		length -= (size_t)n;
	}
}

void
message_read(struct message *message, int fd)
{
	static char in[PIECE], out[PIECE + 1];
	size_t count;
	ssize_t n;

	message_begin(message);
	message->fd = make_file();
	while ((n = read(fd, in, sizeof(in))) != 0) {
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			fail(EX_IOERR, "standard input: %s", strerror(errno));
		if (message_convert(message, in, (size_t)n, out, &count) == -1)
			fail(EX_DATAERR, "there is a NUL in the message");
		put(message, out, count);
	}
	if (message->after_cr) {
		put(message, "\n", 1);
		message->ends++;
	}
	if (message->size == 0)
		fail(EX_DATAERR, "there is no message on standard input");
}

int
message_piece(void *reader, uint64_t offset, void *buffer, size_t size)
{
	const struct message *message = reader;
	char *out = buffer;
	ssize_t n;

	while (size > 0) {
		n = pread(message->fd, out, size, (off_t)offset);
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		out += n;
		offset += (uint64_t)n;
		size -= (size_t)n;
	}
	return 0;
}
