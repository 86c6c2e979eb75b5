/* SPDX-License-Identifier: ISC */
/*
 * tokenctl itself, sandbox on, against a daemon that is this test: what it
 * asks, what it prints, how it exits, and what a daemon that lies gets.
 * objects: tokend/auth/scheme.o tokend/auth/scram_key.o
 * libs: -lcrypto -lcrypt
 */
#include <sys/types.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <errno.h>
#include <event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "imsg/channel.h"
#include "imsg/control.h"
#include "lib/row.h"
#include "tokend/auth/scheme.h"

#define PROGRAM "out/sbin/tokenctl"

static char top[64], socket_path[80], backup_path[80];
static char out[8192], err[1024];

/* How the daemon answers, after it has looked at what was asked. */
typedef void script(struct channel *, const struct msg_control_request *);

static script *answer;
static struct msg_control_request asked;

static void
on_request(struct channel *c, const union message *m, int fd)
{
	(void)fd;
	asked = m->control_request;
	answer(c, &asked);
	(void)channel_flush(c);
}

static const struct channel_handler handlers[] = {
    {MSG_CONTROL_REQUEST, on_request}, {0, NULL}};

static void
on_gone(struct channel *c, enum channel_end end, const char *why)
{
	(void)c;
	(void)end;
	(void)why;
}

static int
listen_here(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)strlcpy(address.sun_path, socket_path, sizeof(address.sun_path));
	(void)unlink(socket_path);
	assert_int_equal(
	    bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 1), 0);
	return fd;
}

/* The daemon: one client, one request, in a process of its own. */
static void
serve(int fd)
{
	struct channel_settings set = {.self = ROLE_TOKEND,
	    .peer = ROLE_CONTROL,
	    .handlers = handlers,
	    .gone = on_gone};
	struct channel *c;

	(void)alarm(20);
	c = channel_open(accept(fd, NULL, NULL), &set);
	channel_set_phase(PHASE_RUNNING);
	(void)channel_receive_one(c);
	_exit(0);
}

static size_t
read_file(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY);
	ssize_t n = fd == -1 ? 0 : read(fd, text, size - 1);

	(void)close(fd);
	text[n < 0 ? 0 : n] = '\0';
	return n < 0 ? 0 : (size_t)n;
}

static int
put(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	if (file == NULL)
		return -1;
	(void)fputs(text, file);
	return fclose(file);
}

/* Runs tokenctl with these arguments for sh(1); returns how it exits. */
static int
ctl(script *how, const char *arguments)
{
	char command[512];
	pid_t daemon = -1;
	int status, fd = -1;

	answer = how;
	if (how != NULL) {
		fd = listen_here();
		if ((daemon = fork()) == 0)
			serve(fd);
	}
	(void)snprintf(command, sizeof(command),
	    PROGRAM " -s %s %s >%s/out 2>%s/err", socket_path, arguments, top,
	    top);
	status = system(command);
	if (how != NULL) {
		(void)close(fd);
		(void)kill(daemon, SIGKILL);
		(void)waitpid(daemon, NULL, 0);
		(void)unlink(socket_path);
	}
	(void)snprintf(command, sizeof(command), "%s/out", top);
	(void)read_file(command, out, sizeof(out));
	(void)snprintf(command, sizeof(command), "%s/err", top);
	(void)read_file(command, err, sizeof(err));
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void
send_end(struct channel *c, enum control_status status, const char *text)
{
	union message m = {.control_end = {.status = (uint8_t)status,
			       .text = bytes_text(text)}};

	(void)channel_send(c, MSG_CONTROL_END, &m, -1);
}

static void
send_row(struct channel *c, const char *key, struct bytes value)
{
	uint8_t data[1024];
	struct list_writer row;
	union message m;

	list_init(&row, data, sizeof(data));
	(void)row_text(&row, key, value);
	m.control_row.fields = list_bytes(&row);
	(void)channel_send(c, MSG_CONTROL_ROW, &m, -1);
}

/* Says what was asked: the verb and the arguments. */
static void
echo(struct channel *c, const struct msg_control_request *request)
{
	char text[512], verb[8];
	struct bytes rest = request->arguments, item;

	(void)snprintf(verb, sizeof(verb), "%u", request->verb);
	(void)strlcpy(text, verb, sizeof(text));
	while (list_next(&rest, &item) == 1) {
		(void)strlcat(text, "|", sizeof(text));
		(void)strncat(text, (const char *)item.data, item.length);
	}
	send_row(c, "token", bytes_text(text));
	send_end(c, CONTROL_OK, "");
}

static void
asks_and_prints(void **state)
{
	char line[128];

	(void)state;
	assert_int_equal(ctl(echo, "generate temporary a@b c@d"), 0);
	assert_string_equal(out, "1|a@b|c@d\n");
	assert_string_equal(err, "");
	assert_int_equal(ctl(echo, "-j generate permanent a@b c@d"), 0);
	assert_string_equal(out, "{\"token\": \"2|a@b|c@d\"}\n");
	assert_int_equal(ctl(echo, "show tokens remote r@b"), 0);
	assert_string_equal(out, "TOKEN\n9||r@b\n");
	assert_int_equal(ctl(echo, "-j show tokens"), 0);
	assert_string_equal(out, "[\n{\"token\": \"9||\"}\n]\n");
	assert_int_equal(ctl(echo, "retire key 4"), 0);
	assert_string_equal(out, "token: 14|4\n");
	assert_int_equal(ctl(echo, "show token l@d < /dev/null"), 65);
	(void)snprintf(line, sizeof(line), "%s/token", top);
	assert_int_equal(put(line, "secret\nmore\n"), 0);
	(void)snprintf(line, sizeof(line), "show token l@d <%s/token", top);
	assert_int_equal(ctl(echo, line), 0);
	assert_string_equal(out, "token: 10|l@d||secret\n");
}

static void
refuse_all(struct channel *c, const struct msg_control_request *request)
{
	send_end(c, (enum control_status)(request->verb),
	    request->verb == CONTROL_AGAIN ? "later\n\033[1m" : "");
}

/* The verbs' numbers are statuses here. */
static void
exits_with_what_the_daemon_says(void **state)
{
	(void)state;
	assert_int_equal(ctl(refuse_all, "generate temporary a b"), 0);
	assert_int_equal(ctl(refuse_all, "generate permanent a b"), 64);
	assert_int_equal(ctl(refuse_all, "revoke pair a b"), 65);
	assert_int_equal(ctl(refuse_all, "revoke local a"), 75);
	assert_string_equal(err, "tokenctl: later??[1m\n");
	assert_int_equal(ctl(refuse_all, "revoke remote a"), 77);
	assert_int_equal(ctl(refuse_all, "revoke domain a"), 70);
	assert_string_equal(err, "tokenctl: it failed: see the log\n");
	assert_int_equal(ctl(refuse_all, "revoke all"), 76);
	assert_int_equal(ctl(NULL, "show stats"), 69);
	assert_int_equal(ctl(NULL, ""), 64);
	assert_int_equal(ctl(NULL, "-x show stats"), 64);
	assert_int_equal(ctl(NULL, "show stats -j"), 64);
	assert_string_equal(out, "");
}

static void
leave(struct channel *c, const struct msg_control_request *request)
{
	(void)request;
	send_row(c, "key", bytes_text("value"));
}

static void
send_junk(struct channel *c, const struct msg_control_request *request)
{
	union message m = {.control_row = {.fields = bytes_of("\1", 1)}};

	(void)request;
	(void)channel_send(c, MSG_CONTROL_ROW, &m, -1);
	send_end(c, CONTROL_OK, "");
}

static void
survives_a_daemon_that_ends_or_lies(void **state)
{
	(void)state;
	assert_int_equal(ctl(leave, "show tokens"), 69);
	assert_string_equal(out, "");
	assert_int_equal(ctl(send_junk, "show tokens"), 76);
}

static void
send_file(struct channel *c, const char *name, const char *data, int last)
{
	union message m = {.control_file = {.last = (uint8_t)last,
			       .name = bytes_text(name),
			       .data = bytes_text(data)}};

	(void)channel_send(c, MSG_CONTROL_FILE, &m, -1);
}

static void
back_up(struct channel *c, const struct msg_control_request *request)
{
	if (request->arguments.length != 0) {
		send_end(c, CONTROL_USAGE, "");
		return;
	}
	send_file(c, "keys", "1 2 ", 0);
	send_file(c, "keys", "3\n", 1);
	send_file(c, "log.0000000001", "log", 1);
	send_end(c, CONTROL_OK, "");
}

static void
run_backup(script *how, int expected)
{
	char arguments[128];

	(void)snprintf(arguments, sizeof(arguments), "backup %s", backup_path);
	assert_int_equal(ctl(how, arguments), expected);
}

static void
remove_backup(void)
{
	static const char *const names[] = {"keys", "log.0000000001", "x"};
	char path[160];
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		(void)snprintf(
		    path, sizeof(path), "%s/%s", backup_path, names[i]);
		(void)unlink(path);
	}
	(void)rmdir(backup_path);
}

static void
writes_a_backup(void **state)
{
	char path[160], text[64];
	struct stat st;

	(void)state;
	run_backup(back_up, 0);
	assert_int_equal(stat(backup_path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	(void)snprintf(path, sizeof(path), "%s/keys", backup_path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	(void)read_file(path, text, sizeof(text));
	assert_string_equal(text, "1 2 3\n");
	/* Never into a directory that holds something. */
	run_backup(back_up, 73);
	remove_backup();
	/* An empty one is taken, and made private. */
	assert_int_equal(mkdir(backup_path, 0755), 0);
	run_backup(back_up, 0);
	assert_int_equal(stat(backup_path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	remove_backup();
}

static void
climb(struct channel *c, const struct msg_control_request *request)
{
	(void)request;
	send_file(c, "keys", "x", 1);
	send_file(c, "../escaped", "x", 1);
	send_end(c, CONTROL_OK, "");
}

static void
hide(struct channel *c, const struct msg_control_request *request)
{
	(void)request;
	send_file(c, ".profile", "x", 1);
	send_end(c, CONTROL_OK, "");
}

static void
mix(struct channel *c, const struct msg_control_request *request)
{
	(void)request;
	send_file(c, "keys", "x", 0);
	send_file(c, "x", "x", 1);
	send_end(c, CONTROL_OK, "");
}

static void
stop_short(struct channel *c, const struct msg_control_request *request)
{
	(void)request;
	send_file(c, "keys", "x", 0);
	send_end(c, CONTROL_OK, "");
}

static void
twice(struct channel *c, const struct msg_control_request *request)
{
	(void)request;
	send_file(c, "keys", "x", 1);
	send_file(c, "keys", "y", 1);
	send_end(c, CONTROL_OK, "");
}

static void
fail_late(struct channel *c, const struct msg_control_request *request)
{
	(void)request;
	send_file(c, "keys", "x", 1);
	send_end(c, CONTROL_FAILED, "");
}

static void
nothing(struct channel *c, const struct msg_control_request *request)
{
	(void)request;
	send_end(c, CONTROL_OK, "");
}

/* What is no whole backup is removed again, and nothing else is touched. */
static void
removes_a_backup_that_failed(void **state)
{
	static const struct {
		script *how;
		int status;
	} rows[] = {{climb, 76}, {hide, 76}, {mix, 76}, {stop_short, 76},
	    {twice, 73}, {fail_late, 70}, {nothing, 76}};
	char path[160];
	struct stat st;
	size_t i;

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/escaped", top);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		run_backup(rows[i].how, rows[i].status);
		assert_int_equal(stat(backup_path, &st), -1);
		assert_int_equal(errno, ENOENT);
		assert_int_equal(stat(path, &st), -1);
	}
	assert_int_equal(ctl(back_up, "show stats"), 76);
}

static const struct {
	const char *arguments, *start, *scheme;
} encrypted[] = {
    {"encrypt", "{SCRAM-SHA-256}15000,", "SCRAM-SHA-256"},
    {"encrypt rounds 4096 bob", "bob:{SCRAM-SHA-256}4096,", "SCRAM-SHA-256"},
    {"encrypt scheme blf-crypt rounds 4 b@a.example",
	"b@a.example:{BLF-CRYPT}$2b$04$", "BLF-CRYPT"},
    {"encrypt scheme sha512-crypt rounds 1000", "{SHA512-CRYPT}$6$rounds=1000$",
	"SHA512-CRYPT"},
};

/* encrypt makes what the users file takes. */
static void
encrypts(void **state)
{
	const struct scheme *scheme;
	char line[256], *text;
	size_t i;

	(void)state;
	(void)snprintf(line, sizeof(line), "%s/token", top);
	assert_int_equal(put(line, "p\xc3\xa4ss word\n"), 0);
	for (i = 0; i < sizeof(encrypted) / sizeof(encrypted[0]); i++) {
		(void)snprintf(line, sizeof(line), "%s <%s/token",
		    encrypted[i].arguments, top);
		assert_int_equal(ctl(NULL, line), 0);
		assert_memory_equal(
		    out, encrypted[i].start, strlen(encrypted[i].start));
		scheme = scheme_find(
		    encrypted[i].scheme, strlen(encrypted[i].scheme));
		text = strchr(out, '}') + 1;
		text[strcspn(text, "\n")] = '\0';
		assert_null(scheme->check(text, strlen(text)));
		assert_true(
		    scheme->matches(text, strlen(text), "p\xc3\xa4ss word"));
	}
	(void)snprintf(line, sizeof(line), "-j encrypt bob <%s/token", top);
	assert_int_equal(ctl(NULL, line), 0);
	assert_non_null(
	    strstr(out, "{\"user\": \"bob\", \"secret\": \"{SCRAM-SHA-256}"));
	assert_int_equal(ctl(NULL, "encrypt rounds 4095 </dev/null"), 64);
	assert_int_equal(ctl(NULL, "encrypt rounds x </dev/null"), 64);
	assert_int_equal(ctl(NULL, "encrypt scheme md5 </dev/null"), 64);
	assert_int_equal(ctl(NULL, "encrypt a:b </dev/null"), 65);
	assert_int_equal(ctl(NULL, "encrypt a@@b </dev/null"), 65);
	assert_int_equal(ctl(NULL, "encrypt bob </dev/null"), 65);
	assert_int_equal(ctl(NULL, "encrypt bob </dev/zero"), 65);
	assert_string_equal(out, "");
}

static int
set_up(void **state)
{
	(void)state;
	(void)strlcpy(top, "/tmp/stoken-ctl-XXXXXX", sizeof(top));
	if (mkdtemp(top) == NULL || event_init() == NULL)
		return -1;
	(void)snprintf(socket_path, sizeof(socket_path), "%s/sock", top);
	(void)snprintf(backup_path, sizeof(backup_path), "%s/backup", top);
	return 0;
}

static int
tear_down(void **state)
{
	char path[128];

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/out", top);
	(void)unlink(path);
	(void)snprintf(path, sizeof(path), "%s/err", top);
	(void)unlink(path);
	(void)snprintf(path, sizeof(path), "%s/token", top);
	(void)unlink(path);
	return rmdir(top);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(asks_and_prints),
	    cmocka_unit_test(exits_with_what_the_daemon_says),
	    cmocka_unit_test(survives_a_daemon_that_ends_or_lies),
	    cmocka_unit_test(writes_a_backup),
	    cmocka_unit_test(removes_a_backup_that_failed),
	    cmocka_unit_test(encrypts),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
