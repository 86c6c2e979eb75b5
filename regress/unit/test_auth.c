/* SPDX-License-Identifier: ISC */
/*
 * The tokend-auth process itself, sandbox on, between a parent and a tokend
 * that are this test.
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

/* pencil, secret and secret. */
static const char users_text[] =
    "alice@a.example:{SCRAM-SHA-256}4096,W22ZaJ0SNY7soEsUEjb6gQ==,"
    "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=,"
    "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=\n"
    "bob@a.example:{BLF-CRYPT}$2b$04$abcdefghijklmnopqrstuu"
    "2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW\n"
    "dora@a.example:{BLF-CRYPT}$2b$04$abcdefghijklmnopqrstuu"
    "2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW::::::submit=no receive=no "
    "messages_per_hour=3\n";
static const char aliases_text[] =
    "sales@a.example: alice@a.example, bob@a.example\n"
    "info@a.example: alice@a.example\n"
    "away@a.example: x@elsewhere.example\n"
    "both@a.example: x@elsewhere.example, bob@a.example\n";

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

static void
on_ready(struct channel *c, const union message *m, int fd)
{
	(void)c;
	(void)fd;
	ready = m->setup_ready.ok ? 1 : 2;
	(void)bytes_copy(problem, sizeof(problem), m->setup_ready.problem);
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
static void
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

static void
on_address(struct channel *c, const union message *m, int fd)
{
	(void)c;
	(void)fd;
	results++;
	lookup = m->address_result.lookup;
	join(mailboxes, sizeof(mailboxes), m->address_result.mailboxes);
	join(outside, sizeof(outside), m->address_result.outside);
}

static void
on_owner(struct channel *c, const union message *m, int fd)
{
	(void)c;
	(void)fd;
	results++;
	own = m->owner_result.own;
	(void)bytes_copy(owned, sizeof(owned), m->owner_result.address);
}

static void
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
    {MSG_SETUP_READY, on_ready}, {MSG_COMPLAINT, on_complaint}, {0, NULL}};
static const struct channel_handler tokend_handlers[] = {
    {MSG_PASSWORD_RESULT, on_result}, {MSG_ADDRESS_RESULT, on_address},
    {MSG_OWNER_RESULT, on_owner}, {MSG_USER_STATE, on_user}, {0, NULL}};

static void
on_gone(struct channel *c, enum channel_end end, const char *why)
{
	(void)c;
	(void)end;
	(void)why;
	gone = 1;
}

/* Our end of a new pair; the other end is left in `other`. */
static struct channel *
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

static void
send_on(struct channel *c, uint16_t number, const union message *m, int fd)
{
	assert_int_equal(channel_send(c, number, m, fd), 0);
	assert_int_equal(channel_flush(c), 0);
}

static int
give_setting(void *context, uint16_t number, struct bytes value)
{
	union message m = {.setup_setting = {.number = number, .value = value}};

	(void)context;
	send_on(parent, MSG_SETUP_SETTING, &m, -1);
	return 0;
}

static void
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

static void
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

static void
commit(uint32_t generation)
{
	struct settings *s = settings_new();
	union message m;
	static const char *const names[] = {
	    "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"};
	size_t i;

	assert_non_null(s);
	(void)text_list_add(&s->domains, "a.example", 9);
	for (i = 0; i < COUNT(names); i++)
		(void)text_list_add(&s->mechanisms, names[i], strlen(names[i]));
	s->users_file = strdup(users_path);
	s->aliases_file = strdup(aliases_path);
	s->hash_workers = 2;
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

static void
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
static int
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

static void
stop_auth(void)
{
	channel_close(parent);
	channel_close(tokend);
	(void)kill(child, SIGKILL);
	(void)waitpid(child, NULL, 0);
}

static int
set_up(void **state)
{
	(void)state;
	(void)strlcpy(top, "/tmp/stoken-auth-XXXXXX", sizeof(top));
	if (mkdtemp(top) == NULL || event_init() == NULL)
		return -1;
	(void)snprintf(users_path, sizeof(users_path), "%s/users", top);
	(void)snprintf(aliases_path, sizeof(aliases_path), "%s/aliases", top);
	write_file(users_path, users_text);
	write_file(aliases_path, aliases_text);
	return start_auth() == 1 ? 0 : -1;
}

static int
tear_down(void **state)
{
	(void)state;
	stop_auth();
	(void)unlink(users_path);
	(void)unlink(aliases_path);
	return rmdir(top);
}

static void
wait_result(void)
{
	int before = results;

	while (results == before &&
	    channel_receive_within(tokend, SECONDS * 1000) == 1)
		continue;
	assert_int_equal(results, before + 1);
}

static void
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
	if (response != NULL)
		m.password_step.response = *response;
	send_on(tokend, MSG_PASSWORD_STEP, &m, -1);
}

static void
plain(uint64_t session, struct bytes response)
{
	send_step(session, 1, "PLAIN", &response);
	wait_result();
	assert_int_equal(result.session, session);
}

static void
checks_passwords(void **state)
{
	(void)state;
	plain(1, LITERAL("\0alice@a.example\0pencil"));
	assert_int_equal(result.outcome, AUTH_OK);
	assert_string_equal(result.login, "alice@a.example");
	plain(2, LITERAL("\0Bob\0secret"));
	assert_int_equal(result.outcome, AUTH_OK);
	assert_string_equal(result.login, "bob@a.example");
	plain(3, LITERAL("\0bob\0wrong"));
	assert_int_equal(result.outcome, AUTH_FAILED);
	assert_int_equal(result.reason, AUTH_REASON_BAD_SECRET);
	assert_string_equal(result.login, "");
	assert_string_equal(result.tried, "bob");
	assert_int_equal(result.secret, 32);
	plain(4, LITERAL("\0erin\0wrong"));
	assert_int_equal(result.outcome, AUTH_FAILED);
	assert_int_equal(result.reason, AUTH_REASON_UNKNOWN_USER);
	plain(5, LITERAL("\0bob"));
	assert_int_equal(result.outcome, AUTH_MALFORMED);
}

static void
says_what_a_user_may_not(void **state)
{
	(void)state;
	plain(1, LITERAL("\0bob\0secret"));
	assert_int_equal(result.no_submit, 0);
	assert_int_equal(result.messages_per_hour, LIMIT_SITE);
	plain(2, LITERAL("\0dora\0secret"));
	assert_int_equal(result.outcome, AUTH_OK);
	assert_int_equal(result.no_submit, 1);
	assert_int_equal(result.messages_per_hour, 3);
	assert_int_equal(result.recipients_per_hour, LIMIT_SITE);
	plain(3, LITERAL("\0dora\0wrong"));
	assert_int_equal(result.no_submit, 0);
	assert_int_equal(result.messages_per_hour, LIMIT_SITE);
}

static void
ask_user(const char *login)
{
	union message m;

	memset(&m, 0, sizeof(m));
	m.user_look.login = bytes_text(login);
	send_on(tokend, MSG_USER_LOOK, &m, -1);
	wait_result();
}

static void
says_who_a_user_is_now(void **state)
{
	uint8_t digest[32];

	(void)state;
	ask_user("dora@a.example");
	assert_int_equal(user.state, USER_THERE);
	assert_int_equal(user.no_submit, 1);
	assert_int_equal(user.messages_per_hour, 3);
	assert_int_equal(user.digest_length, 32);
	/* The same that a login by password tells. */
	plain(2, LITERAL("\0dora\0secret"));
	assert_int_equal(result.digest_length, 32);
	assert_memory_equal(result.digest, user.digest, 32);
	memcpy(digest, user.digest, 32);
	ask_user("alice@a.example");
	assert_memory_not_equal(digest, user.digest, 32);
	ask_user("erin@a.example");
	assert_int_equal(user.state, USER_UNKNOWN);
	assert_int_equal(user.digest_length, 0);
	ask_user("no address");
	assert_int_equal(user.state, USER_UNKNOWN);
}

static void
knows_what_is_switched_on(void **state)
{
	(void)state;
	send_step(1, 1, "LOGIN", NULL); /* not in the settings */
	wait_result();
	assert_int_equal(result.outcome, AUTH_UNAVAILABLE);
	send_step(1, 1, "CRAM-MD5", NULL);
	wait_result();
	assert_int_equal(result.outcome, AUTH_UNAVAILABLE);
	/* No binding data: a session that cannot have it. */
	send_step(1, 1, "SCRAM-SHA-256-PLUS", NULL);
	wait_result();
	assert_int_equal(result.outcome, AUTH_UNAVAILABLE);
}

static void
keeps_the_steps_of_sessions_apart(void **state)
{
	struct bytes first = LITERAL("n,,n=alice,r=abc");
	struct bytes other = LITERAL("c=biws,r=abc,p=AAAA");
	union message m;

	(void)state;
	send_step(1, 1, "SCRAM-SHA-256", &first);
	wait_result();
	assert_int_equal(result.outcome, AUTH_CHALLENGE);
	assert_memory_equal(result.challenge, "r=abc", 5);
	assert_non_null(
	    strstr(result.challenge, ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"));
	/* Nothing is known of session 2. */
	send_step(2, 0, "", &other);
	wait_result();
	assert_int_equal(result.outcome, AUTH_TEMPORARY);
	send_step(1, 0, "", &other);
	wait_result();
	assert_int_equal(result.outcome, AUTH_MALFORMED);
	/* That was the end of it; and an abort is one, too. */
	send_step(1, 0, "", &other);
	wait_result();
	assert_int_equal(result.outcome, AUTH_TEMPORARY);
	send_step(1, 1, "PLAIN", NULL);
	wait_result();
	assert_int_equal(result.outcome, AUTH_CHALLENGE);
	assert_string_equal(result.challenge, "");
	memset(&m, 0, sizeof(m));
	m.password_abort.session = 1;
	send_on(tokend, MSG_PASSWORD_ABORT, &m, -1);
	send_step(1, 0, "", &other);
	wait_result();
	assert_int_equal(result.outcome, AUTH_TEMPORARY);
}

/* A step while a password is being checked; and many checks at once. */
static void
a_hasty_client_gets_one_answer(void **state)
{
	struct bytes response = LITERAL("\0bob\0secret");
	uint64_t i;

	(void)state;
	send_step(1, 1, "PLAIN", &response);
	send_step(1, 0, "", &response);
	wait_result();
	assert_int_equal(result.outcome, AUTH_MALFORMED);
	for (i = 10; i < 50; i++)
		send_step(i, 1, "PLAIN", &response);
	for (i = 10; i < 50; i++) {
		wait_result();
		assert_int_equal(result.outcome, AUTH_OK);
	}
}

static void
ask_address(const char *address)
{
	union message m;

	memset(&m, 0, sizeof(m));
	m.address_lookup.address = bytes_text(address);
	send_on(tokend, MSG_ADDRESS_LOOKUP, &m, -1);
	wait_result();
}

static void
ask_owner(const char *login, const char *address)
{
	union message m;

	memset(&m, 0, sizeof(m));
	m.owner_check.login = bytes_text(login);
	m.owner_check.address = bytes_text(address);
	send_on(tokend, MSG_OWNER_CHECK, &m, -1);
	wait_result();
}

static void
knows_addresses_and_owners(void **state)
{
	(void)state;
	ask_address("Sales@A.example");
	assert_int_equal(lookup, LOOKUP_MAILBOXES);
	assert_string_equal(mailboxes, "alice@a.example bob@a.example ");
	ask_address("bob+x@a.example");
	assert_string_equal(mailboxes, "bob@a.example ");
	ask_address("away@a.example");
	assert_int_equal(lookup, LOOKUP_OUTSIDE);
	assert_string_equal(mailboxes, "");
	assert_string_equal(outside, "x@elsewhere.example ");
	ask_address("both@a.example");
	assert_int_equal(lookup, LOOKUP_OUTSIDE);
	assert_string_equal(mailboxes, "bob@a.example ");
	assert_string_equal(outside, "x@elsewhere.example ");
	ask_address("dora@a.example");
	assert_int_equal(lookup, LOOKUP_DISABLED);
	assert_string_equal(mailboxes, "");
	ask_address("nobody@a.example");
	assert_int_equal(lookup, LOOKUP_UNKNOWN);
	ask_address("no address");
	assert_int_equal(lookup, LOOKUP_UNKNOWN);
	assert_string_equal(mailboxes, "");

	ask_owner("alice@a.example", "");
	assert_int_equal(own, 1);
	assert_string_equal(owned, "alice@a.example");
	ask_owner("alice@a.example", "Info@a.example");
	assert_int_equal(own, 1);
	assert_string_equal(owned, "info@a.example");
	ask_owner("alice@a.example", "sales@a.example");
	assert_int_equal(own, 0);
	ask_owner("erin@a.example", "");
	assert_int_equal(own, 0);
	ask_owner("alice@a.example", "no address");
	assert_int_equal(own, 0);
}

/* Behind the sandbox, too: the directory is unveiled, not the file. */
static void
takes_a_changed_file_at_once(void **state)
{
	(void)state;
	write_file(users_path, "carol@a.example:{CRYPT}*\n");
	ask_address("carol@a.example");
	assert_int_equal(lookup, LOOKUP_MAILBOXES);
	plain(1, LITERAL("\0bob\0secret"));
	assert_int_equal(result.outcome, AUTH_FAILED);
	write_file(users_path, "nonsense\n");
	ask_address("carol@a.example");
	assert_int_equal(lookup, LOOKUP_MAILBOXES);
	write_file(users_path, users_text);
	plain(1, LITERAL("\0bob\0secret"));
	assert_int_equal(result.outcome, AUTH_OK);
	/* The same by order of the parent. */
	commit(2);
	assert_int_equal(ready, 1);
	write_file(aliases_path, "nonsense\n");
	commit(3);
	assert_int_equal(ready, 2);
	assert_non_null(strstr(problem, "aliases:1: no colon"));
	ask_address("info@a.example");
	assert_int_equal(lookup, LOOKUP_MAILBOXES);
}

static void
refuses_to_start_with_a_bad_file(void **state)
{
	(void)state;
	stop_auth();
	write_file(users_path, "bob@a.example:{PLAIN}secret\n");
	assert_int_equal(start_auth(), 2);
	assert_non_null(strstr(problem, "users:1: unknown scheme {PLAIN}"));
}

static void
a_dead_worker_ends_it(void **state)
{
	char path[64];
	int status;
	FILE *file;
	int worker = 0;

	(void)state;
	(void)snprintf(
	    path, sizeof(path), "/proc/%d/task/%d/children", child, child);
	file = fopen(path, "r");
	if (file == NULL || fscanf(file, "%d", &worker) != 1)
		skip();
	(void)fclose(file);
	assert_int_equal(kill(worker, SIGKILL), 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
}

static void
takes_another_tokend(void **state)
{
	struct bytes first = LITERAL("n,,n=alice,r=abc");

	(void)state;
	send_step(1, 1, "SCRAM-SHA-256", &first);
	wait_result();
	channel_close(tokend);
	connect_tokend();
	plain(2, LITERAL("\0bob\0secret"));
	assert_int_equal(result.outcome, AUTH_OK);
	send_step(1, 0, "", &first);
	wait_result();
	assert_int_equal(result.outcome, AUTH_TEMPORARY);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(checks_passwords),
	    TEST(says_what_a_user_may_not),
	    TEST(says_who_a_user_is_now),
	    TEST(knows_what_is_switched_on),
	    TEST(keeps_the_steps_of_sessions_apart),
	    TEST(a_hasty_client_gets_one_answer),
	    TEST(knows_addresses_and_owners),
	    TEST(takes_a_changed_file_at_once),
	    TEST(refuses_to_start_with_a_bad_file),
	    TEST(a_dead_worker_ends_it),
	    TEST(takes_another_tokend),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
