/* SPDX-License-Identifier: ISC */
/*
 * When a connection to Dovecot is given up and tried again. Time is made here.
 * objects: tokend/auth/dovecot_text.o tokend/auth/rights.o tokend/auth/source.o
 * libs: -lcrypto
 */
#include <sys/socket.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

static time_t now;
static int test_clock(clockid_t id, struct timespec *t);
#define clock_gettime test_clock
#include "tokend/auth/dovecot_link.c"
#undef clock_gettime
#include <cmocka.h>

static struct dovecot_link dovecot;
static int asked, downs, ups, far = -1;
static bool awaited;

static int
test_clock(clockid_t id, struct timespec *t)
{
	(void)id;
	t->tv_sec = now;
	t->tv_nsec = 0;
	return 0;
}

struct channel *
process_parent(void)
{
	return NULL;
}

int
channel_send(struct channel *c, uint16_t number, const union message *m, int fd)
{
	(void)c;
	(void)fd;
	assert_int_equal(number, MSG_LOGIN_CONNECT);
	assert_int_equal(m->login_connect.socket, LOGIN_SOCKET_USERDB);
	asked++;
	return 0;
}

static void
on_up(void)
{
	ups++;
}

static void
on_line(struct bytes command, struct bytes rest)
{
	(void)command;
	(void)rest;
}

static void
on_down(void)
{
	downs++;
}

static bool
on_tick(time_t t)
{
	assert_int_equal(t, now);
	return awaited;
}

/* So many seconds go by. */
static void
pass(int seconds)
{
	while (seconds-- > 0) {
		now++;
		if (dovecot.ticking)
			tick(-1, 0, &dovecot);
	}
}

static void
connected(void)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	far = pair[0];
	dovecot_connected(&dovecot, pair[1], bytes_of(NULL, 0));
}

static void
say(const char *text)
{
	assert_int_equal(write(far, text, strlen(text)), strlen(text));
	on_readable(dovecot.fd, 0, &dovecot);
}

static int
send_line(void)
{
	struct dovecot_line line;

	dovecot_begin(&line, "USER");
	return dovecot_send(&dovecot, &line);
}

static int
set_up(void **state)
{
	(void)state;
	memset(&dovecot, 0, sizeof(dovecot));
	dovecot.socket = LOGIN_SOCKET_USERDB;
	dovecot.path = "auth-userdb";
	dovecot.hello = "VERSION\t1\t1\n";
	dovecot.last = "SPID";
	dovecot.up = on_up;
	dovecot.line = on_line;
	dovecot.down = on_down;
	dovecot.tick = on_tick;
	asked = downs = ups = 0;
	awaited = false;
	now = 1000;
	if (event_init() == NULL)
		return -1;
	dovecot_start(&dovecot);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	dovecot_stop(&dovecot);
	if (far != -1)
		(void)close(far);
	far = -1;
	event_base_free(NULL);
	return 0;
}

/* Later and later, but never later than half a minute. */
static void
waits_longer_each_time(void **state)
{
	static const int pauses[] = {1, 2, 4, 8, 16, 30, 30};
	size_t i;

	(void)state;
	assert_int_equal(asked, 1);
	for (i = 0; i < sizeof(pauses) / sizeof(pauses[0]); i++) {
		dovecot_connected(&dovecot, -1, bytes_text("refused"));
		assert_int_equal(downs, i + 1);
		pass(pauses[i] - 1);
		assert_int_equal(asked, i + 1);
		pass(1);
		assert_int_equal(asked, i + 2);
	}
	/* Sooner when it is wanted, but not more than once a second. */
	dovecot_connected(&dovecot, -1, bytes_text("refused"));
	assert_int_equal(send_line(), -1);
	now++;
	assert_int_equal(send_line(), 0);
	assert_int_equal(asked, 9);
	/* Once it stands, it begins anew. */
	connected();
	say("VERSION\t1\t1\nSPID\t1\n");
	assert_int_equal(ups, 1);
	assert_int_equal(dovecot.failures, 0);
}

static void
gives_up_who_does_not_greet(void **state)
{
	(void)state;
	/* The parent does not answer. */
	pass(DOVECOT_GREETING_SECONDS);
	assert_int_equal(downs, 1);
	connected(); /* too late: it is closed */
	assert_int_equal(dovecot.state, LINK_DOWN);
	(void)close(far);
	pass(1);
	assert_int_equal(asked, 2);
	/* Dovecot says nothing, or nothing whole. */
	connected();
	say("VERSION\t1\t1\nSPI");
	assert_int_equal(dovecot.state, LINK_GREETING);
	pass(DOVECOT_GREETING_SECONDS);
	assert_int_equal(dovecot.state, LINK_DOWN);
	assert_int_equal(downs, 2);
	assert_int_equal(ups, 0);
}

static void
gives_up_who_does_not_answer(void **state)
{
	(void)state;
	connected();
	say("VERSION\t1\t1\nSPID\t1\n");
	pass(2);
	assert_false(dovecot.ticking); /* nothing to wait for */
	now += 10000;
	assert_int_equal(send_line(), 0);
	awaited = true;
	pass(DOVECOT_ANSWER_SECONDS - 1);
	assert_int_equal(dovecot.state, LINK_UP);
	/* Whoever says something is alive. */
	say("WHATEVER\n");
	pass(DOVECOT_ANSWER_SECONDS - 1);
	assert_int_equal(dovecot.state, LINK_UP);
	pass(1);
	assert_int_equal(dovecot.state, LINK_DOWN);
	assert_int_equal(downs, 1);
}

/* One that does not read: what is for it is bounded. */
static void
keeps_no_more_than_so_much(void **state)
{
	struct dovecot_line line;
	size_t i, most = 2 * DOVECOT_OUTPUT_MAX / DOVECOT_LINE_MAX;
	int result = 0;

	(void)state;
	connected();
	say("VERSION\t1\t1\nSPID\t1\n");
	for (i = 0; i < most && result == 0; i++) {
		dovecot_begin(&line, "CONT");
		while (line.length < DOVECOT_LINE_MAX - 1)
			dovecot_add(&line, "");
		result = dovecot_send(&dovecot, &line);
	}
	assert_int_equal(result, -1);
	assert_int_equal(dovecot.state, LINK_UP);
	assert_true(dovecot.out_length <= DOVECOT_OUTPUT_MAX);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(waits_longer_each_time),
	    TEST(gives_up_who_does_not_greet),
	    TEST(gives_up_who_does_not_answer),
	    TEST(keeps_no_more_than_so_much),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
