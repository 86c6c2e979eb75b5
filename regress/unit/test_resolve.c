/* SPDX-License-Identifier: ISC */
/*
 * objects: smtpd-stoken/relay/resolve.o smtpd-stoken/relay/resolve_host.o
 * objects: out/libcommon.a
 * libs: -lcares -levent_core
 * The resolver with a name server in the same process: what it asks, how long
 * answers are good, and that a reload loses no question.
 */
#include <sys/types.h>
#include <sys/socket.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include <event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "regress/unit/dns_message.h"
#include "smtpd-stoken/relay/resolve.h"

#define A 1
#define AAAA 28

/* A name server: it answers each question by answer(), or waits. */
struct name_server {
	int fd;
	struct event event;
	char address[64];
	unsigned int asked;
	uint16_t number; /* of the last question */
	uint8_t flags;
	char first[64]; /* label of it */
	struct sockaddr_in client;
	size_t question; /* octets of it */
	uint8_t data[512];
};

static struct name_server one, other;
static int waits;
static int silent; /* the type that is never answered */
static void (*script)(int type);

static void
answer(struct name_server *server)
{
	size_t type = server->question - 3;

	memcpy(out.data, server->data, server->question);
	out.length = server->question;
	out.data[2] = 0x81;
	out.data[3] = 0x80;
	memset(out.data + 6, 0, 6);
	script(server->data[type]);
	assert_true(sendto(server->fd, out.data, out.length, 0,
			(struct sockaddr *)&server->client,
			sizeof(server->client)) > 0);
}

static void
on_question(int fd, short what, void *context)
{
	struct name_server *server = context;
	socklen_t size = sizeof(server->client);
	ssize_t n = recvfrom(fd, server->data, sizeof(server->data), 0,
	    (struct sockaddr *)&server->client, &size);

	(void)what;
	assert_true(n > 17);
	server->question = (size_t)n;
	server->asked++;
	server->number = (uint16_t)(server->data[0] << 8 | server->data[1]);
	server->flags = server->data[3];
	snprintf(server->first, sizeof(server->first), "%.*s", server->data[12],
	    (const char *)server->data + 13);
	if (!waits && server->data[server->question - 3] != silent)
		answer(server);
}

static void
serve(struct name_server *server)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	socklen_t size = sizeof(in);

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	server->fd = socket(AF_INET, SOCK_DGRAM, 0);
	assert_int_equal(
	    bind(server->fd, (struct sockaddr *)&in, sizeof(in)), 0);
	assert_int_equal(
	    getsockname(server->fd, (struct sockaddr *)&in, &size), 0);
	snprintf(server->address, sizeof(server->address), "127.0.0.1:%u",
	    ntohs(in.sin_port));
	event_set(&server->event, server->fd, EV_READ | EV_PERSIST, on_question,
	    server);
	event_add(&server->event, NULL);
}

static int
group_setup(void **state)
{
	(void)state;
	event_init();
	serve(&one);
	serve(&other);
	return 0;
}

static void
use(const char *server)
{
	char problem[256] = "";

	assert_int_equal(resolve_init(server, problem, sizeof(problem)), 0);
}

static int
setup(void **state)
{
	(void)state;
	waits = silent = 0;
	record_owner = NULL;
	one.asked = other.asked = 0;
	use(one.address);
	return 0;
}

static struct addresses found;
static char why[128];
static int told, failed;

static void
on_addresses(void *owner, const struct addresses *addresses, const char *reason)
{
	(void)owner;
	told++;
	found = *addresses;
	strlcpy(why, reason == NULL ? "" : reason, sizeof(why));
}

static void
on_answer(void *owner, int is_failed, const uint8_t *message, size_t length)
{
	(void)owner;
	(void)message;
	told++;
	failed = is_failed;
	assert_true(is_failed ? length == 0 : length >= 12);
}

static void
wait_told(int count)
{
	while (told < count)
		assert_int_equal(event_loop(EVLOOP_ONCE), 0);
	told = 0;
}

static void
address_record(uint32_t ttl, uint8_t last)
{
	size_t start = begin_record(A, ttl, 0);

	put16(0x7f00);
	put16(last);
	end_record(start);
}

static uint32_t ttls[3];

static void
alias_and_two(int type)
{
	cname(ttls[0], "b.example");
	record_owner = "b.example";
	if (type == A) {
		address_record(ttls[1], 1);
		address_record(ttls[2], 2);
	}
	record_owner = NULL;
}

static uint32_t
ttl_of(uint32_t alias, uint32_t first, uint32_t second)
{
	char text[64];

	ttls[0] = alias;
	ttls[1] = first;
	ttls[2] = second;
	resolve_host("a.example.", 465, on_addresses, NULL);
	wait_told(1);
	assert_string_equal(why, "");
	assert_int_equal(found.count, 2);
	assert_string_equal(
	    address_text(&found.list[0], text, sizeof(text)), "127.0.0.1:465");
	return found.ttl;
}

/* The least of all that led there. */
static void
how_long_addresses_are_good(void **state)
{
	(void)state;
	script = alias_and_two;
	assert_int_equal(ttl_of(4000, 3000, 2000), 2000);
	assert_int_equal(ttl_of(4000, 1000, 2000), 1000);
	assert_int_equal(ttl_of(7, 1000, 2000), 7);
	assert_int_equal(ttl_of(7, 0, 2000), 0);
	assert_int_equal(one.asked, 8);
}

static void
ten_of_each(int type)
{
	size_t start;
	uint8_t i;

	for (i = 1; i <= 10; i++) {
		if (type == A) {
			address_record(1000, i);
			continue;
		}
		start = begin_record(AAAA, 1000, 0);
		put16(0xfd00);
		put16(0);
		put16(0);
		put16(0);
		put16(0);
		put16(0);
		put16(0);
		put16(i);
		end_record(start);
	}
}

/* However many one family has, the other is tried early. */
static void
families_by_turns(void **state)
{
	char text[64];

	(void)state;
	script = ten_of_each;
	resolve_host("a.example.", 465, on_addresses, NULL);
	wait_told(1);
	assert_string_equal(why, "");
	assert_int_equal(found.count, ADDRESSES_MOST);
	assert_string_equal(
	    address_text(&found.list[0], text, sizeof(text)), "127.0.0.1:465");
	assert_string_equal(
	    address_text(&found.list[1], text, sizeof(text)), "[fd00::1]:465");
	assert_string_equal(
	    address_text(&found.list[2], text, sizeof(text)), "127.0.0.2:465");
	assert_int_equal(found.ttl, 1000);
}

/* Some servers never answer for AAAA: what there is will do. */
static void
one_family_is_silent(int type)
{
	script = ten_of_each;
	silent = type;
	resolve_host("a.example.", 465, on_addresses, NULL);
	wait_told(1);
	assert_string_equal(why, "");
	assert_int_equal(found.count, 10);
	assert_int_equal(found.ttl, 300);
	assert_int_equal(one.asked, 2);
}

static void
silence(void **state)
{
	(void)state;
	one_family_is_silent(AAAA);
	/* It came after all, the last question that was asked. */
	silent = 0;
	answer(&one);
	while (event_loop(EVLOOP_NONBLOCK) == 0 && found.count > 0)
		found.count--;
	assert_int_equal(told, 0);
	one.asked = 0;
	one_family_is_silent(A);
}

static void
nothing(int type)
{
	(void)type;
	out.data[3] = 0x83;
}

/* RFC 6840 section 5.7; and numbers that nobody can tell. */
static void
questions(void **state)
{
	uint16_t numbers[64];
	unsigned int i, j, same = 0;

	(void)state;
	script = nothing;
	for (i = 0; i < 64; i++) {
		resolve_query(
		    "_submissions._tcp.b.example", DNS_SRV, on_answer, NULL);
		wait_told(1);
		assert_false(failed);
		assert_string_equal(one.first, "_submissions");
		assert_int_equal(one.flags, 0x20);
		numbers[i] = one.number;
		for (j = 0; j < i; j++)
			same += numbers[j] == numbers[i];
	}
	assert_true(same < 8);
	assert_int_equal(one.asked, 64);
	/* What is no name. */
	resolve_query("a..example", DNS_SRV, on_answer, NULL);
	wait_told(1);
	assert_true(failed);
}

/* Nobody waits without an end, and nothing is asked without one. */
static void
many_questions(void **state)
{
	int i;

	(void)state;
	script = nothing;
	waits = 1;
	for (i = 0; i < 600; i++)
		resolve_query("b.example", DNS_MX, on_answer, NULL);
	assert_int_equal(told, 600 - 512);
	/* The old resolver ends with its questions. */
	waits = 0;
	use(one.address);
	wait_told(600);
}

/* Who was asked before answers; who is asked now is the new one. */
static void
reload(void **state)
{
	(void)state;
	script = alias_and_two;
	waits = 1;
	resolve_query("b.example", DNS_MX, on_answer, NULL);
	while (one.asked == 0)
		assert_int_equal(event_loop(EVLOOP_ONCE), 0);
	use(other.address);
	waits = 0;
	resolve_query("b.example", DNS_MX, on_answer, NULL);
	wait_told(1);
	assert_int_equal(other.asked, 1);
	answer(&one);
	wait_told(1);
	assert_false(failed);
	assert_int_equal(one.asked, 1);
	event_loop(EVLOOP_NONBLOCK);
}

static void
who_is_asked(void **state)
{
	char problem[256] = "";

	(void)state;
	assert_true(resolve_is_local());
	use("[::1]:5353");
	assert_true(resolve_is_local());
	use("192.0.2.1:53");
	assert_false(resolve_is_local());
	use("127.0.0.1:53,192.0.2.1:53");
	assert_false(resolve_is_local());
	use("[2001:db8::1]:53");
	assert_false(resolve_is_local());
	assert_int_equal(
	    resolve_init("nonsense", problem, sizeof(problem)), -1);
	assert_true(problem[0] != '\0');
	assert_false(resolve_is_local()); /* that before stays */
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(how_long_addresses_are_good, setup),
	    cmocka_unit_test_setup(families_by_turns, setup),
	    cmocka_unit_test_setup(silence, setup),
	    cmocka_unit_test_setup(questions, setup),
	    cmocka_unit_test_setup(reload, setup),
	    cmocka_unit_test_setup(who_is_asked, setup),
	    cmocka_unit_test_setup(many_questions, setup),
	};

	return cmocka_run_group_tests(tests, group_setup, NULL);
}
