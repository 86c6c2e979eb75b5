/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "smtpd-stoken/relay/targets.h"

/* Behind all of SRV records: 2 * 65536. */
#define PRIORITY_MX 0x20000
#define ROOM_MX 4 /* servers of SERVERS_MOST */

static struct target *
add(struct targets *targets, const struct dns_record *record, uint16_t port,
    int implicit)
{
	struct target *target = calloc(1, sizeof(*target));

	if (target == NULL)
		return NULL;
	target->priority = 2U * record->priority;
	target->weight = record->weight;
	target->port = port;
	target->implicit = implicit;
	(void)strlcpy(target->host, record->target, sizeof(target->host));
	targets->list[targets->count++] = target;
	return target;
}

/* The best come first: they must be among those there is room for. */
static int
by_priority(const void *a, const void *b)
{
	const struct dns_record *one = a, *other = b;

	return (one->priority > other->priority) -
	    (one->priority < other->priority);
}

int
targets_srv(struct targets *targets, struct dns_answer *records, int implicit)
{
	const struct dns_record *record = records->list;
	size_t i, most = targets->count + TARGETS_SRV;

	qsort(records->list, records->count, sizeof(records->list[0]),
	    by_priority);
	for (i = 0; i < records->count && targets->count < most;
	     i++, record++) {
		if (record->target[0] == '\0' || record->port == 0 ||
		    record->port == 25)
			continue;
		if (add(targets, record, record->port, implicit) == NULL)
			return -1;
	}
	return 0;
}

int
targets_mx(struct targets *targets, struct dns_answer *records)
{
	static const struct {
		uint16_t port;
		int implicit;
	} ways[] = {{465, 1}, {587, 0}};
	const struct dns_record *record = records->list;
	size_t i, way, most = targets->count + TARGETS_MX;
	struct target *target;

	qsort(records->list, records->count, sizeof(records->list[0]),
	    by_priority);
	for (i = 0; i < records->count && targets->count < most;
	     i++, record++) {
		for (way = 0; way < 2 && record->target[0] != '\0'; way++) {
			target = add(targets, record, ways[way].port,
			    ways[way].implicit);
			if (target == NULL)
				return -1;
			target->priority += PRIORITY_MX + (uint32_t)way;
		}
	}
	return 0;
}

void
targets_clear(struct targets *targets)
{
	while (targets->count > 0)
		free(targets->list[--targets->count]);
}

void
target_address(struct target *target, const struct address *address)
{
	if (target->count < TARGET_ADDRESSES)
		target->addresses[target->count++] = *address;
}

struct order {
	const struct targets *targets;
	uint8_t used[TARGETS_SRV + TARGETS_MX];
};

/* The lowest priority that is left; -1: none is. */
static int64_t
lowest(const struct order *order)
{
	int64_t priority = -1;
	size_t i;

	for (i = 0; i < order->targets->count; i++)
		if (!order->used[i] &&
		    (priority == -1 ||
			order->targets->list[i]->priority < priority))
			priority = order->targets->list[i]->priority;
	return priority;
}

/* Those of weight 0 have a small chance too. */
static uint32_t
chances(const struct target *target)
{
	return target->weight == 0 ? 1 : target->weight;
}

/* RFC 2782: among those of a priority by chance, as the weights say. */
static const struct target *
pick(struct order *order, uint32_t priority)
{
	const struct targets *targets = order->targets;
	uint32_t sum = 0, at;
	size_t i, last = 0;

	for (i = 0; i < targets->count; i++)
		if (!order->used[i] && targets->list[i]->priority == priority)
			sum += chances(targets->list[i]);
	at = arc4random_uniform(sum);
	for (i = 0; i < targets->count; i++) {
		if (order->used[i] || targets->list[i]->priority != priority)
			continue;
		last = i;
		if (at < chances(targets->list[i]))
			break;
		at -= chances(targets->list[i]);
	}
	order->used[last] = 1;
	return targets->list[last];
}

static void
append(struct servers *servers, const struct target *target, size_t most)
{
	struct server *server;
	size_t i;

	for (i = 0; i < target->count && servers->count < most; i++) {
		server = &servers->list[servers->count++];
		server->address = target->addresses[i];
		server->implicit = target->implicit;
		server->validated = target->validated;
		(void)strlcpy(server->host, target->host, sizeof(server->host));
	}
}

static int
has_mx(const struct targets *targets)
{
	size_t i;

	for (i = 0; i < targets->count; i++)
		if (targets->list[i]->priority >= PRIORITY_MX &&
		    targets->list[i]->count > 0)
			return 1;
	return 0;
}

void
targets_arrange(const struct targets *targets, struct servers *servers)
{
	struct order order = {.targets = targets};
	size_t most = SERVERS_MOST - (has_mx(targets) ? ROOM_MX : 0);
	int64_t priority;

	servers->count = 0;
	while ((priority = lowest(&order)) != -1)
		append(servers, pick(&order, (uint32_t)priority),
		    priority < PRIORITY_MX ? most : SERVERS_MOST);
}

int
targets_some(const struct targets *targets)
{
	size_t i;

	for (i = 0; i < targets->count; i++)
		if (targets->list[i]->count > 0)
			return 1;
	return 0;
}

int
targets_whole(const struct targets *targets)
{
	size_t i;

	for (i = 0; i < targets->count; i++)
		if (targets->list[i]->count == 0)
			return 0;
	return 1;
}
