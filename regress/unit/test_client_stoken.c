/* SPDX-License-Identifier: ISC */
/*
 * AUTH STOKEN as the client does it, the parameters of RCPT, and the answers
 * 2.1.12 and 2.1.13.
 * objects: smtpd-stoken/relay/smtp/?*.o
 * libs: -lcrypto
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "regress/unit/client_world.h"
#include "smtpd-stoken/relay/smtp/delivered.h"

#define BOB "bob@b.example"
/* base 64 of BOB NUL "t0ken" */
#define LOGIN "AUTH STOKEN Ym9iQGIuZXhhbXBsZQB0MGtlbg==\r\n"
#define HELLO "250-b.example\r\n250-PIPELINING\r\n250-STOKEN\r\n"
#define OFFER HELLO "250 AUTH PLAIN STOKEN\r\n"

static void
say(struct world *world, const char *text)
{
	client_input(world->client, text, strlen(text));
}

static struct world *
begin(const char *hello)
{
	struct world *world = world_new(1, CLIENT_TLS_ON, BOB, "t0ken");

	world->settings.stoken = 1;
	say(world, "220 b.example\r\n");
	say(world, hello);
	return world;
}

static void
logs_in(void **state)
{
	struct client_mail mail = {"al@a.example", 0, 0, 0, ""};
	struct world *world = begin(OFFER);

	(void)state;
	assert_non_null(strstr(world->said, "LHLO c.example\r\n" LOGIN));
	assert_int_equal(world->secrets, 1);
	say(world, "235 2.7.0 welcome\r\n");
	assert_string_equal(world->told, "ready\n");
	assert_int_equal(client_mail(world->client, &mail), 0);
	assert_int_equal(client_recipient(world->client, 1, BOB,
			     "STOKEN=t0ken MYSTOKEN=m1ne"),
	    0);
	assert_non_null(strstr(
	    world->said, "RCPT TO:<" BOB "> STOKEN=t0ken MYSTOKEN=m1ne\r\n"));
	assert_int_equal(world->secrets, 2);
	/* What could end the line is never said. */
	assert_int_equal(client_recipient(world->client, 2, "carl@b.example",
			     "STOKEN=a\r\nRSET"),
	    0);
	assert_non_null(strstr(world->said, "RCPT TO:<carl@b.example>\r\n"));
	world_free(world);
}

static void
never_a_token_elsewhere(void **state)
{
	static const char *const hellos[] = {"250 b.example\r\n",
	    "250-b.example\r\n250 AUTH STOKEN\r\n", HELLO "250 AUTH PLAIN\r\n",
	    HELLO "250 SIZE\r\n"};
	struct world *world;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(hellos) / sizeof(hellos[0]); i++) {
		world = begin(hellos[i]);
		assert_non_null(strstr(world->said, "\r\nQUIT\r\n"));
		assert_null(strstr(world->said, "AUTH"));
		assert_int_equal(world->secrets, 0);
		assert_true(world->over);
		assert_int_equal(client_login_refused(world->client), 0);
		world_free(world);
	}
}

/* And a password does not go out by STOKEN. */
static void
never_a_password(void **state)
{
	struct world *world = world_new(1, CLIENT_TLS_ON, "bob", "secret");

	(void)state;
	say(world, "220 b.example\r\n");
	say(world, HELLO "250 AUTH STOKEN\r\n");
	assert_null(strstr(world->said, "AUTH"));
	assert_true(world->over);
	world_free(world);
}

static void
is_refused(void **state)
{
	struct world *world = begin(OFFER);

	(void)state;
	say(world, "535 5.7.8 not t0ken\r\n");
	assert_true(world->over);
	assert_int_equal(client_login_refused(world->client), 535);
	assert_null(strstr(world->told, "t0ken"));
	world_free(world);
}

static const struct {
	unsigned int code;
	const char *enhanced, *text, *token, *left;
} answers[] = {
    {250, "2.1.12", "<" BOB "> id saved", NULL, "<" BOB "> id saved"},
    {250, "2.1.13", "<" BOB "> new id saved", "new", "<" BOB "> id saved"},
    {250, "2.1.13", "<BOB@b.EXAMPLE> n id", "n", "<BOB@b.EXAMPLE> id"},
    {250, "2.1.13", "<" BOB "> new", "new", "<" BOB "> "},
    {250, "2.1.13", "<" BOB "> a=b id", NULL, "<" BOB "> id"},
    {250, "2.1.13", "<" BOB ">  id", NULL, "<" BOB "> id"},
    {250, "2.1.13", "<" BOB ">", NULL, "..."},
    {250, "2.1.13", "<" BOB, NULL, "..."},
    {250, "2.1.13", "<al@b.example> new id", NULL, "..."},
    {250, "2.1.13", "", NULL, "..."},
    {251, "2.1.13", "<" BOB "> new id saved", "new", "<" BOB "> id saved"},
    {450, "2.1.13", "<" BOB "> new id", NULL, "<" BOB "> new id"},
};

static void
takes_tokens(void **state)
{
	struct client_reply reply;
	char token[DELIVERED_TOKEN_MAX + 1];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		memset(&reply, 0, sizeof(reply));
		reply.code = answers[i].code;
		strlcpy(reply.enhanced, answers[i].enhanced, 16);
		strlcpy(reply.text, answers[i].text, sizeof(reply.text));
		assert_int_equal(delivered_take(&reply, BOB, token),
		    answers[i].token != NULL);
		assert_string_equal(
		    token, answers[i].token == NULL ? "" : answers[i].token);
		assert_string_equal(reply.text, answers[i].left);
	}
}

static void
token_lengths(void **state)
{
	struct client_reply reply = {.code = 250, .enhanced = "2.1.13"};
	char token[DELIVERED_TOKEN_MAX + 1], text[400];
	int n;

	(void)state;
	for (n = 250; n < 260; n++) {
		memset(text, 'x', (size_t)n);
		text[n] = '\0';
		snprintf(
		    reply.text, sizeof(reply.text), "<%s> %s id", BOB, text);
		assert_int_equal(delivered_take(&reply, BOB, token), n <= 255);
		assert_string_equal(reply.text, "<" BOB "> id");
	}
}

static void
hides(void **state)
{
	struct client_reply reply = {.text = "no t0ken, t0kent0ken"};

	(void)state;
	delivered_hide(&reply, "t0ken");
	assert_string_equal(reply.text, "no ..., ...");
	delivered_hide(&reply, "");
	delivered_hide(&reply, ".");
	assert_string_equal(reply.text, "no ..., ...");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(logs_in),
	    cmocka_unit_test(never_a_token_elsewhere),
	    cmocka_unit_test(never_a_password),
	    cmocka_unit_test(is_refused),
	    cmocka_unit_test(takes_tokens),
	    cmocka_unit_test(token_lengths),
	    cmocka_unit_test(hides),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
