/* SPDX-License-Identifier: ISC */
/*
 * What a user's submission is told, and what it becomes.
 * clauses: F-101 F-54 D-S18
 * objects: smtpd-stoken/engine/smtp/?*.o
 * libs: -lidn2
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>
#include <setjmp.h>
#include <cmocka.h>

#include "regress/unit/smtp_world.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define LOGIN \
	"EHLO c.example\r\nAUTH PLAIN AGFsaWNlQGEuZXhhbXBsZQBzZWNyZXQ=\r\n"
#define TOKEN_LOGIN "LHLO c.example\r\nAUTH STOKEN Ym9iQGEuZXhhbXBsZQBnb29k\r\n"
#define MAIL "MAIL FROM:<alice@a.example>"
#define HUNDRED                                                            \
	"0123456789012345678901234567890123456789012345678901234567890123" \
	"456789012345678901234567890123456789"
#define DATE "Date: Tue, 14 Nov 2023 22:13:20 +0000\n"

static struct world *
submission(int late)
{
	struct world *world = world_new(SMTP_LISTENER_SMTPS, late);

	world->settings.relay = 1;
	world->passed.code = 550;
	strlcpy(world->passed.enhanced, "5.2.2", 16);
	strlcpy(world->passed.text, "Her mailbox is full", 481);
	world_feed(world, LOGIN, sizeof(LOGIN) - 1);
	world_answer(world);
	world->output_length = 0;
	return world;
}

static const char *
say(struct world *world, const char *text)
{
	world->output_length = 0;
	world->output[0] = '\0';
	world_feed(world, text, strlen(text));
	return world->output;
}

static int
starts(const char *text, const char *start)
{
	return strncmp(text, start, strlen(start)) == 0;
}

static void
dsn_is_listed(void **state)
{
	struct world *world = submission(0);

	(void)state;
	assert_non_null(
	    strstr(say(world, "EHLO c.example\r\n"), "\r\n250-DSN\r\n"));
	/* A mailbox here may be reported on too. */
	world->settings.relay = 0;
	assert_non_null(
	    strstr(say(world, "EHLO c.example\r\n"), "\r\n250-DSN\r\n"));
	world_free(world);
	world = world_new(SMTP_LISTENER_SMTPS, 0);
	world->settings.relay = 1;
	assert_null(strstr(say(world, "LHLO c.example\r\n"), "DSN"));
	world_free(world);
	world = world_new(SMTP_LISTENER_TLS_REQUIRE, 0);
	world->settings.relay = 1;
	assert_null(strstr(say(world, "EHLO c.example\r\n"), "DSN"));
	world_free(world);
}

/* RFC 3461 section 4. */
static const struct {
	const char *parameters, *reply;
} of_mail[] =
    {
	{"RET=FULL", "250"},
	{"ret=hdrs ENVID=QQ314159", "250"},
	{"RET=HEADERS", "501 5.5.4"},
	{"RET", "501 5.5.4"},
	{"RET=FULL RET=FULL", "501 5.5.4"},
	{"ENVID=a+2Bb+20c", "250"},
	{"ENVID", "501 5.5.4"},
	{"ENVID=", "501 5.5.4"},
	{"ENVID=a+2bb", "501 5.5.4"},
	{"ENVID=a+2", "501 5.5.4"},
	{"ENVID=a=b", "501 5.5.4"},
	{"ENVID=a+0Ab", "501 5.5.4"},
	{"ENVID=a+00b", "501 5.5.4"},
	{"ENVID=a+C3+BC", "501 5.5.4"},
	{"ENVID=\xc3\xbc SMTPUTF8", "501 5.5.4"},
	{"ENVID=" HUNDRED, "250"},
	{"ENVID=" HUNDRED "0", "501 5.5.4"},
},
  of_rcpt[] = {
      {"NOTIFY=NEVER", "250"},
      {"NOTIFY=SUCCESS,FAILURE,DELAY", "250"},
      {"NOTIFY=delay", "250"},
      {"NOTIFY=NEVER,FAILURE", "501 5.5.4"},
      {"NOTIFY=FAILURE,FAILURE", "501 5.5.4"},
      {"NOTIFY=FAILURE,", "501 5.5.4"},
      {"NOTIFY=,FAILURE", "501 5.5.4"},
      {"NOTIFY=", "501 5.5.4"},
      {"NOTIFY", "501 5.5.4"},
      {"NOTIFY=SOMETIMES", "501 5.5.4"},
      {"NOTIFY=SUCCESS,FAILURE,DELAY,NEVER", "501 5.5.4"},
      {"ORCPT=rfc822;al+2Bx@b.example NOTIFY=FAILURE", "250"},
      {"ORCPT=x-type;x", "250"},
      {"ORCPT=utf-8;al\\x{FC}@b.example", "250"},
      {"ORCPT=utf-8;al\xc3\xbc@b.example", "250"},
      {"ORCPT=rfc822;al\xc3\xbc@b.example", "501 5.5.4"},
      {"ORCPT=utf-8;al\xc3", "501 5.5.4"},
      {"ORCPT=utf-8;al+0D+0A", "501 5.5.4"},
      {"ORCPT=rfc822;", "501 5.5.4"},
      {"ORCPT=rfc822", "501 5.5.4"},
      {"ORCPT=;al@b.example", "501 5.5.4"},
      {"ORCPT=rf(c)822;al@b.example", "501 5.5.4"},
      {"ORCPT=rfc822;al+0A", "501 5.5.4"},
      {"ORCPT=rfc822;al+xx", "501 5.5.4"},
      {"ORCPT=x;" HUNDRED HUNDRED HUNDRED HUNDRED
       "01234567890123456789012345678901234567890123456789012345678901234567890"
       "123456789012345678901234567",
	  "250"},
      {"ORCPT=x;" HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED, "501 5.5.4"},
      {"RET=FULL", "555 5.5.4"},
};

static void
dsn_parameters(void **state)
{
	struct world *world = submission(0);
	char line[1200];
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(of_mail); i++) {
		snprintf(
		    line, sizeof(line), MAIL " %s\r\n", of_mail[i].parameters);
		if (!starts(say(world, line), of_mail[i].reply))
			fail_msg("%s%s", line, world->output);
		say(world, "RSET\r\n");
	}
	say(world, MAIL " SMTPUTF8\r\n");
	for (i = 0; i < COUNT(of_rcpt); i++) {
		snprintf(line, sizeof(line), "RCPT TO:<al@b.example> %s\r\n",
		    of_rcpt[i].parameters);
		if (!starts(say(world, line), of_rcpt[i].reply))
			fail_msg("%s%s", line, world->output);
	}
	/* UTF-8 as it is only where MAIL has said so (RFC 6533). */
	say(world, "RSET\r\n" MAIL "\r\n");
	assert_true(starts(
	    say(world, "RCPT TO:<al@b.example> ORCPT=utf-8;\xc3\xbc\r\n"),
	    "501 5.5.4"));
	world_free(world);
}

/* F-101: where DSN is not offered, its parameters are not known. */
static void
dsn_elsewhere(void **state)
{
	struct world *world = world_new(SMTP_LISTENER_SMTPS, 0);

	(void)state;
	world->settings.relay = 1;
	say(world, TOKEN_LOGIN);
	assert_true(starts(
	    say(world, "MAIL FROM:<al@b.example> RET=FULL\r\n"), "555 5.5.4"));
	say(world, "MAIL FROM:<al@b.example>\r\n");
	assert_true(starts(say(world,
			       "RCPT TO:<bob@a.example> STOKEN=good "
			       "ORCPT=rfc822;x@y\r\n"),
	    "555 5.5.4"));
	world_free(world);
	world = world_new(SMTP_LISTENER_SOCKET, 0);
	world->settings.relay = 1;
	say(world, "LHLO c\r\n");
	assert_true(starts(
	    say(world, "MAIL FROM:<al@b.example> RET=FULL\r\n"), "555 5.5.4"));
	world_free(world);
}

static void
what_mail_said(void **state)
{
	struct world *world = submission(0);
	const struct smtp_mail *mail;

	(void)state;
	assert_null(smtp_mail(world->session));
	say(world,
	    MAIL " SIZE=1234 body=8bitmime RET=hdrs ENVID=a+2Bb "
		 "SMTPUTF8\r\n"
		 "RCPT TO:<al@b.example> notify=success,delay "
		 "ORCPT=rfc822;x+2By@z\r\n"
		 "RCPT TO:<bob@a.example>\r\n");
	mail = smtp_mail(world->session);
	assert_non_null(mail);
	assert_int_equal(mail->size, 1234);
	assert_int_equal(mail->body, SMTP_BODY_8BITMIME);
	assert_int_equal(mail->utf8, 1);
	assert_string_equal(mail->ret, "HDRS");
	assert_string_equal(mail->envid, "a+2Bb");
	assert_string_equal(world->notify[0], "success,delay");
	assert_string_equal(world->orcpt[0], "rfc822;x+2By@z");
	assert_string_equal(world->notify[1], "");
	assert_string_equal(world->orcpt[1], "");
	say(world, "RSET\r\n" MAIL " BODY=7BIT\r\n");
	mail = smtp_mail(world->session);
	assert_int_equal(mail->size, 0);
	assert_int_equal(mail->body, SMTP_BODY_7BIT);
	assert_null(mail->ret);
	assert_null(mail->envid);
	world_free(world);
}

/* What the next hop says is made good before it is said again (T25). */
static const struct {
	int code;
	const char *enhanced, *text;
	int utf8;
	const char *reply;
} said[] = {
    {550, "5.2.2", "Full", 0, "550 5.2.2 Full\r\n"},
    {452, "4.2.2", "Full", 0, "452 4.2.2 Full\r\n"},
    {550, "", "Full", 0, "550 5.0.0 Full\r\n"},
    {450, "5.2.2", "Full", 0, "450 4.0.0 Full\r\n"},
    {450, "4.2", "Full", 0, "450 4.0.0 Full\r\n"},
    {450, "4.2.2x", "Full", 0, "450 4.0.0 Full\r\n"},
    {450, "4.2222.2", "Full", 0, "450 4.0.0 Full\r\n"},
    {450, "4.2\r\n.2", "Full", 0, "450 4.0.0 Full\r\n"},
    {421, "4.3.2", "Bye", 0, "451 4.3.2 Bye\r\n"},
    {250, "2.1.5", "OK", 0, "451 4.3.0 OK\r\n"},
    {0, "", "", 0, "451 4.3.0 Refused by the next server\r\n"},
    {-5, "", "", 0, "451 4.3.0 Refused by the next server\r\n"},
    {600, "", "x", 0, "451 4.3.0 x\r\n"},
    {550, "5.1.1", "a\r\n250 b\x7f\t", 0, "550 5.1.1 a  250 b\r\n"},
    {550, "5.1.1", "\xc3\xbc", 0, "550 5.1.1 ??\r\n"},
    {550, "5.1.1", "\xc3\xbc", 1, "550 5.1.1 \xc3\xbc\r\n"},
    {550, "5.1.1", "\xc3", 1, "550 5.1.1 ?\r\n"},
    {550, "5.1.1", "%s%n", 1, "550 5.1.1 %s%n\r\n"},
};

static void
words_of_the_next_hop(void **state)
{
	struct world *world = submission(0);
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(said); i++) {
		world->passed.code = said[i].code;
		strlcpy(world->passed.enhanced, said[i].enhanced, 16);
		strlcpy(world->passed.text, said[i].text, 481);
		say(world, said[i].utf8 ? MAIL " SMTPUTF8\r\n" : MAIL "\r\n");
		assert_string_equal(
		    say(world, "RCPT TO:<full@b.example>\r\n"), said[i].reply);
		/* and at the end of the data */
		say(world, "RCPT TO:<al@b.example>\r\nDATA\r\n");
		world->fails = 1;
		assert_string_equal(say(world, ".\r\n"), said[i].reply);
		world->fails = 0;
	}
	memset(world->passed.text, 'x', 481);
	memset(world->passed.enhanced, '4', 16);
	say(world, MAIL "\r\n");
	say(world, "RCPT TO:<full@b.example>\r\n");
	assert_true(starts(world->output, "550 5.0.0 xxx"));
	assert_int_equal(world->output_length, 10 + 480 + 2);
	world_free(world);
}

/* Words wait for the replies to earlier RCPT, and belong to their own. */
static void
late_words(void **state)
{
	struct world *world = submission(1);
	const char *p;

	(void)state;
	say(world,
	    MAIL "\r\nRCPT TO:<al@b.example>\r\n"
		 "RCPT TO:<full@b.example>\r\nRCPT TO:<soft@b.example>\r\n"
		 "RCPT TO:<much@b.example>\r\n");
	world_answer(world);
	p = strstr(world->output, "250 2.1.5");
	assert_non_null(p);
	p = strstr(p, "\r\n550 5.2.2 Her mailbox is full\r\n451 4.3.0 ");
	assert_non_null(p);
	assert_non_null(strstr(p, "\r\n450 4.7.1 "));
	world_free(world);
	/* freed when the session ends while they wait */
	world = submission(1);
	say(world,
	    MAIL "\r\nRCPT TO:<al@b.example>\r\n"
		 "RCPT TO:<full@b.example>\r\n");
	world_answer(world);
	say(world,
	    "RSET\r\n" MAIL "\r\nRCPT TO:<al@b.example>\r\n"
	    "RCPT TO:<full@b.example>\r\n");
	smtp_on_recipient(world->session, 1, SMTP_PASSED, &world->passed);
	smtp_on_recipient(world->session, 1, SMTP_OK, NULL);
	world_free(world);
}

static void
sender_verdicts(void **state)
{
	struct world *world = submission(1);

	(void)state;
	say(world, MAIL "\r\n");
	smtp_on_sender(world->session, SMTP_LIMIT);
	assert_true(starts(world->output, "450 4.7.1 "));
	world->asked = 0;
	say(world, MAIL "\r\n");
	smtp_on_sender(world->session, SMTP_NOT_ALLOWED);
	assert_true(starts(world->output, "550 5.7.1 "));
	world->asked = 0;
	world_free(world);
}

/* Section 11, "One reply for many outcomes". */
static void
mixed_fates(void **state)
{
	static const struct {
		unsigned int fails;
		int code;
		const char *reply;
	} fates[] = {
	    {0, 550, "250 2.0.0 MESSAGEID "},
	    {1, 550, "250 2.0.0 MESSAGEID "},
	    {4, 550, "250 2.0.0 MESSAGEID "},
	    {6, 450, "250 2.0.0 MESSAGEID "},
	    {7, 550, "550 5.2.2 Her mailbox is full\r\n"},
	    {7, 450, "450 4.2.2 Her mailbox is full\r\n"},
	};
	struct world *world = submission(0);
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(fates); i++) {
		say(world,
		    MAIL "\r\nRCPT TO:<al@b.example>\r\n"
			 "RCPT TO:<bob@a.example>\r\n"
			 "RCPT TO:<bo@b.example>\r\nDATA\r\n");
		world->fails = fates[i].fails;
		world->passed.code = fates[i].code;
		strlcpy(world->passed.enhanced,
		    fates[i].code == 450 ? "4.2.2" : "5.2.2", 16);
		say(world, ".\r\n");
		assert_true(starts(world->output, fates[i].reply));
	}
	/* A temporary refusal is said before a lasting one. */
	say(world,
	    MAIL "\r\nRCPT TO:<al@b.example>\r\n"
		 "RCPT TO:<bob@a.example>\r\nDATA\r\n");
	strlcpy(world->passed.enhanced, "5.2.2", 16);
	world->passed.code = 550;
	world->fails = 1;
	world->no_store = 1;
	assert_true(starts(say(world, ".\r\n"), "451 4.2.0 "));
	world_free(world);
}

static const char text[] =
    "MAIL FROM:<alice@a.example>\r\n"
    "RCPT TO:<al@b.example>\r\nRCPT TO:<bob@a.example>\r\nDATA\r\n"
    "Submission-Token: abc\r\n"
    "From: Alice\r\n <alice@a.example>\r\n"
    "Authentication-Results: mx.a.example;\r\n auth=pass\r\n"
    "Received: x\r\n"
    "submission-token :\r\n def\r\n"
    "\r\n"
    "..Submission-Token: body\r\n"
    ".\r\n";

static const char message[] =
    "From: Alice\n <alice@a.example>\n"
    "Received: x\n" DATE "Message-ID: <MESSAGEID@mx.a.example>\n\n"
    ".Submission-Token: body\n";

static void
check_message(struct world *world)
{
	uint64_t trace = smtp_trace_length(world->session);
	const char *tokens[SMTP_SUPPLIED_MAX];

	assert_true(trace < world->message_length);
	world->message[world->message_length] = '\0';
	assert_string_equal(world->message + trace, message);
	assert_int_equal(smtp_supplied_tokens(world->session, tokens), 2);
	assert_string_equal(tokens[0], "abc");
	assert_string_equal(tokens[1], "def");
	assert_string_equal(
	    smtp_header_from(world->session), "alice@a.example");
}

/* However the octets arrive, the same message comes of it. */
static void
message_in_pieces(void **state)
{
	struct world *world;
	size_t piece, i, n;

	(void)state;
	for (piece = 1; piece < sizeof(text); piece++) {
		world = submission(0);
		world->lost = 1;
		for (i = 0; i < sizeof(text) - 1; i += n) {
			n = sizeof(text) - 1 - i;
			if (n > piece)
				n = piece;
			world_feed(world, text + i, n);
		}
		check_message(world);
		smtp_on_delivered(world->session, NULL, 0);
		assert_int_equal(smtp_trace_length(world->session), 0);
		assert_string_equal(smtp_header_from(world->session), "");
		world_free(world);
	}
}

static void
head_of_a_copy(void **state)
{
	static const char received[] =
	    "Received: from unknown\n"
	    "\tby mx.a.example with ESMTPSA id MESSAGEID\n"
	    "\ttls TLS_AES_256_GCM_SHA384 group x25519;\n"
	    "\tTue, 14 Nov 2023 22:13:20 +0000\n";
	struct world *world = submission(0);
	char out[4096];
	size_t n;

	(void)state;
	assert_int_equal(
	    smtp_relay_head(world->session, NULL, NULL, out, 4096), 0);
	world->lost = 1;
	world_feed(world, text, sizeof(text) - 1);
	n = smtp_relay_head(world->session, NULL, NULL, out, sizeof(out));
	assert_string_equal(out, received);
	assert_int_equal(n, sizeof(received) - 1);
	n = smtp_relay_head(
	    world->session, "al@b.example", "TOKEN", out, sizeof(out));
	assert_int_equal(n, strlen(out));
	assert_string_equal(out,
	    "Received: from unknown\n"
	    "\tby mx.a.example with ESMTPSA id MESSAGEID\n"
	    "\tfor <al@b.example>\n"
	    "\ttls TLS_AES_256_GCM_SHA384 group x25519;\n"
	    "\tTue, 14 Nov 2023 22:13:20 +0000\n"
	    "Submission-Token: TOKEN\n");
	for (; n > 0; n--)
		assert_int_equal(smtp_relay_head(world->session, "al@b.example",
				     "TOKEN", out, n),
		    0);
	world_free(world);
}

/* F-95: a line has at most 512 octets, whatever another server said. */
static void
long_words(void **state)
{
	struct world *world = world_new(SMTP_LISTENER_SOCKET, 0);
	char line[400];
	size_t i;

	(void)state;
	say(world, "LHLO c\r\nMAIL FROM:<al@b.example>\r\n");
	snprintf(line, sizeof(line),
	    "RCPT TO:<bob@%.60s.%.60s.%.60s.a.example>\r\n", HUNDRED, HUNDRED,
	    HUNDRED);
	say(world, line);
	say(world, "RCPT TO:<bob@a.example>\r\nDATA\r\n");
	world->fails = 3;
	world->passed.code = 550;
	memset(world->passed.text, 'x', 480);
	say(world, ".\r\n");
	i = strcspn(world->output, "\n") + 1;
	assert_int_equal(i, 512);
	assert_int_equal(world->output_length, 512 + 10 + 15 + 1 + 480 + 2);
	world_free(world);
}

/* NUL is refused wherever it stands, in a field that is taken out too. */
static void
nul_in_header(void **state)
{
	static const char nul[] = "Submission-Token: a\0b\r\nX: y\r\n\r\n.\r\n";
	struct world *world = submission(0);

	(void)state;
	say(world, MAIL "\r\nRCPT TO:<bob@a.example>\r\nDATA\r\n");
	world->output_length = 0;
	world_feed(world, nul, sizeof(nul) - 1);
	assert_true(starts(world->output, "554 5.6.0 "));
	assert_int_equal(world->message_length, 0);
	world_free(world);
}

/* A binary body has CR LF line ends from its first line on, or none. */
static void
binary_text(void **state)
{
	static const char *const chunks[] = {"hello\r\nworld\n\r\n",
	    "hello: x\r\n\r\nworld\n\r\n", "hello wor: ld\r\n\n"};
	static const char *const ends[] = {"example>\n\nhello\r\nworld\n\r\n",
	    "\nhello: x\n" DATE "Message-ID: <MESSAGEID@mx.a.example>\n\n"
	    "world\n\r\n",
	    "example>\n\nhello wor: ld\r\n\n"};
	struct world *world;
	char line[100];
	size_t i, n;

	(void)state;
	for (i = 0; i < COUNT(chunks); i++) {
		world = submission(0);
		say(world,
		    MAIL " BODY=BINARYMIME\r\nRCPT TO:<bob@a.example>\r\n");
		snprintf(line, sizeof(line), "BDAT %zu LAST\r\n%s",
		    strlen(chunks[i]), chunks[i]);
		if (!starts(say(world, line), "250 2.0.0 "))
			fail_msg("%zu: %s", i, world->output);
		n = strlen(ends[i]);
		assert_true(world->message_length > n);
		assert_memory_equal(
		    world->message + world->message_length - n, ends[i], n);
		world_free(world);
	}
}

/* <postmaster> is ours; <> may be sent by a user (section 11). */
static void
postmaster_and_null(void **state)
{
	struct world *world = submission(0);

	(void)state;
	say(world,
	    "MAIL FROM:<>\r\nRCPT TO:<Postmaster>\r\n"
	    "RCPT TO:<al@b.example>\r\nDATA\r\n");
	assert_string_equal(smtp_sender(world->session), "");
	assert_string_equal(
	    smtp_recipient(world->session, 0, NULL), "Postmaster@a.example");
	assert_true(starts(say(world, ".\r\n"), "250 2.0.0 "));
	world_free(world);
}

static int
in_utc(void **state)
{
	(void)state;
	if (setenv("TZ", "UTC", 1) == -1)
		return -1;
	tzset();
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(dsn_is_listed),
	    cmocka_unit_test(dsn_parameters),
	    cmocka_unit_test(dsn_elsewhere),
	    cmocka_unit_test(what_mail_said),
	    cmocka_unit_test(words_of_the_next_hop),
	    cmocka_unit_test(late_words),
	    cmocka_unit_test(sender_verdicts),
	    cmocka_unit_test(mixed_fates),
	    cmocka_unit_test(message_in_pieces),
	    cmocka_unit_test(head_of_a_copy),
	    cmocka_unit_test(long_words),
	    cmocka_unit_test(nul_in_header),
	    cmocka_unit_test(binary_text),
	    cmocka_unit_test(postmaster_and_null),
	};

	return cmocka_run_group_tests(tests, in_utc, NULL);
}
