/* SPDX-License-Identifier: ISC */
#include <string.h>
#include <strings.h>

#include "smtpd-stoken/relay/smtp/delivered.h"
#include "smtpd-stoken/relay/smtp/hide.h"

/* A longer word may be a token; but the id of a delivery. */
#define WORD_MAX 24
#define ID_MAX 40

int
delivered_is_token(const char *text)
{
	size_t i;

	for (i = 0; text[i] != '\0'; i++) {
		if (text[i] <= ' ' || text[i] == '=' || text[i] > '~')
			return 0;
	}
	return i > 0 && i <= DELIVERED_TOKEN_MAX;
}

/*
 * The peer may write the address in lower case, and what is not ASCII came as
 * "?". Returns its octets with "<" and ">", or 0.
 */
static size_t
path_length(const char *text, const char *address)
{
	size_t i, length = strlen(address);

	if (text[0] != '<')
		return 0;
	for (i = 0; i < length; i++) {
		if (text[i + 1] == '\0')
			return 0;
		if (text[i + 1] != '?' &&
		    strncasecmp(text + i + 1, address + i, 1) != 0)
			return 0;
	}
	return text[i + 1] == '>' && text[i + 2] == ' ' ? length + 2 : 0;
}

/* Cuts the text, and leaves nothing of the rest behind. */
static void
cut_text(struct client_reply *reply, size_t length)
{
	explicit_bzero(reply->text + length, sizeof(reply->text) - length);
}

/*
 * The word is a whole token: where its line ends before anything else is
 * said, the next line may go on with it, as it does with long ones.
 */
static int
is_good(const struct client_reply *reply, const char *word, size_t length)
{
	size_t end = (size_t)(word - reply->text) + length;

	if (length == 0 || length > DELIVERED_TOKEN_MAX)
		return 0;
	if (reply->lines > 1 && end >= reply->first)
		return 0;
	return !reply->altered || memchr(word, '?', length) == NULL;
}

int
delivered_take(struct client_reply *reply, const char *address,
    char token[DELIVERED_TOKEN_MAX + 1])
{
	char *word, *rest;
	size_t path, length;

	token[0] = '\0';
	if (reply->code / 100 != 2 || strcmp(reply->enhanced, "2.1.13") != 0)
		return 0;
	path = path_length(reply->text, address);
	if (path == 0) {
		/* Somewhere in it may be a token. */
		cut_text(reply, 0);
		(void)strlcpy(reply->text, "...", sizeof(reply->text));
		return 0;
	}
	word = reply->text + path + 1;
	length = strcspn(word, " ");
	rest = word + length + (word[length] == ' ');
	if (is_good(reply, word, length)) {
		memcpy(token, word, length);
		token[length] = '\0';
		if (!delivered_is_token(token))
			explicit_bzero(token, DELIVERED_TOKEN_MAX);
	}
	if (reply->lines > 1) {
		/* Its other lines may go on with a token. */
		cut_text(reply, path + 1);
		(void)strlcat(reply->text, "...", sizeof(reply->text));
	} else {
		memmove(word, rest, strlen(rest) + 1);
		cut_text(reply, strlen(reply->text));
		(void)hide_secret(word, token, reply->cut);
	}
	return token[0] != '\0';
}

/* The word behind "<address>" of a delivery. */
static char *
delivery_id(struct client_reply *reply)
{
	char *end = strstr(reply->text, "> ");

	return reply->code / 100 == 2 && reply->text[0] == '<' && end != NULL
	    ? end + 2
	    : NULL;
}

void
delivered_hide(struct client_reply *reply, const char *secret)
{
	char *id, *behind = reply->text;

	if (secret[0] != '\0')
		(void)hide_secret(reply->text, secret, reply->cut);
	id = delivery_id(reply);
	if (id != NULL && strcspn(id, " ") <= ID_MAX)
		behind = id + strcspn(id, " ");
	(void)hide_long_words(behind, WORD_MAX);
}
