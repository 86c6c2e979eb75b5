/* SPDX-License-Identifier: ISC */
/*
 * A token server's answer to a delivery, from the octets on: however they are
 * cut it is the same reply; a new token is one, as it was sent, and nothing of
 * it or of the secret that the server knows is left in what is logged.
 * sources: smtpd-stoken/relay/smtp/reply.c smtpd-stoken/relay/smtp/delivered.c smtpd-stoken/relay/smtp/hide.c smtpd-stoken/relay/token_answer.c
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "smtpd-stoken/relay/smtp/delivered.h"
#include "smtpd-stoken/relay/smtp/hide.h"
#include "smtpd-stoken/relay/smtp/reply.h"
#include "smtpd-stoken/relay/token_answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static const char address[] = "Al.b@b.example";
static const char secret[] = "S3cret_token-of/his";

static void
require(int holds)
{
	if (!holds)
		abort();
}

/* The first reply in it, given in pieces. Returns 0 if there is none. */
static int
read_reply(
    struct client_reply *reply, const uint8_t *data, size_t size, size_t piece)
{
	static struct reply_parser parser;
	enum reply_event event;
	size_t at = 0, length;

	reply_reset(&parser);
	memset(&parser, 0, sizeof(parser));
	while (at < size) {
		length = size - at < piece ? size - at : piece;
		length = reply_input(
		    &parser, (const char *)data + at, length, &event);
		require(length > 0 || event == REPLY_FAULT);
		at += length;
		if (event == REPLY_FAULT)
			return 0;
		if (event == REPLY_END) {
			reply_pass(&parser, reply);
			return 1;
		}
	}
	return 0;
}

static void
check_text(const struct client_reply *reply)
{
	const char *end = memchr(reply->text, '\0', sizeof(reply->text)), *c;

	require(end != NULL);
	for (c = reply->text; c < end; c++)
		require(*c >= ' ' && *c <= '~');
	require(strlen(reply->enhanced) < sizeof(reply->enhanced));
}

/* The dots that stand for what was hidden are no part of a secret. */
static int
shows(const char *text, const char *what)
{
	char copy[CLIENT_TEXT_MAX + 1], *dots;

	require(strlcpy(copy, text, sizeof(copy)) < sizeof(copy));
	while ((dots = strstr(copy, "...")) != NULL)
		memset(dots, '\t', 3);
	return hide_finds(copy, what);
}

static void
look_at(struct client_reply *reply, const uint8_t *data, size_t size)
{
	char token[DELIVERED_TOKEN_MAX + 1], text[TOKEN_ANSWER_TEXT];
	int has_new = delivered_take(reply, address, token);

	check_text(reply);
	require(has_new == (token[0] != '\0'));
	if (has_new) {
		require(delivered_is_token(token) && reply->code / 100 == 2);
		require(memmem(data, size, token, strlen(token)) != NULL);
		require(strlen(reply->text) >= sizeof(address) + 2);
		require(!shows(reply->text + sizeof(address) + 2, token));
	}
	token_answer_hide(reply, secret, "");
	check_text(reply);
	require(!shows(reply->text, secret));
	token_answer_text(text, reply);
	require(strlen(text) >= strlen(reply->text));
	require(!(token_answer_refuses(TOKEN_AT_RCPT, reply) && has_new));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct client_reply whole, cut;
	size_t piece;
	int is;

	if (size == 0 || size > 8192)
		return 0;
	piece = 1 + data[0] % 16;
	is = read_reply(&whole, data + 1, size - 1, size);
	require(read_reply(&cut, data + 1, size - 1, piece) == is);
	if (!is)
		return 0;
	require(whole.code == cut.code && whole.cut == cut.cut &&
	    whole.lines == cut.lines && strcmp(whole.text, cut.text) == 0 &&
	    strcmp(whole.enhanced, cut.enhanced) == 0);
	whole.source = CLIENT_SAID;
	look_at(&whole, data + 1, size - 1);
	return 0;
}
