/* SPDX-License-Identifier: ISC */
#include <sys/types.h>
#include <sys/time.h>

#include <event.h>
#include <stdio.h>
#include <string.h>

#include "lib/clock.h"
#include "tokensend/find.h"

/* What is looked for now; an answer that comes later finds another number. */
static struct {
	unsigned long number;
	int done;
	struct servers servers;
	const struct options *options;
	char why[128];
} search;

static void
finish(const char *why)
{
	search.done = 1;
	(void)strlcpy(search.why, why == NULL ? "" : why, sizeof(search.why));
}

static void
on_servers(void *owner, const struct servers *servers, const char *why)
{
	(void)owner;
	if (why == NULL)
		search.servers = *servers;
	finish(why);
}

static void
take_addresses(const struct addresses *addresses)
{
	struct servers *servers = &search.servers;
	struct server *server;

	while (servers->count < addresses->count &&
	    servers->count < SERVERS_MOST) {
		server = &servers->list[servers->count];
		server->address = addresses->list[servers->count++];
		server->implicit = search.options->implicit;
		(void)strlcpy(
		    server->host, search.options->server, sizeof(server->host));
	}
}

static void
on_addresses(void *owner, const struct addresses *addresses, const char *why)
{
	if (owner != (void *)search.number)
		return;
	if (why == NULL)
		take_addresses(addresses);
	finish(why);
}

static void
ask_for_host(const struct options *options)
{
	struct addresses addresses;

	if (resolve_literal(&addresses, options->server, options->port) == 0)
		on_addresses((void *)search.number, &addresses, NULL);
	else
		resolve_host(options->server, options->port, on_addresses,
		    (void *)search.number);
}

int
find_servers(struct servers *servers, const struct options *options,
    const char *domain, uint64_t deadline, char *problem, size_t size)
{
	struct discovery *discovery = NULL;
	struct timeval wait;
	uint64_t now;

	search.number++;
	search.done = 0;
	search.options = options;
	memset(&search.servers, 0, sizeof(search.servers));
	if (options->server != NULL)
		ask_for_host(options);
	else
		discovery = discover(domain, on_servers, NULL);
	while (!search.done && (now = clock_milliseconds()) < deadline) {
		wait.tv_sec = (time_t)((deadline - now) / 1000);
		wait.tv_usec = (suseconds_t)((deadline - now) % 1000 * 1000);
		(void)event_loopexit(&wait);
		(void)event_loop(EVLOOP_ONCE);
	}
	if (!search.done) {
		discover_cancel(discovery);
		finish("the DNS does not answer in time");
	}
	if (search.why[0] != '\0') {
		(void)snprintf(problem, size, "%s", search.why);
		return -1;
	}
	*servers = search.servers;
	return 0;
}
