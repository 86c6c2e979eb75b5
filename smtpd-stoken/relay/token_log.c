/* SPDX-License-Identifier: ISC */
#include "smtpd-stoken/relay/token_log.h"

#include <stddef.h>

#include "imsg/messages.h"
#include "lib/log.h"

#define SAFE_SIZE 1300

/* What a server said stands in quotes. */
static const char *
quotable(char *out, size_t size, const char *text)
{
	size_t i;

	for (i = 0; i + 1 < size && text[i] != '\0'; i++)
		out[i] = text[i] < ' ' || text[i] > '~' || text[i] == '"'
		    ? '?'
		    : text[i];
	out[i] = '\0';
	return out;
}

void
token_log_failure(
    const struct token_story *story, const char *at, const char *why)
{
	char to[SAFE_SIZE], text[512];

	log_safe(to, sizeof(to), bytes_text(story->recipient));
	log_info("%08x token-route to=<%s> server=%s seconds=%.3f "
		 "stat=relay-host at=%s reason=\"%s\"",
	    (unsigned int)story->session, to, story->server,
	    (double)story->milliseconds / 1000, at,
	    quotable(text, sizeof(text), why));
}

void
token_log_delivered(const struct token_story *story, const char *new_token)
{
	char to[SAFE_SIZE];

	log_safe(to, sizeof(to), bytes_text(story->recipient));
	log_info("%08x token-route to=<%s> server=%s seconds=%.3f "
		 "stat=delivered new-token=%s",
	    (unsigned int)story->session, to, story->server,
	    (double)story->milliseconds / 1000, new_token);
}
