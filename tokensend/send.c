/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "lib/clock.h"
#include "tokensend/fail.h"
#include "tokensend/find.h"
#include "tokensend/send.h"

#define TOKENS_TRIED 4 /* alternatives for a recipient (S1-50) */

static int some_ordinary;

/* Who is named twice is sent to once, and told of as often as he is named. */
static void
report(struct sending *sending, struct recipient *recipient, enum fate fate,
    const char *what)
{
	struct recipient *other;
	size_t i;

	for (i = 0; i < sending->count; i++) {
		other = &sending->recipients[i];
		if (other != recipient && other->twin != recipient)
			continue;
		other->fate = fate;
		(void)printf("%s %s\n", other->address, what);
	}
	if (fflush(stdout) == EOF)
		complain("%s: standard output cannot be written: %s",
		    recipient->address, what);
}

static void
on_ordinary(
    struct sending *sending, struct recipient *recipient, const char *why)
{
	char what[2048];

	some_ordinary = 1;
	complain("%s: the ordinary route: %s", recipient->address, why);
	(void)snprintf(
	    what, sizeof(what), "451 4.7.0 The ordinary route: %s", why);
	report(sending, recipient, FATE_ORDINARY, what);
}

/* First the token, durably, and then the word of it. */
static void
on_delivered(struct sending *sending, struct recipient *recipient,
    const struct client_reply *reply, const char *token)
{
	struct tokens_change change = {.local = sending->options->from,
	    .remote = recipient->canonical,
	    .token = token};
	char problem[512], what[2048];

	if (token[0] != '\0' &&
	    tokenfile_change(
		sending->owner, &change, problem, sizeof(problem)) == -1)
		complain("%s: delivered, but the new token is lost: %s",
		    recipient->address, problem);
	(void)snprintf(what, sizeof(what), "%u %s %s", reply->code,
	    reply->enhanced, reply->text);
	report(sending, recipient, FATE_DELIVERED, what);
}

static void
take_token(struct recipient *recipient, const struct sending *sending)
{
	const struct tokenfile *file = sending->owner;
	const char *from = sending->options->from;

	(void)tokens_find(
	    &file->tokens, from, recipient->canonical, recipient->token);
	(void)tokens_find_mine(
	    &file->tokens, from, recipient->canonical, recipient->mine);
}

static const char *
today(char out[16])
{
	time_t now = time(NULL);
	struct tm tm;

	if (gmtime_r(&now, &tm) == NULL || strftime(out, 16, "%F", &tm) == 0)
		out[0] = '\0';
	return out;
}

/* Forgets it, here and in the file; another one may stand before it. */
static int
on_refused(struct sending *sending, struct recipient *recipient)
{
	struct tokenfile *file = sending->owner;
	struct tokens rest;
	char day[16], problem[512];
	struct tokens_change change = {.local = sending->options->from,
	    .remote = recipient->canonical,
	    .token = recipient->token,
	    .refused = today(day)};

	tell("%s: its token is refused", recipient->address);
	if (file->path[0] != '\0' &&
	    tokenfile_change(file, &change, problem, sizeof(problem)) == -1)
		complain("%s: the token is refused, but not struck out: %s",
		    recipient->address, problem);
	if (tokens_change(&rest, &file->tokens, &change) != 1)
		return 0;
	tokens_free(&file->tokens);
	file->tokens = rest;
	if (++recipient->refusals == TOKENS_TRIED)
		return 0;
	explicit_bzero(recipient->token, sizeof(recipient->token));
	take_token(recipient, sending);
	return recipient->token[0] != '\0';
}

static struct recipient *
earlier(const struct sending *sending, const struct recipient *recipient)
{
	struct recipient *other = sending->recipients;

	for (; other < recipient; other++) {
		if (other->twin == NULL && other->canonical[0] != '\0' &&
		    strcmp(other->canonical, recipient->canonical) == 0)
			return other;
	}
	return NULL;
}

static void
take_recipients(struct sending *sending)
{
	const struct options *options = sending->options;
	struct recipient *recipient;
	size_t i;

	sending->count = options->count;
	sending->recipients = calloc(sending->count, sizeof(*recipient));
	if (sending->recipients == NULL)
		fail(EX_OSERR, "out of memory");
	for (i = 0; i < sending->count; i++) {
		recipient = &sending->recipients[i];
		if (options_address(options->to[i], recipient->address,
			recipient->canonical) == -1)
			fail(EX_DATAERR, "not an address");
		recipient->domain = strrchr(recipient->canonical, '@');
		recipient->domain =
		    recipient->domain == NULL ? "" : recipient->domain + 1;
		recipient->twin = earlier(sending, recipient);
		if (recipient->twin == NULL)
			take_token(recipient, sending);
	}
}

static uint64_t
time_left(const struct sending *sending)
{
	uint64_t now = clock_milliseconds();

	return sending->end <= now ? 0 : sending->end - now;
}

/* Those of the same domain share a session. */
static void
send_domain(struct sending *sending, const char *domain)
{
	struct servers servers;
	char why[256];
	size_t i;
	int found;

	sending->deadline = clock_milliseconds() + ROUTE_MILLISECONDS;
	if (time_left(sending) < ROUTE_MILLISECONDS)
		sending->deadline = sending->end;
	found = find_servers(&servers, sending->options, domain,
		    sending->deadline, why, sizeof(why)) == 0;
	while (found && route_run(sending, &servers, domain))
		continue;
	for (i = 0; i < sending->count; i++) {
		if (sending->recipients[i].fate == FATE_OPEN &&
		    sending->recipients[i].twin == NULL &&
		    strcmp(sending->recipients[i].domain, domain) == 0)
			on_ordinary(sending, &sending->recipients[i], why);
	}
}

int
send_all(struct sending *sending, struct tokenfile *file)
{
	struct recipient *recipient;
	unsigned int seconds = sending->options->seconds;
	size_t i;

	sending->owner = file;
	sending->delivered = on_delivered;
	sending->ordinary = on_ordinary;
	sending->refused = on_refused;
	sending->end = seconds == 0
	    ? UINT64_MAX
	    : clock_milliseconds() + (uint64_t)seconds * 1000;
	take_recipients(sending);
	for (i = 0; i < sending->count; i++) {
		recipient = &sending->recipients[i];
		if (recipient->twin == NULL && recipient->token[0] == '\0')
			on_ordinary(
			    sending, recipient, "there is no token for it");
	}
	for (i = 0; i < sending->count; i++) {
		recipient = &sending->recipients[i];
		if (recipient->twin == NULL && recipient->fate == FATE_OPEN)
			send_domain(sending, recipient->domain);
	}
	freezero(sending->recipients,
	    sending->count * sizeof(sending->recipients[0]));
	return some_ordinary ? EX_TEMPFAIL : EX_OK;
}
