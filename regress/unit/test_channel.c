/* SPDX-License-Identifier: ISC */
/*
 * Channels: what the contract does not allow ends them before any handler,
 * descriptors come along or are closed, queues are capped.
 * objects: out/libcommon.a
 */
#include <sys/types.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <event.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "imsg/channel.h"
#include "imsg/imsg.h"

static int handled, gone, drained, last_fd;
static enum channel_end end;
static char why[160];
static uint64_t last_session;

static void (*at_request)(void);

static void
on_sign_request(struct channel *c, const union message *m, int fd)
{
	(void)c;
	handled++;
	if (at_request != NULL)
		at_request();
	last_fd = fd;
	last_session = m->sign_request.request;
}

static void
on_open(struct channel *c, const union message *m, int fd)
{
	(void)c;
	handled++;
	last_fd = fd;
	last_session = m->session_open.session;
}

static const struct channel_handler sign_handlers[] = {
    {MSG_SIGN_REQUEST, on_sign_request}, {0, NULL}};
static const struct channel_handler engine_handlers[] = {
    {MSG_SESSION_OPEN, on_open}, {0, NULL}};
static const struct channel_handler no_handlers[] = {{0, NULL}};

static void
on_gone(struct channel *c, enum channel_end reason, const char *text)
{
	(void)c;
	gone++;
	end = reason;
	strlcpy(why, text, sizeof(why));
}

static void
on_drained(struct channel *c)
{
	(void)c;
	drained++;
}

static void
turn(int times)
{
	while (times-- > 0)
		(void)event_loop(EVLOOP_NONBLOCK);
}

static int
setup(void **state)
{
	static struct event_base *base;

	(void)state;
	if (base == NULL)
		base = event_init();
	handled = gone = drained = 0;
	at_request = NULL;
	last_fd = -1;
	channel_set_phase(PHASE_RUNNING);
	return 0;
}

static struct channel *
end_of(int fd, enum role self, enum role peer,
    const struct channel_handler *handlers, size_t cap)
{
	struct channel_settings set = {.self = self,
	    .peer = peer,
	    .handlers = handlers,
	    .gone = on_gone,
	    .drained = on_drained,
	    .cap = cap};
	struct channel *c = channel_open(fd, &set);

	assert_non_null(c);
	return c;
}

static void
pair_of(int pair[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
}

/* A frame that the sender made by hand, outside the contract. */
static void
send_raw(int fd, uint32_t type, const void *data, size_t length, int passed)
{
	struct imsgbuf buf;

	assert_int_equal(imsgbuf_init(&buf, fd), 0);
	imsgbuf_allow_fdpass(&buf);
	(void)imsgbuf_set_maxsize(&buf, MESSAGE_MAX);
	assert_int_equal(
	    imsg_compose(&buf, type, 0, 0, passed, data, length) == -1, 0);
	assert_int_equal(imsgbuf_flush(&buf), 0);
	imsgbuf_clear(&buf);
}

static void
a_message_arrives(void **state)
{
	union message m = {.sign_request = {.request = 42}};
	struct channel *a, *b;
	int pair[2], i;

	(void)state;
	pair_of(pair);
	a = end_of(pair[0], ROLE_FRONTEND, ROLE_SIGN, no_handlers, 0);
	b = end_of(pair[1], ROLE_SIGN, ROLE_FRONTEND, sign_handlers, 0);
	for (i = 0; i < 1000; i++)
		assert_int_equal(channel_send(a, MSG_SIGN_REQUEST, &m, -1), 0);
	turn(30);
	assert_int_equal(handled, 1000);
	assert_true(last_session == 42);
	channel_close(a);
	turn(3);
	assert_int_equal(gone, 2);
	(void)b;
}

static void
a_descriptor_comes_along(void **state)
{
	union message m = {.session_open = {.session = 7}};
	struct channel *a, *b;
	int pair[2], null;

	(void)state;
	pair_of(pair);
	a = end_of(pair[0], ROLE_FRONTEND, ROLE_ENGINE, no_handlers, 0);
	b = end_of(pair[1], ROLE_ENGINE, ROLE_FRONTEND, engine_handlers, 0);
	null = open("/dev/null", O_RDONLY);
	assert_int_equal(channel_send(a, MSG_SESSION_OPEN, &m, null), 0);
	/* Without one, the sender is told at once. */
	assert_int_equal(channel_send(a, MSG_SESSION_OPEN, &m, -1), -1);
	turn(5);
	assert_int_equal(handled, 1);
	assert_true(last_fd >= 0);
	close(last_fd);
	channel_close(a);
	channel_close(b);
}

/* What may not be sent is not even queued. */
static void
the_sender_keeps_the_contract(void **state)
{
	union message m = {.shutdown = {.seconds = 1}};
	struct channel *a;
	int pair[2];

	(void)state;
	pair_of(pair);
	a = end_of(pair[0], ROLE_ENGINE, ROLE_LMTPD, no_handlers, 0);
	assert_int_equal(channel_send(a, MSG_SHUTDOWN, &m, -1), -1);
	assert_int_equal(channel_send(a, MSG_SIGN_REQUEST, &m, -1), -1);
	assert_int_equal(channel_queued(a), 0);
	channel_close(a);
	close(pair[1]);
}

/* What a peer said before it died is heard, whatever is seen first. */
static void
say_and_die(int fd, int times)
{
	union message m = {.sign_request = {.request = 42}};
	struct channel *a =
	    end_of(fd, ROLE_FRONTEND, ROLE_SIGN, no_handlers, 0);
	int i;

	for (i = 0; i < times; i++)
		assert_int_equal(channel_send(a, MSG_SIGN_REQUEST, &m, -1), 0);
	assert_int_equal(channel_flush(a), 0);
	channel_close(a);
	handled = gone = 0;
}

static void
last_words_are_heard(void **state)
{
	union message answer = {.sign_reply = {.request = 1, .ok = 1}};
	struct channel *b;
	int pair[2], times;

	(void)state;
	for (times = 1; times < 600; times += 299) {
		/* An answer cannot be written; before anything was read. */
		pair_of(pair);
		say_and_die(pair[0], times);
		b = end_of(pair[1], ROLE_SIGN, ROLE_FRONTEND, sign_handlers, 0);
		assert_int_equal(
		    channel_send(b, MSG_SIGN_REPLY, &answer, -1), 0);
		turn(10);
		assert_int_equal(handled, times);
		assert_int_equal(gone, 1);
		assert_int_equal(end, CHANNEL_EOF);
		/* The dead one has left something unread itself. */
		pair_of(pair);
		b = end_of(pair[1], ROLE_SIGN, ROLE_FRONTEND, sign_handlers, 0);
		assert_int_equal(
		    channel_send(b, MSG_SIGN_REPLY, &answer, -1), 0);
		assert_int_equal(channel_flush(b), 0);
		say_and_die(pair[0], times);
		turn(10);
		assert_int_equal(handled, times);
		assert_int_equal(end, CHANNEL_EOF);
		/* It is replaced before that. */
		pair_of(pair);
		say_and_die(pair[0], times);
		b = end_of(pair[1], ROLE_SIGN, ROLE_FRONTEND, sign_handlers, 0);
		channel_read_out(b);
		assert_int_equal(handled, times);
		assert_int_equal(gone, 1);
		assert_int_equal(end, CHANNEL_CLOSED);
	}
}

#define FLOOD 10000
static struct channel *flooder;
static int other[2]; /* a pipe */
static int handled_before; /* what came by it */

/* More than is handled at a time. */
static void
flood(void)
{
	union message m = {.sign_request = {.request = 42}};
	int i;

	if (handled >= FLOOD || (handled > 0 && handled % 256 != 1))
		return;
	for (i = 0; i < 300; i++)
		assert_int_equal(
		    channel_send(flooder, MSG_SIGN_REQUEST, &m, -1), 0);
	assert_int_equal(channel_flush(flooder), 0);
	if (handled == 1)
		assert_int_equal(write(other[1], "x", 1), 1);
}

static void
on_other(int fd, short what, void *unused)
{
	(void)fd;
	(void)what;
	(void)unused;
	handled_before = handled;
}

/* Who never stops is not the only one who is heard. */
static void
others_have_their_turn(void **state)
{
	struct channel *b;
	struct event event;
	int pair[2];

	(void)state;
	assert_int_equal(pipe(other), 0);
	event_set(&event, other[0], EV_READ, on_other, NULL);
	event_add(&event, NULL);
	pair_of(pair);
	flooder = end_of(pair[0], ROLE_FRONTEND, ROLE_SIGN, no_handlers, 0);
	b = end_of(pair[1], ROLE_SIGN, ROLE_FRONTEND, sign_handlers, 0);
	at_request = flood;
	flood();
	turn(3);
	assert_in_range(handled, FLOOD, 2 * FLOOD);
	assert_in_range(handled_before, 1, FLOOD - 1);
	channel_close(b);
	channel_close(flooder);
	close(other[0]);
	close(other[1]);
}

/* It lives, and will never read again: nobody turns in circles for it. */
static void
who_hears_nothing_is_left(void **state)
{
	union message answer = {.sign_reply = {.request = 42}};
	struct channel *b;
	int pair[2];

	(void)state;
	pair_of(pair);
	b = end_of(pair[1], ROLE_SIGN, ROLE_FRONTEND, sign_handlers, 0);
	assert_int_equal(shutdown(pair[0], SHUT_RD), 0);
	assert_int_equal(channel_send(b, MSG_SIGN_REPLY, &answer, -1), 0);
	turn(10);
	assert_int_equal(gone, 1);
	assert_int_equal(end, CHANNEL_EOF);
	close(pair[0]);
}

/* One that lives, and says nothing, is closed all the same. */
static void
reading_out_does_not_wait(void **state)
{
	struct channel *b;
	int pair[2];

	(void)state;
	pair_of(pair);
	b = end_of(pair[1], ROLE_SIGN, ROLE_FRONTEND, sign_handlers, 0);
	channel_read_out(b);
	assert_int_equal(gone, 1);
	channel_read_out(NULL);
	close(pair[0]);
}

static void
broken_by(uint32_t type, const void *data, size_t length, int with_fd)
{
	struct channel *b;
	int pair[2], fd = with_fd ? open("/dev/null", O_RDONLY) : -1;

	handled = gone = 0;
	pair_of(pair);
	b = end_of(pair[1], ROLE_SIGN, ROLE_FRONTEND, sign_handlers, 0);
	send_raw(pair[0], type, data, length, fd);
	turn(3);
	assert_int_equal(handled, 0);
	assert_int_equal(gone, 1);
	assert_int_equal(end, CHANNEL_BROKE);
	assert_true(strlen(why) > 0);
	close(pair[0]);
	(void)b;
}

static void
a_broken_contract_ends_it(void **state)
{
	uint8_t good[17 + 8], big[2048];

	(void)state;
	memset(good, 0, sizeof(good));
	memset(big, 0, sizeof(big));
	broken_by(0x7777, good, 17, 0); /* unknown */
	broken_by(MSG_SHUTDOWN, good, 4, 0); /* the parent's to say */
	broken_by(MSG_SIGN_REPLY, good, 13, 0); /* the wrong way */
	broken_by(MSG_SIGN_REQUEST, good, 3, 0); /* short */
	broken_by(MSG_SIGN_REQUEST, big, 2048, 0); /* long */
	broken_by(MSG_SIGN_REQUEST, good, 18, 0); /* an octet too many */
	broken_by(MSG_SIGN_REQUEST, good, 17, 1); /* brings a descriptor */
	memset(good + 9, 0xff, 4);
	broken_by(MSG_SIGN_REQUEST, good, 17, 0); /* a length that lies */
}

static void
the_phase_counts(void **state)
{
	uint8_t zero[64] = {0};
	struct channel *b;
	int pair[2];

	(void)state;
	channel_set_phase(PHASE_SETUP);
	pair_of(pair);
	b = end_of(pair[1], ROLE_ENGINE, ROLE_FRONTEND, engine_handlers, 0);
	send_raw(pair[0], MSG_SESSION_OPEN, zero, 46, open("/dev/null", 0));
	turn(3);
	assert_int_equal(handled, 0);
	assert_int_equal(end, CHANNEL_BROKE);
	channel_set_phase(PHASE_RUNNING);
	close(pair[0]);
	(void)b;
}

static void
garbage_ends_it(void **state)
{
	struct channel *b;
	uint8_t noise[64];
	int pair[2];

	(void)state;
	memset(noise, 0xee, sizeof(noise));
	pair_of(pair);
	b = end_of(pair[1], ROLE_SIGN, ROLE_FRONTEND, sign_handlers, 0);
	assert_int_equal(write(pair[0], noise, sizeof(noise)), 64);
	turn(3);
	assert_int_equal(gone, 1);
	assert_int_equal(end, CHANNEL_BROKE);
	close(pair[0]);
	(void)b;
}

/* A peer that does not read: first "full", then it counts as stuck. */
static void
a_queue_has_a_cap(void **state)
{
	static uint8_t block[1024];
	union message m = {
	    .sign_request = {.block = bytes_of(block, sizeof(block))}};
	struct channel *a;
	int pair[2], i;

	(void)state;
	pair_of(pair);
	a = end_of(pair[0], ROLE_FRONTEND, ROLE_SIGN, no_handlers, 1 << 20);
	assert_false(channel_full(a));
	for (i = 0; i < 400; i++)
		assert_int_equal(channel_send(a, MSG_SIGN_REQUEST, &m, -1), 0);
	assert_true(channel_full(a));
	for (; i < 2000 && channel_send(a, MSG_SIGN_REQUEST, &m, -1) == 0; i++)
		continue;
	assert_true(i < 1100);
	assert_int_equal(channel_send(a, MSG_SIGN_REQUEST, &m, -1), -1);
	turn(3);
	assert_int_equal(gone, 1);
	assert_int_equal(end, CHANNEL_STUCK);
	close(pair[1]);
}

static void
it_says_when_it_has_drained(void **state)
{
	static uint8_t block[1024], sink[65536];
	union message m = {
	    .sign_request = {.block = bytes_of(block, sizeof(block))}};
	struct channel *a;
	int pair[2], i;

	(void)state;
	pair_of(pair);
	assert_int_equal(fcntl(pair[1], F_SETFL, O_NONBLOCK), 0);
	a = end_of(pair[0], ROLE_FRONTEND, ROLE_SIGN, no_handlers, 0);
	for (i = 0; i < 600; i++)
		assert_int_equal(channel_send(a, MSG_SIGN_REQUEST, &m, -1), 0);
	assert_true(channel_full(a));
	for (i = 0; i < 200 && channel_queued(a) > 0; i++) {
		while (read(pair[1], sink, sizeof(sink)) > 0)
			continue;
		turn(1);
	}
	assert_int_equal(drained, 1);
	assert_false(channel_full(a));
	channel_close(a);
	close(pair[1]);
}

/* No free slot here is no fault of the peer: it is not complained of. */
static void
a_lost_descriptor_loses_one_message(void **state)
{
	union message m = {.session_open = {.session = 7}};
	struct rlimit old, none;
	struct channel *a, *b;
	int pair[2];

	(void)state;
	pair_of(pair);
	a = end_of(pair[0], ROLE_FRONTEND, ROLE_ENGINE, no_handlers, 0);
	b = end_of(pair[1], ROLE_ENGINE, ROLE_FRONTEND, engine_handlers, 0);
	assert_int_equal(
	    channel_send(a, MSG_SESSION_OPEN, &m, open("/dev/null", O_RDONLY)),
	    0);
	assert_int_equal(channel_flush(a), 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	none = old;
	none.rlim_cur = 3;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	turn(2);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_int_equal(handled, 0);
	assert_int_equal(gone, 0);
	m.session_open.session = 8;
	assert_int_equal(
	    channel_send(a, MSG_SESSION_OPEN, &m, open("/dev/null", O_RDONLY)),
	    0);
	turn(3);
	assert_int_equal(handled, 1);
	assert_int_equal(last_session, 8);
	assert_int_not_equal(last_fd, -1);
	close(last_fd);
	channel_close(a);
	channel_close(b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(a_message_arrives, setup),
	    cmocka_unit_test_setup(a_descriptor_comes_along, setup),
	    cmocka_unit_test_setup(the_sender_keeps_the_contract, setup),
	    cmocka_unit_test_setup(a_broken_contract_ends_it, setup),
	    cmocka_unit_test_setup(last_words_are_heard, setup),
	    cmocka_unit_test_setup(others_have_their_turn, setup),
	    cmocka_unit_test_setup(who_hears_nothing_is_left, setup),
	    cmocka_unit_test_setup(reading_out_does_not_wait, setup),
	    cmocka_unit_test_setup(the_phase_counts, setup),
	    cmocka_unit_test_setup(garbage_ends_it, setup),
	    cmocka_unit_test_setup(a_queue_has_a_cap, setup),
	    cmocka_unit_test_setup(it_says_when_it_has_drained, setup),
	    cmocka_unit_test_setup(a_lost_descriptor_loses_one_message, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
