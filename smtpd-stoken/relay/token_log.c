/* SPDX-License-Identifier: ISC */
#include "smtpd-stoken/relay/token_log.h"

#include <stddef.h>
#include <string.h>

#include "imsg/messages.h"
#include "lib/log.h"
#include "lib/metrics.h"

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

/* Steps of token_route.c. */
static const struct {
	const char *at;
	enum metric_route route;
} steps[] = {
    {"token", ROUTE_NO_TOKEN},
    {"dns", ROUTE_DNS},
    {"connect", ROUTE_CONNECT},
    {"rcpt", ROUTE_RCPT},
    {"data", ROUTE_DATA},
    {"keep", ROUTE_DATA},
};

static enum metric_route
classify(const struct token_story *story, const char *at, const char *why)
{
	/* link.c's words; what a server says has its code in front. */
	static const char certificate[] = "TLS: the certificate was not";
	enum metric_route route = ROUTE_DATA;
	size_t i;

	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		if (strcmp(steps[i].at, at) == 0)
			route = steps[i].route;
	if (strcmp(why, "too many connections") == 0)
		return ROUTE_BUSY;
	if (route == ROUTE_CONNECT &&
	    strncmp(why, certificate, strlen(certificate)) == 0)
		return ROUTE_CERTIFICATE;
	if (story->refusals > 0 &&
	    (route == ROUTE_CONNECT || route == ROUTE_NO_TOKEN))
		return ROUTE_TOKEN_REFUSED;
	return route;
}

void
token_log_failure(
    const struct token_story *story, const char *at, const char *why)
{
	enum metric_route route = classify(story, at, why);
	char to[SAFE_SIZE], text[512];

	metric_count(ROUTES, route);
	if (route == ROUTE_NO_TOKEN)
		return;
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

	metric_count(ROUTES, ROUTE_WAS_DELIVERED);
	log_safe(to, sizeof(to), bytes_text(story->recipient));
	log_info("%08x token-route to=<%s> server=%s seconds=%.3f "
		 "stat=delivered new-token=%s",
	    (unsigned int)story->session, to, story->server,
	    (double)story->milliseconds / 1000, new_token);
}
