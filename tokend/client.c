/* SPDX-License-Identifier: ISC */
#include "tokend/client.h"

#include <sys/tree.h>
#include <sys/socket.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MINUTE 60000
#define REMEMBERED 64 /* wrong secrets, within the minute */
#define MOST_IDLE 16384 /* addresses without a session */

struct client {
	RB_ENTRY(client) entry;
	char name[64];
	unsigned int sessions;
	uint64_t window; /* when the minute began */
	uint64_t blocked; /* until then */
	uint64_t failures;
	size_t seen_count;
	uint64_t seen[REMEMBERED];
};

RB_HEAD(client_tree, client);
static struct client_tree clients = RB_INITIALIZER(&clients);
static size_t count, idle;

static int
client_compare(const struct client *a, const struct client *b)
{
	return strcmp(a->name, b->name);
}

RB_PROTOTYPE(client_tree, client, entry, client_compare)
RB_GENERATE(client_tree, client, entry, client_compare)

static void
name_of(char *out, size_t size, struct bytes address)
{
	struct in6_addr six;

	if (bytes_copy(out, size, address) == -1)
		strlcpy(out, "?", size);
	if (inet_pton(AF_INET6, out, &six) == 1) {
		memset(six.s6_addr + 8, 0, 8);
		inet_ntop(AF_INET6, &six, out, (socklen_t)size);
	}
}

static void
drop(struct client *client)
{
	RB_REMOVE(client_tree, &clients, client);
	count--;
	idle--;
	free(client);
}

static int
is_over(const struct client *client, uint64_t now)
{
	return client->blocked <= now &&
	    (client->failures == 0 || client->window + MINUTE <= now);
}

void
clients_sweep(uint64_t now)
{
	struct client *client, *next;

	RB_FOREACH_SAFE (client, client_tree, &clients, next)
		if (client->sessions == 0 && is_over(client, now))
			drop(client);
}

struct client *
client_enter(struct bytes address, uint64_t now)
{
	struct client *client, key;

	name_of(key.name, sizeof(key.name), address);
	client = RB_FIND(client_tree, &clients, &key);
	if (client == NULL) {
		if ((client = calloc(1, sizeof(*client))) == NULL)
			return NULL;
		memcpy(client->name, key.name, sizeof(client->name));
		client->window = now;
		RB_INSERT(client_tree, &clients, client);
		count++;
	} else if (client->sessions == 0)
		idle--;
	client->sessions++;
	return client;
}

void
client_leave(struct client *client, uint64_t now)
{
	if (--client->sessions > 0)
		return;
	idle++;
	if (is_over(client, now))
		drop(client);
	else if (idle > MOST_IDLE) {
		clients_sweep(now);
		/* A flood from everywhere: memory is worth more than it. */
		if (idle > MOST_IDLE)
			drop(client);
	}
}

unsigned int
client_sessions(const struct client *client)
{
	return client->sessions;
}

static int
was_seen(const struct client *client, uint64_t digest)
{
	size_t i;

	for (i = 0; i < client->seen_count && i < REMEMBERED; i++)
		if (client->seen[i] == digest)
			return 1;
	return 0;
}

void
client_failed(
    struct client *client, uint64_t digest, uint64_t limit, uint64_t now)
{
	if (client->window + MINUTE <= now) {
		client->window = now;
		client->failures = 0;
		client->seen_count = 0;
	}
	if (was_seen(client, digest))
		return;
	client->seen[client->seen_count++ % REMEMBERED] = digest;
	client->failures++;
	if (limit != 0 && client->failures >= limit)
		client->blocked = now + MINUTE;
}

int
client_blocked(const struct client *client, uint64_t now)
{
	return client->blocked > now;
}

size_t
clients_count(void)
{
	return count;
}
