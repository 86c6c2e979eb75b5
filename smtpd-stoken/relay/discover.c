/* SPDX-License-Identifier: ISC */
#include <sys/time.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "smtpd-stoken/relay/discover.h"
#include "smtpd-stoken/relay/domains.h"

/* Questions for addresses that are under way, for all domains. */
#define LOOKUPS_MOST 256
/* How long others are waited for once there is a server to be tried. */
#define GRACE_MILLISECONDS 1000
/* Seconds that an answer is used, whatever its TTL says. */
#define LEAST 1
#define MOST 86400
#define NONE_LEAST 30
#define NONE_MOST 3600
#define NONE_USUAL 300
/*
 * RFC 2308 section 7: a failure is not an answer, and is remembered for 5
 * minutes at most; shortly when to see it again costs nobody a wait.
 */
#define FAILED_LEAST 30
#define FAILED_MOST 300
#define FAILED_SLOWLY 2000 /* milliseconds */

struct discovery {
	TAILQ_ENTRY(discovery) entry;
	struct domain *domain;
	discover_function *done;
	void *owner;
};

/* What is asked: in this order, until there is something (RFC 8314, 5.1). */
static const struct service {
	const char *prefix;
	int implicit;
} services[] = {
    {"_submissions._tcp.", 1},
    {"_submission._tcp.", 0},
};

#define SERVICES (sizeof(services) / sizeof(services[0]))

static struct discover_settings current;
static unsigned int lookups;

static void ask_service(struct domain *);

void
discover_configure(const struct discover_settings *settings)
{
	current = *settings;
	domains_forget();
}

static void
answer(const struct domain *domain, discover_function *done, void *owner)
{
	static struct servers servers;

	servers.count = 0;
	if (current.clock() >= domain->blamed_until)
		targets_arrange(&domain->targets, &servers);
	done(owner, &servers, servers.count > 0 ? NULL : domain->why);
}

/* All who wait are told. Who asks from within is answered from within. */
static void
tell(struct domain *domain)
{
	struct discovery *discovery;
	discover_function *done;
	void *owner;

	(void)evtimer_del(&domain->grace);
	domain->enough = 1;
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

static void
keep(struct domain *domain, uint32_t seconds)
{
	domain->until = current.clock() + (uint64_t)seconds * 1000;
}

/* There is nothing, for so many seconds. */
static void
give_up(struct domain *domain, uint32_t seconds, const char *why)
{
	targets_clear(&domain->targets);
	(void)strlcpy(domain->why, why, sizeof(domain->why));
	keep(domain, seconds);
	tell(domain);
}

static void
find_nothing(struct domain *domain)
{
	uint64_t spent = current.clock() - domain->began;
	uint32_t ttl = within(domain->ttl, NONE_LEAST, NONE_MOST);

	if (domain->failed)
		give_up(domain,
		    spent < FAILED_SLOWLY ? FAILED_LEAST : FAILED_MOST,
		    "the DNS fails");
	else if (domain->declined)
		give_up(domain, ttl, "it says that there is no such server");
	else if (domain->targets.count > 0)
		give_up(domain, NONE_USUAL, "its server has no address");
	else
		give_up(domain, ttl, "it names no server that takes tokens");
}

/* All answers are there. What is missing may be there soon. */
static void
settle(struct domain *domain)
{
	int whole = targets_whole(&domain->targets) && !domain->failed;

	if (!targets_some(&domain->targets))
		find_nothing(domain);
	else {
		keep(domain,
		    within(domain->ttl, LEAST, whole ? MOST : NONE_USUAL));
		tell(domain);
	}
	if (domain->stale)
		domain->until = 0;
}

/* A question was answered, one way or another. */
static void
answered(struct domain *domain)
{
	struct timeval grace = {.tv_sec = GRACE_MILLISECONDS / 1000};

	if (--domain->asking == 0)
		settle(domain);
	else if (!domain->enough && targets_some(&domain->targets) &&
	    !evtimer_pending(&domain->grace, NULL))
		(void)evtimer_add(&domain->grace, &grace);
}

/* One slow name server must not cost all of the time for delivery. */
static void
on_grace(int fd, short what, void *context)
{
	(void)fd;
	(void)what;
	tell(context);
}

static void
on_addresses(void *owner, const struct addresses *addresses, const char *why)
{
	struct target *target = owner;
	struct domain *domain = target->domain;
	size_t i;

	lookups--;
	if (why == NULL && addresses->ttl < domain->ttl)
		domain->ttl = addresses->ttl;
	for (i = 0; why == NULL && i < addresses->count; i++)
		target_address(target, &addresses->list[i]);
	answered(domain);
}

/* The dot: a host of the DNS, whole as it is, whatever /etc says. */
static void
find_address(struct target *target)
{
	char name[DNS_NAME_SIZE + 1];

	if (lookups >= LOOKUPS_MOST) {
		target->domain->failed = 1;
		return;
	}
	lookups++;
	target->domain->asking++;
	snprintf(name, sizeof(name), "%s.", target->host);
	resolve_host(name, target->port, on_addresses, target);
}

static void
find_addresses(struct domain *domain, size_t from)
{
	size_t i, until = domain->targets.count;

	for (i = from; i < until; i++) {
		domain->targets.list[i]->domain = domain;
		domain->targets.list[i]->validated = domain->validated;
	}
	for (i = from; i < until; i++)
		find_address(domain->targets.list[i]);
}

/* What an answer says; NULL: nothing. */
static struct dns_answer *
read_answer(struct domain *domain, const char *name, int type,
    const uint8_t *message, size_t length)
{
	static struct dns_answer records;
	uint32_t ttl;

	if (message == NULL ||
	    dns_parse(&records, name, type, message, length) == -1) {
		domain->failed = 1;
		return NULL;
	}
	ttl = records.has_ttl ? records.ttl : NONE_USUAL;
	if (ttl < domain->ttl)
		domain->ttl = ttl;
	if (!current.dnssec || !records.validated)
		domain->validated = 0;
	return &records;
}

/* RFC 2782: "." says that there is none; RFC 7505: null MX. */
static int
says_no(const struct dns_answer *records)
{
	return records->count == 1 && records->list[0].target[0] == '\0';
}

static void
on_mx(void *owner, int failed, const uint8_t *message, size_t length)
{
	struct domain *domain = owner;
	size_t before = domain->targets.count;
	struct dns_answer *records = read_answer(
	    domain, domain->name, DNS_MX, failed ? NULL : message, length);

	if (records != NULL && says_no(records))
		domain->declined = 1;
	else if (records != NULL) {
		if (targets_mx(&domain->targets, records) == -1)
			domain->failed = 1;
		find_addresses(domain, before);
	}
	answered(domain);
}

/*
 * S1-55: where there is no SRV record, or for when none of its hosts can be
 * reached. It goes on at the same time.
 */
static void
ask_mx(struct domain *domain)
{
	if (!current.mx_fallback)
		return;
	domain->asking++;
	resolve_query(domain->name, DNS_MX, on_mx, domain);
}

static void
service_name(const struct domain *domain, char name[DNS_NAME_SIZE])
{
	snprintf(name, DNS_NAME_SIZE, "%s%s", services[domain->service].prefix,
	    domain->name);
}

/*
 * A "." at _submissions stops it all (D-S12), though RFC 6186 section 3.4
 * knows it of one service: whoever takes the trouble to say so has a reason,
 * and the ordinary route is there.
 */
static void
take_service(struct domain *domain, struct dns_answer *records)
{
	int implicit = services[domain->service].implicit;

	if (says_no(records)) {
		domain->declined = 1;
		return;
	}
	if (targets_srv(&domain->targets, records, implicit) == -1)
		domain->failed = 1;
	find_addresses(domain, 0);
	ask_mx(domain);
}

static void
on_service(void *owner, int failed, const uint8_t *message, size_t length)
{
	struct domain *domain = owner;
	struct dns_answer *records;
	char name[DNS_NAME_SIZE];

	service_name(domain, name);
	records =
	    read_answer(domain, name, DNS_SRV, failed ? NULL : message, length);
	if (records != NULL && records->count > 0)
		take_service(domain, records);
	else if (records != NULL && ++domain->service < SERVICES)
		ask_service(domain);
	else if (records != NULL)
		ask_mx(domain);
	answered(domain);
}

static void
ask_service(struct domain *domain)
{
	char name[DNS_NAME_SIZE];

	service_name(domain, name);
	domain->asking++;
	resolve_query(name, DNS_SRV, on_service, domain);
}

static void
begin(struct domain *domain)
{
	targets_clear(&domain->targets);
	domain->enough = domain->failed = domain->declined = 0;
	domain->stale = 0;
	domain->service = 0;
	domain->validated = 1;
	domain->ttl = MOST;
	domain->began = current.clock();
	ask_service(domain);
}

/* What is known now is to be used. */
static int
is_known(const struct domain *domain)
{
	uint64_t now = current.clock();

	if (now < domain->blamed_until)
		return 1;
	if (domain->asking > 0)
		return domain->enough && !domain->stale;
	return now < domain->until;
}

struct discovery *
discover(const char *name, discover_function *done, void *owner)
{
	static const struct servers none;
	struct domain *domain = domains_get(name, on_grace);
	struct discovery *discovery;

	if (domain == NULL ||
	    (discovery = calloc(1, sizeof(*discovery))) == NULL) {
		done(owner, &none, "too much is to be found at a time");
		return NULL;
	}
	if (is_known(domain)) {
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
	if (domain->asking == 0)
		begin(domain);
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
	struct domain *domain = domains_get(name, on_grace);

	if (domain == NULL)
		return;
	domain->blamed_until = current.clock() + DISCOVER_BLAME;
	(void)strlcpy(domain->why, why, sizeof(domain->why));
}

const char *
discover_blamed(const char *name)
{
	const struct domain *domain = domains_find(name);

	return domain != NULL && current.clock() < domain->blamed_until
	    ? domain->why
	    : NULL;
}
