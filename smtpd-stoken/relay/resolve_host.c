/* SPDX-License-Identifier: ISC */
#include <sys/types.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <event.h>
#include <stdlib.h>
#include <string.h>

#include "smtpd-stoken/relay/resolve.h"

/*
 * How long one family is waited for when the other is there (RFC 8305,
 * section 3, is for less; but here a user waits for all of it at most once).
 */
#define GRACE_MILLISECONDS 500
/* Seconds for which it is enough. */
#define HALF_TTL 300

struct host;

struct half {
	struct host *host;
	struct addresses found;
	const char *why;
};

/* A host whose addresses of both families were asked for. */
struct host {
	struct half halves[2];
	unsigned int asking;
	int told;
	struct event grace;
	resolve_function *done;
	void *owner;
};

/*
 * What leads nowhere, as IPv6 does at many a place, takes its time: that of
 * IPv4 first, and by turns, so that no family takes up all the room.
 */
static const int families[2] = {AF_INET, AF_INET6};

static void
add(struct addresses *to, const struct addresses *from, size_t i)
{
	if (i < from->count && to->count < ADDRESSES_MOST)
		to->list[to->count++] = from->list[i];
}

static void
tell(struct host *host)
{
	const struct addresses *four = &host->halves[0].found,
			       *six = &host->halves[1].found;
	struct addresses both = {
	    .ttl = host->asking > 0 ? HALF_TTL : INT32_MAX};
	size_t i;

	host->told = 1;
	for (i = 0; i < ADDRESSES_MOST; i++) {
		add(&both, four, i);
		add(&both, six, i);
	}
	if (four->count > 0 && four->ttl < both.ttl)
		both.ttl = four->ttl;
	if (six->count > 0 && six->ttl < both.ttl)
		both.ttl = six->ttl;
	host->done(
	    host->owner, &both, both.count > 0 ? NULL : host->halves[0].why);
}

/* The other answer may come yet: nobody waits for it any more. */
static void
on_grace(int fd, short what, void *context)
{
	(void)fd;
	(void)what;
	tell(context);
}

static void
on_half(void *owner, const struct addresses *found, const char *why)
{
	struct half *half = owner;
	struct host *host = half->host;
	struct timeval grace = {.tv_usec = GRACE_MILLISECONDS * 1000};

	half->found = *found;
	half->why = why;
	if (--host->asking > 0) {
		if (why == NULL)
			(void)evtimer_add(&host->grace, &grace);
		return;
	}
	(void)evtimer_del(&host->grace);
	if (!host->told)
		tell(host);
	free(host);
}

static int
is_whole(const char *name)
{
	size_t length = strlen(name);

	return length > 0 && name[length - 1] == '.';
}

/*
 * A name that is to be completed must be the same one for both families: that
 * is one question then.
 */
void
resolve_host(
    const char *name, uint16_t port, resolve_function *done, void *owner)
{
	struct host *host;
	size_t i;

	if (!is_whole(name) || (host = calloc(1, sizeof(*host))) == NULL) {
		resolve_family(AF_UNSPEC, name, port, done, owner);
		return;
	}
	host->done = done;
	host->owner = owner;
	host->asking = 2;
	evtimer_set(&host->grace, on_grace, host);
	for (i = 0; i < 2; i++)
		host->halves[i].host = host;
	for (i = 0; i < 2; i++)
		resolve_family(
		    families[i], name, port, on_half, &host->halves[i]);
}
