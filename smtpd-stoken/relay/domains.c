/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "smtpd-stoken/relay/domains.h"

/* Of a domain: the questions have prefixes (RFC 1035 section 2.3.4). */
#define NAME_SIZE (DNS_NAME_SIZE - 20)

static int
compare(const struct domain *a, const struct domain *b)
{
	return strcmp(a->name, b->name);
}

RB_HEAD(domain_tree, domain);
static struct domain_tree domains = RB_INITIALIZER(&domains);
RB_PROTOTYPE(domain_tree, domain, entry, compare)
RB_GENERATE(domain_tree, domain, entry, compare)

static size_t count;

static int
is_free(const struct domain *domain)
{
	return domain->asking == 0 && !domain->busy;
}

static void
domain_free(struct domain *domain)
{
	RB_REMOVE(domain_tree, &domains, domain);
	count--;
	(void)event_del(&domain->grace);
	targets_clear(&domain->targets);
	free(domain);
}

void
domains_forget(void)
{
	struct domain *domain, *next;

	RB_FOREACH_SAFE (domain, domain_tree, &domains, next) {
		domain->until = domain->blamed_until = 0;
		domain->stale = 1;
		if (is_free(domain))
			domain_free(domain);
	}
}

struct domain *
domains_find(const char *name)
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

static uint64_t
useful_until(const struct domain *domain)
{
	return domain->until > domain->blamed_until ? domain->until
						    : domain->blamed_until;
}

static int
make_room(void)
{
	struct domain *domain, *oldest = NULL;

	if (count < DOMAINS_MOST)
		return 0;
	RB_FOREACH (domain, domain_tree, &domains)
		if (is_free(domain) &&
		    (oldest == NULL ||
			useful_until(domain) < useful_until(oldest)))
			oldest = domain;
	if (oldest == NULL)
		return -1;
	domain_free(oldest);
	return 0;
}

struct domain *
domains_get(const char *name, void (*grace)(int, short, void *))
{
	struct domain *domain = domains_find(name);
	size_t size = strlen(name) + 1;

	if (domain != NULL)
		return domain;
	if (size > NAME_SIZE || make_room() == -1 ||
	    (domain = calloc(1, sizeof(*domain) + size)) == NULL)
		return NULL;
	memcpy(domain->name, name, size);
	TAILQ_INIT(&domain->waiting);
	evtimer_set(&domain->grace, grace, domain);
	RB_INSERT(domain_tree, &domains, domain);
	count++;
	return domain;
}
