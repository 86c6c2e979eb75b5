/* SPDX-License-Identifier: ISC */
/*
 * The tokend-auth process with `users dovecot`, where Dovecot is this test: a
 * good one and bad ones.
 */
#include <poll.h>

#include "regress/unit/auth_process.h"

#define GREETING                                                   \
	"VERSION\t1\t2\nMECH\tPLAIN\tplaintext\n"                  \
	"MECH\tSCRAM-SHA-256\tmutual-auth\nMECH\tLOGIN\tprivate\n" \
	"MECH\tANONYMOUS\tanonymous\nSPID\t7\nCUID\t1\nCOOKIE\tabc\nDONE\n"
#define AUTH LOGIN_SOCKET_AUTH
#define USERDB LOGIN_SOCKET_USERDB

static const char *single_domain;

static void
fill_settings(struct settings *s)
{
	static const char *const names[] = {
	    "PLAIN", "LOGIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"};
	size_t i;

	(void)text_list_add(&s->domains, "a.example", 9);
	if (single_domain == NULL)
		(void)text_list_add(&s->domains, "b.example", 9);
	for (i = 0; i < COUNT(names); i++)
		(void)text_list_add(&s->mechanisms, names[i], strlen(names[i]));
	s->users_dovecot = strdup("/run/dovecot/auth-client");
	s->users_userdb = strdup("/run/dovecot/auth-userdb");
	s->aliases_file = strdup(aliases_path);
}

/* Our end of each connection, and how many LOGIN_CONNECT were heard. */
static int dovecot[3], answered[3];

static void
answer_connect(int which, int fd, const char *why)
{
	union message m;

	memset(&m, 0, sizeof(m));
	m.login_connected.socket = (uint8_t)which;
	m.login_connected.problem = bytes_text(why);
	send_on(parent, MSG_LOGIN_CONNECTED, &m, fd);
}

static void
wait_connect(int which)
{
	while (connects[which] <= answered[which] &&
	    channel_receive_within(parent, SECONDS * 1000) == 1)
		continue;
	assert_true(connects[which] > answered[which]);
	answered[which] = connects[which];
}

/* Gives tokend-auth its socket when it asks for it. */
static void
take_connection(int which)
{
	int pair[2];

	wait_connect(which);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	(void)fcntl(pair[0], F_SETFD, FD_CLOEXEC);
	answer_connect(which, pair[1], "");
	dovecot[which] = pair[0];
}

/* What comes next, up to and with this many LFs. */
static const char *
heard(int which, int lines)
{
	static char text[65536];
	struct pollfd pfd = {.fd = dovecot[which], .events = POLLIN};
	size_t n = 0;

	while (lines > 0) {
		assert_int_equal(poll(&pfd, 1, SECONDS * 1000), 1);
		assert_int_equal(read(dovecot[which], &text[n], 1), 1);
		if (text[n] == '\n')
			lines--;
		assert_true(++n < sizeof(text));
	}
	text[n] = '\0';
	return text;
}

/* It has hung up. */
static void
hears_the_end(int which)
{
	struct pollfd pfd = {.fd = dovecot[which], .events = POLLIN};
	char octet;

	do {
		assert_int_equal(poll(&pfd, 1, SECONDS * 1000), 1);
	} while (read(dovecot[which], &octet, 1) == 1);
	(void)close(dovecot[which]);
	dovecot[which] = -1;
}

static void
say_octets(int which, const char *text, size_t length)
{
	assert_int_equal(write(dovecot[which], text, length), length);
}

static void
say(int which, const char *text)
{
	say_octets(which, text, strlen(text));
}

static void
hang_up(int which)
{
	(void)close(dovecot[which]);
	dovecot[which] = -1;
}

static void
greet_auth(void)
{
	char want[64];

	take_connection(AUTH);
	(void)snprintf(
	    want, sizeof(want), "VERSION\t1\t2\nCPID\t%d\n", (int)child);
	assert_string_equal(heard(AUTH, 2), want);
	offers[0] = '\0';
	say(AUTH, GREETING);
	while (offers[0] == '\0' &&
	    channel_receive_within(tokend, SECONDS * 1000) == 1)
		continue;
}

static void
greet_userdb(void)
{
	take_connection(USERDB);
	assert_string_equal(heard(USERDB, 1), "VERSION\t1\t1\n");
	say(USERDB, "VERSION\t1\t1\nSPID\t7\n");
}

static int
set_up(void **state)
{
	(void)state;
	(void)strlcpy(top, "/tmp/stoken-auth-XXXXXX", sizeof(top));
	if (mkdtemp(top) == NULL || event_init() == NULL)
		return -1;
	(void)snprintf(aliases_path, sizeof(aliases_path), "%s/aliases", top);
	write_file(aliases_path,
	    "sales@a.example: alice@a.example, bob@a.example\n"
	    "info@a.example: alice@a.example\n");
	memset(connects, 0, sizeof(connects));
	memset(answered, 0, sizeof(answered));
	if (start_auth() != 1)
		return -1;
	greet_auth();
	greet_userdb();
	return 0;
}

static int
set_up_single(void **state)
{
	single_domain = "a.example";
	return set_up(state);
}

static int
tear_down(void **state)
{
	(void)state;
	stop_auth();
	event_base_free(NULL);
	single_domain = NULL;
	(void)close(dovecot[AUTH]);
	(void)close(dovecot[USERDB]);
	(void)unlink(aliases_path);
	return rmdir(top);
}

static void
begin_plain(uint64_t session)
{
	struct bytes response = LITERAL("\0alice\0secret");

	send_step(session, 1, "PLAIN", &response);
}

static void
passes_a_login_on(void **state)
{
	(void)state;
	assert_string_equal(offers, "PLAIN SCRAM-SHA-256 ");
	begin_plain(5);
	assert_string_equal(heard(AUTH, 1),
	    "AUTH\t1\tPLAIN\tservice=smtp\tnologin\tsecured=tls\t"
	    "rip=192.0.2.1\trport=51034\tlport=465\tsession=7d1f0c2a\t"
	    "resp=AGFsaWNlAHNlY3JldA==\n");
	say(AUTH,
	    "OK\t1\tuser=Alice@A.example\tsubmit=no\t"
	    "messages_per_hour=9\tnew\n");
	wait_result();
	assert_int_equal(result.session, 5);
	assert_int_equal(result.outcome, AUTH_OK);
	assert_string_equal(result.login, "alice@a.example");
	assert_int_equal(result.no_submit, 1);
	assert_int_equal(result.messages_per_hour, 9);
	assert_int_equal(result.recipients_per_hour, LIMIT_SITE);
	assert_int_equal(result.digest_length, 0);
}

static const struct {
	const char *said;
	uint8_t outcome, reason;
	const char *tried;
} answers[] = {
    {"FAIL\t%u\tuser=alice\n", AUTH_FAILED, AUTH_REASON_BAD_SECRET, "alice"},
    {"FAIL\t%u\tuser=alice\ttemp\n", AUTH_TEMPORARY, 0, "alice"},
    {"FAIL\t%u\tuser=a\001tb\tcode=user_disabled\n", AUTH_FAILED,
	AUTH_REASON_DISABLED, "a\tb"},
    {"FAIL\t%u\tuser=alice\tcode=pass_expired\n", AUTH_FAILED,
	AUTH_REASON_EXPIRED, "alice"},
    {"FAIL\t%u\n", AUTH_FAILED, AUTH_REASON_BAD_SECRET, ""},
    /* Names that are not ours, or are none. */
    {"OK\t%u\tuser=alice@c.example\n", AUTH_FAILED, AUTH_REASON_UNKNOWN_USER,
	"alice@c.example"},
    {"OK\t%u\tuser=alice\n", AUTH_FAILED, AUTH_REASON_UNKNOWN_USER, "alice"},
    {"OK\t%u\n", AUTH_FAILED, AUTH_REASON_UNKNOWN_USER, ""},
    {"OK\t%u\tuser=a b@@\n", AUTH_FAILED, AUTH_REASON_UNKNOWN_USER, "a b@@"},
    /* The passdb keeps this user out, whose password is right. */
    {"OK\t%u\tuser=bob@a.example\tnologin\n", AUTH_FAILED, AUTH_REASON_DISABLED,
	"bob@a.example"},
    {"OK\t%u\tuser=bob@a.example\tnologin=yes\treason=Go away\n", AUTH_FAILED,
	AUTH_REASON_DISABLED, "bob@a.example"},
    /* A challenge that is none. */
    {"CONT\t%u\t***\n", AUTH_TEMPORARY, 0, ""},
    /* What is not known, or not ours, is passed over; and then: */
    {"HELLO\nOK\nOK\t\nOK\tx\nOK\t99999\tuser=bob@a.example\nFAIL\t0\n\n"
     "\001\t\001\nNOTFOUND\t%u\nFAIL\t%u\tuser=alice\n",
	AUTH_FAILED, AUTH_REASON_BAD_SECRET, "alice"},
    {"FAIL\t%u\tuser=alice\nOK\t%u\tuser=bob@a.example\n", AUTH_FAILED,
	AUTH_REASON_BAD_SECRET, "alice"},
};

static void
takes_each_answer_for_what_it_is(void **state)
{
	char text[512];
	unsigned int i;

	(void)state;
	for (i = 0; i < COUNT(answers); i++) {
		begin_plain(i + 1);
		(void)heard(AUTH, 1);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		(void)snprintf(
		    text, sizeof(text), answers[i].said, i + 1, i + 1);
#pragma GCC diagnostic pop
		say(AUTH, text);
		wait_result();
		assert_int_equal(result.session, i + 1);
		assert_int_equal(result.outcome, answers[i].outcome);
		if (result.outcome == AUTH_FAILED)
			assert_int_equal(result.reason, answers[i].reason);
		assert_string_equal(result.tried, answers[i].tried);
		assert_string_equal(result.login, "");
	}
}

/* SCRAM, step by step, and two at once. */
static void
carries_challenges(void **state)
{
	struct bytes first = LITERAL("n,,n=alice,r=abc"),
		     second = LITERAL("c=biws,r=abcdef,p=xyz"),
		     empty = LITERAL("");

	(void)state;
	send_step(1, 1, "SCRAM-SHA-256", &first);
	assert_non_null(
	    strstr(heard(AUTH, 1), "\tresp=biwsbj1hbGljZSxyPWFiYw==\n"));
	send_step(2, 1, "PLAIN", NULL);
	assert_null(strstr(heard(AUTH, 1), "resp="));
	say(AUTH, "CONT\t2\t\nCONT\t1\tcj1hYmM=\n");
	wait_result();
	assert_int_equal(result.session, 2);
	assert_int_equal(result.outcome, AUTH_CHALLENGE);
	assert_string_equal(result.challenge, "");
	wait_result();
	assert_int_equal(result.session, 1);
	assert_string_equal(result.challenge, "r=abc");
	send_step(1, 0, "", &second);
	assert_string_equal(
	    heard(AUTH, 1), "CONT\t1\tYz1iaXdzLHI9YWJjZGVmLHA9eHl6\n");
	say(AUTH, "CONT\t1\tdj1zaWc=\n");
	wait_result();
	assert_string_equal(result.challenge, "v=sig");
	send_step(1, 0, "", &empty);
	assert_string_equal(heard(AUTH, 1), "CONT\t1\t\n");
	say(AUTH, "OK\t1\tuser=alice@a.example\n");
	wait_result();
	assert_int_equal(result.outcome, AUTH_OK);
}

/* OK for a client that has not answered the challenge is worth nothing. */
static void
believes_nothing_unasked(void **state)
{
	struct bytes response = LITERAL("\0alice\0secret");

	(void)state;
	send_step(1, 1, "PLAIN", NULL);
	(void)heard(AUTH, 1);
	say(AUTH, "CONT\t1\t\nOK\t1\tuser=alice@a.example\n");
	wait_result();
	assert_int_equal(result.outcome, AUTH_CHALLENGE);
	/* So that both lines were read: */
	begin_plain(2);
	(void)heard(AUTH, 1);
	say(AUTH, "FAIL\t2\n");
	wait_result();
	assert_int_equal(result.session, 2);
	send_step(1, 0, "", &response);
	wait_result();
	assert_int_equal(result.session, 1);
	assert_int_equal(result.outcome, AUTH_TEMPORARY);
}

/* A client that cannot wait; one that gives up; one that says too much. */
static void
keeps_the_connection_in_order(void **state)
{
	static uint8_t huge[9000];
	struct bytes response = LITERAL("\0alice\0secret");
	union message m;

	(void)state;
	begin_plain(1);
	(void)heard(AUTH, 1);
	send_step(1, 0, "", &response);
	wait_result();
	assert_int_equal(result.outcome, AUTH_MALFORMED);
	assert_string_equal(heard(AUTH, 1), "CANCEL\t1\n");
	begin_plain(2);
	(void)heard(AUTH, 1);
	memset(&m, 0, sizeof(m));
	m.password_abort.session = 2;
	send_on(tokend, MSG_PASSWORD_ABORT, &m, -1);
	assert_string_equal(heard(AUTH, 1), "CANCEL\t2\n");
	response = bytes_of(huge, sizeof(huge));
	send_step(3, 1, "PLAIN", &response);
	wait_result();
	assert_int_equal(result.outcome, AUTH_MALFORMED);
	/* Never a mechanism that Dovecot has not got: it would hang up. */
	send_step(4, 1, "LOGIN", NULL);
	wait_result();
	assert_int_equal(result.outcome, AUTH_UNAVAILABLE);
	send_step(5, 1, "SCRAM-SHA-256-PLUS", NULL);
	wait_result();
	assert_int_equal(result.outcome, AUTH_UNAVAILABLE);
}

static void
many_wait_at_once(void **state)
{
	char line[64];
	uint32_t i;

	(void)state;
	for (i = 1; i <= 200; i++)
		begin_plain(i);
	(void)heard(AUTH, 200);
	for (i = 200; i >= 1; i--) {
		(void)snprintf(
		    line, sizeof(line), "OK\t%u\tuser=u%u@b.example\n", i, i);
		say(AUTH, line);
		wait_result();
		assert_int_equal(result.session, i);
		(void)snprintf(line, sizeof(line), "u%u@b.example", i);
		assert_string_equal(result.login, line);
	}
}

/* Whoever waits is told to come again; later it goes on by itself. */
static void
connects_again(void **state)
{
	(void)state;
	begin_plain(1);
	(void)heard(AUTH, 1);
	hang_up(AUTH);
	wait_result();
	assert_int_equal(result.outcome, AUTH_TEMPORARY);
	wait_connect(AUTH);
	answer_connect(AUTH, -1, "Connection refused");
	/* While it is away, at once. */
	begin_plain(2);
	wait_result();
	assert_int_equal(result.session, 2);
	assert_int_equal(result.outcome, AUTH_TEMPORARY);
	/* What comes while it greets is kept for it. */
	take_connection(AUTH);
	(void)heard(AUTH, 2);
	begin_plain(3);
	say(AUTH, GREETING);
	assert_non_null(strstr(heard(AUTH, 1), "\tPLAIN\t"));
	say(AUTH, "OK\t3\tuser=alice@a.example\nOK\t2\tuser=alice@a.example\n");
	wait_result();
	assert_int_equal(result.session, 3);
	assert_int_equal(result.outcome, AUTH_OK);
}

static void
hangs_up_on_a_bad_server(void **state)
{
	static char line[20000];
	int i;

	(void)state;
	memset(line, 'x', sizeof(line));
	begin_plain(1);
	(void)heard(AUTH, 1);
	/* A line that never ends: some of it may not be taken any more. */
	for (i = 0; i < 3; i++)
		(void)send(dovecot[AUTH], line, sizeof(line),
		    MSG_NOSIGNAL | MSG_DONTWAIT);
	wait_result();
	assert_int_equal(result.outcome, AUTH_TEMPORARY);
	hears_the_end(AUTH);
	take_connection(AUTH);
	say(AUTH, "VERSION\t2\t0\nMECH\tPLAIN\nDONE\n");
	hears_the_end(AUTH);
	take_connection(AUTH);
	say(AUTH, "220 mx.a.example ESMTP\r\nDONE\n");
	hears_the_end(AUTH);
	greet_auth();
	begin_plain(2);
	(void)heard(AUTH, 1);
	say(AUTH, "FAIL\t2\n");
	wait_result();
	assert_int_equal(result.outcome, AUTH_FAILED);
}

static void
look_up(const char *address)
{
	union message m;

	memset(&m, 0, sizeof(m));
	m.address_lookup.address = bytes_text(address);
	send_on(tokend, MSG_ADDRESS_LOOKUP, &m, -1);
}

static void
asks_who_there_is(void **state)
{
	(void)state;
	look_up("alice@a.example");
	assert_string_equal(
	    heard(USERDB, 1), "USER\t1\talice@a.example\tservice=smtp\n");
	say(USERDB, "USER\t1\talice@a.example\tuid=5\thome=/x\n");
	wait_result();
	assert_int_equal(lookup, LOOKUP_MAILBOXES);
	assert_string_equal(mailboxes, "alice@a.example ");
	look_up("nobody+x@a.example");
	assert_string_equal(
	    heard(USERDB, 1), "USER\t2\tnobody+x@a.example\tservice=smtp\n");
	say(USERDB, "NOTFOUND\t2\n");
	assert_string_equal(
	    heard(USERDB, 1), "USER\t3\tnobody@a.example\tservice=smtp\n");
	say(USERDB, "NOTFOUND\t3\n");
	wait_result();
	assert_int_equal(lookup, LOOKUP_UNKNOWN);
	look_up("bob@b.example");
	(void)heard(USERDB, 1);
	say(USERDB, "USER\t4\tbob@b.example\treceive=no\n");
	wait_result();
	assert_int_equal(lookup, LOOKUP_DISABLED);
	look_up("bob@b.example");
	(void)heard(USERDB, 1);
	say(USERDB, "FAIL\t5\treason=the database is away\n");
	wait_result();
	assert_int_equal(lookup, LOOKUP_TEMPORARY);
	/* Nobody is asked about those elsewhere. */
	look_up("bob@c.example");
	wait_result();
	assert_int_equal(lookup, LOOKUP_OUTSIDE);
}

/* Several questions, several users each, answers in any order, and nonsense. */
static void
puts_answers_together(void **state)
{
	(void)state;
	look_up("sales@a.example");
	look_up("info@a.example");
	(void)heard(USERDB, 3); /* alice, bob, alice */
	say(USERDB,
	    "USER\t2\tbob@a.example\nUSER\t2\tbob@a.example\n"
	    "USER\nUSER\tx\nUSER\t77\tx\nWHAT\t1\nNOTFOUND\t3\n");
	wait_result();
	assert_int_equal(lookup, LOOKUP_UNKNOWN);
	say(USERDB, "USER\t1\n");
	wait_result();
	assert_int_equal(lookup, LOOKUP_MAILBOXES);
	assert_string_equal(mailboxes, "alice@a.example bob@a.example ");
}

static void
knows_owners(void **state)
{
	union message m;

	(void)state;
	memset(&m, 0, sizeof(m));
	m.owner_check.login = bytes_text("alice@a.example");
	m.owner_check.address = bytes_text("alice+x@a.example");
	send_on(tokend, MSG_OWNER_CHECK, &m, -1);
	(void)heard(USERDB, 1);
	say(USERDB, "USER\t1\talice@a.example\n");
	(void)heard(USERDB, 1);
	say(USERDB, "NOTFOUND\t2\n");
	wait_result();
	assert_int_equal(own, OWNER_YES);
	assert_string_equal(owned, "alice+x@a.example");
	send_on(tokend, MSG_OWNER_CHECK, &m, -1);
	(void)heard(USERDB, 1);
	hang_up(USERDB);
	wait_result();
	assert_int_equal(own, OWNER_TEMPORARY);
	greet_userdb();
	memset(&m, 0, sizeof(m));
	m.user_look.login = bytes_text("alice@a.example");
	send_on(tokend, MSG_USER_LOOK, &m, -1);
	(void)heard(USERDB, 1);
	say(USERDB, "USER\t4\talice@a.example\tsubmit=no\n");
	wait_result();
	assert_int_equal(user.state, USER_THERE);
	assert_int_equal(user.no_submit, 1);
	assert_int_equal(user.digest_length, 0);
}

/* A site of one domain, whose users have bare names. */
static void
takes_bare_names_of_a_single_domain(void **state)
{
	(void)state;
	begin_plain(1);
	(void)heard(AUTH, 1);
	say(AUTH, "OK\t1\tuser=alice\n");
	wait_result();
	assert_int_equal(result.outcome, AUTH_OK);
	assert_string_equal(result.login, "alice@a.example");
	look_up("alice@a.example");
	(void)heard(USERDB, 1);
	say(USERDB, "NOTFOUND\t1\n");
	assert_string_equal(heard(USERDB, 1), "USER\t1\talice\tservice=smtp\n");
	say(USERDB, "USER\t1\talice\n");
	wait_result();
	assert_int_equal(lookup, LOOKUP_MAILBOXES);
	assert_string_equal(mailboxes, "alice@a.example ");
}

static void
another_tokend_is_told_what_there_is(void **state)
{
	(void)state;
	begin_plain(1);
	(void)heard(AUTH, 1);
	look_up("alice@a.example");
	(void)heard(USERDB, 1);
	channel_close(tokend);
	offers[0] = '\0';
	connect_tokend();
	while (offers[0] == '\0' &&
	    channel_receive_within(tokend, SECONDS * 1000) == 1)
		continue;
	assert_string_equal(offers, "PLAIN SCRAM-SHA-256 ");
	assert_string_equal(heard(AUTH, 1), "CANCEL\t1\n");
	say(AUTH, "OK\t1\tuser=alice@a.example\n");
	say(USERDB, "USER\t1\talice@a.example\n");
	begin_plain(1);
	(void)heard(AUTH, 1);
	say(AUTH, "FAIL\t2\n");
	wait_result();
	assert_int_equal(result.outcome, AUTH_FAILED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(passes_a_login_on),
	    TEST(takes_each_answer_for_what_it_is),
	    TEST(carries_challenges),
	    TEST(believes_nothing_unasked),
	    TEST(keeps_the_connection_in_order),
	    TEST(many_wait_at_once),
	    TEST(connects_again),
	    TEST(hangs_up_on_a_bad_server),
	    TEST(asks_who_there_is),
	    TEST(puts_answers_together),
	    TEST(knows_owners),
	    cmocka_unit_test_setup_teardown(
		takes_bare_names_of_a_single_domain, set_up_single, tear_down),
	    TEST(another_tokend_is_told_what_there_is),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
