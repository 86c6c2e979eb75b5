/* SPDX-License-Identifier: ISC */
/*
 * The engine process, with its parent and all its peers played here.
 * objects:
 * libs:
 */
#include <sys/types.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <setjmp.h>
#include <cmocka.h>

#include "imsg/channel.h"

#define ENGINE "out/libexec/smtpd-stoken/engine"
#define LOGIN "LHLO c.example\r\nAUTH STOKEN Ym9iQGEuZXhhbXBsZQBnb29k\r\n"
#define MAIL "MAIL FROM:<al@b.example>\r\n"
#define RCPT "RCPT TO:<bob@a.example> STOKEN=good\r\n"

static pid_t engine;
static struct channel *parent, *frontend, *tokend, *lmtpd, *relay;
static int ready, trusted;
/* What the peers leave undone, and what they saw. */
static int silent_auth, silent_recipient, silent_commit, silent_deliver;
static int silent_end, no_files;
static unsigned int admitted, again, ended, opened, discarded, mailboxes;
static unsigned int starttls, aborts, complaints, flushed;
static uint64_t last_file, last_session;
static uint8_t last_results[1000];
static size_t last_result_count;
static int files[4096];
static char message[6 * 1024 * 1024];
static ssize_t message_length;
static uint64_t next_session = 1;

static void
gone(struct channel *c, enum channel_end end, const char *why)
{
	struct channel **all[] = {&parent, &frontend, &tokend, &lmtpd, &relay};
	size_t i;

	(void)end;
	(void)why;
	for (i = 0; i < 5; i++)
		if (*all[i] == c)
			*all[i] = NULL;
}

static void
on_ready(struct channel *c, const union message *m, int fd)
{
	(void)c;
	(void)fd;
	ready = m->setup_ready.ok;
}

static void
on_complaint(struct channel *c, const union message *m, int fd)
{
	(void)c;
	(void)m;
	(void)fd;
	complaints++;
}

static void
on_starttls(struct channel *c, const union message *m, int fd)
{
	(void)c;
	(void)fd;
	starttls++;
	last_session = m->session_starttls.session;
	assert_memory_equal(m->session_starttls.reply.data, "220 2.0.0 ", 10);
}

static void
on_admit(struct channel *c, const union message *m, int fd)
{
	union message answer = {
	    .session_verdict = {.session = m->session_admit.session,
		.admission = ADMISSION_OK}};

	(void)fd;
	admitted++;
	again += m->session_admit.again;
	if (strncmp((const char *)m->session_admit.address.data, "192.0.2.66",
		m->session_admit.address.length) == 0)
		answer.session_verdict.admission = ADMISSION_FAILURES;
	channel_send(c, MSG_SESSION_VERDICT, &answer, -1);
}

static void
on_session_end(struct channel *c, const union message *m, int fd)
{
	(void)c;
	(void)m;
	(void)fd;
	ended++;
}

static void
on_auth(struct channel *c, const union message *m, int fd)
{
	union message answer = {.auth_result = {.session = m->auth_step.session,
				    .outcome = AUTH_OK,
				    .token_kind = TOKEN_KIND_TEMPORARY,
				    .login = bytes_text("bob@a.example")}};

	(void)fd;
	if (bytes_equal(m->auth_step.mechanism, bytes_text("PLAIN")))
		answer.auth_result.token_kind = TOKEN_KIND_NONE;
	if (!silent_auth)
		channel_send(c, MSG_AUTH_RESULT, &answer, -1);
}

static void
on_abort(struct channel *c, const union message *m, int fd)
{
	(void)c;
	(void)m;
	(void)fd;
	aborts++;
}

static void
on_recipient(struct channel *c, const union message *m, int fd)
{
	const struct msg_rcpt_check *r = &m->rcpt_check;
	uint8_t space[512];
	struct list_writer list;
	union message answer = {.rcpt_verdict = {.session = r->session,
				    .transaction = r->transaction,
				    .recipient_index = r->recipient_index,
				    .verdict = VERDICT_OK}};

	(void)fd;
	list_init(&list, space, sizeof(space));
	list_add(&list, bytes_text("bob@a.example"));
	if (r->recipient.length > 3 && memcmp(r->recipient.data, "two", 3) == 0)
		list_add(&list, bytes_text("carol@a.example"));
	if (memcmp(r->recipient.data, "nobody", 6) == 0)
		answer.rcpt_verdict.verdict = VERDICT_UNKNOWN;
	answer.rcpt_verdict.mailboxes = list_bytes(&list);
	if (memcmp(r->recipient.data, "out", 3) == 0) {
		answer.rcpt_verdict.verdict = VERDICT_OUTSIDE;
		answer.rcpt_verdict.mailboxes = bytes_of(NULL, 0);
		list.length = 0;
		list_add(&list, r->recipient);
		answer.rcpt_verdict.outside = list_bytes(&list);
		answer.rcpt_verdict.expires = 7;
		answer.rcpt_verdict.tickets = bytes_text("0123456789abcdef");
	}
	if (!silent_recipient)
		channel_send(c, MSG_RCPT_VERDICT, &answer, -1);
}

static void
on_sender(struct channel *c, const union message *m, int fd)
{
	union message answer = {
	    .sender_verdict = {.session = m->sender_check.session,
		.transaction = m->sender_check.transaction,
		.verdict = VERDICT_OK}};

	(void)fd;
	channel_send(c, MSG_SENDER_VERDICT, &answer, -1);
}

/* A token for each of two copies. */
static void
on_submit(struct channel *c, const union message *m, int fd)
{
	uint8_t space[512];
	struct list_writer list;
	union message answer = {
	    .submit_grant = {.session = m->submit_begin.session,
		.transaction = m->submit_begin.transaction}};

	(void)fd;
	list_init(&list, space, sizeof(space));
	list_add(&list, bytes_of("\0\0\0\0", 4));
	list_add(&list, bytes_text("TOKEN0"));
	list_add(&list, bytes_of("\1\0\0\0", 4));
	list_add(&list, bytes_text("TOKEN1"));
	answer.submit_grant.tokens = list_bytes(&list);
	channel_send(c, MSG_SUBMIT_GRANT, &answer, -1);
}

static void
on_notice(struct channel *c, const union message *m, int fd)
{
	uint8_t space[64];
	struct list_writer list;
	union message answer = {
	    .notice_grant = {.session = m->notice_begin.session,
		.transaction = m->notice_begin.transaction,
		.expires = 9,
		.tickets = bytes_text("0123456789abcdef")}};

	(void)fd;
	list_init(&list, space, sizeof(space));
	list_add(&list, bytes_text("bob@a.example"));
	answer.notice_grant.mailboxes = list_bytes(&list);
	channel_send(c, MSG_NOTICE_GRANT, &answer, -1);
}

/* What relay was told, and what it is to answer. */
static unsigned int relay_opens, relay_abandons;
static uint16_t relay_code, relay_results[8];
static char relay_heads[8192];
static int silent_relay;
static struct msg_relay_data relay_message;

static void
on_relay_open(struct channel *c, const union message *m, int fd)
{
	const struct msg_relay_open *r = &m->relay_open;
	union message answer = {.relay_opened = {.session = r->session,
				    .transaction = r->transaction,
				    .next_hop = r->next_hop,
				    .recipient = r->recipient,
				    .code = relay_code,
				    .enhanced = bytes_text("x.y"),
				    .text = bytes_text("so\rit is")}};

	(void)fd;
	assert_int_equal(r->next_hop, NEXT_HOP_RELAY);
	assert_int_equal(r->recipient, relay_opens);
	assert_int_equal(r->expires, 7);
	assert_int_equal(r->shared, 0);
	assert_true(bytes_equal(r->ticket, bytes_text("0123456789abcdef")));
	assert_true(bytes_equal(r->sender, bytes_text("al@b.example")));
	assert_int_equal(r->message.length, 16);
	relay_opens++;
	if (!silent_relay)
		channel_send(c, MSG_RELAY_OPENED, &answer, -1);
}

static void
on_relay_head(struct channel *c, const union message *m, int fd)
{
	(void)c;
	(void)fd;
	strncat(relay_heads, (const char *)m->relay_head.fields.data,
	    m->relay_head.fields.length);
}

static void
say_result(const struct msg_relay_data *r, uint32_t recipient, uint16_t code,
    uint8_t outcome)
{
	union message m = {.relay_result = {.session = r->session,
			       .transaction = r->transaction,
			       .next_hop = r->next_hop,
			       .recipient = recipient,
			       .last = recipient + 1 == relay_opens,
			       .outcome = outcome,
			       .code = code,
			       .enhanced = bytes_text("2.0.0"),
			       .text = bytes_text("result")}};

	channel_send(relay, MSG_RELAY_RESULT, &m, -1);
}

static void
on_relay_data(struct channel *c, const union message *m, int fd)
{
	const struct msg_relay_data *r = &m->relay_data;
	uint32_t i;

	(void)c;
	relay_message = *r;
	assert_int_equal(r->one_by_one, 1);
	message_length = pread(fd, message, sizeof(message) - 1, r->offset);
	message[message_length] = '\0';
	assert_int_equal(message_length, r->size);
	close(fd);
	for (i = 0; !silent_relay && i < relay_opens; i++)
		if (relay_results[i] != 0)
			say_result(r, i, relay_results[i],
			    relay_results[i] == 250 ? RELAY_SENT
						    : RELAY_REFUSED);
}

static void
on_relay_abandon(struct channel *c, const union message *m, int fd)
{
	(void)c;
	(void)m;
	(void)fd;
	relay_abandons++;
}

static const struct channel_handler of_relay[] = {
    {MSG_RELAY_OPEN, on_relay_open}, {MSG_RELAY_HEAD, on_relay_head},
    {MSG_RELAY_DATA, on_relay_data}, {MSG_RELAY_ABANDON, on_relay_abandon},
    {0, NULL}};

static void
on_commit(struct channel *c, const union message *m, int fd)
{
	static const uint8_t ok[1000] = {
	    VERDICT_OK, VERDICT_OK, VERDICT_OK, VERDICT_OK};
	static const uint8_t tickets[1000];
	union message answer = {
	    .commit_grant = {.session = m->commit_begin.session,
		.answers = 1,
		.transaction = m->commit_begin.transaction,
		.expires = 1,
		.verdicts = bytes_of(ok, mailboxes >> 8),
		.tickets =
		    bytes_of(tickets, (mailboxes & 0xff) * TICKET_LENGTH)}};

	(void)fd;
	if (!silent_commit)
		channel_send(c, MSG_COMMIT_GRANT, &answer, -1);
}

static void
on_commit_end(struct channel *c, const union message *m, int fd)
{
	const struct msg_commit_end *r = &m->commit_end;
	uint8_t space[512];
	struct list_writer list;
	union message answer = {.commit_result = {.session = r->session,
				    .transaction = r->transaction}};
	size_t i;

	(void)fd;
	memcpy(last_results, r->results.data, r->results.length);
	last_result_count = r->results.length;
	list_init(&list, space, sizeof(space));
	for (i = 0; i < r->results.length; i++)
		list_add(&list, bytes_text(i == 0 ? "NEWTOKEN" : ""));
	answer.commit_result.tokens = list_bytes(&list);
	if (!silent_end)
		channel_send(c, MSG_COMMIT_RESULT, &answer, -1);
}

static void
on_file_open(struct channel *c, const union message *m, int fd)
{
	union message answer = {
	    .file_opened = {.file = m->file_open.file, .result = DELIVERY_OK}};
	char name[] = "/tmp/engine.XXXXXXXX";

	if (no_files) {
		answer.file_opened.result = DELIVERY_NO_SPACE;
		channel_send(c, MSG_FILE_OPENED, &answer, -1);
		return;
	}
	opened++;
	assert_true(m->file_open.file < 4096);
	fd = mkstemp(name);
	assert_int_not_equal(fd, -1);
	unlink(name);
	files[m->file_open.file] = fd;
	channel_send(c, MSG_FILE_OPENED, &answer, dup(fd));
}

static void
on_read(struct channel *c, const union message *m, int fd)
{
	union message answer = {
	    .file_reader = {.file = m->file_read.file, .result = DELIVERY_OK}};
	char name[40];

	(void)fd;
	snprintf(
	    name, sizeof(name), "/proc/self/fd/%d", files[m->file_read.file]);
	fd = open(name, O_RDONLY);
	assert_int_not_equal(fd, -1);
	channel_send(c, MSG_FILE_READER, &answer, fd);
}

static void
on_flush(struct channel *c, const union message *m, int fd)
{
	union message answer = {.file_flushed = {.file = m->file_flush.file,
				    .result = DELIVERY_OK}};

	(void)fd;
	flushed++;
	channel_send(c, MSG_FILE_FLUSHED, &answer, -1);
}

static void
on_discard(struct channel *c, const union message *m, int fd)
{
	(void)c;
	(void)fd;
	discarded++;
	close(files[m->file_discard.file]);
}

static void
on_mailbox(struct channel *c, const union message *m, int fd)
{
	(void)c;
	(void)fd;
	assert_int_equal(m->deliver_recipient.ticket.length, TICKET_LENGTH);
}

static void
on_deliver(struct channel *c, const union message *m, int fd)
{
	static const uint8_t ok[8] = {DELIVERY_OK, DELIVERY_OK, DELIVERY_OK};
	union message answer = {.delivered = {.file = m->deliver.file,
				    .results = bytes_of(ok, m->deliver.count)}};

	(void)fd;
	last_file = m->deliver.file;
	fd = files[last_file];
	message_length = pread(fd, message, sizeof(message) - 1, 0);
	message[message_length] = '\0';
	assert_int_equal(message_length, m->deliver.size);
	if (silent_deliver)
		return;
	close(fd);
	channel_send(c, MSG_DELIVERED, &answer, -1);
}

/* Finds what `looks_find` says. */
static uint8_t looks_find;
static unsigned int looks;

static void
on_look(struct channel *c, const union message *m, int fd)
{
	union message answer = {.delivery_seen = {.look = m->delivery_look.look,
				    .nth = m->delivery_look.nth,
				    .result = looks_find}};

	(void)fd;
	looks++;
	channel_send(c, MSG_DELIVERY_SEEN, &answer, -1);
}

static const struct channel_handler of_parent[] = {
    {MSG_SETUP_READY, on_ready}, {MSG_COMPLAINT, on_complaint}, {0, NULL}};
static const struct channel_handler of_frontend[] = {
    {MSG_SESSION_STARTTLS, on_starttls}, {0, NULL}};
static const struct channel_handler of_tokend[] = {
    {MSG_SESSION_ADMIT, on_admit}, {MSG_SESSION_END, on_session_end},
    {MSG_AUTH_STEP, on_auth}, {MSG_AUTH_ABORT, on_abort},
    {MSG_RCPT_CHECK, on_recipient}, {MSG_COMMIT_BEGIN, on_commit},
    {MSG_COMMIT_END, on_commit_end}, {MSG_SENDER_CHECK, on_sender},
    {MSG_SUBMIT_BEGIN, on_submit}, {MSG_NOTICE_BEGIN, on_notice}, {0, NULL}};
static void
on_hasten(struct channel *c, const union message *m, int fd)
{
	(void)c;
	(void)m;
	(void)fd;
}

static const struct channel_handler of_lmtpd[] = {{MSG_FILE_OPEN, on_file_open},
    {MSG_FILE_DISCARD, on_discard}, {MSG_DELIVER_RECIPIENT, on_mailbox},
    {MSG_DELIVER, on_deliver}, {MSG_DELIVERY_LOOK, on_look},
    {MSG_FILE_READ, on_read}, {MSG_FILE_FLUSH, on_flush},
    {MSG_FILE_HASTEN, on_hasten}, {0, NULL}};

static struct channel *
open_channel(enum role role, const struct channel_handler *handlers, int fd)
{
	struct channel_settings set = {.self = role,
	    .peer = ROLE_ENGINE,
	    .handlers = handlers,
	    .gone = gone};
	struct channel *c = channel_open(fd, &set);

	assert_non_null(c);
	return c;
}

static struct channel *
give_peer(enum role role, const struct channel_handler *handlers)
{
	union message m = {.setup_peer = {.role = (uint8_t)role}};
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	channel_send(parent, MSG_SETUP_PEER, &m, pair[1]);
	return open_channel(role, handlers, pair[0]);
}

static void
set_number(uint16_t number, uint64_t value)
{
	uint8_t octets[8];
	union message m = {
	    .setup_setting = {.number = number, .value = bytes_of(octets, 8)}};
	int i;

	for (i = 0; i < 8; i++)
		octets[i] = (uint8_t)(value >> (8 * i));
	channel_send(parent, MSG_SETUP_SETTING, &m, -1);
}

static void
set_text(uint16_t number, const char *value)
{
	union message m = {
	    .setup_setting = {.number = number, .value = bytes_text(value)}};

	channel_send(parent, MSG_SETUP_SETTING, &m, -1);
}

static void
turn(void)
{
	struct timeval wait = {0, 20000};

	event_loopexit(&wait);
	event_loop(EVLOOP_ONCE);
}

static void
wait_for(const int *what)
{
	int i;

	for (i = 0; i < 500 && !*what; i++)
		turn();
	assert_true(*what);
}

static int
start_engine(void **state)
{
	union message m = {
	    .setup_start = {
		.role = ROLE_ENGINE, .trusted = (uint8_t)trusted, .debug = 1}};
	int pair[2];

	(void)state;
	ready = 0;
	admitted = again = ended = opened = discarded = starttls = aborts = 0;
	silent_auth = silent_recipient = silent_commit = silent_deliver = 0;
	silent_end = no_files = 0;
	complaints = flushed = 0;
	silent_relay = 0;
	relay_opens = relay_abandons = 0;
	relay_code = 250;
	relay_heads[0] = '\0';
	memset(relay_results, 0, sizeof(relay_results));
	mailboxes = 0x101;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	if ((engine = fork()) == 0) {
		if (pair[1] != 3)
			dup2(pair[1], 3);
		dup2(open("/dev/null", O_WRONLY), 2);
		execl(ENGINE, ENGINE, (char *)NULL);
		_exit(127);
	}
	close(pair[1]);
	parent = open_channel(ROLE_PARENT, of_parent, pair[0]);
	channel_send(parent, MSG_SETUP_START, &m, -1);
	set_text(1, "mx.a.example");
	set_text(2, "a.example");
	set_number(8, 1); /* tokens */
	set_text(13, "plain");
	set_number(14, 300);
	set_number(15, 300);
	set_number(21, 5000000);
	set_number(22, 100);
	set_number(27, 1); /* relay */
	set_number(28, 10); /* token header recipients */
	frontend = give_peer(ROLE_FRONTEND, of_frontend);
	tokend = give_peer(ROLE_TOKEND, of_tokend);
	lmtpd = give_peer(ROLE_LMTPD, of_lmtpd);
	relay = give_peer(ROLE_RELAY, of_relay);
	m.setup_commit.generation = 1;
	channel_send(parent, MSG_SETUP_COMMIT, &m, -1);
	wait_for(&ready);
	return 0;
}

static int
stop_engine(void **state)
{
	int status;

	(void)state;
	channel_close(parent);
	channel_close(frontend);
	channel_close(tokend);
	channel_close(lmtpd);
	channel_close(relay);
	assert_int_equal(waitpid(engine, &status, 0), engine);
	if (!WIFEXITED(status))
		fail_msg("engine: status %x", status);
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(complaints, 0);
	return 0;
}

static int
new_client(enum listener_kind kind, const char *address, const char *first)
{
	union message m = {.session_open = {.session = next_session++,
			       .kind = (uint8_t)kind,
			       .tls = kind == LISTENER_SMTPS,
			       .listener = 465,
			       .port = 50000,
			       .address = bytes_text(address),
			       .version = bytes_text("TLSv1.3"),
			       .cipher = bytes_text("TLS_AES_256_GCM_SHA384"),
			       .group = bytes_text("x25519")}};
	int pair[2];

	assert_int_equal(
	    socketpair(
		AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair),
	    0);
	if (first != NULL)
		assert_int_equal(
		    write(pair[0], first, strlen(first)), strlen(first));
	channel_send(frontend, MSG_SESSION_OPEN, &m, pair[1]);
	return pair[0];
}

/* Reads from the client's end until `end` is the end of what came. */
static const char *
expect(int fd, const char *text)
{
	static char output[65536];
	size_t length = 0;
	ssize_t n;
	int i;

	output[0] = '\0';
	for (i = 0; i < 300; i++) {
		turn();
		n = read(fd, output + length, sizeof(output) - 1 - length);
		if (n > 0) {
			length += (size_t)n;
			output[length] = '\0';
		}
		if (text != NULL && strstr(output, text) != NULL &&
		    output[length - 1] == '\n')
			return output;
		if (n == 0 && text == NULL)
			return output;
		if (n == 0)
			break;
	}
	fail_msg("no %s in: %s", text != NULL ? text : "end", output);
	return output;
}

static void
send_text(int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static int
client(void)
{
	int fd = new_client(LISTENER_SMTPS, "192.0.2.7", NULL);

	expect(fd, "220 mx.a.example ESMTP\r\n");
	return fd;
}

static void
delivers(void **state)
{
	int fd = client();

	(void)state;
	send_text(
	    fd, LOGIN MAIL RCPT "RCPT TO:<nobody@x> STOKEN=a\r\nDATA\r\n");
	expect(fd, "250 2.1.5 Recipient OK\r\n550 5.7.1 Not permitted\r\n354 ");
	send_text(fd, "Subject: x\r\n\r\n..body\r\n.\r\n");
	expect(fd, "250 2.1.13 <bob@a.example> NEWTOKEN ");
	assert_memory_equal(message, "Return-Path: <al@b.example>\n", 28);
	assert_non_null(strstr(message, "\nSubject: x\n\n.body\n"));
	assert_int_equal(last_result_count, 1);
	assert_int_equal(last_results[0], 1);
	/* An alias: two mailboxes, one recipient. */
	mailboxes = 0x102;
	send_text(fd, MAIL "RCPT TO:<two@x> STOKEN=a\r\nDATA\r\n.\r\nQUIT\r\n");
	expect(fd, "250 2.1.13 <two@x> NEWTOKEN ");
	expect(fd, NULL);
	close(fd);
	turn();
	assert_int_equal(ended, 1);
}

static void
large_message(void **state)
{
	static char text[4 * 1024 * 1024 + 64];
	size_t i, sent = 0, length = 4 * 1024 * 1024;
	const char *body;
	ssize_t n;
	int fd = client();

	(void)state;
	for (i = 0; i < length; i++)
		text[i] = i % 64 == 62 ? '\r'
		    : i % 64 == 63     ? '\n'
				       : (char)('a' + i / 64 % 26);
	memcpy(text + length, ".\r\n", 3);
	send_text(fd, LOGIN MAIL RCPT "DATA\r\n");
	expect(fd, "354 ");
	while (sent < length + 3) {
		n = write(fd, text + sent, length + 3 - sent);
		if (n > 0)
			sent += (size_t)n;
		else
			turn();
	}
	expect(fd, "250 2.1.13");
	body = strstr(message, "al@b.example\na");
	assert_non_null(body);
	body += 13;
	assert_int_equal(message + message_length - body, length / 64 * 63);
	for (i = 0; i < length / 64; i++)
		assert_memory_equal(body + i * 63, text + i * 64, 62);
	close(fd);
}

static void
back_pressure(void **state)
{
	static const char noop[] = "NOOP\r\n";
	size_t sent = 0;
	ssize_t n;
	int i, fd = client();

	(void)state;
	silent_recipient = 1;
	send_text(fd, LOGIN MAIL RCPT);
	for (i = 0; i < 100; i++) {
		while ((n = write(fd, noop, 6)) > 0)
			sent += (size_t)n;
		turn();
	}
	assert_in_range(sent, 6, 1024 * 1024);
	close(fd);
}

/*
 * Short commands with long replies, none of which is read at first: all are
 * answered when they are, also to a client that says no more.
 */
static void
long_replies(void **state)
{
	static char text[8 * 8000 + 64], output[4 * 1024 * 1024];
	size_t length = 0, i, sent, replies = 0;
	const char *p;
	ssize_t n;
	int fd = client();

	(void)state;
	for (i = 0; i < 8000; i++)
		memcpy(text + 8 * i, "EHLO a\r\n", 8);
	memcpy(text + 8 * i, "QUIT\r\n", 6);
	for (sent = 0; sent<8 * i + 6; sent += n> 0 ? (size_t)n : 0) {
		n = write(fd, text + sent, 8 * i + 6 - sent);
		turn();
	}
	shutdown(fd, SHUT_WR);
	for (i = 0; i < 10; i++)
		turn();
	for (i = 0; i < 2000; i++) {
		n = read(fd, output + length, sizeof(output) - 1 - length);
		if (n == 0)
			break;
		if (n > 0)
			length += (size_t)n;
		else
			turn();
	}
	output[length] = '\0';
	for (p = output; (p = strstr(p, "250-mx.a.example")) != NULL; p++)
		replies++;
	assert_int_equal(replies, 8000);
	assert_non_null(strstr(output, "\r\n221 2.0.0 "));
	close(fd);
}

static void
half_closed(void **state)
{
	int fd = client();
	const char *output;

	(void)state;
	send_text(fd, LOGIN MAIL RCPT "DATA\r\n.\r\n");
	shutdown(fd, SHUT_WR);
	output = expect(fd, NULL);
	assert_non_null(strstr(output, "\r\n250 2.1.13 "));
	close(fd);
}

static void
early_and_banned(void **state)
{
	int fd = new_client(LISTENER_SMTPS, "192.0.2.7", "EHLO x\r\n");

	(void)state;
	assert_memory_equal(expect(fd, NULL), "554 ", 4);
	close(fd);
	fd = new_client(LISTENER_SMTPS, "192.0.2.66", NULL);
	assert_memory_equal(expect(fd, NULL), "421 4.7.0 ", 10);
	close(fd);
}

static void
upgrades(void **state)
{
	union message m = {.session_tls = {.version = bytes_text("TLSv1.3"),
			       .cipher = bytes_text("TLS_AES_256_GCM_SHA384")}};
	int pair[2], fd = new_client(LISTENER_TLS_REQUIRE, "192.0.2.7", NULL);

	(void)state;
	expect(fd, "220 ");
	send_text(fd, "EHLO x\r\nSTARTTLS\r\nNOOP\r\n");
	expect(fd, "ENHANCEDSTATUSCODES\r\n");
	assert_int_equal(starttls, 1);
	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	m.session_tls.session = last_session;
	channel_send(frontend, MSG_SESSION_TLS, &m, pair[1]);
	expect(fd, NULL);
	close(fd);
	send_text(pair[0], LOGIN);
	assert_memory_equal(expect(pair[0], "235 "), "250-", 4);
	/* One that is given up while the handshake is done. */
	fd = new_client(LISTENER_TLS_REQUIRE, "192.0.2.7", NULL);
	expect(fd, "220 ");
	send_text(fd, "STARTTLS\r\n");
	turn();
	turn();
	m.session_lost.session = last_session;
	channel_send(frontend, MSG_SESSION_LOST, &m, -1);
	expect(fd, NULL);
	close(fd);
	close(pair[0]);
}

static void
tokend_dies(void **state)
{
	int waiting, idle, delivering, i;

	(void)state;
	silent_auth = 1;
	waiting = client();
	send_text(waiting, LOGIN);
	expect(waiting, "250 ENH");
	silent_auth = 0;
	idle = client();
	send_text(idle, LOGIN);
	expect(idle, "235 ");
	silent_deliver = 1;
	delivering = client();
	send_text(delivering, LOGIN MAIL RCPT "DATA\r\n.\r\n");
	expect(delivering, "354 ");
	for (i = 0; i < 5; i++)
		turn();
	channel_close(tokend);
	expect(waiting, "454 4.7.0 ");
	expect(idle, "421 4.3.0 ");
	expect(idle, NULL);
	send_text(waiting, "NOOP\r\n");
	expect(waiting, "250 2.0.0 ");
	send_text(waiting, "AUTH PLAIN AAAA\r\n");
	expect(waiting, "454 4.7.0 ");
	tokend = give_peer(ROLE_TOKEND, of_tokend);
	for (i = 0; i < 100 && again < 2; i++)
		turn();
	assert_int_equal(again, 2);
	/* What lmtpd has is finished and answered; then the login is gone. */
	{
		static const uint8_t ok[1] = {DELIVERY_OK};
		union message m = {.delivered = {.file = last_file,
				       .results = bytes_of(ok, 1)}};

		channel_send(lmtpd, MSG_DELIVERED, &m, -1);
	}
	assert_memory_equal(
	    expect(delivering, NULL), "250 2.1.13 <bob@a.example> NEWTO", 32);
	send_text(waiting, "AUTH STOKEN Ym9iQGEuZXhhbXBsZQBnb29k\r\n");
	expect(waiting, "235 ");
	close(waiting);
	close(idle);
	close(delivering);
}

static void
lmtpd_dies(void **state)
{
	int delivering, writing;

	(void)state;
	silent_deliver = 1;
	delivering = client();
	send_text(delivering, LOGIN MAIL RCPT "DATA\r\n.\r\n");
	expect(delivering, "354 ");
	writing = client();
	send_text(writing, LOGIN MAIL RCPT "DATA\r\na\r\n");
	expect(writing, "354 ");
	channel_close(lmtpd);
	send_text(writing, "b\r\n.\r\n");
	expect(writing, "451 4.3.0 <bob@a.example> ");
	send_text(writing, MAIL RCPT "DATA\r\n");
	expect(writing, "451 4.3.0 ");
	/* The next one looks for what the dead one had, and finds nothing. */
	looks = 0;
	looks_find = DELIVERY_FAILED;
	lmtpd = give_peer(ROLE_LMTPD, of_lmtpd);
	expect(delivering, "451 4.3.0 ");
	assert_int_equal(looks, 1);
	assert_int_equal(last_results[0], 0);
	silent_deliver = 0;
	turn();
	send_text(writing, "DATA\r\n.\r\n");
	expect(writing, "250 2.1.13 ");
	no_files = 1;
	send_text(writing, MAIL RCPT "DATA\r\n.\r\n" MAIL RCPT "DATA\r\n");
	expect(writing, "250 2.1.13 ");
	close(delivering);
	close(writing);
}

/* Until lmtpd was asked to deliver. */
static void
await_deliver(void)
{
	int i;

	for (i = 0; i < 100 && last_file == 0; i++)
		turn();
	assert_true(last_file != 0);
}

/* It died behind the link, before its answer: that was a delivery. */
static void
lmtpd_dies_too_late(void **state)
{
	int fd = client();

	(void)state;
	silent_deliver = 1;
	last_file = 0;
	send_text(fd, LOGIN MAIL RCPT "DATA\r\n.\r\n");
	expect(fd, "354 ");
	await_deliver();
	looks_find = DELIVERY_OK;
	channel_close(lmtpd);
	lmtpd = give_peer(ROLE_LMTPD, of_lmtpd);
	expect(fd, "250 2.1.13 ");
	assert_int_equal(last_results[0], 1);
	silent_deliver = 0;
	send_text(fd, MAIL RCPT "DATA\r\n.\r\n");
	expect(fd, "250 2.1.13 ");
	close(fd);
}

static void
frontend_dies(void **state)
{
	int fd = client(), i;

	(void)state;
	send_text(fd, LOGIN MAIL RCPT "DATA\r\na\r\n");
	expect(fd, "354 ");
	channel_close(frontend);
	expect(fd, NULL);
	for (i = 0; i < 50 && ended == 0; i++)
		turn();
	assert_int_equal(ended, 1);
	assert_int_equal(discarded, 1);
	close(fd);
}

/* Revocation is final: a message under way keeps its session known. */
static void
client_leaves_while_delivering(void **state)
{
	static const uint8_t ok[1] = {DELIVERY_OK};
	union message m = {.delivered = {.results = bytes_of(ok, 1)}};
	int fd = client(), i;

	(void)state;
	silent_deliver = 1;
	last_result_count = 0;
	send_text(fd, LOGIN MAIL RCPT "DATA\r\n.\r\n");
	expect(fd, "354 ");
	close(fd);
	for (i = 0; i < 10; i++)
		turn();
	assert_int_equal(ended, 0);
	m.delivered.file = last_file;
	channel_send(lmtpd, MSG_DELIVERED, &m, -1);
	for (i = 0; i < 50 && ended == 0; i++)
		turn();
	assert_int_equal(last_result_count, 1);
	assert_int_equal(ended, 1);
}

#define USER                          \
	"EHLO c.example\r\n"          \
	"AUTH PLAIN AGJvYgBwdw==\r\n" \
	"MAIL FROM:<al@b.example>\r\n"

static void
relays(void **state)
{
	int fd = client();
	const char *head;

	(void)state;
	mailboxes = 0x301;
	relay_results[0] = relay_results[1] = 250;
	send_text(fd,
	    USER "RCPT TO:<out0@x.example>\r\nRCPT TO:<out1@x.example>\r\n"
		 "RCPT TO:<bob@a.example>\r\nDATA\r\n");
	expect(fd, "354 ");
	send_text(fd, "Subject: x\r\n\r\nbody\r\n.\r\n");
	expect(fd, "250 2.0.0 ");
	/* Behind our own trace, which each copy has in front; then here. */
	assert_int_equal(flushed, 1);
	assert_memory_equal(message, "Return-Path: <al@b.example>\n", 28);
	head = strstr(relay_heads, "for <out0@x.example>");
	assert_non_null(head);
	assert_non_null(strstr(head, "\nSubmission-Token: TOKEN0\n"));
	head = strstr(head, "for <out1@x.example>");
	assert_non_null(head);
	assert_non_null(strstr(head, "\nSubmission-Token: TOKEN1\n"));
	assert_int_equal(last_result_count, 3);
	assert_memory_equal(last_results, "\1\1\1", 3);
	assert_int_equal(relay_abandons, 0);
	close(fd);
}

static void
passes_refusals_on(void **state)
{
	int fd = client();

	(void)state;
	relay_code = 550;
	send_text(fd, USER "RCPT TO:<out0@x.example>\r\n");
	/* What cannot be said is made good. */
	expect(fd, "550 5.0.0 so it is\r\n");
	relay_code = 250;
	relay_results[1] = 451;
	send_text(fd, "RCPT TO:<out1@x.example>\r\nDATA\r\n");
	expect(fd, "354 ");
	/* A header alone: the reader sees what lies behind our trace. */
	send_text(fd, "Subject: x\r\n\r\n.\r\n");
	expect(fd, "451 4.0.0 result\r\n");
	close(fd);
}

/* One of two copies is accepted: the sender is told of the other. */
static void
reports(void **state)
{
	int fd = client();

	(void)state;
	relay_results[0] = 250;
	relay_results[1] = 550;
	send_text(fd,
	    USER "RCPT TO:<out0@x.example>\r\nRCPT TO:<out1@x.example>\r\n"
		 "DATA\r\n");
	expect(fd, "354 ");
	send_text(fd, "Subject: original\r\n\r\nbody\r\n.\r\n");
	expect(fd, "250 2.0.0 ");
	assert_memory_equal(message, "Return-Path: <>\n", 16);
	assert_non_null(strstr(message, "multipart/report"));
	assert_non_null(
	    strstr(message, "\nFinal-Recipient: rfc822;out1@x.example\n"));
	assert_null(strstr(message, "out0@x.example"));
	assert_non_null(strstr(message, "\nSubject: original\n"));
	close(fd);
}

static void
relay_dies(void **state)
{
	int fd = client(), opening = client(), i;

	(void)state;
	send_text(fd, USER "RCPT TO:<out0@x.example>\r\n");
	expect(fd, "250 2.1.5 ");
	silent_relay = 1;
	send_text(fd, "DATA\r\nSubject: x\r\n\r\n.\r\n");
	expect(fd, "354 ");
	relay_opens = 0; /* of the next session */
	send_text(opening, USER "RCPT TO:<out0@x.example>\r\n");
	expect(opening, "250 2.1.0 ");
	for (i = 0; i < 500 && relay_opens == 0; i++)
		turn();
	channel_close(relay);
	expect(fd, "451 4.4.2 ");
	expect(opening, "451 4.4.0 ");
	send_text(opening, "RCPT TO:<out0@x.example>\r\n");
	expect(opening, "451 4.4.0 ");
	relay = give_peer(ROLE_RELAY, of_relay);
	silent_relay = 0;
	relay_opens = 0;
	relay_results[0] = 250;
	send_text(fd,
	    "MAIL FROM:<al@b.example>\r\n"
	    "RCPT TO:<out0@x.example>\r\nDATA\r\n.\r\n");
	expect(fd, "250 2.0.0 ");
	close(fd);
	close(opening);
}

/* What was given up is given up; what nobody asked for is a complaint. */
static void
relay_lies(void **state)
{
	struct msg_relay_data nonsense = {.next_hop = NEXT_HOP_RELAY};
	int fd = client(), i;

	(void)state;
	send_text(fd, USER "RCPT TO:<out0@x.example>\r\nRSET\r\n");
	expect(fd, "250 2.0.0 ");
	for (i = 0; i < 500 && relay_abandons == 0; i++)
		turn();
	assert_int_equal(relay_abandons, 1);
	/* Of a session that is not there: passed over. */
	nonsense.session = 12345;
	say_result(&nonsense, 0, 250, RELAY_SENT);
	relay_opens = 0;
	send_text(fd,
	    "MAIL FROM:<al@b.example>\r\n"
	    "RCPT TO:<out0@x.example>\r\n");
	expect(fd, "250 2.1.5 ");
	assert_int_equal(complaints, 0);
	/* A result before there was data. */
	nonsense.session = next_session - 1;
	nonsense.transaction = 2;
	say_result(&nonsense, 0, 250, RELAY_SENT);
	for (i = 0; i < 500 && complaints == 0; i++)
		turn();
	assert_int_equal(complaints, 1);
	complaints = 0;
	/* It is as if it were gone. */
	send_text(fd, "DATA\r\n.\r\n");
	expect(fd, "451 4.4.0 ");
	close(fd);
}

static void
shuts_down(void **state)
{
	union message m = {.shutdown = {.seconds = 30}};
	int idle = client(), busy = client();

	(void)state;
	send_text(busy, LOGIN MAIL RCPT "DATA\r\na\r\n");
	expect(busy, "354 ");
	channel_send(parent, MSG_SHUTDOWN, &m, -1);
	expect(idle, "421 4.3.2 ");
	send_text(busy, ".\r\n");
	assert_non_null(strstr(expect(busy, NULL), "421 4.3.2"));
	close(idle);
	close(busy);
}

int
main(void)
{
#define ENGINE_TEST(name) \
	cmocka_unit_test_setup_teardown(name, start_engine, stop_engine)
	const struct CMUnitTest tests[] = {
	    ENGINE_TEST(delivers),
	    ENGINE_TEST(large_message),
	    ENGINE_TEST(back_pressure),
	    ENGINE_TEST(long_replies),
	    ENGINE_TEST(half_closed),
	    ENGINE_TEST(early_and_banned),
	    ENGINE_TEST(upgrades),
	    ENGINE_TEST(tokend_dies),
	    ENGINE_TEST(lmtpd_dies),
	    ENGINE_TEST(lmtpd_dies_too_late),
	    ENGINE_TEST(frontend_dies),
	    ENGINE_TEST(client_leaves_while_delivering),
	    ENGINE_TEST(relays),
	    ENGINE_TEST(passes_refusals_on),
	    ENGINE_TEST(reports),
	    ENGINE_TEST(relay_dies),
	    ENGINE_TEST(relay_lies),
	    ENGINE_TEST(shuts_down),
	};

	signal(SIGPIPE, SIG_IGN);
	event_init();
	channel_set_phase(PHASE_EITHER);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
