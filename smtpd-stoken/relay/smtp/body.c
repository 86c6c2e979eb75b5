/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "smtpd-stoken/relay/smtp/body.h"

struct output {
	char *data;
	size_t length;
};

void
body_begin(
    struct body *body, const struct client_message *message, int stuffing)
{
	struct client_message copy = *message; /* it may lie in *body */

	memset(body, 0, sizeof(*body));
	body->message = copy;
	body->stuffing = stuffing;
	body->line_start = 1;
}

uint64_t
body_left(const struct body *body)
{
	return body->message.head_length + body->message.size - body->position;
}

static void
put(struct output *out, const char *data, size_t length)
{
	memcpy(out->data + out->length, data, length);
	out->length += length;
}

/* Part of a line: no CR or LF in it. */
static void
text(struct body *body, struct output *out, const char *data, size_t length)
{
	if (length == 0)
		return;
	if (body->line_start && body->stuffing && data[0] == '.')
		put(out, ".", 1);
	put(out, data, length);
	body->line_start = body->after_cr = 0;
}

static void
line_end(struct body *body, struct output *out)
{
	put(out, "\r\n", 2);
	body->line_start = 1;
}

/* Without LF. A CR ends a line, and takes a LF behind it along. */
static void
text_with_cr(
    struct body *body, struct output *out, const char *data, size_t length)
{
	const char *cr;
	size_t n;

	while ((cr = memchr(data, '\r', length)) != NULL) {
		n = (size_t)(cr - data);
		text(body, out, data, n);
		line_end(body, out);
		body->after_cr = 1;
		data += n + 1;
		length -= n + 1;
	}
	text(body, out, data, length);
}

/* A line end in the text. An empty line is where exact octets begin. */
static void
line_feed(struct body *body, struct output *out)
{
	if (body->message.exact && body->line_start && !body->after_cr)
		body->raw = 1;
	if (!body->after_cr)
		line_end(body, out);
	body->after_cr = 0;
}

static void
convert(struct body *body, struct output *out, const char *data, size_t length)
{
	int has_cr = memchr(data, '\r', length) != NULL;
	const char *lf;
	size_t n;

	while (length > 0 && !body->raw) {
		lf = memchr(data, '\n', length);
		n = lf == NULL ? length : (size_t)(lf - data);
		if (has_cr)
			text_with_cr(body, out, data, n);
		else
			text(body, out, data, n);
		if (lf != NULL) {
			line_feed(body, out);
			n++;
		}
		data += n;
		length -= n;
	}
	put(out, data, length);
}

/* Takes at most `most` octets of the head. */
static size_t
take_head(struct body *body, struct output *out, size_t most)
{
	const struct client_message *message = &body->message;
	size_t n;

	if (body->position >= message->head_length)
		return 0;
	n = message->head_length - (size_t)body->position;
	if (n > most)
		n = most;
	convert(body, out, message->head + body->position, n);
	body->position += n;
	return n;
}

static int
take_file(struct body *body, struct output *out, size_t most)
{
	static char data[BODY_PIECE];
	const struct client_message *message = &body->message;
	size_t n = most;

	if (body_left(body) < n)
		n = (size_t)body_left(body);
	if (n == 0)
		return 0;
	if (message->read(message->reader,
		body->position - message->head_length, data, n) == -1)
		return -1;
	body->position += n;
	convert(body, out, data, n);
	return 0;
}

ssize_t
body_take(struct body *body, char *data)
{
	struct output out = {data, 0};
	size_t n;

	n = take_head(body, &out, BODY_PIECE);
	if (take_file(body, &out, BODY_PIECE - n) == -1)
		return -1;
	if (body_left(body) == 0 && !body->line_start && !body->raw)
		line_end(body, &out);
	return (ssize_t)out.length;
}

static int
has_8bit(const char *data, size_t length)
{
	unsigned char all = 0;
	size_t i;

	for (i = 0; i < length; i++)
		all |= (unsigned char)data[i];
	return all > 0x7f;
}

int
body_has_8bit(const struct client_message *message)
{
	static char data[BODY_PIECE];
	uint64_t offset = 0;
	size_t n;

	if (has_8bit(message->head, message->head_length))
		return 1;
	for (; offset < message->size; offset += n) {
		n = sizeof(data);
		if (message->size - offset < n)
			n = (size_t)(message->size - offset);
		if (message->read(message->reader, offset, data, n) == -1)
			return -1;
		if (has_8bit(data, n))
			return 1;
	}
	return 0;
}
