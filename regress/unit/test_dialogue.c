/* SPDX-License-Identifier: ISC */
/*
 * A client on a link: which address is tried when, what ends it, and that
 * its end is told once and nothing is freed too early. The peers are
 * listeners of this process; TLS is not played (test_token_servers.py).
 *
 * objects: smtpd-stoken/relay/dialogue.o smtpd-stoken/relay/dialogue_client.o smtpd-stoken/relay/link.o smtpd-stoken/relay/smtp/?*.o
 * libs: -ltls -lssl -lcrypto
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
#include <unistd.h>

#include <cmocka.h>
#include <event.h>

#include "smtpd-stoken/relay/dialogue.h"

#define PEERS 3
#define LONG 60000 /* milliseconds: more than any test may take */
#define SHORT 50

/* What a peer says to whatever comes, once each; NULL: it closes then. */
struct peer {
	const char *said[6];
	int listener, fd; /* -1: there is none */
	size_t nth;
	int connections;
	char heard[1024];
	struct event accepts, reads;
};

static struct peer peers[PEERS];
static struct address addresses[PEERS];
static struct dialogue *dialogue;

static struct {
	int ready, dropped, over, gone, answers, results;
	struct client_reply reply;
	struct dialogue_end end;
	char why[256];
} told;

/* Who reads so many octets, so many milliseconds later again. */
#define SIP 16384
#define SIP_MILLISECONDS 5
#define LARGE (16 * 1024 * 1024)
static struct event sips;

/* What an action is to do. */
static void (*at_ready)(void), (*at_dropped)(void), (*at_recipient)(void);

struct tls *
trust_dial(struct trust *trust, int fd, const struct trust_names *names,
    struct ssl_st **ssl)
{
	(void)trust;
	(void)fd;
	(void)names;
	(void)ssl;
	return NULL;
}

int
trust_established(const struct ssl_st *ssl)
{
	(void)ssl;
	return 0;
}

const char *
trust_complaint(const struct ssl_st *ssl)
{
	(void)ssl;
	return NULL;
}

int
trust_pending(const struct ssl_st *ssl)
{
	(void)ssl;
	return 0;
}

static void
hang_up(struct peer *peer)
{
	if (peer->fd == -1)
		return;
	(void)event_del(&peer->reads);
	close(peer->fd);
	peer->fd = -1;
}

static void
say(struct peer *peer)
{
	const char *text = peer->said[peer->nth];
	size_t length;

	if (text == NULL) {
		hang_up(peer);
		return;
	}
	peer->nth++;
	length = strlen(text);
	if (length > 0)
		assert_int_equal(write(peer->fd, text, length), length);
}

static void
on_peer_readable(int fd, short what, void *context)
{
	struct peer *peer = context;
	char data[1024];
	ssize_t n = read(fd, data, sizeof(data) - 1);

	(void)what;
	if (n <= 0) {
		hang_up(peer);
		return;
	}
	data[n] = '\0';
	(void)strlcat(peer->heard, data, sizeof(peer->heard));
	say(peer);
}

static void
on_peer_accepts(int fd, short what, void *context)
{
	struct peer *peer = context;

	(void)what;
	peer->fd = accept(fd, NULL, NULL);
	assert_true(peer->fd != -1);
	peer->connections++;
	event_set(&peer->reads, peer->fd, EV_READ | EV_PERSIST,
	    on_peer_readable, peer);
	(void)event_add(&peer->reads, NULL);
	say(peer);
}

static void
listen_on(struct peer *peer, struct address *address)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&address->address;

	memset(address, 0, sizeof(*address));
	address->length = sizeof(*in);
	in->sin_family = AF_INET;
	in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	peer->listener = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(
	    bind(peer->listener, (struct sockaddr *)in, sizeof(*in)), 0);
	assert_int_equal(getsockname(peer->listener, (struct sockaddr *)in,
			     &address->length),
	    0);
	assert_int_equal(listen(peer->listener, 5), 0);
	event_set(&peer->accepts, peer->listener, EV_READ | EV_PERSIST,
	    on_peer_accepts, peer);
	(void)event_add(&peer->accepts, NULL);
}

static void
deafen(struct peer *peer)
{
	(void)event_del(&peer->accepts);
	close(peer->listener);
	peer->listener = -1;
}

static int
begin(void **state)
{
	size_t i;

	(void)state;
	memset(peers, 0, sizeof(peers));
	memset(&told, 0, sizeof(told));
	at_ready = at_dropped = at_recipient = NULL;
	dialogue = NULL;
	for (i = 0; i < PEERS; i++) {
		peers[i].fd = -1;
		listen_on(&peers[i], &addresses[i]);
	}
	return 0;
}

static int
finish(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < PEERS; i++) {
		hang_up(&peers[i]);
		if (peers[i].listener != -1)
			deafen(&peers[i]);
	}
	return 0;
}

static const struct address *
on_address(void *owner, size_t nth)
{
	assert_ptr_equal(owner, &told);
	return &addresses[nth];
}

static enum client_tls
on_connected(void *owner)
{
	(void)owner;
	return CLIENT_TLS_NEVER;
}

static struct trust_names
on_names(void *owner)
{
	(void)owner;
	fail();
	return (struct trust_names) {.domain = NULL};
}

static void
on_dropped(void *owner, const char *why)
{
	(void)owner;
	told.dropped++;
	(void)strlcpy(told.why, why, sizeof(told.why));
	if (at_dropped != NULL)
		at_dropped();
}

static uint64_t
on_patience(void *owner, const char *awaited)
{
	(void)owner;
	(void)awaited;
	return LONG;
}

static void
on_ready(void *owner)
{
	(void)owner;
	assert_false(told.over || told.gone);
	told.ready++;
	if (at_ready != NULL)
		at_ready();
}

static void
on_recipient(void *owner, uint32_t id, const struct client_reply *reply)
{
	(void)owner;
	(void)id;
	assert_false(told.over || told.gone);
	told.answers++;
	told.reply = *reply;
	if (at_recipient != NULL)
		at_recipient();
}

static int
read_large(void *reader, uint64_t offset, void *buffer, size_t size)
{
	(void)reader;
	(void)offset;
	memset(buffer, 'x', size);
	return 0;
}

static void
on_held(void *owner)
{
	(void)owner;
	fail();
}

static void
on_result(void *owner, uint32_t id, const struct client_reply *reply)
{
	(void)owner;
	(void)id;
	(void)reply;
	told.results++;
}

static void
on_over(void *owner, const struct dialogue_end *end)
{
	(void)owner;
	assert_false(told.over++ || told.gone);
	assert_non_null(dialogue); /* not from within dialogue_open() */
	told.end = *end;
	(void)strlcpy(told.why, end->reason, sizeof(told.why));
}

static void
on_gone(void *owner)
{
	(void)owner;
	assert_false(told.gone++);
	dialogue = NULL;
}

static const struct dialogue_actions actions = {
    .address = on_address,
    .tls = on_connected,
    .names = on_names,
    .dropped = on_dropped,
    .patience = on_patience,
    .ready = on_ready,
    .recipient = on_recipient,
    .held = on_held,
    .result = on_result,
    .over = on_over,
    .gone = on_gone,
};

static void
start(size_t count, int thorough, uint64_t each)
{
	struct dialogue_settings settings = {
	    .client = {.lmtp = 1, .hostname = "us.example"},
	    .addresses = count,
	    .all = LONG,
	    .each = each,
	    .quit = SHORT,
	    .thorough = thorough};

	dialogue = dialogue_open(&settings, &actions, &told);
	assert_non_null(dialogue);
	assert_false(told.over || told.gone);
}

/* Runs until the number is not 0. */
static void
await(const int *number)
{
	while (*number == 0)
		assert_int_equal(event_loop(EVLOOP_ONCE), 0);
}

static void
close_it(void)
{
	dialogue_close(dialogue);
}

static void
quit_it(void)
{
	dialogue_quit(dialogue);
}

static void
set(struct peer *peer, const char *one, const char *two, const char *three)
{
	peer->said[0] = one;
	peer->said[1] = two;
	peer->said[2] = three;
}

static void
serve(struct peer *peer)
{
	set(peer, "220 hello\r\n", "250-it\r\n250 PIPELINING\r\n", "");
}

static void
end_quietly(void)
{
	dialogue_close(dialogue);
	assert_int_equal(told.gone, 1);
	assert_int_equal(told.over, 0);
}

/* Whoever serves is the one; the others are not asked. */
static void
test_first_serves(void **state)
{
	(void)state;
	serve(&peers[0]);
	start(2, 1, LONG);
	await(&told.ready);
	assert_int_equal(told.dropped, 0);
	assert_int_equal(peers[1].connections, 0);
	end_quietly();
}

static void
test_first_is_not_there(void **state)
{
	(void)state;
	deafen(&peers[0]);
	serve(&peers[1]);
	start(2, 0, LONG);
	await(&told.ready);
	assert_int_equal(told.dropped, 1);
	end_quietly();
}

/* What a peer says before it can be used, and what follows. */
static const char *const bad[][2] = {
    {"", ""}, /* silence */
    {"22", ""}, /* and then silence */
    {NULL, NULL},
    {"hello\r\n", ""},
    {"421 4.3.2 no\r\n", NULL},
    {"554 5.3.2 no\r\n", ""},
    {"220 hello\r\n", ""},
    {"220 hello\r\n", NULL},
    {"220 hello\r\n", "500 5.5.1 what?\r\n"},
    {"220 hello\r\n", "250-it\r\n"},
};

static void
test_thorough(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		begin(NULL);
		set(&peers[0], bad[i][0], bad[i][1], "");
		set(&peers[1], bad[i][0], bad[i][1], "");
		serve(&peers[2]);
		start(3, 1, SHORT);
		await(&told.ready);
		assert_int_equal(told.dropped, 2);
		assert_int_equal(peers[2].connections, 1);
		end_quietly();
		finish(NULL);
	}
}

/* Else being connected is enough. */
static void
test_not_thorough(void **state)
{
	size_t i;

	(void)state;
	for (i = 2; i < sizeof(bad) / sizeof(bad[0]) - 4; i++) {
		begin(NULL);
		set(&peers[0], bad[i][0], bad[i][1], "");
		serve(&peers[1]);
		start(2, 0, LONG);
		await(&told.gone);
		assert_int_equal(told.over, 1);
		assert_int_equal(told.dropped + told.ready, 0);
		assert_false(told.end.unreached);
		assert_int_equal(peers[1].connections, 0);
		finish(NULL);
	}
}

static void
test_nobody(void **state)
{
	(void)state;
	deafen(&peers[0]);
	set(&peers[1], "554 5.3.2 the last word\r\n", NULL, NULL);
	start(2, 1, LONG);
	await(&told.gone);
	assert_int_equal(told.over, 1);
	assert_int_equal(told.dropped, 1);
	assert_non_null(strstr(told.why, "the last word"));
	begin(NULL);
	start(0, 1, LONG);
	await(&told.gone);
	assert_true(told.over && told.end.unreached);
}

/* Closed by its owner, wherever he stands. */
static void
test_close(void **state)
{
	(void)state;
	at_ready = close_it;
	serve(&peers[0]);
	start(1, 1, LONG);
	await(&told.gone);
	assert_int_equal(told.over, 0);
	finish(NULL);

	begin(NULL);
	at_dropped = close_it;
	set(&peers[0], "554 no\r\n", NULL, NULL);
	serve(&peers[1]);
	start(2, 1, LONG);
	await(&told.gone);
	assert_int_equal(told.over + told.ready, 0);
	finish(NULL);

	begin(NULL);
	start(1, 1, LONG);
	end_quietly();
}

static void
test_quit(void **state)
{
	(void)state;
	at_ready = quit_it;
	serve(&peers[0]); /* and does not answer QUIT */
	start(1, 1, LONG);
	await(&told.gone);
	assert_int_equal(told.over, 1);
	assert_null(told.end.reply);
	assert_non_null(strstr(peers[0].heard, "QUIT\r\n"));
	finish(NULL);

	begin(NULL);
	start(1, 1, LONG);
	dialogue_quit(dialogue);
	assert_true(told.over && told.gone);
	assert_null(told.end.reply);
}

static void
test_keep(void **state)
{
	(void)state;
	serve(&peers[0]);
	peers[0].said[2] = "221 bye\r\n";
	start(1, 1, LONG);
	await(&told.ready);
	dialogue_keep(dialogue, SHORT);
	await(&told.gone);
	assert_int_equal(told.over, 1);
	assert_null(told.end.reply);
}

static void
send_mail(void)
{
	struct client_mail mail = {
	    .sender = "a@a.example", .parameters = "", .body = RELAY_BODY_7BIT};

	assert_int_equal(dialogue_mail(dialogue, &mail), 0);
	assert_int_equal(dialogue_recipient(dialogue, 1, "b@b.example", ""), 0);
	assert_int_equal(dialogue_recipient(dialogue, 2, "c@b.example", ""), 0);
}

/* Behind ready nobody else is asked, and all are told. */
static void
test_lost_in_a_mail(void **state)
{
	(void)state;
	at_ready = send_mail;
	serve(&peers[0]);
	peers[0].said[2] = NULL;
	serve(&peers[1]);
	start(2, 1, LONG);
	await(&told.gone);
	assert_int_equal(told.over, 1);
	assert_int_equal(told.answers, 2);
	assert_int_equal(told.reply.source, CLIENT_LOST);
	assert_int_equal(peers[1].connections, 0);
}

/* In the middle of what a peer says; nothing is told behind that. */
static void
test_close_in_an_answer(void **state)
{
	(void)state;
	at_ready = send_mail;
	at_recipient = close_it;
	serve(&peers[0]);
	peers[0].said[2] = "250 2.1.0 ok\r\n250 2.1.5 ok\r\n250 2.1.5 ok\r\n";
	start(1, 1, LONG);
	await(&told.gone);
	assert_int_equal(told.over, 0);
}

static void
sip(int fd, short what, void *context)
{
	const struct timeval wait = {.tv_usec = SIP_MILLISECONDS * 1000};
	struct peer *peer = context;
	static char data[SIP];
	ssize_t n = recv(peer->fd, data, sizeof(data), MSG_DONTWAIT);

	(void)fd;
	(void)what;
	if (n == 0)
		hang_up(peer);
	else
		(void)evtimer_add(&sips, &wait);
}

static void
send_large(void)
{
	static const struct client_message message = {
	    .head = "", .size = LARGE, .read = read_large};

	dialogue_data(dialogue, &message);
	(void)event_del(&peers[0].reads);
	assert_int_equal(write(peers[0].fd, "354 go\r\n", 8), 8);
	evtimer_set(&sips, sip, &peers[0]);
	sip(-1, 0, &peers[0]);
}

/* Some octets always go out; and yet there is an end to it. */
static void
test_slow_reader(void **state)
{
	struct dialogue_settings settings = {
	    .client = {.lmtp = 1, .hostname = "us.example"},
	    .addresses = 1,
	    .all = LONG,
	    .each = LONG,
	    .least = LARGE, /* and so in a millisecond */
	    .slack = SHORT};
	int size = SIP;

	(void)state;
	at_ready = send_mail;
	serve(&peers[0]);
	peers[0].said[2] = "250 2.1.0 ok\r\n250 2.1.5 ok\r\n250 2.1.5 ok\r\n";
	assert_int_equal(setsockopt(peers[0].listener, SOL_SOCKET, SO_RCVBUF,
			     &size, sizeof(size)),
	    0);
	dialogue = dialogue_open(&settings, &actions, &told);
	await(&told.answers);
	send_large();
	await(&told.gone);
	(void)evtimer_del(&sips);
	assert_int_equal(told.over, 1);
	assert_string_equal(told.why, "too long without an answer: message");
}

static void
test_look(void **state)
{
	(void)state;
	serve(&peers[0]);
	start(1, 1, LONG);
	await(&told.ready);
	dialogue_keep(dialogue, LONG);
	assert_int_equal(dialogue_look(dialogue), 1);
	hang_up(&peers[0]);
	assert_int_equal(dialogue_look(dialogue), 0);
	assert_true(told.over && told.gone);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_first_serves, begin, finish),
	    cmocka_unit_test_setup_teardown(
		test_first_is_not_there, begin, finish),
	    cmocka_unit_test(test_thorough),
	    cmocka_unit_test(test_not_thorough),
	    cmocka_unit_test_setup_teardown(test_nobody, begin, finish),
	    cmocka_unit_test_setup_teardown(test_close, begin, finish),
	    cmocka_unit_test_setup_teardown(test_quit, begin, finish),
	    cmocka_unit_test_setup_teardown(test_keep, begin, finish),
	    cmocka_unit_test_setup_teardown(test_lost_in_a_mail, begin, finish),
	    cmocka_unit_test_setup_teardown(
		test_close_in_an_answer, begin, finish),
	    cmocka_unit_test_setup_teardown(test_slow_reader, begin, finish),
	    cmocka_unit_test_setup_teardown(test_look, begin, finish),
	};

	(void)event_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
