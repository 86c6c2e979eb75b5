/* SPDX-License-Identifier: ISC */
#include <sys/queue.h>
#include <sys/tree.h>

#include <stdlib.h>

#include "tokend/auth/exchanges.h"

struct entry {
	RB_ENTRY(entry) by_session;
	TAILQ_ENTRY(entry) by_age;
	uint64_t session;
	time_t since;
	struct exchange exchange;
};

static int
compare(const struct entry *a, const struct entry *b)
{
	return a->session < b->session ? -1 : a->session > b->session;
}

RB_HEAD(exchange_tree, entry);
RB_PROTOTYPE(exchange_tree, entry, by_session, compare)
RB_GENERATE(exchange_tree, entry, by_session, compare)

static struct exchange_tree sessions = RB_INITIALIZER(&sessions);
static TAILQ_HEAD(exchange_ages, entry)
ages = TAILQ_HEAD_INITIALIZER(ages);
static size_t count;

static struct entry *
find(uint64_t session)
{
	struct entry key;

	key.session = session;
	return RB_FIND(exchange_tree, &sessions, &key);
}

static void
drop(struct entry *entry)
{
	RB_REMOVE(exchange_tree, &sessions, entry);
	TAILQ_REMOVE(&ages, entry, by_age);
	count--;
	exchange_end(&entry->exchange);
	free(entry);
}

struct exchange *
exchanges_new(uint64_t session, time_t now)
{
	struct entry *entry;

	exchanges_drop(session);
	if (count >= EXCHANGES_MAX ||
	    (entry = calloc(1, sizeof(*entry))) == NULL)
		return NULL;
	entry->session = session;
	entry->since = now;
	(void)RB_INSERT(exchange_tree, &sessions, entry);
	TAILQ_INSERT_TAIL(&ages, entry, by_age);
	count++;
	return &entry->exchange;
}

struct exchange *
exchanges_find(uint64_t session)
{
	struct entry *entry = find(session);

	return entry == NULL ? NULL : &entry->exchange;
}

void
exchanges_drop(uint64_t session)
{
	struct entry *entry = find(session);

	if (entry != NULL)
		drop(entry);
}

size_t
exchanges_expire(time_t now, void (*expired)(uint64_t session))
{
	struct entry *entry;

	while ((entry = TAILQ_FIRST(&ages)) != NULL &&
	    now - entry->since >= EXCHANGE_SECONDS) {
		if (expired != NULL)
			expired(entry->session);
		drop(entry);
	}
	return count;
}

void
exchanges_clear(void)
{
	struct entry *entry;

	while ((entry = TAILQ_FIRST(&ages)) != NULL)
		drop(entry);
}
