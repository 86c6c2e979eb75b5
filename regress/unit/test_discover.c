/* SPDX-License-Identifier: ISC */
/*
 * Where token servers are found (S1-53 ... S1-56, D-S12): order, weights,
 * "this service is not here", TTLs, silence, and answers that are nonsense.
 * The DNS is played here, octet by octet.
 *
 * objects: smtpd-stoken/relay/discover.o smtpd-stoken/relay/dns.o
 * libs: -lcares
 */
#include <sys/types.h>
#include <sys/socket.h>

#include <netinet/in.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "smtpd-stoken/relay/discover.h"
#include "smtpd-stoken/relay/dns.h"

#define SOA 6
#define CNAME 5
#define HOUR 3600

static uint64_t clock_now;

static uint64_t
test_clock(void)
{
	return clock_now;
}

/* A message of the DNS while it is written. */
static struct message {
	uint8_t data[65536];
	size_t length;
} out;

static void
put16(unsigned int number)
{
	out.data[out.length++] = (uint8_t)(number >> 8);
	out.data[out.length++] = (uint8_t)number;
}

static void
put_name(const char *name)
{
	size_t n;

	while (*name != '\0') {
		n = strcspn(name, ".");
		out.data[out.length++] = (uint8_t)n;
		memcpy(out.data + out.length, name, n);
		out.length += n;
		name += n + (name[n] == '.');
	}
	out.data[out.length++] = 0;
}

static void
begin(const char *name, int type)
{
	memset(out.data, 0, 12);
	out.length = 12;
	out.data[2] = 0x81;
	out.data[5] = 1;
	put_name(name);
	put16((unsigned int)type);
	put16(1);
}

/* A record of the question's name; end_record() says how long it is. */
static size_t
begin_record(int type, uint32_t ttl, int authority)
{
	out.data[authority ? 9 : 7]++;
	put16(0xc00c);
	put16((unsigned int)type);
	put16(1);
	put16(ttl >> 16);
	put16(ttl & 0xffff);
	put16(0);
	return out.length;
}

static void
end_record(size_t start)
{
	out.data[start - 2] = (uint8_t)((out.length - start) >> 8);
	out.data[start - 1] = (uint8_t)(out.length - start);
}

static void
srv(uint32_t ttl, unsigned int priority, unsigned int weight, unsigned int port,
    const char *target)
{
	size_t start = begin_record(DNS_SRV, ttl, 0);

	put16(priority);
	put16(weight);
	put16(port);
	put_name(target);
	end_record(start);
}

static void
mx(uint32_t ttl, unsigned int priority, const char *target)
{
	size_t start = begin_record(DNS_MX, ttl, 0);

	put16(priority);
	put_name(target);
	end_record(start);
}

static void
soa(uint32_t ttl, uint32_t minimum)
{
	size_t start = begin_record(SOA, ttl, 1);
	int i;

	put_name("ns.example");
	put_name("x.example");
	for (i = 0; i < 4; i++) {
		put16(0);
		put16(1);
	}
	put16(minimum >> 16);
	put16(minimum & 0xffff);
	end_record(start);
}

/* The script: what is said to the question of a test. */
static void (*script)(const char *name, int type);
static int fails, waits; /* instead of an answer; none yet */
static int address_ttl;
static unsigned int asked, looked_up;
static struct {
	resolve_query_function *done;
	void *owner;
	char name[300];
	int type;
} pending;

static void
answer_pending(void)
{
	begin(pending.name, pending.type);
	if (!fails)
		script(pending.name, pending.type);
	pending.done(pending.owner, fails, out.data, out.length);
}

void
resolve_query(
    const char *name, int type, resolve_query_function *done, void *owner)
{
	asked++;
	pending.done = done;
	pending.owner = owner;
	pending.type = type;
	strlcpy(pending.name, name, sizeof(pending.name));
	if (!waits)
		answer_pending();
}

void
resolve_host(
    const char *name, uint16_t port, resolve_function *done, void *owner)
{
	struct addresses found = {.count = 0};
	struct sockaddr_in *in = (void *)&found.list[0].address;

	looked_up++;
	if (strncmp(name, "gone", 4) == 0) {
		done(owner, &found, "no such host");
		return;
	}
	in->sin_family = AF_INET;
	in->sin_port = htons(port);
	in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	found.list[0].length = sizeof(*in);
	found.count = 1;
	found.ttl = (uint32_t)address_ttl;
	done(owner, &found, NULL);
}

/* What was found. */
static struct servers servers;
static char why[256];
static int told;

static void
on_found(void *owner, const struct servers *found, const char *reason)
{
	(void)owner;
	told++;
	servers = *found;
	strlcpy(why, reason == NULL ? "" : reason, sizeof(why));
	assert_int_equal(found->count == 0, reason != NULL);
}

static int
setup(void **state)
{
	(void)state;
	clock_now += 100000000;
	fails = waits = told = 0;
	asked = looked_up = 0;
	address_ttl = HOUR;
	discover_configure(0, test_clock);
	return 0;
}

static void
find(const char *domain)
{
	told = 0;
	assert_null(discover(domain, on_found, NULL));
	assert_int_equal(told, 1);
}

/* "host:port+" for TLS from the first octet, else "host:port". */
static const char *
text(size_t i)
{
	static char line[300];
	const struct sockaddr_in *in =
	    (const void *)&servers.list[i].address.address;

	assert_true(i < servers.count);
	snprintf(line, sizeof(line), "%s:%u%s", servers.list[i].host,
	    ntohs(in->sin_port), servers.list[i].implicit ? "+" : "");
	return line;
}

static int
is(const char *name, const char *prefix)
{
	return strncmp(name, prefix, strlen(prefix)) == 0;
}

static void
both(const char *name, int type)
{
	assert_int_equal(type, DNS_SRV);
	if (is(name, "_submissions._tcp."))
		srv(HOUR, 0, 0, 465, "Mail.B.example");
	else
		srv(HOUR, 0, 0, 587, "mail.b.example");
}

static void
submissions_is_first(void **state)
{
	(void)state;
	script = both;
	find("b.example");
	assert_int_equal(servers.count, 1);
	assert_string_equal(text(0), "mail.b.example:465+");
	assert_int_equal(asked, 1);
}

static void
only_submission(const char *name, int type)
{
	(void)type;
	if (is(name, "_submission._tcp."))
		srv(HOUR, 0, 0, 587, "mail.b.example");
	else
		soa(HOUR, HOUR);
}

static void
submission_is_next(void **state)
{
	(void)state;
	script = only_submission;
	find("b.example");
	assert_int_equal(servers.count, 1);
	assert_string_equal(text(0), "mail.b.example:587");
	assert_int_equal(asked, 2);
}

static void
exact(const char *name, int type)
{
	(void)type;
	assert_non_null(strstr(name, "._tcp.sub.b.example"));
	soa(HOUR, HOUR);
}

static void
exact_domain_only(void **state)
{
	(void)state;
	script = exact;
	find("sub.b.example");
	assert_int_equal(servers.count, 0);
	assert_int_equal(asked, 2); /* and no MX: it is off */
}

static void
priorities(const char *name, int type)
{
	(void)name;
	(void)type;
	srv(HOUR, 20, 0, 465, "third.example");
	srv(HOUR, 5, 100, 466, "first.example");
	srv(HOUR, 10, 0, 467, "gone.example");
	srv(HOUR, 10, 0, 468, "second.example");
	srv(HOUR, 1, 0, 25, "smtp.example"); /* never: RFC 2033 */
	srv(HOUR, 1, 0, 465, "bad name.example");
}

static void
order_of_priorities(void **state)
{
	(void)state;
	script = priorities;
	find("b.example");
	assert_int_equal(servers.count, 3);
	assert_string_equal(text(0), "first.example:466+");
	assert_string_equal(text(1), "second.example:468+");
	assert_string_equal(text(2), "third.example:465+");
}

static void
weights(const char *name, int type)
{
	(void)name;
	(void)type;
	srv(HOUR, 0, 30, 465, "heavy.example");
	srv(HOUR, 0, 10, 465, "light.example");
	srv(HOUR, 0, 0, 465, "zero.example");
}

static void
chance_of_weights(void **state)
{
	int i, heavy = 0, zero = 0;

	(void)state;
	script = weights;
	for (i = 0; i < 8000; i++) {
		find("b.example");
		assert_int_equal(servers.count, 3);
		heavy += strcmp(servers.list[0].host, "heavy.example") == 0;
		zero += strcmp(servers.list[0].host, "zero.example") == 0;
	}
	assert_int_equal(asked, 1);
	/* 30 of 41, 1 of 41; by more than ten deviations. */
	assert_in_range(heavy, 5400, 6300);
	assert_in_range(zero, 50, 400);
}

static void
nowhere(const char *name, int type)
{
	(void)name;
	(void)type;
	srv(HOUR, 0, 0, 0, "");
}

static void
a_dot_stops(void **state)
{
	(void)state;
	discover_configure(1, test_clock);
	script = nowhere;
	find("b.example");
	assert_int_equal(servers.count, 0);
	assert_int_equal(asked, 1);
	assert_int_equal(looked_up, 0);
}

static int null_mx;

static void
only_mx(const char *name, int type)
{
	if (type == DNS_SRV) {
		soa(HOUR, HOUR);
		return;
	}
	assert_string_equal(name, "b.example");
	if (null_mx)
		mx(HOUR, 0, "");
	else {
		mx(HOUR, 20, "backup.example");
		mx(HOUR, 10, "mail.example");
	}
}

static void
hosts_of_mx(void **state)
{
	size_t i;

	(void)state;
	script = only_mx;
	null_mx = 0;
	find("b.example");
	assert_int_equal(servers.count, 0);
	discover_configure(1, test_clock);
	find("b.example");
	assert_int_equal(servers.count, 4);
	for (i = 0; i < 4; i++)
		assert_true(is(text(i), i < 2 ? "mail." : "backup."));
	for (i = 0; i < 4; i++)
		assert_string_equal(
		    strchr(text(i), ':'), i % 2 == 0 ? ":465+" : ":587");
	null_mx = 1;
	discover_configure(1, test_clock);
	find("b.example");
	assert_int_equal(servers.count, 0);
	assert_int_equal(looked_up, 4);
}

static uint32_t answer_ttl;

static void
with_ttl(const char *name, int type)
{
	(void)name;
	(void)type;
	srv(answer_ttl, 0, 0, 465, "mail.example");
}

/* How many seconds the answer is kept, up to a limit. */
static uint64_t
kept(const char *domain, uint64_t limit)
{
	uint64_t start = clock_now;
	unsigned int before;

	find(domain);
	before = asked;
	while (asked == before && clock_now < start + limit * 1000) {
		clock_now += 1000;
		find(domain);
	}
	return (clock_now - start) / 1000;
}

static void
kept_for_its_ttl(void **state)
{
	(void)state;
	script = with_ttl;
	answer_ttl = 60;
	assert_int_equal(kept("a.example", HOUR), 60);
	address_ttl = 20; /* the least of all */
	assert_int_equal(kept("b.example", HOUR), 20);
	address_ttl = HOUR;
	answer_ttl = 0;
	assert_int_equal(kept("c.example", HOUR), 5);
	answer_ttl = 0x80000000U; /* RFC 2181: that is 0 */
	assert_int_equal(kept("d.example", HOUR), 5);
}

static void
nothing(const char *name, int type)
{
	(void)name;
	(void)type;
	soa(answer_ttl, 600);
}

static void
nothing_is_kept_too(void **state)
{
	(void)state;
	script = nothing;
	answer_ttl = 100;
	assert_int_equal(kept("a.example", HOUR), 100);
	answer_ttl = HOUR;
	assert_int_equal(kept("b.example", HOUR), 600);
	fails = 1;
	assert_int_equal(kept("c.example", HOUR), 300);
}

static void
blamed_for_a_while(void **state)
{
	(void)state;
	script = both;
	find("b.example");
	assert_int_equal(servers.count, 1);
	assert_null(discover_blamed("b.example"));
	discover_blame("b.example", "it is slow");
	find("b.example");
	assert_int_equal(servers.count, 0);
	assert_string_equal(why, "it is slow");
	assert_string_equal(discover_blamed("b.example"), "it is slow");
	clock_now += DISCOVER_BLAME;
	find("b.example");
	assert_int_equal(servers.count, 1);
	discover_blame("other.example", "as well");
	find("other.example");
	assert_int_equal(servers.count, 0);
	/* A new configuration forgets it. */
	discover_configure(0, test_clock);
	find("other.example");
	assert_int_equal(servers.count, 1);
}

static void
those_who_wait(void **state)
{
	struct discovery *a, *b;
	int one, other;

	(void)state;
	script = both;
	waits = 1;
	a = discover("b.example", on_found, &one);
	b = discover("b.example", on_found, &other);
	assert_non_null(a);
	assert_non_null(b);
	assert_int_equal(asked, 1);
	discover_cancel(a);
	discover_configure(0, test_clock); /* while it is under way */
	answer_pending();
	assert_int_equal(told, 1);
	assert_int_equal(servers.count, 1);
	waits = 0;
	find("b.example");
	assert_int_equal(asked, 1);
	/* Blame is at once for those who come while it is asked for. */
	waits = 1;
	told = 0;
	a = discover("slow.example", on_found, &one);
	assert_non_null(a);
	discover_blame("slow.example", "the DNS is slow");
	discover_cancel(a);
	find("slow.example");
	assert_int_equal(servers.count, 0);
	answer_pending();
}

static void
nested(void *owner, const struct servers *found, const char *reason)
{
	int *depth = owner;

	(void)found;
	(void)reason;
	if (++*depth < 3)
		(void)discover("b.example", nested, owner);
}

static void
asking_from_within(void **state)
{
	int depth = 0;

	(void)state;
	script = both;
	waits = 1;
	assert_non_null(discover("b.example", nested, &depth));
	waits = 0;
	answer_pending();
	assert_int_equal(depth, 3);
}

static void
bounded(void **state)
{
	char name[64];
	int i;

	(void)state;
	script = both;
	for (i = 0; i < 3 * DISCOVER_DOMAINS; i++) {
		snprintf(name, sizeof(name), "d%d.example", i);
		find(name);
		assert_int_equal(servers.count, 1);
	}
}

static void
many(const char *name, int type)
{
	unsigned int i;

	(void)name;
	(void)type;
	for (i = 0; i < 200; i++)
		srv(HOUR, 200 - i, 0, 1000 + i, "mail.example");
}

static void
many_records(void **state)
{
	(void)state;
	script = many;
	find("b.example");
	assert_int_equal(servers.count, SERVERS_MOST);
}

/* Every cut, and single octets changed: nothing is read past the end. */
static void
nonsense(void **state)
{
	struct dns_answer answer;
	uint8_t *copy;
	size_t length, i;
	unsigned int round;

	(void)state;
	begin("_submissions._tcp.b.example", DNS_SRV);
	priorities("", 0);
	soa(HOUR, HOUR);
	for (length = 0; length <= out.length; length++) {
		copy = malloc(length + 1);
		memcpy(copy, out.data, length);
		(void)dns_parse(&answer, DNS_SRV, copy, length);
		free(copy);
	}
	assert_int_equal(answer.count, 5);
	for (round = 0; round < 20000; round++) {
		copy = malloc(out.length);
		memcpy(copy, out.data, out.length);
		for (i = 0; i < 1 + round % 4; i++)
			copy[arc4random_uniform((uint32_t)out.length)] =
			    (uint8_t)arc4random();
		if (dns_parse(&answer, DNS_SRV, copy, out.length) == 0)
			assert_true(answer.count <= DNS_RECORDS_MOST);
		free(copy);
	}
	assert_int_equal(dns_parse(&answer, DNS_SRV, out.data, 11), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(submissions_is_first, setup),
	    cmocka_unit_test_setup(submission_is_next, setup),
	    cmocka_unit_test_setup(exact_domain_only, setup),
	    cmocka_unit_test_setup(order_of_priorities, setup),
	    cmocka_unit_test_setup(chance_of_weights, setup),
	    cmocka_unit_test_setup(a_dot_stops, setup),
	    cmocka_unit_test_setup(hosts_of_mx, setup),
	    cmocka_unit_test_setup(kept_for_its_ttl, setup),
	    cmocka_unit_test_setup(nothing_is_kept_too, setup),
	    cmocka_unit_test_setup(blamed_for_a_while, setup),
	    cmocka_unit_test_setup(those_who_wait, setup),
	    cmocka_unit_test_setup(asking_from_within, setup),
	    cmocka_unit_test_setup(bounded, setup),
	    cmocka_unit_test_setup(many_records, setup),
	    cmocka_unit_test_setup(nonsense, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
