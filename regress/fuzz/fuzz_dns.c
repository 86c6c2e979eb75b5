/* SPDX-License-Identifier: ISC */
/*
 * Answers of the DNS, and the order of what they name: bounded, hosts only,
 * never port 25, the best first; and the same whatever the case of the name.
 * sources: smtpd-stoken/relay/dns.c smtpd-stoken/relay/targets.c
 * libs: -lcares
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "smtpd-stoken/relay/targets.h"

#define NAME "_submissions._tcp.b.example"
#define OTHER_CASE "_SUBMISSIONS._tcp.B.EXAMPLE"

static void
must(int condition)
{
	if (!condition)
		abort();
}

static int
is_host(const char *name)
{
	return strlen(name) < DNS_NAME_SIZE && name[0] != '.' &&
	    name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.")] ==
	    '\0';
}

static void
check(const struct dns_answer *answer)
{
	size_t i;

	must(answer->count <= DNS_RECORDS_MOST);
	must(answer->ttl <= INT32_MAX);
	must(answer->has_ttl || answer->count == 0);
	for (i = 0; i < answer->count; i++)
		must(is_host(answer->list[i].target));
}

/* Where the server is among the targets. */
static const struct target *
target_of(const struct targets *targets, const struct server *server)
{
	size_t i;

	for (i = 0; i < targets->count; i++)
		if (memcmp(&targets->list[i]->addresses[0], &server->address,
			sizeof(server->address)) == 0)
			return targets->list[i];
	abort();
}

static void
check_order(const struct targets *targets)
{
	struct servers servers;
	const struct target *target, *before = NULL;
	size_t i;

	targets_arrange(targets, &servers);
	must(servers.count <= SERVERS_MOST);
	must((servers.count > 0) == targets_some(targets));
	for (i = 0; i < servers.count; i++) {
		target = target_of(targets, &servers.list[i]);
		must(target != before);
		must(before == NULL || before->priority <= target->priority);
		must(target->port != 25 && target->port != 0);
		must(servers.list[i].host[0] != '\0');
		before = target;
	}
}

static void
order(struct dns_answer *srv, struct dns_answer *mx, uint32_t without)
{
	struct targets targets = {.count = 0};
	struct address address;
	size_t i;

	must(targets_srv(&targets, srv, 1) == 0);
	must(targets_mx(&targets, mx) == 0);
	for (i = 0; i < targets.count; i++) {
		memset(&address, 0, sizeof(address));
		address.length = (socklen_t)i + 1;
		if (((without >> i) & 1) == 0)
			target_address(targets.list[i], &address);
	}
	check_order(&targets);
	targets_clear(&targets);
}

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct dns_answer srv, mx, again;
	uint8_t *copy;
	int result;

	if (size > 65536 || (copy = malloc(size + (size == 0))) == NULL)
		return 0;
	memcpy(copy, data, size);
	memset(&srv, 0, sizeof(srv));
	memset(&mx, 0, sizeof(mx));
	memset(&again, 0, sizeof(again));
	result = dns_parse(&srv, NAME, DNS_SRV, copy, size);
	must(dns_parse(&again, OTHER_CASE, DNS_SRV, copy, size) == result);
	must(srv.count == again.count);
	must(dns_parse(&mx, NAME, DNS_MX, copy, size) == result);
	if (result == 0) {
		check(&srv);
		check(&mx);
		must(srv.ttl == again.ttl);
		order(&srv, &mx, (uint32_t)size);
	}
	free(copy);
	return 0;
}
