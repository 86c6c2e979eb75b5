/* SPDX-License-Identifier: ISC */
/*
 * The tokend-auth process itself, sandbox on, between a parent and a tokend
 * that are the test, which says with fill_settings() what is to be tested.
 */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

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

#define PROGRAM "out/libexec/smtpd-stoken/tokend-auth"
#define SECONDS 20
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define LITERAL(text) bytes_of(text, sizeof(text) - 1)

static void fill_settings(struct settings *);

static char top[64], users_path[80], aliases_path[80];
static struct channel *parent, *tokend;
static pid_t child;

/* What came last. */
static int ready, gone, results, complained;
static char problem[1024];
static struct {
	uint64_t session;
	uint8_t outcome, reason;
	char challenge[2049], login[321], tried[321];
	size_t secret;
	uint8_t no_submit;
	uint32_t messages_per_hour, recipients_per_hour;
	uint8_t digest[32];
	size_t digest_length;
} result;
static struct {
	uint8_t state, no_submit;
	uint32_t messages_per_hour;
	uint8_t digest[32];
	size_t digest_length;
} user;
static uint8_t lookup, own;
static char mailboxes[1024], outside[1024], owned[321];

static inline void
on_ready(struct channel *c, const union message *m, int fd)
{
	(void)c;
	(void)fd;
	ready = m->setup_ready.ok ? 1 : 2;
	(void)bytes_copy(problem, sizeof(problem), m->setup_ready.problem);
}

static inline void
on_complaint(struct channel *c, const union message *m, int fd)
{
	(void)c;
	(void)m;
	(void)fd;
	complained = 1;
}

static inline void
on_result(struct channel *c, const union message *m, int fd)
{
	const struct msg_password_result *r = &m->password_result;

	(void)c;
	(void)fd;
	results++;
	result.session = r->session;
	result.outcome = r->outcome;
	result.reason = r->reason;
	result.secret = r->secret.length;
	result.no_submit = r->no_submit;
	result.digest_length = r->digest.length;
	if (r->digest.length > 0)
		memcpy(result.digest, r->digest.data, r->digest.length);
	result.messages_per_hour = r->messages_per_hour;
	result.recipients_per_hour = r->recipients_per_hour;
	(void)bytes_copy(
	    result.challenge, sizeof(result.challenge), r->challenge);
	(void)bytes_copy(result.login, sizeof(result.login), r->login);
	(void)bytes_copy(result.tried, sizeof(result.tried), r->tried);
}

/* Joined, with a blank behind each. */
static inline void
join(char *out, size_t size, struct bytes rest)
{
	struct bytes item;
	char one[321];

	out[0] = '\0';
	while (list_next(&rest, &item) == 1) {
		assert_int_equal(bytes_copy(one, sizeof(one), item), 0);
		(void)strlcat(out, one, size);
		(void)strlcat(out, " ", size);
	}
}

/* LOGIN_CONNECT, by socket. */
static int connects[3];

static inline void
on_login_connect(struct channel *c, const union message *m, int fd)
{
	(void)c;
	(void)fd;
	assert_in_range(m->login_connect.socket, 1, 2);
	connects[m->login_connect.socket]++;
}

/* MECHANISMS_CHANGED. */
static char offers[256];

static inline void
on_offers(struct channel *c, const union message *m, int fd)
{
	(void)c;
	(void)fd;
	join(offers, sizeof(offers), m->mechanisms_changed.mechanisms);
}

static inline void
on_address(struct channel *c, const union message *m, int fd)
{
	(void)c;
	(void)fd;
	results++;
	lookup = m->address_result.lookup;
	join(mailboxes, sizeof(mailboxes), m->address_result.mailboxes);
	join(outside, sizeof(outside), m->address_result.outside);
}

static inline void
on_owner(struct channel *c, const union message *m, int fd)
{
	(void)c;
	(void)fd;
	results++;
	own = m->owner_result.own;
	(void)bytes_copy(owned, sizeof(owned), m->owner_result.address);
}

static inline void
on_user(struct channel *c, const union message *m, int fd)
{
	const struct msg_user_state *u = &m->user_state;

	(void)c;
	(void)fd;
	results++;
	user.state = u->state;
	user.no_submit = u->no_submit;
	user.messages_per_hour = u->messages_per_hour;
	user.digest_length = u->digest.length;
	if (u->digest.length > 0)
		memcpy(user.digest, u->digest.data, u->digest.length);
}

static const struct channel_handler parent_handlers[] = {
    {MSG_SETUP_READY, on_ready}, {MSG_COMPLAINT, on_complaint},
    {MSG_LOGIN_CONNECT, on_login_connect}, {0, NULL}};
static const struct channel_handler tokend_handlers[] = {
    {MSG_PASSWORD_RESULT, on_result}, {MSG_ADDRESS_RESULT, on_address},
    {MSG_OWNER_RESULT, on_owner}, {MSG_USER_STATE, on_user},
    {MSG_MECHANISMS_CHANGED, on_offers}, {0, NULL}};

static inline void
on_gone(struct channel *c, enum channel_end end, const char *why)
{
	(void)c;
	(void)end;
	(void)why;
	gone = 1;
}

/* Our end of a new pair; the other end is left in `other`. */
static inline struct channel *
make_channel(enum role self, const struct channel_handler *handlers, int *other)
{
	struct channel_settings set = {.self = self,
	    .peer = ROLE_AUTH,
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

static inline void
send_on(struct channel *c, uint16_t number, const union message *m, int fd)
{
	assert_int_equal(channel_send(c, number, m, fd), 0);
	assert_int_equal(channel_flush(c), 0);
}

static inline int
give_setting(void *context, uint16_t number, struct bytes value)
{
	union message m = {.setup_setting = {.number = number, .value = value}};

	(void)context;
	send_on(parent, MSG_SETUP_SETTING, &m, -1);
	return 0;
}

static inline void
write_file(const char *path, const char *text)
{
	char other[96];
	FILE *file;

	(void)snprintf(other, sizeof(other), "%s.new", path);
	file = fopen(other, "w");
	assert_non_null(file);
	assert_int_not_equal(fputs(text, file), EOF);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(rename(other, path), 0);
}

static inline void
start_program(void)
{
	int other;

	parent = make_channel(ROLE_PARENT, parent_handlers, &other);
	if ((child = fork()) == 0) {
		if (dup2(other, 3) != 3)
			_exit(1);
		closefrom(4);
		(void)execl(PROGRAM, PROGRAM, (char *)NULL);
		_exit(1);
	}
	(void)close(other);
}

static inline void
commit(uint32_t generation)
{
	struct settings *s = settings_new();
	union message m;

	assert_non_null(s);
	fill_settings(s);
	assert_int_equal(settings_each(s, ROLE_AUTH, give_setting, NULL), 0);
	settings_free(s);
	memset(&m, 0, sizeof(m));
	m.setup_commit.generation = generation;
	ready = 0;
	send_on(parent, MSG_SETUP_COMMIT, &m, -1);
	while (
	    ready == 0 && channel_receive_within(parent, SECONDS * 1000) == 1)
		continue;
}

static inline void
connect_tokend(void)
{
	union message m;
	int other;

	tokend = make_channel(ROLE_TOKEND, tokend_handlers, &other);
	memset(&m, 0, sizeof(m));
	m.setup_peer.role = ROLE_TOKEND;
	send_on(parent, MSG_SETUP_PEER, &m, other);
}

/* Starts the process; returns what its READY said. */
static inline int
start_auth(void)
{
	union message m;

	channel_set_phase(PHASE_SETUP);
	start_program();
	memset(&m, 0, sizeof(m));
	m.setup_start.role = ROLE_AUTH;
	m.setup_start.debug = 1;
	send_on(parent, MSG_SETUP_START, &m, -1);
	connect_tokend();
	commit(1);
	channel_set_phase(PHASE_RUNNING);
	gone = complained = 0;
	return ready;
}

static inline void
stop_auth(void)
{
	channel_close(parent);
	channel_close(tokend);
	(void)kill(child, SIGKILL);
	(void)waitpid(child, NULL, 0);
}

static inline void
wait_result(void)
{
	int before = results;

	while (results == before &&
	    channel_receive_within(tokend, SECONDS * 1000) == 1)
		continue;
	assert_int_equal(results, before + 1);
}

static inline void
send_step(uint64_t session, int first, const char *mechanism,
    const struct bytes *response)
{
	union message m;

	memset(&m, 0, sizeof(m));
	m.password_step.session = session;
	m.password_step.first = (uint8_t)first;
	m.password_step.mechanism = bytes_text(mechanism);
	m.password_step.has_response = response != NULL;
	m.password_step.address = bytes_text("192.0.2.1");
	m.password_step.port = 51034;
	m.password_step.listener = 465;
	m.password_step.name = bytes_text("7d1f0c2a");
	if (response != NULL)
		m.password_step.response = *response;
	send_on(tokend, MSG_PASSWORD_STEP, &m, -1);
}

static inline void
plain(uint64_t session, struct bytes response)
{
	send_step(session, 1, "PLAIN", &response);
	wait_result();
	assert_int_equal(result.session, session);
}

static inline void
ask_user(const char *login)
{
	union message m;

	memset(&m, 0, sizeof(m));
	m.user_look.login = bytes_text(login);
	send_on(tokend, MSG_USER_LOOK, &m, -1);
	wait_result();
}

static inline void
ask_address(const char *address)
{
	union message m;

	memset(&m, 0, sizeof(m));
	m.address_lookup.address = bytes_text(address);
	send_on(tokend, MSG_ADDRESS_LOOKUP, &m, -1);
	wait_result();
}

static inline void
ask_owner(const char *login, const char *address)
{
	union message m;

	memset(&m, 0, sizeof(m));
	m.owner_check.login = bytes_text(login);
	m.owner_check.address = bytes_text(address);
	send_on(tokend, MSG_OWNER_CHECK, &m, -1);
	wait_result();
}
