/* SPDX-License-Identifier: ISC */
/*
 * Where token servers are found (S1-53 ... S1-56, D-S12): order, weights,
 * "this service is not here", TTLs, silence, and answers that are nonsense.
 * The DNS is played here, octet by octet.
 *
 * objects: smtpd-stoken/relay/discover.o smtpd-stoken/relay/dns.o
 * objects: smtpd-stoken/relay/domains.o smtpd-stoken/relay/targets.o
 * objects: smtpd-stoken/relay/server.o
 * libs: -lcares -levent_core
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

#include "regress/unit/dns_message.h"
#include "smtpd-stoken/relay/discover.h"
#include "smtpd-stoken/relay/domains.h"

static uint64_t clock_now;

static uint64_t
test_clock(void)
{
	return clock_now;
}

static void
configure(int mx_fallback, int dnssec)
{
	struct discover_settings settings = {mx_fallback, dnssec, test_clock};

	discover_configure(&settings);
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

/* The addresses of a host that is slow. */
static struct {
	resolve_function *done;
	void *owner;
} late[256];
static size_t late_count;

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
    const char *name, int type, resolve_query_function *done, void *context)
{
	asked++;
	pending.done = done;
	pending.owner = context;
	pending.type = type;
	strlcpy(pending.name, name, sizeof(pending.name));
	if (!waits)
		answer_pending();
}

void
resolve_host(
    const char *name, uint16_t port, resolve_function *done, void *context)
{
	struct addresses found = {.count = 0};
	struct sockaddr_in *in = (void *)&found.list[0].address;

	looked_up++;
	assert_string_equal(strrchr(name, '.'), "."); /* it is whole */
	if (strncmp(name, "gone", 4) == 0) {
		done(context, &found, "no such host");
		return;
	}
	if (strncmp(name, "slow", 4) == 0) {
		assert_true(late_count < 256);
		late[late_count].done = done;
		late[late_count++].owner = context;
		return;
	}
	in->sin_family = AF_INET;
	in->sin_port = htons(port);
	in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	found.list[0].length = sizeof(*in);
	found.count = 1;
	found.ttl = (uint32_t)address_ttl;
	done(context, &found, NULL);
}

/* What was found. */
static struct servers servers;
static char why[256];
static int told;

static void
on_found(void *context, const struct servers *found, const char *reason)
{
	(void)context;
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
	record_owner = NULL;
	late_count = 0;
	configure(0, 0);
	return 0;
}

static void
find(const char *domain)
{
	told = 0;
	assert_null(discover(domain, on_found, NULL));
	assert_int_equal(told, 1);
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
	configure(1, 0);
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
	configure(1, 0);
	find("b.example");
	assert_int_equal(servers.count, 4);
	for (i = 0; i < 4; i++)
		assert_true(is(text(i), i < 2 ? "mail." : "backup."));
	for (i = 0; i < 4; i++)
		assert_string_equal(
		    strchr(text(i), ':'), i % 2 == 0 ? ":465+" : ":587");
	null_mx = 1;
	configure(1, 0);
	find("b.example");
	assert_int_equal(servers.count, 0);
	assert_int_equal(looked_up, 4);
}

/* S1-55: for when no host of the SRV records can be reached. */
static int mx_is_silent;

static void
srv_and_mx(const char *name, int type)
{
	unsigned int i;

	(void)name;
	if (type == DNS_MX) {
		fails = mx_is_silent;
		mx(600, 10, null_mx ? "" : "mx.example");
	} else if (is(name, "_submissions."))
		for (i = 0; i < 20; i++)
			srv(HOUR, i, 0, 1000 + i, "mail.example");
}

static void
mx_behind_srv(void **state)
{
	size_t i;

	(void)state;
	script = srv_and_mx;
	null_mx = mx_is_silent = 0;
	configure(1, 0);
	find("b.example");
	assert_int_equal(asked, 2);
	/* There is room for them, whatever there is. */
	assert_int_equal(servers.count, SERVERS_MOST - 2);
	for (i = 0; i < SERVERS_MOST - 4; i++)
		assert_true(is(text(i), "mail.example:"));
	assert_string_equal(text(i), "mx.example:465+");
	assert_string_equal(text(i + 1), "mx.example:587");
	assert_int_equal(kept("c.example", 2 * HOUR), 600);
	/* What they say is of no weight for the others. */
	null_mx = 1;
	find("d.example");
	assert_int_equal(servers.count, SERVERS_MOST);
	null_mx = 0;
	mx_is_silent = 1;
	find("e.example");
	assert_int_equal(servers.count, SERVERS_MOST);
	fails = 0;
	assert_int_equal(kept("e.example", HOUR), 300);
}

static void
one_is_slow(const char *name, int type)
{
	(void)name;
	(void)type;
	srv(HOUR, 1, 0, 465, "slow.example");
	srv(HOUR, 2, 0, 465, "mail.example");
}

static void
answer_late(void)
{
	struct addresses found = {.count = 1, .ttl = HOUR};
	struct sockaddr_in *in = (void *)&found.list[0].address;

	in->sin_family = AF_INET;
	in->sin_port = htons(465);
	late_count--;
	late[late_count].done(late[late_count].owner, &found, NULL);
}

/* A host whose name server is slow is not waited for when there is another. */
static void
a_slow_host(void **state)
{
	int context;

	(void)state;
	script = one_is_slow;
	assert_non_null(discover("b.example", on_found, &context));
	assert_int_equal(told, 0);
	assert_int_equal(event_loop(EVLOOP_ONCE), 0); /* a second */
	assert_int_equal(told, 1);
	assert_int_equal(servers.count, 1);
	assert_string_equal(text(0), "mail.example:465+");
	find("b.example"); /* nor by others */
	assert_int_equal(servers.count, 1);
	answer_late();
	assert_int_equal(told, 1);
	find("b.example");
	assert_int_equal(servers.count, 2);
	assert_string_equal(text(0), "slow.example:465+");
	assert_int_equal(asked, 1);
	/* In time, and nobody is told twice. */
	assert_non_null(discover("c.example", on_found, &context));
	told = 0;
	answer_late();
	assert_int_equal(told, 1);
	assert_int_equal(servers.count, 2);
	assert_int_equal(event_loop(EVLOOP_NONBLOCK), 1); /* none is left */
}

static void
one_is_gone(const char *name, int type)
{
	(void)name;
	(void)type;
	srv(HOUR, 1, 0, 465, "gone.example");
	srv(HOUR, 2, 0, 465, "mail.example");
}

/* What is not whole is not kept for long. */
static void
a_host_without_address(void **state)
{
	(void)state;
	script = one_is_gone;
	assert_int_equal(kept("b.example", HOUR), 300);
	assert_int_equal(servers.count, 1);
}

/* A configuration that changed meanwhile. */
static void
asked_before(void **state)
{
	(void)state;
	script = one_is_slow;
	assert_non_null(discover("b.example", on_found, NULL));
	configure(0, 0);
	answer_late();
	assert_int_equal(told, 1);
	script = both;
	find("b.example");
	assert_int_equal(asked, 2);
	assert_int_equal(servers.count, 1);
}

/* D-S14: a host's name counts only when DNSSEC says that it was named. */
static int validates; /* a bit for each question */

static void
signed_answers(const char *name, int type)
{
	if (validates & (type == DNS_MX ? 4 : is(name, "_submissions") ? 1 : 2))
		out.data[3] |= 0x20;
	if (type == DNS_MX)
		mx(HOUR, 10, "mx.example");
	else if (is(name, "_submission."))
		srv(HOUR, 1, 0, 587, "mail.example");
	else
		soa(HOUR, HOUR);
}

static int
validated(int bits, int dnssec)
{
	struct trust_names names;

	validates = bits;
	configure(1, dnssec);
	find("b.example");
	assert_int_equal(servers.count, 3);
	names = server_names(&servers.list[0], "b.example");
	assert_string_equal(names.domain, "b.example");
	assert_string_equal(names.service, "_submission");
	if (servers.list[0].validated)
		assert_string_equal(names.host, "mail.example");
	else
		assert_null(names.host);
	names = server_names(&servers.list[1], "b.example");
	assert_string_equal(names.service, "_submissions");
	assert_int_equal(servers.list[1].validated, servers.list[2].validated);
	return servers.list[0].validated + 2 * servers.list[1].validated;
}

static void
validated_hosts(void **state)
{
	(void)state;
	script = signed_answers;
	assert_int_equal(validated(7, 0), 0);
	assert_int_equal(validated(0, 1), 0);
	assert_int_equal(validated(7, 1), 3);
	/* Nor may somebody else have said that the others are not there. */
	assert_int_equal(validated(6, 1), 0);
	assert_int_equal(validated(5, 1), 0);
	assert_int_equal(validated(3, 1), 1);
}

static void
all_slow(const char *name, int type)
{
	unsigned int i;

	(void)name;
	(void)type;
	for (i = 0; i < 32; i++)
		srv(HOUR, 0, 0, 1000 + i, "slow.example");
}

/* Hosts of all domains together: the relay host's name is asked for, too. */
static void
many_lookups(void **state)
{
	static const struct addresses none;
	char name[32];
	unsigned int i;

	(void)state;
	script = all_slow;
	for (i = 0; i < 16; i++) {
		snprintf(name, sizeof(name), "s%u.example", i);
		assert_non_null(discover(name, on_found, NULL));
	}
	assert_int_equal(looked_up, 256);
	script = both;
	find("b.example");
	assert_string_equal(why, "the DNS fails");
	assert_int_equal(kept("b.example", HOUR), 30);
	assert_int_equal(looked_up, 256);
	told = 0;
	while (late_count-- > 0)
		late[late_count].done(late[late_count].owner, &none, "late");
	late_count = 0;
	assert_int_equal(told, 16);
}

static uint32_t answer_ttl;

static void
with_ttl(const char *name, int type)
{
	(void)name;
	(void)type;
	srv(answer_ttl, 0, 0, 465, "mail.example");
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
	assert_int_equal(kept("c.example", HOUR), 1);
	answer_ttl = 0x80000000U; /* RFC 2181: that is 0 */
	assert_int_equal(kept("d.example", HOUR), 1);
	answer_ttl = 0x7fffffff;
	address_ttl = 0x7fffffff;
	assert_int_equal(kept("e.example", 2 * 86400), 86400);
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
	answer_ttl = 0;
	assert_int_equal(kept("c.example", HOUR), 30);
}

/* RFC 2308 section 7: that is no answer; at most 5 minutes. */
static void
failure_is_not_nothing(void **state)
{
	(void)state;
	script = both;
	fails = 1;
	assert_int_equal(kept("a.example", HOUR), 30);
	assert_string_equal(why, "the DNS fails");
	assert_int_equal(asked, 2); /* nor is the next service asked for */
	waits = 1;
	assert_non_null(discover("b.example", on_found, NULL));
	clock_now += 9000; /* who asks again waits again */
	answer_pending();
	waits = 0;
	assert_int_equal(kept("b.example", HOUR), 300);
	assert_string_equal(why, "the DNS fails");
	fails = 0;
	clock_now += HOUR * 1000;
	find("b.example");
	assert_int_equal(servers.count, 1);
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
	configure(0, 0);
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
	configure(0, 0); /* while it is under way */
	answer_pending();
	assert_int_equal(told, 1);
	assert_int_equal(servers.count, 1);
	waits = 0;
	find("b.example"); /* what was asked for before is not kept */
	assert_int_equal(asked, 2);
	find("b.example");
	assert_int_equal(asked, 2);
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
nested(void *context, const struct servers *found, const char *reason)
{
	int *depth = context;

	(void)found;
	(void)reason;
	if (++*depth < 3)
		(void)discover("b.example", nested, context);
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
	for (i = 0; i < 3 * DOMAINS_MOST; i++) {
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
	    cmocka_unit_test_setup(failure_is_not_nothing, setup),
	    cmocka_unit_test_setup(mx_behind_srv, setup),
	    cmocka_unit_test_setup(a_slow_host, setup),
	    cmocka_unit_test_setup(a_host_without_address, setup),
	    cmocka_unit_test_setup(asked_before, setup),
	    cmocka_unit_test_setup(validated_hosts, setup),
	    cmocka_unit_test_setup(many_lookups, setup),
	    cmocka_unit_test_setup(blamed_for_a_while, setup),
	    cmocka_unit_test_setup(those_who_wait, setup),
	    cmocka_unit_test_setup(asking_from_within, setup),
	    cmocka_unit_test_setup(bounded, setup),
	    cmocka_unit_test_setup(many_records, setup),
	};

	event_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
