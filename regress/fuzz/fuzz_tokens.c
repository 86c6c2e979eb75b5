/* SPDX-License-Identifier: ISC */
/*
 * The file of tokensend(1), and the message that it reads. What a change of
 * the file does not mean stays as it was, octet by octet; a file that was good
 * stays good. A message is the same however its octets come.
 * sources: tokensend/tokens.c tokensend/message.c tokensend/fail.c smtpd-stoken/relay/smtp/delivered.c smtpd-stoken/relay/smtp/hide.c lib/address.c
 * libs: -lidn2
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "smtpd-stoken/relay/smtp/delivered.h"
#include "tokensend/message.h"
#include "tokensend/tokens.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

#define AL "al@a.example"
#define BOB "bob@b.example"
#define CARL "carl@c.example"

static void
require(int holds)
{
	if (!holds)
		abort();
}

static size_t
lines(const struct tokens *tokens)
{
	size_t i, count = 0;

	for (i = 0; i < tokens->length; i++)
		count += tokens->text[i] == '\n';
	return count;
}

/* Of another pair, and of what is ours. */
static void
same_for_others(const struct tokens *before, const struct tokens *after)
{
	char one[TOKEN_SIZE] = "", two[TOKEN_SIZE] = "";

	require(tokens_find(before, AL, CARL, one) ==
	    tokens_find(after, AL, CARL, two));
	require(strcmp(one, two) == 0);
	require(tokens_find_mine(before, AL, BOB, one) ==
	    tokens_find_mine(after, AL, BOB, two));
	require(strcmp(one, two) == 0);
}

static void
renew(const struct tokens *tokens)
{
	struct tokens_change change = {
	    .local = AL, .remote = BOB, .token = "a-new-token"};
	struct tokens fresh;
	char token[TOKEN_SIZE];

	if (tokens_change(&fresh, tokens, &change) == 0) {
		require(tokens_find(tokens, AL, BOB, token));
		require(strcmp(token, "a-new-token") == 0);
		return;
	}
	require(tokens_find(&fresh, AL, BOB, token));
	require(strcmp(token, "a-new-token") == 0);
	require(lines(&fresh) - lines(tokens) <= 2);
	same_for_others(tokens, &fresh);
	if (tokens_check(tokens) == 0)
		require(tokens_check(&fresh) == 0);
	tokens_free(&fresh);
}

/* Each that is refused, until there is none. */
static void
refuse(const struct tokens *tokens)
{
	char token[TOKEN_SIZE], again[TOKEN_SIZE];
	struct tokens_change change = {.local = AL,
	    .remote = BOB,
	    .token = token,
	    .refused = "2026-11-22"};
	struct tokens rest = {malloc(tokens->length + 1), tokens->length}, next;

	require(rest.text != NULL);
	memcpy(rest.text, tokens->text, tokens->length);
	while (tokens_find(&rest, AL, BOB, token)) {
		require(delivered_is_token(token));
		require(tokens_change(&next, &rest, &change) == 1);
		require(lines(&next) == lines(&rest));
		require(!tokens_find(&next, AL, BOB, again) ||
		    strcmp(again, token) != 0);
		same_for_others(&rest, &next);
		require(tokens_check(&next) == tokens_check(&rest));
		tokens_free(&rest);
		rest = next;
	}
	tokens_free(&rest);
}

static void
one_file(const uint8_t *data, size_t size)
{
	char token[TOKEN_SIZE];
	struct tokens tokens = {malloc(size + (size == 0)), size};

	require(tokens.text != NULL);
	memcpy(tokens.text, data, size);
	(void)tokens_check(&tokens);
	if (tokens_find_mine(&tokens, AL, BOB, token))
		require(delivered_is_token(token));
	renew(&tokens);
	refuse(&tokens);
	tokens_free(&tokens);
}

/* No CR before an LF is left, and no more than was there. */
static void
one_message(const uint8_t *data, size_t size)
{
	struct message whole, cut;
	char *one = malloc(size + 1), *two = malloc(size + 1);
	size_t i, n, length = 0, at = 0;
	int good;

	require(one != NULL && two != NULL);
	message_begin(&whole);
	message_begin(&cut);
	good = message_convert(
		   &whole, (const char *)data, size, one, &length) == 0;
	require(good == (memchr(data, '\0', size) == NULL));
	for (i = 0; good && i < size; i++) {
		require(message_convert(&cut, (const char *)data + i, 1,
			    two + at, &n) == 0);
		at += n;
	}
	if (good) {
		require(at == length && memcmp(one, two, at) == 0);
		require(whole.has_8bit == cut.has_8bit &&
		    whole.header_8bit == cut.header_8bit &&
		    whole.has_8bit >= whole.header_8bit);
		require(length + (size_t)whole.after_cr <= size);
	}
	free(one);
	free(two);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0 || size > 4096)
		return 0;
	if (data[0] == 'M')
		one_message(data + 1, size - 1);
	else
		one_file(data + 1, size - 1);
	return 0;
}
