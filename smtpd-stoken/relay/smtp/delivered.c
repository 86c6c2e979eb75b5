/* SPDX-License-Identifier: ISC */
#include <string.h>
#include <strings.h>

#include "smtpd-stoken/relay/smtp/delivered.h"

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

int
delivered_take(struct client_reply *reply, const char *address,
    char token[DELIVERED_TOKEN_MAX + 1])
{
	char *word, *rest;
	size_t path, length;
	int good;

	token[0] = '\0';
	if (reply->code / 100 != 2 || strcmp(reply->enhanced, "2.1.13") != 0)
		return 0;
	path = path_length(reply->text, address);
	if (path == 0) {
		/* Somewhere in it may be a token. */
		(void)strlcpy(reply->text, "...", sizeof(reply->text));
		return 0;
	}
	word = reply->text + path + 1;
	length = strcspn(word, " ");
	rest = word + length + (word[length] == ' ');
	good = length > 0 && length <= DELIVERED_TOKEN_MAX;
	if (good) {
		memcpy(token, word, length);
		token[length] = '\0';
		good = delivered_is_token(token) &&
		    !(reply->altered && strchr(token, '?') != NULL);
	}
	memmove(word, rest, strlen(rest) + 1);
	/* What was moved leaves a copy of its end. */
	explicit_bzero(word + strlen(word),
	    sizeof(reply->text) - (size_t)(word - reply->text) - strlen(word));
	if (!good)
		token[0] = '\0';
	return good;
}

void
delivered_hide(struct client_reply *reply, const char *secret)
{
	size_t length = strlen(secret), rest;
	char *found;

	if (length < 3)
		return;
	while ((found = strstr(reply->text, secret)) != NULL) {
		rest = strlen(found + length);
		memmove(found + 3, found + length, rest + 1);
		memcpy(found, "...", 3);
	}
}
