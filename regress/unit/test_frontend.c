/* SPDX-License-Identifier: ISC */
/* objects: regress/unit/keys.c */
/* libs: -ltls -lssl -lcrypto */
/*
 * frontend and tokend-sign as they are, sandbox and all; this program plays
 * their parent and an engine, and forks clients. F-60, F-63, F-64.
 */
#include <sys/types.h>
#include <sys/queue.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include <errno.h>
#include <event.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <tls.h>

#include "imsg/channel.h"
#include "imsg/verdicts.h"
#include "lib/log.h"
#include "lib/settings.h"
#include "regress/unit/keys.h"

#define NAMES 2
static const char *const names[NAMES] = {"a.example", "b.example"};
static EVP_PKEY *keys[NAMES], *wrong_key;
static uint8_t *pem[NAMES];
static size_t pem_length[NAMES];

struct child {
	pid_t pid;
	struct channel *channel;
	int ready; /* 1, or -1 for a problem */
	char problem[1024];
};
static struct child sign, frontend;
static struct channel *engine; /* our end of frontend's channel to it */
static int ports[3]; /* smtps, tls-require, trusted */
static int listeners[2];

static int reload_wanted; /* while a client runs */
static int complaints; /* of frontend, about tokend-sign */

/* What the engine knows of the last session, for the tests to look at. */
static struct {
	uint64_t id;
	int fd;
	int tls;
	int lost;
	int saw_eof;
	char version[16], group[32], servername[64], address[64];
	size_t exporter_length, endpoint_length, opened;
} session = {.fd = -1};

/* ---- the engine: line by line, in clear as far as it knows */

static struct event line_event;

static void
copy(char *out, size_t size, struct bytes in)
{
	assert_int_equal(bytes_copy(out, size, in), 0);
}

static void
session_gone(void)
{
	event_del(&line_event);
	close(session.fd);
	session.fd = -1;
}

static void
say(const char *text)
{
	(void)write(session.fd, text, strlen(text));
}

/* Waits when the frontend does not read: nobody else needs this engine. */
static void
echo(int fd, const char *data, size_t length)
{
	struct pollfd pfd = {.fd = fd, .events = POLLOUT};
	ssize_t n;

	while (length > 0 && poll(&pfd, 1, 5000) == 1) {
		if ((n = write(fd, data, length)) <= 0)
			break;
		data += n;
		length -= (size_t)n;
	}
}

#define FLOOD (8 * 1024 * 1024)

static void
flood(int fd)
{
	static char block[65536];
	size_t sent;

	memset(block, 'y', sizeof(block));
	block[sizeof(block) - 1] = '\n';
	for (sent = 0; sent < FLOOD; sent += sizeof(block))
		echo(fd, block, sizeof(block));
}

static void
on_line(int fd, short what, void *arg)
{
	static const char ready[] = "220 2.0.0 go on\r\n";
	union message m = {
	    .session_starttls = {.session = session.id,
		.reply = {(const uint8_t *)ready, sizeof(ready) - 1}}};
	char line[65536];
	ssize_t n = read(fd, line, sizeof(line) - 1);

	(void)what;
	(void)arg;
	if (n <= 0) {
		session.saw_eof = n == 0;
		say("bye\r\n"); /* a half-closed client still listens */
		session_gone();
		return;
	}
	line[n] = '\0';
	if (strncmp(line, "STARTTLS\r\n", 10) == 0) {
		event_del(&line_event);
		assert_int_equal(
		    channel_send(engine, MSG_SESSION_STARTTLS, &m, -1), 0);
	} else if (strncmp(line, "FLOOD", 5) == 0) {
		flood(fd);
	} else if (strncmp(line, "QUIT", 4) == 0) {
		say("221 bye\r\n");
		session_gone();
	} else {
		echo(fd, line, (size_t)n);
	}
}

static void
serve(int fd, const char *greeting)
{
	session.fd = fd;
	event_set(&line_event, fd, EV_READ | EV_PERSIST, on_line, NULL);
	event_add(&line_event, NULL);
	say(greeting);
}

static void
on_open(struct channel *c, const union message *m, int fd)
{
	const struct msg_session_open *o = &m->session_open;

	(void)c;
	session.id = o->session;
	session.tls = o->tls;
	session.opened++;
	copy(session.address, sizeof(session.address), o->address);
	copy(session.version, sizeof(session.version), o->version);
	copy(session.group, sizeof(session.group), o->group);
	copy(session.servername, sizeof(session.servername), o->servername);
	session.exporter_length = o->exporter.length;
	session.endpoint_length = o->endpoint.length;
	serve(fd, "220 hello\r\n");
}

static void
on_tls(struct channel *c, const union message *m, int fd)
{
	(void)c;
	assert_true(m->session_tls.session == session.id);
	copy(session.version, sizeof(session.version), m->session_tls.version);
	close(session.fd);
	session.tls = 1;
	serve(fd, "");
}

static int lost_count; /* of any session */

static void
on_lost(struct channel *c, const union message *m, int fd)
{
	(void)c;
	(void)fd;
	lost_count++;
	if (m->session_lost.session == session.id)
		session.lost++;
}

static const struct channel_handler engine_handlers[] = {
    {MSG_SESSION_OPEN, on_open},
    {MSG_SESSION_TLS, on_tls},
    {MSG_SESSION_LOST, on_lost},
    {0, NULL},
};

/* ---- the parent */

static void
on_ready(struct channel *c, const union message *m, int fd)
{
	struct child *child = c == sign.channel ? &sign : &frontend;

	(void)fd;
	child->ready = m->setup_ready.ok ? 1 : -1;
	copy(child->problem, sizeof(child->problem), m->setup_ready.problem);
}

static void
on_complaint(struct channel *c, const union message *m, int fd)
{
	(void)c;
	(void)fd;
	if (m->complaint.role == ROLE_SIGN)
		complaints++;
}

static const struct channel_handler parent_handlers[] = {
    {MSG_SETUP_READY, on_ready},
    {MSG_COMPLAINT, on_complaint},
    {0, NULL},
};

static void
gone(struct channel *c, enum channel_end end, const char *why)
{
	(void)why;
	if (end == CHANNEL_BROKE)
		fprintf(stderr, "channel broke: %s\n", why);
	if (c == engine)
		engine = NULL;
	if (c == sign.channel)
		sign.channel = NULL;
	if (c == frontend.channel)
		frontend.channel = NULL;
}

static struct channel *
open_end(int fd, enum role self, enum role peer,
    const struct channel_handler *handlers)
{
	struct channel_settings set = {
	    .self = self, .peer = peer, .handlers = handlers, .gone = gone};
	struct channel *c = channel_open(fd, &set);

	assert_non_null(c);
	return c;
}

static void
start(struct child *child, enum role role, const char *program)
{
	union message m;
	int ends[2];

	memset(child, 0, sizeof(*child));
	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	if ((child->pid = fork()) == 0) {
		if (ends[1] == 3)
			(void)fcntl(3, F_SETFD, 0);
		else
			dup2(ends[1], 3);
		execl(program, program, (char *)NULL);
		_exit(1);
	}
	close(ends[1]);
	child->channel = open_end(ends[0], ROLE_PARENT, role, parent_handlers);
	memset(&m, 0, sizeof(m));
	m.setup_start.role = (uint8_t)role;
	m.setup_start.debug = 1;
	channel_send(child->channel, MSG_SETUP_START, &m, -1);
}

static void
give(struct child *child, uint16_t number, const char *name, int fd)
{
	union message m;

	memset(&m, 0, sizeof(m));
	if (number == MSG_SETUP_KEY)
		m.setup_key.pki = bytes_text(name);
	else
		m.setup_certificate.pki = bytes_text(name);
	assert_int_equal(channel_send(child->channel, number, &m, fd), 0);
}

static void
commit(struct child *child)
{
	union message m = {.setup_commit = {.generation = 1}};
	int i;

	child->ready = 0;
	channel_send(child->channel, MSG_SETUP_COMMIT, &m, -1);
	for (i = 0; i < 500 && child->ready == 0; i++) {
		event_loop(EVLOOP_NONBLOCK);
		usleep(10000);
	}
}

static void
peer(struct child *child, enum role role, int fd)
{
	union message m = {.setup_peer = {.role = (uint8_t)role}};

	channel_send(child->channel, MSG_SETUP_PEER, &m, fd);
}

static void
give_listener(int kind, int place)
{
	uint8_t list_space[64];
	struct list_writer list;
	union message m;

	memset(&m, 0, sizeof(m));
	list_init(&list, list_space, sizeof(list_space));
	list_add(&list, bytes_text(names[0]));
	list_add(&list, bytes_text(names[1]));
	m.setup_listener.kind = (uint8_t)kind;
	m.setup_listener.port = (uint16_t)ports[place];
	m.setup_listener.pki = list_bytes(&list);
	channel_send(
	    frontend.channel, MSG_SETUP_LISTENER, &m, dup(listeners[place]));
}

static int
give_setting(void *context, uint16_t number, struct bytes value)
{
	union message m = {.setup_setting = {.number = number, .value = value}};

	(void)context;
	return channel_send(frontend.channel, MSG_SETUP_SETTING, &m, -1);
}

/* A whole configuration, as at the start and at a reload. */
static void
configure(EVP_PKEY *second_key)
{
	struct settings set;
	size_t i;

	memset(&set, 0, sizeof(set));
	for (i = 0; i < NAMES; i++) {
		give(&sign, MSG_SETUP_KEY, names[i],
		    key_file(i == 1 ? second_key : keys[i], NULL));
		give(&frontend, MSG_SETUP_CERTIFICATE, names[i],
		    octets_file(pem[i], pem_length[i]));
	}
	set.limit_sessions = 1000;
	set.limit_sessions_per_address = 50;
	settings_each(&set, ROLE_FRONTEND, give_setting, NULL);
	give_listener(LISTENER_SMTPS, 0);
	give_listener(LISTENER_TLS_REQUIRE, 1);
	commit(&sign);
	commit(&frontend);
}

static void
join_signer(void)
{
	int ends[2];

	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	peer(&sign, ROLE_FRONTEND, ends[0]);
	peer(&frontend, ROLE_SIGN, ends[1]);
}

static void
join_engine(void)
{
	int ends[2];

	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	engine = open_end(ends[0], ROLE_ENGINE, ROLE_FRONTEND, engine_handlers);
	peer(&frontend, ROLE_ENGINE, ends[1]);
}

static int
bind_one(int *port)
{
	struct sockaddr_in sin = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	assert_int_equal(listen(fd, 1024), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sin, &length), 0);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	*port = ntohs(sin.sin_port);
	return fd;
}

static int
setup(void **state)
{
	union message m = {.start_listening = {.unused = 0}};
	size_t i;

	(void)state;
	log_init("test", 1, 0);
	signal(SIGPIPE, SIG_IGN);
	event_init();
	channel_set_phase(PHASE_RUNNING);
	wrong_key = make_key("P-256");
	for (i = 0; i < NAMES; i++) {
		keys[i] = make_key(i == 0 ? "P-256" : "RSA-2048");
		pem[i] = make_certificate(keys[i], names[i], &pem_length[i]);
		listeners[i] = bind_one(&ports[i]);
	}
	start(&sign, ROLE_SIGN, "out/libexec/smtpd-stoken/tokend-sign");
	start(&frontend, ROLE_FRONTEND, "out/libexec/smtpd-stoken/frontend");
	join_signer();
	join_engine();
	configure(keys[1]);
	if (sign.ready != 1 || frontend.ready != 1) {
		fprintf(stderr, "%s%s\n", sign.problem, frontend.problem);
		return -1;
	}
	channel_send(frontend.channel, MSG_START_LISTENING, &m, -1);
	return 0;
}

static int
teardown(void **state)
{
	size_t i;

	(void)state;
	channel_close(sign.channel);
	channel_close(frontend.channel);
	channel_close(engine);
	(void)waitpid(sign.pid, NULL, 0);
	(void)waitpid(frontend.pid, NULL, 0);
	for (i = 0; i < NAMES; i++) {
		EVP_PKEY_free(keys[i]);
		free(pem[i]);
	}
	EVP_PKEY_free(wrong_key);
	return 0;
}

/* ---- clients: functions that run in a child and return its exit status */

static int
dial(int place)
{
	struct sockaddr_in sin = {.sin_family = AF_INET,
	    .sin_port = htons((uint16_t)ports[place]),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct timeval patience = {8, 0};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (connect(fd, (struct sockaddr *)&sin, sizeof(sin)) == -1)
		_exit(99);
	return fd;
}

static struct tls *
tls_over(int fd, const char *name, const char *versions)
{
	struct tls_config *config = tls_config_new();
	struct tls *client = tls_client();
	uint32_t protocols;
	size_t i = strcmp(name, names[1]) == 0;

	tls_config_parse_protocols(&protocols, versions);
	tls_config_set_protocols(config, protocols);
	tls_config_set_ca_mem(config, pem[i], pem_length[i]);
	if (tls_configure(client, config) == -1 ||
	    tls_connect_socket(client, fd, name) == -1)
		_exit(98);
	return client;
}

static void
expect(struct tls *tls, const char *wanted)
{
	char got[512];
	size_t length = 0;
	ssize_t n;

	while (length < strlen(wanted)) {
		n = tls_read(tls, got + length, sizeof(got) - 1 - length);
		if (n <= 0) {
			fprintf(stderr, "client: read %zd: %s\n", n,
			    tls_error(tls));
			_exit(97);
		}
		length += (size_t)n;
	}
	got[length] = '\0';
	if (strcmp(got, wanted) != 0) {
		fprintf(stderr, "client: got %s\n", got);
		_exit(96);
	}
}

static void
expect_clear(int fd, const char *wanted)
{
	char got[512] = "";
	size_t length = strlen(wanted);

	if (recv(fd, got, length, MSG_WAITALL) != (ssize_t)length ||
	    strcmp(got, wanted) != 0) {
		fprintf(stderr, "client: got %s\n", got);
		_exit(95);
	}
}

static void
put(struct tls *tls, const char *text)
{
	if (tls_write(tls, text, strlen(text)) != (ssize_t)strlen(text))
		_exit(94);
}

static void
expect_end(struct tls *tls)
{
	char c;

	if (tls_read(tls, &c, 1) != 0)
		_exit(93);
}

/* Runs a client, and the event loop beside it. Returns its exit status. */
static int
run_client(int (*client)(const void *), const void *arg)
{
	pid_t pid = fork();
	int status, i;

	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		closefrom(3); /* else it would keep our channels open */
		_exit(client(arg));
	}
	for (i = 0; i < 20000; i++) {
		event_loop(EVLOOP_NONBLOCK);
		if (reload_wanted) {
			reload_wanted = 0;
			configure(keys[1]);
		}
		if (waitpid(pid, &status, WNOHANG) == pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
		usleep(500);
	}
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return -2;
}

static int
client_smtps(const void *version)
{
	struct tls *tls = tls_over(dial(0), "b.example", version);

	expect(tls, "220 hello\r\n");
	put(tls, "NOOP one\r\n");
	expect(tls, "NOOP one\r\n");
	put(tls, "QUIT\r\n");
	expect(tls, "221 bye\r\n");
	expect_end(tls);
	return 0;
}

static void
test_smtps(void **state)
{
	(void)state;
	assert_int_equal(run_client(client_smtps, "tlsv1.3"), 0);
	assert_int_equal(session.tls, 1);
	assert_string_equal(session.version, "TLSv1.3");
	assert_string_equal(session.group, "x25519");
	assert_string_equal(session.servername, "b.example");
	assert_string_equal(session.address, "127.0.0.1");
	assert_int_equal(session.exporter_length, 32);
	assert_int_equal(session.endpoint_length, 32);
	assert_int_equal(run_client(client_smtps, "tlsv1.2"), 0);
	assert_string_equal(session.version, "TLSv1.2");
	assert_int_equal(session.exporter_length, 0);
}

static int
client_starttls(const void *extra)
{
	int fd = dial(1);
	struct tls *tls;
	char line[200];

	expect_clear(fd, "220 hello\r\n");
	(void)write(fd, "EHLO x\r\n", 8);
	expect_clear(fd, "EHLO x\r\n");
	snprintf(line, sizeof(line), "STARTTLS\r\n%s", (const char *)extra);
	(void)write(fd, line, strlen(line));
	expect_clear(fd, "220 2.0.0 go on\r\n");
	tls = tls_over(fd, "a.example", "secure");
	put(tls, "NOOP two\r\n");
	expect(tls, "NOOP two\r\n");
	put(tls, "QUIT\r\n");
	expect(tls, "221 bye\r\n");
	expect_end(tls);
	return 0;
}

/* F-64: what came in clear behind STARTTLS is never heard of again. */
static void
test_starttls(void **state)
{
	(void)state;
	assert_int_equal(run_client(client_starttls, ""), 0);
	assert_int_equal(session.tls, 1);
	assert_string_equal(session.version, "TLSv1.3");
	assert_int_equal(
	    run_client(client_starttls, "MAIL FROM:<inject@x>\r\n"), 0);
	assert_int_equal(session.lost, 0);
}

static int
client_no_tls(const void *arg)
{
	int fd = dial(1);
	char octet[100];

	(void)arg;
	expect_clear(fd, "220 hello\r\n");
	(void)write(fd, "STARTTLS\r\n", 10);
	expect_clear(fd, "220 2.0.0 go on\r\n");
	(void)write(fd, "MAIL FROM:<a@b>\r\n", 17);
	while (recv(fd, octet, sizeof(octet), 0) > 0)
		continue;
	return 0;
}

static void
test_starttls_failed(void **state)
{
	(void)state;
	assert_int_equal(run_client(client_no_tls, NULL), 0);
	event_loop(EVLOOP_NONBLOCK);
	assert_int_equal(session.lost, 1);
	close(session.fd);
	session.fd = -1;
}

/* More than all buffers hold, to a client that reads late: back-pressure. */
static int
client_bulk(const void *arg)
{
	struct tls *tls = tls_over(dial(0), "a.example", "secure");
	static char out[16384], in[16384];
	size_t sent = 0, got = 0, size = 6 * 1024 * 1024;
	ssize_t n;

	(void)arg;
	expect(tls, "220 hello\r\n");
	memset(out, 'x', sizeof(out));
	out[sizeof(out) - 1] = '\n';
	while (got < size) {
		/* half a mebibyte is under way at most: no deadlock */
		while (sent < size && sent - got < 512 * 1024) {
			n = tls_write(tls, out, sizeof(out));
			if (n != sizeof(out))
				return 92;
			sent += (size_t)n;
		}
		if ((n = tls_read(tls, in, sizeof(in))) <= 0)
			return 91;
		got += (size_t)n;
	}
	put(tls, "QUIT\r\n");
	expect(tls, "221 bye\r\n");
	return 0;
}

static void
test_bulk(void **state)
{
	(void)state;
	assert_int_equal(run_client(client_bulk, NULL), 0);
}

/* Much to a client that is slow: we wait, and lose nothing. */
static int
client_slow(const void *arg)
{
	struct tls *tls = tls_over(dial(0), "a.example", "secure");
	static char in[16384];
	size_t got = 0;
	ssize_t n;

	(void)arg;
	expect(tls, "220 hello\r\n");
	put(tls, "FLOOD\r\n");
	usleep(300000);
	while (got < FLOOD && (n = tls_read(tls, in, sizeof(in))) > 0)
		got += (size_t)n;
	put(tls, "QUIT\r\n");
	expect(tls, "221 bye\r\n");
	return got == FLOOD ? 0 : 90;
}

static void
test_slow_reader(void **state)
{
	(void)state;
	assert_int_equal(run_client(client_slow, NULL), 0);
}

/* A client that has said its last still gets its answers. */
static int
client_half_closes(const void *arg)
{
	int fd = dial(0);
	struct tls *tls = tls_over(fd, "a.example", arg);

	expect(tls, "220 hello\r\n");
	put(tls, "NOOP three\r\n");
	expect(tls, "NOOP three\r\n");
	shutdown(fd, SHUT_WR);
	expect(tls, "bye\r\n");
	expect_end(tls);
	return 0;
}

static void
test_half_close(void **state)
{
	(void)state;
	session.saw_eof = 0;
	assert_int_equal(run_client(client_half_closes, "tlsv1.3"), 0);
	assert_int_equal(session.saw_eof, 1);
	session.saw_eof = 0;
	assert_int_equal(run_client(client_half_closes, "tlsv1.2"), 0);
	assert_int_equal(session.saw_eof, 1);
}

/* Octets behind QUIT must not turn the last reply into a reset. */
static int
client_talks_on(const void *arg)
{
	struct tls *tls = tls_over(dial(0), "a.example", "secure");
	int i;

	(void)arg;
	expect(tls, "220 hello\r\n");
	put(tls, "QUIT\r\n");
	for (i = 0; i < 50; i++)
		put(tls, "MORE\r\n");
	usleep(200000);
	expect(tls, "221 bye\r\n");
	expect_end(tls);
	return 0;
}

static void
test_talks_on(void **state)
{
	(void)state;
	assert_int_equal(run_client(client_talks_on, NULL), 0);
}

static int
client_floods(const void *arg)
{
	int fds[60], i, open = 0;
	char octet;

	(void)arg;
	for (i = 0; i < 60; i++)
		fds[i] = dial(0);
	usleep(200000);
	for (i = 0; i < 60; i++) {
		if (recv(fds[i], &octet, 1, MSG_DONTWAIT) == -1 &&
		    errno == EAGAIN)
			open++;
	}
	return open;
}

/* An address may have as many half-open ones as it may have sessions. */
static void
test_half_open(void **state)
{
	(void)state;
	assert_int_equal(run_client(client_floods, NULL), 50);
	usleep(100000);
	assert_int_equal(run_client(client_smtps, "secure"), 0);
}

/* No descriptors: clients wait, the process does not spin, then goes on. */
static int
client_many(const void *arg)
{
	struct tls *tls[10];
	int i;

	(void)arg;
	for (i = 0; i < 10; i++)
		tls[i] = tls_over(dial(0), "a.example", "secure");
	for (i = 0; i < 10; i++) {
		expect(tls[i], "220 hello\r\n");
		tls_close(tls[i]);
		tls_free(tls[i]);
	}
	return 0;
}

static long
cpu_ticks(pid_t pid)
{
	unsigned long user = 0, system = 0;
	char path[64];
	FILE *file;
	int n;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	if ((file = fopen(path, "r")) == NULL)
		return 0;
	n = fscanf(file,
	    "%*d %*s %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
	    &user, &system);
	fclose(file);
	return n == 2 ? (long)(user + system) : 0;
}

static void
test_out_of_descriptors(void **state)
{
	struct rlimit limit, low;
	long before;

	(void)state;
	assert_int_equal(prlimit(frontend.pid, RLIMIT_NOFILE, NULL, &limit), 0);
	low = limit;
	low.rlim_cur = 14;
	assert_int_equal(prlimit(frontend.pid, RLIMIT_NOFILE, &low, NULL), 0);
	before = cpu_ticks(frontend.pid);
	(void)run_client(client_many, NULL);
	assert_in_range(cpu_ticks(frontend.pid) - before, 0, 50);
	assert_int_equal(prlimit(frontend.pid, RLIMIT_NOFILE, &limit, NULL), 0);
	usleep(1100000);
	assert_int_equal(run_client(client_smtps, "secure"), 0);
}

static int
client_sees_death(const void *arg)
{
	struct tls *tls = tls_over(dial(0), "a.example", "secure");

	(void)arg;
	expect(tls, "220 hello\r\n");
	put(tls, "DIE\r\n");
	expect(tls, "DIE\r\n");
	expect(tls, "421 4.3.0 Service interrupted, try again\r\n");
	expect_end(tls);
	return 0;
}

static void
kill_engine(int fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	channel_close(engine);
	if (session.fd != -1)
		session_gone();
}

static void
test_engine_dies(void **state)
{
	struct timeval soon = {0, 300000};
	struct event timer;

	(void)state;
	evtimer_set(&timer, kill_engine, NULL);
	evtimer_add(&timer, &soon);
	assert_int_equal(run_client(client_sees_death, NULL), 0);
	join_engine();
	assert_int_equal(run_client(client_smtps, "secure"), 0);
}

/* A configuration is taken whole or not at all. */
static void
test_reload(void **state)
{
	int i;

	(void)state;
	configure(keys[1]);
	assert_int_equal(frontend.ready, 1);
	assert_int_equal(run_client(client_smtps, "secure"), 0);
	/* However often: the old key, which is in use, does not prove it. */
	for (i = 0; i < 3; i++) {
		configure(wrong_key);
		assert_int_equal(frontend.ready, -1);
		assert_non_null(
		    strstr(frontend.problem, "b.example: no signature"));
		assert_int_equal(run_client(client_smtps, "secure"), 0);
	}
	configure(keys[1]);
	assert_int_equal(frontend.ready, 1);
	assert_int_equal(run_client(client_smtps, "secure"), 0);
}

static int
client_refused(const void *arg)
{
	struct tls *tls = tls_over(dial(0), "a.example", "secure");

	(void)arg;
	return tls_handshake(tls) == -1 ? 0 : 1;
}

/* Stopped: handshakes fail, sessions go on, the parent hears of it. */
static int
client_impatient(const void *arg)
{
	struct tls *tls;
	int i;

	(void)arg;
	for (i = 0; i < 3; i++) {
		tls = tls_over(dial(0), "a.example", "secure");
		if (tls_handshake(tls) != -1)
			return 89;
		tls_free(tls);
		usleep(1100000);
	}
	return 0;
}

static void
replace_signer(void)
{
	size_t i;

	start(&sign, ROLE_SIGN, "out/libexec/smtpd-stoken/tokend-sign");
	for (i = 0; i < NAMES; i++)
		give(&sign, MSG_SETUP_KEY, names[i], key_file(keys[i], NULL));
	commit(&sign);
	assert_int_equal(sign.ready, 1);
	join_signer();
}

static void
test_signer_stops(void **state)
{
	(void)state;
	complaints = 0;
	kill(sign.pid, SIGSTOP);
	assert_int_equal(run_client(client_impatient, NULL), 0);
	assert_int_equal(complaints, 1);
	kill(sign.pid, SIGKILL);
	(void)waitpid(sign.pid, NULL, 0);
	channel_close(sign.channel);
	replace_signer();
	assert_int_equal(run_client(client_smtps, "secure"), 0);
}

static void
test_signer_dies(void **state)
{
	(void)state;
	kill(sign.pid, SIGKILL);
	(void)waitpid(sign.pid, NULL, 0);
	assert_int_equal(run_client(client_refused, NULL), 0);
	channel_close(sign.channel);
	replace_signer();
	assert_int_equal(run_client(client_smtps, "secure"), 0);
}

/* A handshake that began before a reload ends under the old context. */
static void
reload_now(int fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	reload_wanted = 1;
}

static int
client_hesitates(const void *arg)
{
	int fd = dial(0);
	struct tls *tls;

	(void)arg;
	usleep(400000);
	tls = tls_over(fd, "b.example", "secure");
	expect(tls, "220 hello\r\n");
	put(tls, "QUIT\r\n");
	expect(tls, "221 bye\r\n");
	return 0;
}

static void
test_reload_meanwhile(void **state)
{
	struct timeval soon = {0, 200000};
	struct event timer;

	(void)state;
	evtimer_set(&timer, reload_now, NULL);
	evtimer_add(&timer, &soon);
	assert_int_equal(run_client(client_hesitates, NULL), 0);
}

/* What an engine may get wrong does no harm to others. */
static void
test_engine_errs(void **state)
{
	union message m = {.session_starttls = {.session = 12345}};

	(void)state;
	lost_count = 0;
	channel_send(engine, MSG_SESSION_STARTTLS, &m, -1);
	assert_int_equal(run_client(client_smtps, "secure"), 0);
	m.session_starttls.session = session.id; /* over */
	channel_send(engine, MSG_SESSION_STARTTLS, &m, -1);
	assert_int_equal(run_client(client_smtps, "secure"), 0);
	/* It waits for them until it hears that they are gone. */
	while (lost_count < 2)
		event_loop(EVLOOP_ONCE);
}

/* Sessions may end; a client in mid-handshake goes; then the process goes. */
static void
test_shutdown(void **state)
{
	union message m = {.shutdown = {.seconds = 5}};
	pid_t pid;
	int status, i;

	(void)state;
	if ((pid = fork()) == 0) {
		closefrom(3);
		(void)dial(0);
		pause();
	}
	usleep(100000);
	channel_send(frontend.channel, MSG_SHUTDOWN, &m, -1);
	for (i = 0; i < 200; i++) {
		event_loop(EVLOOP_NONBLOCK);
		if (waitpid(frontend.pid, &status, WNOHANG) == frontend.pid)
			break;
		usleep(10000);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_in_range(i, 0, 100);
	assert_int_equal(status, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_smtps),
	    cmocka_unit_test(test_starttls),
	    cmocka_unit_test(test_starttls_failed),
	    cmocka_unit_test(test_bulk),
	    cmocka_unit_test(test_slow_reader),
	    cmocka_unit_test(test_half_close),
	    cmocka_unit_test(test_talks_on),
	    cmocka_unit_test(test_half_open),
	    cmocka_unit_test(test_out_of_descriptors),
	    cmocka_unit_test(test_engine_dies),
	    cmocka_unit_test(test_reload),
	    cmocka_unit_test(test_reload_meanwhile),
	    cmocka_unit_test(test_engine_errs),
	    cmocka_unit_test(test_signer_stops),
	    cmocka_unit_test(test_signer_dies),
	    cmocka_unit_test(test_shutdown),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
