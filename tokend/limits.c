/* SPDX-License-Identifier: ISC */
#include "tokend/limits.h"

#include <sys/types.h>
#include <sys/queue.h>
#include <sys/tree.h>

#include <stdlib.h>
#include <string.h>

/* The hour is a ring of slots, the newest of which is the running one. */
#define SLOT 300000 /* ms */
#define SLOTS 12

struct usage {
	RB_ENTRY(usage) entry;
	TAILQ_ENTRY(usage) by_time; /* of the last use, oldest first */
	uint64_t slot; /* number of the newest */
	uint32_t used[LIMIT_COUNT][SLOTS]; /* at the number modulo SLOTS */
	char login[];
};

RB_HEAD(usage_tree, usage);
static struct usage_tree users = RB_INITIALIZER(&users);
static TAILQ_HEAD(, usage)
by_time = TAILQ_HEAD_INITIALIZER(by_time);
static size_t count;

static int
usage_compare(const struct usage *a, const struct usage *b)
{
	return strcmp(a->login, b->login);
}

RB_PROTOTYPE(usage_tree, usage, entry, usage_compare)
RB_GENERATE(usage_tree, usage, entry, usage_compare)

static void
drop(struct usage *usage)
{
	RB_REMOVE(usage_tree, &users, usage);
	TAILQ_REMOVE(&by_time, usage, by_time);
	count--;
	free(usage);
}

void
limits_sweep(uint64_t now)
{
	struct usage *usage;

	while ((usage = TAILQ_FIRST(&by_time)) != NULL &&
	    usage->slot + SLOTS <= now / SLOT)
		drop(usage);
}

/* A tree of names needs one to look for: the search is by hand. */
static struct usage *
find(const char *login)
{
	struct usage *usage = RB_ROOT(&users);
	int order;

	while (usage != NULL) {
		if ((order = strcmp(login, usage->login)) == 0)
			break;
		usage =
		    order < 0 ? RB_LEFT(usage, entry) : RB_RIGHT(usage, entry);
	}
	return usage;
}

static struct usage *
add(const char *login, uint64_t now)
{
	size_t size = strlen(login) + 1;
	struct usage *usage;

	limits_sweep(now);
	if (count >= LIMITS_USERS)
		drop(TAILQ_FIRST(&by_time));
	if ((usage = calloc(1, sizeof(*usage) + size)) == NULL)
		return NULL;
	memcpy(usage->login, login, size);
	usage->slot = now / SLOT;
	RB_INSERT(usage_tree, &users, usage);
	TAILQ_INSERT_TAIL(&by_time, usage, by_time);
	count++;
	return usage;
}

/* Empties the slots that have begun anew since the last use. */
static void
turn(struct usage *usage, uint64_t now)
{
	uint64_t slot = now / SLOT;
	int limit;

	if (usage->slot + SLOTS < slot)
		usage->slot = slot - SLOTS;
	while (usage->slot < slot) {
		usage->slot++;
		for (limit = 0; limit < LIMIT_COUNT; limit++)
			usage->used[limit][usage->slot % SLOTS] = 0;
	}
}

uint64_t
limits_used(const char *login, enum limit limit, uint64_t now)
{
	const struct usage *usage = find(login);
	uint64_t sum = 0, back;

	if (usage == NULL)
		return 0;
	for (back = 0; back < SLOTS && back <= usage->slot; back++) {
		if (usage->slot - back + SLOTS <= now / SLOT)
			break;
		sum += usage->used[limit][(usage->slot - back) % SLOTS];
	}
	return sum;
}

void
limits_use(const char *login, enum limit limit, uint64_t now)
{
	struct usage *usage = find(login);

	if (usage == NULL && (usage = add(login, now)) == NULL)
		return;
	turn(usage, now);
	if (usage->used[limit][usage->slot % SLOTS] < UINT32_MAX)
		usage->used[limit][usage->slot % SLOTS]++;
	TAILQ_REMOVE(&by_time, usage, by_time);
	TAILQ_INSERT_TAIL(&by_time, usage, by_time);
}

size_t
limits_users(void)
{
	return count;
}
