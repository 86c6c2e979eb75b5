/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <string.h>

#include "smtpd-stoken/relay/smtp/reply.h"

void
reply_reset(struct reply_parser *parser)
{
	memset(parser, 0, sizeof(*parser));
}

int
reply_begun(const struct reply_parser *parser)
{
	return parser->lines > 0 || (parser->length > 0 && !parser->whole);
}

size_t
reply_printable(char *out, size_t size, const char *text, size_t length)
{
	size_t i, n = length < size - 1 ? length : size - 1;

	for (i = 0; i < n; i++) {
		if (text[i] == '\t')
			out[i] = ' ';
		else
			out[i] = text[i] < ' ' || text[i] > '~' ? '?' : text[i];
	}
	out[n] = '\0';
	return n;
}

static int
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Octets of 1*3digit, or 0. */
static size_t
number(const char *text, size_t length)
{
	size_t n = 0;

	while (n < length && n < 3 && is_digit(text[n]))
		n++;
	return n;
}

/*
 * The octets of the enhanced status code and the blank behind it with which
 * text starts, or 0. One of another class than the reply's says nothing (RFC
 * 2034 section 4).
 */
static size_t
enhanced_length(unsigned int code, const char *text, size_t length)
{
	size_t n = 2, part;

	if (length < 5 || text[0] != (char)('0' + code / 100) ||
	    text[0] == '3' || text[1] != '.')
		return 0;
	if ((part = number(text + n, length - n)) == 0)
		return 0;
	n += part;
	if (n == length || text[n++] != '.')
		return 0;
	if ((part = number(text + n, length - n)) == 0)
		return 0;
	n += part;
	if (n == length)
		return n;
	return text[n] == ' ' ? n + 1 : 0;
}

static int
is_printable(const char *text, size_t length)
{
	size_t i;

	for (i = 0; i < length; i++)
		if (text[i] < ' ' || text[i] > '~')
			return 0;
	return 1;
}

static void
add_text(struct reply_parser *parser, const char *text, size_t length)
{
	while (length > 0 && text[length - 1] == ' ')
		length--;
	if (length == 0)
		return;
	parser->altered |= !is_printable(text, length);
	if (parser->text_length > 0 && parser->text_length < CLIENT_TEXT_MAX)
		parser->text[parser->text_length++] = ' ';
	parser->cut |= length > CLIENT_TEXT_MAX - parser->text_length;
	parser->text_length +=
	    reply_printable(parser->text + parser->text_length,
		sizeof(parser->text) - parser->text_length, text, length);
	if (parser->nth == 1)
		parser->first = parser->text_length;
}

static void
take_text(struct reply_parser *parser)
{
	const char *text = parser->said;
	size_t n = enhanced_length(parser->code, text, parser->said_length);

	if (n > 0 && parser->enhanced[0] == '\0') {
		memcpy(parser->enhanced, text, n);
		parser->enhanced[text[n - 1] == ' ' ? n - 1 : n] = '\0';
	}
	add_text(parser, text + n, parser->said_length - n);
}

static enum reply_event
fail(struct reply_parser *parser, const char *fault)
{
	parser->fault = fault;
	return REPLY_FAULT;
}

/* A whole line, without its end. */
static enum reply_event
take_line(struct reply_parser *parser)
{
	const char *line = parser->line;
	size_t length = parser->length;
	unsigned int code;

	parser->whole = 1;
	if (length < 3 || !is_digit(line[0]) || !is_digit(line[1]) ||
	    !is_digit(line[2]))
		return fail(parser, "a reply without a code");
	code = (unsigned int)(line[0] - '0') * 100 +
	    (unsigned int)(line[1] - '0') * 10 + (unsigned int)(line[2] - '0');
	if (code < 200 || code > 599)
		return fail(parser, "a reply with an impossible code");
	if (length > 3 && line[3] != ' ' && line[3] != '-')
		return fail(parser, "no blank behind the code of a reply");
	if (parser->lines > 0 && code != parser->code)
		return fail(parser, "a reply with two codes");
	if (parser->lines == 0) {
		parser->text_length = parser->first = 0;
		parser->altered = parser->cut = 0;
		parser->text[0] = parser->enhanced[0] = '\0';
	}
	parser->code = code;
	parser->nth = parser->lines + 1;
	parser->said = line + (length > 3 ? 4 : 3);
	parser->said_length = length > 3 ? length - 4 : 0;
	take_text(parser);
	if (length == 3 || line[3] == ' ') {
		parser->lines = 0;
		return REPLY_END;
	}
	if (++parser->lines == REPLY_LINES_MAX)
		return fail(parser, "a reply of too many lines");
	return REPLY_LINE;
}

size_t
reply_input(struct reply_parser *parser, const char *data, size_t length,
    enum reply_event *event)
{
	const char *lf = memchr(data, '\n', length);
	size_t n = lf == NULL ? length : (size_t)(lf - data) + 1;

	*event = REPLY_NONE;
	if (parser->whole) {
		parser->whole = 0;
		parser->length = 0;
	}
	if (n > sizeof(parser->line) - parser->length) {
		*event = fail(parser, "a reply line that is too long");
		return n;
	}
	memcpy(parser->line + parser->length, data, n);
	parser->length += n;
	if (memchr(parser->line + parser->length - n, '\0', n) != NULL)
		*event = fail(parser, "a NUL in a reply");
	else if (lf != NULL) {
		parser->length--;
		if (parser->length > 0 &&
		    parser->line[parser->length - 1] == '\r')
			parser->length--;
		*event = take_line(parser);
	}
	return n;
}

/*
 * Codes that concern us and not our client's mail: to him 421 would mean that
 * we close, and 530 that he must log in.
 */
static int
is_ours(unsigned int code)
{
	static const unsigned int codes[] = {421, 530, 534, 535, 538};
	size_t i;

	for (i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		if (codes[i] == code)
			return 1;
	}
	return 0;
}

void
reply_pass(const struct reply_parser *parser, struct client_reply *reply)
{
	const char *enhanced = parser->enhanced;

	memset(reply, 0, sizeof(*reply));
	reply->source = parser->code == 421 ? CLIENT_LOST : CLIENT_SAID;
	reply->code = parser->code;
	if (is_ours(parser->code)) {
		reply->code = 451;
		if (enhanced[0] == '5')
			enhanced = "4.7.0";
	}
	if (enhanced[0] != '\0')
		strlcpy(reply->enhanced, enhanced, sizeof(reply->enhanced));
	else
		snprintf(reply->enhanced, sizeof(reply->enhanced), "%u.0.0",
		    reply->code / 100);
	strlcpy(reply->text, parser->text, sizeof(reply->text));
	reply->altered = parser->altered;
	reply->cut = parser->cut;
	reply->first = parser->first;
	reply->lines = parser->nth;
}

void
reply_make(struct client_reply *reply, enum client_source source,
    unsigned int code, const char *enhanced, const char *text)
{
	memset(reply, 0, sizeof(*reply));
	reply->source = source;
	reply->code = code;
	strlcpy(reply->enhanced, enhanced, sizeof(reply->enhanced));
	reply_printable(reply->text, sizeof(reply->text), text, strlen(text));
}
