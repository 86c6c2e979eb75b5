/* SPDX-License-Identifier: ISC */
/*
 * The lmtpd process itself, sandbox on, between a parent and an engine that
 * are this test.
 * libs: -lcrypto
 */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <dirent.h>
#include <errno.h>
#include <event.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "imsg/channel.h"
#include "lib/settings.h"
#include "lib/ticket.h"

#define PROGRAM "out/libexec/smtpd-stoken/lmtpd"

static char top[64];
static uint8_t key[TICKET_KEY_LENGTH] = "the ticket key";
static struct channel *parent, *engine;
static pid_t child;

/* What came last. */
static uint8_t ready, opened, complained, gone;
static int opened_fd = -1;
static uint8_t results[16];
static size_t result_count;

static void
on_ready(struct channel *c, const union message *m, int fd)
{
	(void)c;
	(void)fd;
	ready = m->setup_ready.ok ? 1 : 2;
	if (ready == 2)
		print_message("%.*s\n", (int)m->setup_ready.problem.length,
		    m->setup_ready.problem.data);
}

static void
on_complaint(struct channel *c, const union message *m, int fd)
{
	(void)c;
	(void)m;
	(void)fd;
	complained = 1;
}

static void
on_opened(struct channel *c, const union message *m, int fd)
{
	(void)c;
	opened = m->file_opened.result;
	opened_fd = fd;
}

static void
on_delivered(struct channel *c, const union message *m, int fd)
{
	(void)c;
	(void)fd;
	result_count = m->delivered.results.length;
	assert_true(result_count <= sizeof(results));
	memcpy(results, m->delivered.results.data, result_count);
}

static uint8_t seen, flushed;
static int reader_fd = -1;

static void
on_flushed(struct channel *c, const union message *m, int fd)
{
	(void)c;
	(void)fd;
	flushed = m->file_flushed.result;
}

static void
on_reader(struct channel *c, const union message *m, int fd)
{
	(void)c;
	assert_int_equal(m->file_reader.result, DELIVERY_OK);
	reader_fd = fd;
}

static void
on_seen(struct channel *c, const union message *m, int fd)
{
	(void)c;
	(void)fd;
	assert_int_equal(m->delivery_seen.look, 5);
	assert_int_equal(m->delivery_seen.nth, 2);
	seen = m->delivery_seen.result;
}

static const struct channel_handler parent_handlers[] = {
    {MSG_SETUP_READY, on_ready}, {MSG_COMPLAINT, on_complaint}, {0, NULL}};
static const struct channel_handler engine_handlers[] = {
    {MSG_FILE_OPENED, on_opened}, {MSG_DELIVERED, on_delivered},
    {MSG_DELIVERY_SEEN, on_seen}, {MSG_FILE_FLUSHED, on_flushed},
    {MSG_FILE_READER, on_reader}, {0, NULL}};

static void
on_gone(struct channel *c, enum channel_end end, const char *why)
{
	(void)end;
	(void)why;
	if (c == engine)
		gone = 1;
}

/* Our end of a new pair; the other end is left in `other`. */
static struct channel *
make_channel(enum role self, const struct channel_handler *handlers, int *other)
{
	struct channel_settings set = {.self = self,
	    .peer = ROLE_LMTPD,
	    .handlers = handlers,
	    .gone = on_gone};
	struct channel *c;
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	(void)fcntl(pair[0], F_SETFD, FD_CLOEXEC);
	c = channel_open(pair[0], &set);
	assert_non_null(c);
	*other = pair[1];
	return c;
}

static void
send_parent(uint16_t number, const union message *m, int fd)
{
	assert_int_equal(channel_send(parent, number, m, fd), 0);
	assert_int_equal(channel_flush(parent), 0);
}

static void
send_engine(uint16_t number, const union message *m)
{
	assert_int_equal(channel_send(engine, number, m, -1), 0);
	assert_int_equal(channel_flush(engine), 0);
}

static int
give_setting(void *context, uint16_t number, struct bytes value)
{
	union message m = {.setup_setting = {.number = number, .value = value}};

	(void)context;
	send_parent(MSG_SETUP_SETTING, &m, -1);
	return 0;
}

static void
connect_engine(uint8_t trusted)
{
	union message m = {
	    .setup_peer = {.role = ROLE_ENGINE, .trusted = trusted}};
	int other;

	engine = make_channel(ROLE_ENGINE, engine_handlers, &other);
	send_parent(MSG_SETUP_PEER, &m, other);
}

static void
start_child(void)
{
	int other;

	parent = make_channel(ROLE_PARENT, parent_handlers, &other);
	child = fork();
	assert_int_not_equal(child, -1);
	if (child == 0) {
		if (other != 3)
			(void)dup2(other, 3);
		(void)execl(PROGRAM, PROGRAM, (char *)NULL);
		_exit(127);
	}
	(void)close(other);
}

static int
setup(void **state)
{
	char maildir[128];
	struct settings settings = {
	    .hostname = (char *)(uintptr_t) "mx.a.example", .maildir = maildir};
	union message m = {.setup_start = {.role = ROLE_LMTPD, .debug = 1}};
	int waits = *state == NULL;

	(void)snprintf(top, sizeof(top), "/tmp/lmtpd-test-XXXXXX");
	assert_non_null(mkdtemp(top));
	(void)snprintf(maildir, sizeof(maildir), "%s/%%{domain}/%%{user}", top);
	ready = opened = complained = gone = 0;
	opened_fd = -1;
	channel_set_phase(PHASE_SETUP);
	start_child();
	send_parent(MSG_SETUP_START, &m, -1);
	m.setup_ticket_key.key = bytes_of(key, sizeof(key));
	send_parent(MSG_SETUP_TICKET_KEY, &m, -1);
	assert_int_equal(
	    settings_each(&settings, ROLE_LMTPD, give_setting, NULL), 0);
	connect_engine(0);
	m.setup_commit.generation = 1;
	send_parent(MSG_SETUP_COMMIT, &m, -1);
	while (waits && ready == 0)
		assert_int_equal(channel_receive_one(parent), 1);
	assert_int_equal(ready, 1);
	channel_set_phase(PHASE_RUNNING);
	return 0;
}

static int
teardown(void **state)
{
	char command[128];
	int status;

	(void)state;
	if (opened_fd != -1)
		(void)close(opened_fd);
	if (!gone)
		channel_close(engine);
	channel_close(parent);
	/* Channels end in the event loop. */
	(void)event_loop(EVLOOP_NONBLOCK);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	(void)snprintf(command, sizeof(command), "rm -rf %s", top);
	return system(command) == 0 ? 0 : -1;
}

static void
open_file(uint64_t id)
{
	union message m = {.file_open = {.file = id}};

	opened = 0;
	send_engine(MSG_FILE_OPEN, &m);
	while (opened == 0)
		assert_int_equal(channel_receive_one(engine), 1);
}

static void
send_recipient(uint64_t id, const char *mailbox, uint64_t expires)
{
	struct ticket_subject subject = {.kind = TICKET_DELIVER,
	    .message = "Mid1",
	    .message_length = 4,
	    .mailbox = mailbox,
	    .mailbox_length = strlen(mailbox),
	    .expires = expires};
	uint8_t ticket[TICKET_LENGTH];
	union message m = {.deliver_recipient = {.file = id,
			       .mailbox = bytes_text(mailbox),
			       .delivery = bytes_text("Mid1-1"),
			       .ticket = bytes_of(ticket, sizeof(ticket))}};

	assert_int_equal(ticket_make(ticket, key, &subject), 0);
	send_engine(MSG_DELIVER_RECIPIENT, &m);
}

static void
send_deliver(uint64_t id, uint64_t size, uint64_t expires, uint32_t count)
{
	union message m = {.deliver = {.file = id,
			       .size = size,
			       .expires = expires,
			       .count = count,
			       .message = bytes_text("Mid1")}};

	result_count = 0;
	send_engine(MSG_DELIVER, &m);
}

static void
wait_for_results(size_t count)
{
	while (result_count == 0)
		assert_int_equal(channel_receive_one(engine), 1);
	assert_int_equal(result_count, count);
}

static size_t
count_new(const char *user)
{
	char name[256];
	size_t count = 0;
	struct dirent *entry;
	DIR *dir;

	(void)snprintf(name, sizeof(name), "%s/a.example/%s/new", top, user);
	if ((dir = opendir(name)) == NULL)
		return 0;
	while ((entry = readdir(dir)) != NULL)
		count += entry->d_name[0] != '.';
	(void)closedir(dir);
	return count;
}

static void
delivers(void **state)
{
	uint64_t expires = ticket_clock() + TICKET_LIFE;

	(void)state;
	open_file(7);
	assert_int_equal(opened, DELIVERY_OK);
	assert_int_equal(write(opened_fd, "hello\n", 6), 6);
	/* Write-only, append-only (DESIGN section 2). */
	assert_int_equal(fcntl(opened_fd, F_GETFL) & O_ACCMODE, O_WRONLY);
	assert_true(fcntl(opened_fd, F_GETFL) & O_APPEND);
	send_recipient(7, "alice@a.example", expires);
	send_recipient(7, "alice@a.example", expires);
	send_recipient(7, "bob@a.example", expires - 1);
	send_deliver(7, 6, expires, 3);
	wait_for_results(3);
	assert_int_equal(results[0], DELIVERY_OK);
	assert_int_equal(results[1], DELIVERY_OK);
	assert_int_equal(results[2], DELIVERY_TICKET);
	assert_int_equal(count_new("alice"), 2);
	assert_int_equal(count_new("bob"), 0);
	/* The number is free again. */
	(void)close(opened_fd);
	open_file(7);
	assert_int_equal(opened, DELIVERY_OK);
}

static uint8_t
prepare(uint64_t id, uint64_t size)
{
	union message m = {.file_flush = {.file = id, .size = size}};

	flushed = 0;
	send_engine(MSG_FILE_FLUSH, &m);
	while (flushed == 0)
		assert_int_equal(channel_receive_one(engine), 1);
	return flushed;
}

/* For mail that is relayed too: read, prepared, and only then delivered. */
static void
prepares(void **state)
{
	uint64_t expires = ticket_clock() + TICKET_LIFE;
	union message m = {.file_read = {.file = 3}};
	char octets[16];

	(void)state;
	open_file(3);
	send_engine(MSG_FILE_READ, &m);
	while (reader_fd == -1)
		assert_int_equal(channel_receive_one(engine), 1);
	assert_int_equal(write(opened_fd, "hello\n", 6), 6);
	assert_int_equal(pread(reader_fd, octets, sizeof(octets), 0), 6);
	assert_memory_equal(octets, "hello\n", 6);
	assert_int_equal(fcntl(reader_fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	(void)close(reader_fd);
	reader_fd = -1;
	assert_int_equal(prepare(3, 5), DELIVERY_FAILED);
	assert_int_equal(prepare(3, 6), DELIVERY_OK);
	assert_int_equal(count_new("alice"), 0);
	send_recipient(3, "alice@a.example", expires);
	send_deliver(3, 6, expires, 1);
	wait_for_results(1);
	assert_int_equal(results[0], DELIVERY_OK);
	assert_int_equal(count_new("alice"), 1);
}

static void
discards(void **state)
{
	union message m = {.file_discard = {.file = 1}};

	(void)state;
	open_file(1);
	send_engine(MSG_FILE_DISCARD, &m);
	(void)close(opened_fd);
	open_file(1);
	assert_int_equal(opened, DELIVERY_OK);
}

static uint8_t
look(const char *mailbox, const char *delivery)
{
	union message m = {.delivery_look = {.look = 5,
			       .nth = 2,
			       .mailbox = bytes_text(mailbox),
			       .delivery = bytes_text(delivery)}};

	seen = 0;
	send_engine(MSG_DELIVERY_LOOK, &m);
	while (seen == 0)
		assert_int_equal(channel_receive_one(engine), 1);
	return seen;
}

/* What a worker that died has done is found, also when it was read since. */
static void
looks_for_deliveries(void **state)
{
	uint64_t expires = ticket_clock() + TICKET_LIFE;
	char command[256];

	(void)state;
	open_file(1);
	assert_int_equal(write(opened_fd, "x", 1), 1);
	send_recipient(1, "alice@a.example", expires);
	send_deliver(1, 1, expires, 1);
	wait_for_results(1);
	assert_int_equal(results[0], DELIVERY_OK);
	assert_int_equal(look("alice@a.example", "Mid1-1"), DELIVERY_OK);
	assert_int_equal(look("alice@a.example", "Mid1"), DELIVERY_FAILED);
	assert_int_equal(look("alice@a.example", "Mid1-2"), DELIVERY_FAILED);
	(void)snprintf(command, sizeof(command),
	    "cd %s/a.example/alice && for m in new/*; do"
	    " mv $m cur/${m#new/}:2,S; done",
	    top);
	assert_int_equal(system(command), 0);
	assert_int_equal(look("alice@a.example", "Mid1-1"), DELIVERY_OK);
	/* To look makes nothing. */
	assert_int_equal(look("bob@a.example", "Mid1-1"), DELIVERY_PERMISSION);
	assert_int_equal(count_new("bob"), 0);
	(void)snprintf(
	    command, sizeof(command), "test -e %s/a.example/bob", top);
	assert_int_not_equal(system(command), 0);
	assert_int_equal(look("../x@a.example", "Mid1"), DELIVERY_NO_MAILBOX);
	assert_int_equal(look("alice@a.example", ""), DELIVERY_NO_MAILBOX);
}

static void
many_files_are_bounded(void **state)
{
	uint64_t id;

	(void)state;
	for (id = 0; id < 5000; id++) {
		open_file(id);
		if (opened != DELIVERY_OK)
			break;
		(void)close(opened_fd);
	}
	assert_true(id > 60 && id < 5000);
	assert_int_equal(opened_fd, -1);
}

/* What an engine must not say costs it its channel, and nothing else. */
static void
nonsense_is_reported(void **state)
{
	(void)state;
	send_deliver(99, 6, 0, 0);
	while (!complained)
		assert_int_equal(channel_receive_one(parent), 1);
	assert_int_equal(channel_receive_one(engine), 0);
	gone = 1;
	connect_engine(1);
	gone = 0;
	/* The new one is trusted: it needs no ticket. */
	open_file(1);
	assert_int_equal(write(opened_fd, "x", 1), 1);
	send_recipient(1, "carol@a.example", 0);
	send_deliver(1, 1, 0, 1);
	wait_for_results(1);
	assert_int_equal(results[0], DELIVERY_OK);
	assert_int_equal(count_new("carol"), 1);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(delivers),
	    TEST(prepares),
	    TEST(discards),
	    TEST(looks_for_deliveries),
	    TEST(many_files_are_bounded),
	    TEST(nonsense_is_reported),
	};

	if (event_init() == NULL)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
