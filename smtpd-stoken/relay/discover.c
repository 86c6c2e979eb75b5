/* SPDX-License-Identifier: ISC */
#include <sys/types.h>
#include <sys/queue.h>
#include <sys/tree.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "smtpd-stoken/relay/discover.h"
#include "smtpd-stoken/relay/dns.h"

#define TARGETS_MOST 16
#define TARGET_ADDRESSES 4
/* Seconds that an answer is used, whatever its TTL says. */
#define LEAST 5
#define MOST 86400
#define NONE_LEAST 30
#define NONE_MOST 3600
#define NONE_USUAL 300

struct discovery {
	TAILQ_ENTRY(discovery) entry;
	struct domain *domain;
	discover_function *done;
	void *owner;
};

struct target {
	struct domain *domain;
	uint32_t priority;
	uint16_t weight, port;
	int implicit;
	char host[256];
	struct address addresses[TARGET_ADDRESSES];
	size_t count;
};

/* What is asked: in this order, until there is something. */
static const struct question {
	const char *prefix;
	int type;
	int implicit;
} questions[] = {
    {"_submissions._tcp.", DNS_SRV, 1},
    {"_submission._tcp.", DNS_SRV, 0},
    {"", DNS_MX, 1},
};

#define QUESTIONS (sizeof(questions) / sizeof(questions[0]))

struct domain {
	RB_ENTRY(domain) entry;
	TAILQ_HEAD(, discovery)
	waiting;
	int asking;
	int busy; /* answers are given: it stays */
	size_t question; /* the one under way */
	unsigned int lookups; /* of addresses, under way */
	uint64_t until; /* what is known is good */
	uint64_t blamed_until;
	uint32_t ttl; /* the least so far */
	char why[128]; /* there is none; or it is blamed */
	struct target *targets;
	size_t count;
	char name[];
};

static int
compare(const struct domain *a, const struct domain *b)
{
	return strcmp(a->name, b->name);
}

RB_HEAD(domain_tree, domain);
static struct domain_tree domains = RB_INITIALIZER(&domains);
RB_PROTOTYPE(domain_tree, domain, entry, compare)
RB_GENERATE(domain_tree, domain, entry, compare)

static size_t domain_count;
static int with_mx;
static uint64_t (*now)(void);

static void ask(struct domain *);

static void
domain_free(struct domain *domain)
{
	RB_REMOVE(domain_tree, &domains, domain);
	domain_count--;
	free(domain->targets);
	free(domain);
}

void
discover_configure(int mx_fallback, uint64_t (*clock)(void))
{
	struct domain *domain, *next;

	with_mx = mx_fallback;
	now = clock;
	RB_FOREACH_SAFE (domain, domain_tree, &domains, next) {
		domain->until = domain->blamed_until = 0;
		if (!domain->asking && !domain->busy)
			domain_free(domain);
	}
}

static struct domain *
find(const char *name)
{
	struct domain *key, *found = NULL;
	size_t size = strlen(name) + 1;

	if ((key = malloc(sizeof(*key) + size)) == NULL)
		return NULL;
	memcpy(key->name, name, size);
	found = RB_FIND(domain_tree, &domains, key);
	free(key);
	return found;
}

/* The one that would be of use for the shortest time makes room. */
static int
make_room(void)
{
	struct domain *domain, *oldest = NULL;
	uint64_t least = UINT64_MAX, until;

	if (domain_count < DISCOVER_DOMAINS)
		return 0;
	RB_FOREACH (domain, domain_tree, &domains) {
		until = domain->until > domain->blamed_until
		    ? domain->until
		    : domain->blamed_until;
		if (!domain->asking && !domain->busy && until < least) {
			least = until;
			oldest = domain;
		}
	}
	if (oldest == NULL)
		return -1;
	domain_free(oldest);
	return 0;
}

static struct domain *
get(const char *name)
{
	struct domain *domain = find(name);
	size_t size = strlen(name) + 1;

	if (domain != NULL)
		return domain;
	if (size > DNS_NAME_SIZE - 20 || make_room() == -1 ||
	    (domain = calloc(1, sizeof(*domain) + size)) == NULL)
		return NULL;
	memcpy(domain->name, name, size);
	TAILQ_INIT(&domain->waiting);
	RB_INSERT(domain_tree, &domains, domain);
	domain_count++;
	return domain;
}

/* RFC 2782: among those of a priority by chance, as the weights say. */
static size_t
pick(const struct domain *domain, const uint8_t *used, uint32_t priority)
{
	uint32_t sum = 0, at;
	size_t i, last = domain->count;
	int zeros = 0;

	for (i = 0; i < domain->count; i++)
		if (!used[i] && domain->targets[i].priority == priority) {
			sum += domain->targets[i].weight;
			zeros += domain->targets[i].weight == 0;
		}
	/* Those of weight 0 have a small chance too. */
	at = arc4random_uniform(sum + (uint32_t)zeros);
	for (i = 0; i < domain->count; i++) {
		if (used[i] || domain->targets[i].priority != priority)
			continue;
		last = i;
		sum = domain->targets[i].weight == 0
		    ? 1
		    : domain->targets[i].weight;
		if (at < sum)
			break;
		at -= sum;
	}
	return last;
}

/* The lowest priority that is left; -1: none is. */
static int64_t
lowest(const struct domain *domain, const uint8_t *used)
{
	int64_t priority = -1;
	size_t i;

	for (i = 0; i < domain->count; i++)
		if (!used[i] &&
		    (priority == -1 || domain->targets[i].priority < priority))
			priority = domain->targets[i].priority;
	return priority;
}

static void
arrange(const struct domain *domain, struct servers *servers)
{
	uint8_t used[TARGETS_MOST] = {0};
	const struct target *target;
	struct server *server;
	size_t i;
	int64_t priority;

	servers->count = 0;
	while ((priority = lowest(domain, used)) != -1) {
		i = pick(domain, used, (uint32_t)priority);
		used[i] = 1;
		target = &domain->targets[i];
		for (i = 0; i < target->count; i++) {
			if (servers->count == SERVERS_MOST)
				return;
			server = &servers->list[servers->count++];
			server->address = target->addresses[i];
			server->implicit = target->implicit;
			server->validated = 0;
			(void)strlcpy(
			    server->host, target->host, sizeof(server->host));
		}
	}
}

static void
answer(const struct domain *domain, discover_function *done, void *owner)
{
	static struct servers servers;

	servers.count = 0;
	if (now() >= domain->blamed_until)
		arrange(domain, &servers);
	done(owner, &servers, servers.count > 0 ? NULL : domain->why);
}

/* All who wait are told. Who asks from within is answered from within. */
static void
finish(struct domain *domain)
{
	struct discovery *discovery;
	discover_function *done;
	void *owner;

	domain->asking = 0;
	domain->busy++;
	while ((discovery = TAILQ_FIRST(&domain->waiting)) != NULL) {
		done = discovery->done;
		owner = discovery->owner;
		discover_cancel(discovery);
		answer(domain, done, owner);
	}
	domain->busy--;
}

static uint32_t
within(uint32_t seconds, uint32_t least, uint32_t most)
{
	return seconds < least ? least : seconds > most ? most : seconds;
}

/* There is nothing, for so many seconds. */
static void
give_up(struct domain *domain, uint32_t seconds, const char *why)
{
	free(domain->targets);
	domain->targets = NULL;
	domain->count = 0;
	(void)strlcpy(domain->why, why, sizeof(domain->why));
	domain->until = now() + (uint64_t)seconds * 1000;
	finish(domain);
}

static void
look_at_addresses(struct domain *domain)
{
	size_t i, found = 0;

	for (i = 0; i < domain->count; i++)
		found += domain->targets[i].count;
	if (found == 0) {
		give_up(domain, NONE_USUAL, "its server has no address");
		return;
	}
	domain->until =
	    now() + (uint64_t)within(domain->ttl, LEAST, MOST) * 1000;
	finish(domain);
}

static void
on_addresses(void *owner, const struct addresses *addresses, const char *why)
{
	struct target *target = owner;
	struct domain *domain = target->domain;
	size_t i;

	if (why == NULL && addresses->ttl < domain->ttl)
		domain->ttl = addresses->ttl;
	for (i = 0; why == NULL && i < addresses->count; i++)
		if (target->count < TARGET_ADDRESSES)
			target->addresses[target->count++] = addresses->list[i];
	if (--domain->lookups == 0)
		look_at_addresses(domain);
}

static void
find_addresses(struct domain *domain)
{
	size_t i;

	domain->lookups = (unsigned int)domain->count;
	domain->lookups++; /* answers may come from within */
	for (i = 0; i < domain->count; i++)
		resolve_host(domain->targets[i].host, domain->targets[i].port,
		    on_addresses, &domain->targets[i]);
	if (--domain->lookups == 0)
		look_at_addresses(domain);
}

static void
add_target(struct domain *domain, const struct dns_record *record,
    uint16_t port, int implicit)
{
	struct target *target = &domain->targets[domain->count];

	if (domain->count == TARGETS_MOST || port == 0 || port == 25)
		return; /* RFC 2033 section 5 */
	target->domain = domain;
	/* Of an MX, 465 comes before 587. */
	target->priority = 2U * record->priority + (implicit ? 0 : 1);
	target->weight = record->weight;
	target->port = port;
	target->implicit = implicit;
	(void)strlcpy(target->host, record->target, sizeof(target->host));
	domain->count++;
}

/* The best come first: they must be among those there is room for. */
static int
by_priority(const void *a, const void *b)
{
	const struct dns_record *one = a, *other = b;

	return (one->priority > other->priority) -
	    (one->priority < other->priority);
}

static int
take_targets(struct domain *domain, struct dns_answer *records)
{
	const struct question *question = &questions[domain->question];
	const struct dns_record *record = records->list;
	size_t i;

	free(domain->targets);
	domain->count = 0;
	domain->targets = calloc(TARGETS_MOST, sizeof(*domain->targets));
	if (domain->targets == NULL)
		return -1;
	qsort(records->list, records->count, sizeof(records->list[0]),
	    by_priority);
	for (i = 0; i < records->count; i++, record++) {
		if (record->target[0] == '\0')
			continue;
		if (question->type == DNS_SRV) {
			add_target(
			    domain, record, record->port, question->implicit);
			continue;
		}
		add_target(domain, record, 465, 1);
		add_target(domain, record, 587, 0);
	}
	return 0;
}

/* RFC 2782: "." says that there is none; RFC 7505: null MX. */
static int
says_no(const struct dns_answer *records)
{
	return records->count == 1 && records->list[0].target[0] == '\0';
}

static void
on_records(void *owner, int failed, const uint8_t *message, size_t length)
{
	static struct dns_answer records;
	struct domain *domain = owner;
	uint32_t ttl = NONE_USUAL;

	if (failed ||
	    dns_parse(&records, questions[domain->question].type, message,
		length) == -1) {
		give_up(domain, DISCOVER_BLAME / 1000, "the DNS fails");
		return;
	}
	if (records.has_ttl)
		ttl = records.ttl;
	if (ttl < domain->ttl)
		domain->ttl = ttl;
	if (records.count == 0) {
		domain->question++;
		ask(domain);
	} else if (says_no(&records)) {
		give_up(domain, within(domain->ttl, NONE_LEAST, NONE_MOST),
		    "it says that there is no such server");
	} else if (take_targets(domain, &records) == -1) {
		give_up(domain, NONE_LEAST, "out of memory");
	} else
		find_addresses(domain);
}

static void
ask(struct domain *domain)
{
	char name[DNS_NAME_SIZE + 32];

	if (domain->question >= (with_mx ? QUESTIONS : QUESTIONS - 1)) {
		give_up(domain, within(domain->ttl, NONE_LEAST, NONE_MOST),
		    "it names no server that takes tokens");
		return;
	}
	snprintf(name, sizeof(name), "%s%s", questions[domain->question].prefix,
	    domain->name);
	resolve_query(
	    name, questions[domain->question].type, on_records, domain);
}

struct discovery *
discover(const char *name, discover_function *done, void *owner)
{
	static const struct servers none;
	struct domain *domain = get(name);
	struct discovery *discovery;

	if (domain == NULL ||
	    (discovery = calloc(1, sizeof(*discovery))) == NULL) {
		done(owner, &none, "too much is to be found at a time");
		return NULL;
	}
	if (now() < domain->blamed_until ||
	    (!domain->asking && now() < domain->until)) {
		free(discovery);
		domain->busy++;
		answer(domain, done, owner);
		domain->busy--;
		return NULL;
	}
	discovery->domain = domain;
	discovery->done = done;
	discovery->owner = owner;
	TAILQ_INSERT_TAIL(&domain->waiting, discovery, entry);
	if (!domain->asking) {
		domain->asking = 1;
		domain->question = 0;
		domain->ttl = MOST;
		ask(domain);
	}
	/* Was it answered from within? */
	TAILQ_FOREACH (discovery, &domain->waiting, entry)
		if (discovery->owner == owner && discovery->done == done)
			return discovery;
	return NULL;
}

void
discover_cancel(struct discovery *discovery)
{
	if (discovery == NULL)
		return;
	TAILQ_REMOVE(&discovery->domain->waiting, discovery, entry);
	free(discovery);
}

void
discover_blame(const char *name, const char *why)
{
	struct domain *domain = get(name);

	if (domain == NULL)
		return;
	domain->blamed_until = now() + DISCOVER_BLAME;
	(void)strlcpy(domain->why, why, sizeof(domain->why));
}

const char *
discover_blamed(const char *name)
{
	const struct domain *domain = find(name);

	return domain != NULL && now() < domain->blamed_until ? domain->why
							      : NULL;
}
