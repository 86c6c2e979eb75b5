/* SPDX-License-Identifier: ISC */
/* The tokend-auth process with a users file: see auth_process.h. */
#include "regress/unit/auth_process.h"

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

static void
fill_settings(struct settings *s)
{
	static const char *const names[] = {
	    "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"};
	size_t i;

	(void)text_list_add(&s->domains, "a.example", 9);
	for (i = 0; i < COUNT(names); i++)
		(void)text_list_add(&s->mechanisms, names[i], strlen(names[i]));
	s->users_file = strdup(users_path);
	s->aliases_file = strdup(aliases_path);
	s->hash_workers = 2;
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
	event_base_free(NULL);
	(void)unlink(users_path);
	(void)unlink(aliases_path);
	return rmdir(top);
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
