/* SPDX-License-Identifier: ISC */
#ifndef RELAY_SMTP_REPLY_H
#define RELAY_SMTP_REPLY_H

#include <stddef.h>

#include "smtpd-stoken/relay/smtp/client.h"

/*
 * Replies as a client reads them (RFC 5321 section 4.2), from a peer that is
 * not believed: a line has a bound, a reply has one, and what is no reply is
 * a fault. A bare LF ends a line too: nothing hangs on where a reply's text
 * ends, and there are such servers. NUL is a fault.
 */

#define REPLY_LINE_MAX 2048 /* octets with the line end; 512 are legal */
#define REPLY_LINES_MAX 128

enum reply_event {
	REPLY_NONE, /* not a whole line yet */
	REPLY_LINE, /* a line of several, not the last */
	REPLY_END, /* the last: the reply is whole */
	REPLY_FAULT /* parser->fault says what */
};

struct reply_parser {
	char line[REPLY_LINE_MAX];
	size_t length; /* octets of line so far; of the text in it when whole */
	const char *said; /* the text of a whole line, as it came */
	size_t said_length; /* octets */
	int whole; /* line is used up: the next octet begins another */
	unsigned int lines; /* of a reply that is not whole, so far */
	unsigned int nth; /* number of the whole line in its reply, from 1 */
	unsigned int code;
	char enhanced[16]; /* "" when there was none */
	char text[CLIENT_TEXT_MAX + 1]; /* as in struct client_reply */
	size_t text_length;
	size_t first; /* of it: octets of the first line */
	int altered; /* it held octets that are not printable */
	int cut; /* there were more */
	const char *fault;
};

/*
 * Takes octets up to the end of a line, or all. Returns how many, and what
 * came of them in *event.
 */
size_t reply_input(struct reply_parser *, const char *data, size_t length,
    enum reply_event *event);
void reply_reset(struct reply_parser *);
/* Whether a reply has begun that is not whole. */
int reply_begun(const struct reply_parser *);

/* A whole reply in the form in which it is passed on. */
void reply_pass(const struct reply_parser *, struct client_reply *);
/* A reply of our own. */
void reply_make(struct client_reply *, enum client_source, unsigned int code,
    const char *enhanced, const char *text);
/* Copies at most size - 1 octets, as printable ASCII, and a NUL. */
size_t reply_printable(char *out, size_t size, const char *text, size_t length);

#endif
