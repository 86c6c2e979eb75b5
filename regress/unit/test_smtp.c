/* SPDX-License-Identifier: ISC */
/*
 * Dialogues with the protocol code alone.
 * objects: smtpd-stoken/engine/smtp/?*.o
 * libs: -lidn2
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "regress/unit/smtp_world.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define TOKEN_LOGIN "AUTH STOKEN Ym9iQGEuZXhhbXBsZQBnb29k"
#define PLAIN_LOGIN "AUTH PLAIN AGFsaWNlQGEuZXhhbXBsZQBzZWNyZXQ="
#define BAD_LOGIN "AUTH PLAIN AGFsaWNlQGEuZXhhbXBsZQB3cm9uZw=="
#define LHLO_LINES                                                            \
	"LHLO c.example", "<250-mx.a.example", "<250-PIPELINING",             \
	    "<250-SIZE 100000", "<250-8BITMIME", "<250-BINARYMIME",           \
	    "<250-SMTPUTF8", "<250-CHUNKING", "<250-METADATA", "<250-STOKEN", \
	    "<250-AUTH STOKEN SCRAM-SHA-256-PLUS "                            \
	    "SCRAM-SHA-256 PLAIN LOGIN",                                      \
	    "<250 ENHANCEDSTATUSCODES"
#define EHLO_LINES                                                         \
	"EHLO c.example", "<250-mx.a.example", "<250-PIPELINING",          \
	    "<250-SIZE 100000", "<250-8BITMIME", "<250-BINARYMIME",        \
	    "<250-SMTPUTF8", "<250-DSN", "<250-CHUNKING", "<250-METADATA", \
	    "<250-AUTH SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN",      \
	    "<250 ENHANCEDSTATUSCODES"
#define BY_TOKEN LHLO_LINES, TOKEN_LOGIN, "<235 2.7.0"
#define BY_LOGIN EHLO_LINES, PLAIN_LOGIN, "<235 2.7.0"
#define MAIL "MAIL FROM:<al@b.example>", "<250 2.1.0"
#define MAIL_ALICE "MAIL FROM:<alice@a.example>", "<250 2.1.0"
#define RCPT "RCPT TO:<bob@a.example> STOKEN=good", "<250 2.1.5"

/*
 * A line with "<" is how the next reply line starts; any other is sent. The
 * clause ids stand beside the lines that prove them.
 */
struct dialogue {
	const char *name;
	enum smtp_listener listener;
	const char *const lines[64];
};

static const struct dialogue dialogues[] = {
    {"delivery by token: S1-04 S1-11 S1-70 S1-75..78", SMTP_LISTENER_SMTPS,
	{"<220 mx.a.example ESMTP", BY_TOKEN, MAIL, RCPT,
	    "rcpt to:<Bob@A.example> mystoken=mine stoken=perm", "<250 2.1.5",
	    "DATA", "<354 ", "Subject: x", "", "body", ".",
	    "<250 2.1.13 <bob@a.example> NEWTOKEN MESSAGEID-1 ",
	    "<250 2.1.12 <Bob@A.example> MESSAGEID-2 ", "QUIT", "<221 2.0.0",
	    NULL}},
    {"equal recipients have a reply each: F-02", SMTP_LISTENER_SMTPS,
	{"<220", BY_TOKEN, MAIL, RCPT, RCPT, "DATA", "<354", ".",
	    "<250 2.1.13 <bob@a.example> NEWTOKEN MESSAGEID-1",
	    "<250 2.1.13 <bob@a.example> NEWTOKEN MESSAGEID-2", NULL}},
    {"tokens at RCPT: S1-06 S1-16 S1-72 D-S17 D-S23", SMTP_LISTENER_SMTPS,
	{"<220", BY_TOKEN, MAIL, "RCPT TO:<bob@a.example>", "<550 5.7.1",
	    "RCPT TO:<bob@a.example> STOKEN=bad", "<550 5.7.1",
	    "RCPT TO:<nobody@a.example> STOKEN=good", "<550 5.7.1",
	    "RCPT TO:<bob@a.example> STOKEN", "<501 5.5.4",
	    "RCPT TO:<bob@a.example> STOKEN=", "<501 5.5.4",
	    "RCPT TO:<bob@a.example> STOKEN=a=b", "<501 5.5.4",
	    "RCPT TO:<bob@a.example> STOKEN=good STOKEN=good", "<501 5.5.4",
	    "RCPT TO:<bob@a.example> MYSTOKEN=x", "<501 5.5.4",
	    "RCPT TO:<bob@a.example> NOTIFY=NEVER", "<555 5.5.4", "DATA",
	    "<503 5.5.1", "RSET", "<250 2.0.0", "MAIL FROM:<>", "<250 2.1.0",
	    "RCPT TO:<bob@a.example> STOKEN=good", "<550 5.7.1", NULL}},
    {"a token session may do nothing else: S1-15 F-30", SMTP_LISTENER_SMTPS,
	{"<220", BY_TOKEN, "GENSTOKEN TEMP al@b.example", "<550 5.7.1",
	    "REVSTOKEN al@b.example", "<550 5.7.1", TOKEN_LOGIN, "<503 5.5.1",
	    "EHLO x", "<500 5.5.1", "HELO x", "<500 5.5.1", LHLO_LINES, NULL}},
    {"before login: S1-65 F-38 F-50", SMTP_LISTENER_SMTPS,
	{"<220", "MAIL FROM:<a@b.c>", "<503 5.5.1", LHLO_LINES,
	    "MAIL FROM:<a@b.c>", "<530 5.7.0",
	    "RCPT TO:<bob@a.example> STOKEN=good", "<530 5.7.0", "DATA",
	    "<503 5.5.1", "GENSTOKEN TEMP a@b.c", "<530 5.7.0",
	    "REVSTOKEN a@b.c", "<530 5.7.0", "NOOP x y", "<250 2.0.0", "RSET",
	    "<250 2.0.0", "VRFY bob", "<252 2.0.0", "VRFY", "<501 5.5.4",
	    "HELP", "<214 2.0.0", "EXPN x", "<502 5.5.1", "ETRN x",
	    "<502 5.5.1", "TURN", "<502 5.5.1", "XYZZY", "<500 5.5.1", "",
	    "<500 5.5.1", "STARTTLS", "<503 5.5.1", NULL}},
    {"before TLS: S1-57 S1-58 X-6", SMTP_LISTENER_TLS_REQUIRE,
	{"<220", "AUTH PLAIN x", "<503 5.5.1", "LHLO c.example", "<250-mx",
	    "<250-STARTTLS", "<250-PIPELINING", "<250-SIZE", "<250-8BITMIME",
	    "<250-SMTPUTF8", "<250 ENHANCEDSTATUSCODES", TOKEN_LOGIN,
	    "<530 5.7.0 Must issue a STARTTLS", "MAIL FROM:<a@b.c>",
	    "<530 5.7.0", "GENSTOKEN TEMP a@b.c", "<530 5.7.0",
	    "REVSTOKEN a@b.c", "<530 5.7.0", "RCPT TO:<b@c>", "<530 5.7.0",
	    "DATA", "<503 5.5.1", "STARTTLS now", "<501 5.5.4", "STARTTLS",
	    "<220 2.0.0", NULL}},
    {"GENSTOKEN and REVSTOKEN: S1-34..47 S1-80", SMTP_LISTENER_SMTPS,
	{"<220", BY_LOGIN, "GENSTOKEN TEMP al@b.example",
	    "<250 2.1.11 TEMPTOKEN ",
	    "genstoken perm al@b.example "
	    "alice@a.example",
	    "<250 2.1.11 PERMTOKEN ", "GENSTOKEN", "<501 5.5.4",
	    "GENSTOKEN TEMP", "<501 5.5.4", "GENSTOKEN OTHER al@b.example",
	    "<501 5.5.4", "GENSTOKEN TEMP a@b c@d e@f", "<501 5.5.4",
	    "GENSTOKEN TEMP remoteuser..@example.com", "<501 5.1.3",
	    "GENSTOKEN TEMP <al@b.example>", "<501 5.1.3",
	    "GENSTOKEN TEMP al@b.example alice..@x", "<501 5.1.7",
	    "GENSTOKEN TEMP al@b.example carol@a.example", "<501 5.1.7",
	    "GENSTOKEN TEMP soft@b.example", "<451 4.5.0",
	    "REVSTOKEN soft@b.example", "<451 4.5.0", "REVSTOKEN al@b.example",
	    "<250 2.1.0", "REVSTOKEN", "<501 5.5.4", "REVSTOKEN a..@b",
	    "<501 5.1.3", "REVSTOKEN a@b c@d e@f", "<501 5.5.4",
	    "REVSTOKEN a@b carol@a.example", "<501 5.1.7", MAIL_ALICE,
	    "GENSTOKEN TEMP al@b.example", "<503 5.5.1", NULL}},
    {"submission: section 11, F-51 F-52 F-53", SMTP_LISTENER_SMTPS,
	{"<220", BY_LOGIN, "LHLO x", "<503 5.5.1", "MAIL FROM:<bob@a.example>",
	    "<550 5.7.1", "MAIL FROM:<alice@localhost>", "<554 5.1.8",
	    "MAIL FROM:<>", "<250 2.1.0", "RSET", "<250", MAIL_ALICE, NULL}},
    {"submission of a message", SMTP_LISTENER_SMTPS,
	{"<220", BY_LOGIN, MAIL_ALICE, "MAIL FROM:<alice@a.example>",
	    "<503 5.5.1", "RCPT TO:<nobody@a.example>", "<550 5.1.1",
	    "RCPT TO:<soft@a.example>", "<451 4.3.0", "RCPT TO:<al@b.example>",
	    "<550 5.7.1", "RCPT TO:<bob@localhost>", "<554 5.1.2",
	    "RCPT TO:<bob@[192.0.2.1]>", "<501 5.1.3", "RCPT TO:<>",
	    "<501 5.1.3", "RCPT TO:<bob..x@a.example>", "<501 5.1.3",
	    "RCPT TO:bob@a.example", "<501 5.1.3", "RCPT bob", "<501 5.5.4",
	    "RCPT TO:<bob@a.example> STOKEN=good", "<555 5.5.4", "DATA",
	    "<554 5.5.1", "RCPT TO: <bob@a.example>", "<250 2.1.5",
	    "RCPT TO:<postmaster>", "<250 2.1.5", "DATA x", "<501 5.5.4",
	    "DATA", "<354", "..stuffed", ".", "<250 2.0.0 MESSAGEID ", "DATA",
	    "<503 5.5.1", NULL}},
    {"login in LMTP mode: D-S17", SMTP_LISTENER_SMTPS,
	{"<220", LHLO_LINES, PLAIN_LOGIN, "<235", MAIL_ALICE,
	    "RCPT TO:<bob@a.example> STOKEN=good", "<501 5.5.4",
	    "RCPT TO:<bob@a.example>", "<250", "DATA", "<354", ".",
	    "<250 2.1.12 <bob@a.example> MESSAGEID-1 ", NULL}},
    {"parameters of MAIL: F-40 F-90 F-100", SMTP_LISTENER_SMTPS,
	{"<220", BY_LOGIN, "MAIL FROM:<alice@a.example> SIZE=100001",
	    "<552 5.3.4", "MAIL FROM:<alice@a.example> SIZE=x", "<501 5.5.4",
	    "MAIL FROM:<alice@a.example> SIZE", "<501 5.5.4",
	    "MAIL FROM:<alice@a.example> SIZE=123456789012345678901",
	    "<501 5.5.4",
	    "MAIL FROM:<alice@a.example> SIZE=99999999999999999999",
	    "<552 5.3.4", "MAIL FROM:<alice@a.example> SIZE=1 SIZE=1",
	    "<501 5.5.4", "MAIL FROM:<alice@a.example> BODY=9BIT", "<501 5.5.4",
	    "MAIL FROM:<alice@a.example> BODY=BINARYMIM", "<501 5.5.4",
	    "MAIL FROM:<alice@a.example> FOO=bar", "<555 5.5.4",
	    "MAIL FROM:<alice@a.example> SMTPUTF8=1", "<501 5.5.4",
	    "MAIL FROM:<alice@a.example> AUTH=a+2", "<501 5.5.4",
	    "MAIL FROM:<alice@a.example> AUTH=a+2b", "<501 5.5.4",
	    "MAIL FROM:<alice@a.example>SIZE=1", "<501 5.5.4",
	    "MAIL FROM:<alice\xc3\xb6@a.example>", "<550 5.6.7",
	    "MAIL FROM:<alice@a..example>", "<501 5.1.7",
	    "MAIL <alice@a.example>", "<501 5.5.4", "MAIL", "<501 5.5.4",
	    "MAIL FROM:<postmaster>", "<501 5.1.7",
	    "mail from:<alice\xc3\xb6@a.example> smtputf8 body=8bitmime "
	    "size=00000000000000000005 AUTH=<>  ",
	    "<250 2.1.0",
	    "RCPT TO:<b\xc3\xb6"
	    "b@a.example>",
	    "<250 2.1.5", "RCPT TO:<bob@\xc3\xb6\xcc\x88\xe3\x80\x82.a>",
	    "<501 5.1.3", NULL}},
    {"non-ASCII recipient: F-100", SMTP_LISTENER_SMTPS,
	{"<220", BY_LOGIN, "MAIL FROM:<alice@a.example> AUTH=a+2Bb+3D", "<250",
	    "RCPT TO:<b\xc3\xb6"
	    "b@a.example>",
	    "<553 5.6.7", NULL}},
    {"AUTH: F-30..F-37", SMTP_LISTENER_SMTPS,
	{"<220", EHLO_LINES, "AUTH", "<501 5.5.4", "AUTH PLAIN x y",
	    "<501 5.5.4", "AUTH CRAM-MD5", "<504 5.5.4",
	    "AUTH STOKEN Ym9iQGEuZXhhbXBsZQBnb29k", "<504 5.5.4",
	    "AUTH PLAIN abcdefg", "<501 5.5.2", "AUTH PLAIN A=AA", "<501 5.5.2",
	    "AUTH PLAIN =", "<501 5.5.2", "AUTH PLAIN", "<334 ", "*",
	    "<501 5.7.0", "AUTH PLAIN", "<334 ", "%%%", "<501 5.5.2",
	    "auth login", "<334 VXNlcm5hbWU6", "YWxpY2VAYS5leGFtcGxl",
	    "<334 UGFzc3dvcmQ6", "eHl6", "<535 5.7.8",
	    "AUTH PLAIN AGFsaWNlQGEuZXhhbXBsZQBzb2Z0", "<454 4.7.0",
	    "AUTH PLAIN", "<334 ", "AGFsaWNlQGEuZXhhbXBsZQBzZWNyZXQ=",
	    "<235 2.7.0", PLAIN_LOGIN, "<503 5.5.1", NULL}},
    {"login by LOGIN", SMTP_LISTENER_SMTPS,
	{"<220", EHLO_LINES, "AUTH LOGIN YWxpY2VAYS5leGFtcGxl",
	    "<334 UGFzc3dvcmQ6", "c2VjcmV0", "<235 2.7.0", NULL}},
    {"the fourth failure ends it: S1-71 F-39", SMTP_LISTENER_SMTPS,
	{"<220", EHLO_LINES, BAD_LOGIN, "<535 5.7.8", BAD_LOGIN, "<535 5.7.8",
	    BAD_LOGIN, "<535 5.7.8", BAD_LOGIN, "<535 5.7.8", "<421 4.7.0",
	    NULL}},
    {"the socket", SMTP_LISTENER_SOCKET,
	{"<220 mx.a.example LMTP", "EHLO x", "<500 5.5.1", "HELO x",
	    "<500 5.5.1", "LHLO localhost", "<250-mx", "<250-PIPELINING",
	    "<250-SIZE", "<250-8BITMIME", "<250-BINARYMIME", "<250-SMTPUTF8",
	    "<250-CHUNKING", "<250-METADATA", "<250 ENHANCEDSTATUSCODES",
	    PLAIN_LOGIN, "<500 5.5.1", "STARTTLS", "<500 5.5.1",
	    "GENSTOKEN TEMP a@b.c", "<500 5.5.1", "MAIL FROM:<root@localhost>",
	    "<250", "RCPT TO:<bob@a.example> STOKEN=good", "<555 5.5.4",
	    "RCPT TO:<nobody@a.example>", "<550 5.1.1",
	    "RCPT TO:<bob@a.example>", "<250", "RCPT TO:<postmaster>", "<250",
	    "DATA", "<354", ".", "<250 2.1.12 <bob@a.example> MESSAGEID-1",
	    "<250 2.1.12 <postmaster@a.example> MESSAGEID-2", NULL}},
    {"greetings: D-S22 F-64", SMTP_LISTENER_SMTPS,
	{"<220", "EHLO", "<501 5.5.4", "EHLO a b", "<501 5.5.4",
	    "EHLO \xc3\xb6", "<501 5.5.4", "LHLO", "<501 5.5.4", "HELO",
	    "<501 5.5.4", "HELO [127.0.0.1]", "<250 mx.a.example",
	    "EHLO [IPv6:::1]", "<250-", "<250-", "<250-", "<250-", "<250-",
	    "<250-", "<250-", "<250-", "<250-", "<250-", "<250 ", LHLO_LINES,
	    "EHLO x", "<500 5.5.1", "QUIT now", "<501 5.5.4", "RSET now",
	    "<501 5.5.4", NULL}},
};

/* Checks output line by line. */
static void
expect_lines(struct world *world, const struct dialogue *dialogue)
{
	const char *p = world->output, *line;
	size_t i;

	for (i = 0; (line = dialogue->lines[i]) != NULL; i++) {
		if (line[0] != '<')
			continue;
		if (strncmp(p, line + 1, strlen(line + 1)) != 0)
			fail_msg("%s: expected %s, got: %.60s", dialogue->name,
			    line + 1, p);
		p = strstr(p, "\r\n");
		assert_non_null(p);
		p += 2;
	}
	if (*p != '\0')
		fail_msg("%s: more output: %s", dialogue->name, p);
}

/* One dialogue: answers at once or late, all in one piece or octet-wise. */
static void
run(const struct dialogue *dialogue, int deferred, int octets)
{
	struct world *world = world_new(dialogue->listener, deferred);
	const char *line, *p;
	size_t i;

	for (i = 0; (line = dialogue->lines[i]) != NULL; i++) {
		if (line[0] == '<')
			continue;
		for (p = line; octets && *p != '\0'; p++)
			world_feed(world, p, 1);
		if (!octets)
			world_feed(world, line, strlen(line));
		world_feed(world, "\r", octets);
		world_feed(world, octets ? "\n" : "\r\n", octets ? 1 : 2);
		if (deferred != 2)
			world_answer(world);
	}
	world_answer(world);
	expect_lines(world, dialogue);
	world_free(world);
}

static void
all_dialogues(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(dialogues); i++) {
		run(&dialogues[i], 0, 0);
		run(&dialogues[i], 0, 1);
		run(&dialogues[i], 1, 0);
		run(&dialogues[i], 1, 1);
		run(&dialogues[i], 2, 0);
		run(&dialogues[i], 2, 1);
	}
}

/* A session on the socket, in the middle of DATA, with its output cleared. */
static struct world *
in_data(int normalize)
{
	static const char start[] = "LHLO c\r\nMAIL FROM:<al@b.example>\r\n"
				    "RCPT TO:<bob@a.example>\r\nDATA\r\n";
	struct world *world = world_new(SMTP_LISTENER_SOCKET, 0);

	world->settings.normalize = normalize;
	world_feed(world, start, sizeof(start) - 1);
	world->output_length = 0;
	world->output[0] = '\0';
	return world;
}

/* What the file holds behind the trace fields. */
static const char *
message_text(struct world *world)
{
	char *end;

	world->message[world->message_length] = '\0';
	end = strstr(world->message, "+0000\n");
	assert_non_null(end);
	return end + 6;
}

static const struct {
	const char *sent; /* the dot line included */
	const char *reject, *normalize; /* reply */
	const char *text; /* in the file, of reject, or of normalize */
} bodies[] = {
    {"a: b\r\n\r\nc\r\n.\r\n", "250 2.1.12", "250 2.1.12", "a: b\n\nc\n"},
    {".\r\n", "250 2.1.12", "250 2.1.12", ""},
    {"\r\n.\r\n", "250 2.1.12", "250 2.1.12", "\n"},
    {"..\r\n.a\r\n...b\r\n.\r\n", "250 2.1.12", "250 2.1.12", ".\na\n..b\n"},
    {"a.\r\nb\r\n.\r\n", "250 2.1.12", "250 2.1.12", "a.\nb\n"},
    /* F-110, F-111: none of these ends the data. */
    {"a\n.\nb\r\n.\r\n", "550 5.5.2", "250 2.1.12", "a\n.\nb\n"},
    {"a\n.\r\nb\r\n.\r\n", "550 5.5.2", "250 2.1.12", "a\n.\nb\n"},
    {"a\r\n.\nb\r\n.\r\n", "550 5.5.2", "250 2.1.12", "a\n\nb\n"},
    {"a\r.\rb\r\n.\r\n", "550 5.5.2", "250 2.1.12", "a\n.\nb\n"},
    {"a\r\n.\rb\r\n.\r\n", "550 5.5.2", "250 2.1.12", "a\n\nb\n"},
    {"a\r\r\n.\r\n", "550 5.5.2", "250 2.1.12", "a\n\n"},
    {"a\r\n.\r\r\n.\r\n", "550 5.5.2", "250 2.1.12", "a\n\n\n"},
    {"a\n\r\n.\r\n", "550 5.5.2", "250 2.1.12", "a\n\n"},
    {"\n.\r\n\r\n.\r\n", "550 5.5.2", "250 2.1.12", "\n.\n\n"},
};

static void
check_body(size_t i, int normalize, size_t piece)
{
	struct world *world = in_data(normalize);
	const char *p = bodies[i].sent, *reply;
	size_t n;

	for (; *p != '\0'; p += n) {
		n = strnlen(p, piece);
		world_feed(world, p, n);
	}
	reply = normalize ? bodies[i].normalize : bodies[i].reject;
	if (strncmp(world->output, reply, strlen(reply)) != 0 ||
	    strchr(world->output, '\n')[1] != '\0')
		fail_msg("%zu/%d/%zu: %s", i, normalize, piece, world->output);
	if (strncmp(reply, "250", 3) == 0)
		assert_string_equal(message_text(world), bodies[i].text);
	world->output_length = 0;
	world_feed(world, "NOOP\r\n", 6);
	assert_memory_equal(world->output, "250 2.0.0", 9);
	world_free(world);
}

static void
data_ends_in_one_way(void **state)
{
	size_t i, piece;

	(void)state;
	for (i = 0; i < COUNT(bodies); i++)
		for (piece = 1; piece < 20; piece++) {
			check_body(i, 0, piece);
			check_body(i, 1, piece);
		}
}

/* The reply to a message that is given in pieces of 997 octets. */
static char *
reply_to(struct world *world, const char *text, size_t length)
{
	size_t i, n;

	for (i = 0; i < length; i += n) {
		n = length - i < 997 ? length - i : 997;
		world_feed(world, text + i, n);
	}
	world_feed(world, ".\r\n", 3);
	return world->output;
}

/* F-90: the limit counts CR LF, and no stuffed dots; all is consumed. */
static void
size_limit(void **state)
{
	static char text[110000];
	struct world *world;
	size_t i;

	(void)state;
	memset(text, 'x', sizeof(text));
	for (i = 98; i < sizeof(text); i += 100)
		memcpy(text + i, "\r\n", 2);
	world = in_data(0);
	assert_memory_equal(reply_to(world, text, 100000), "250 2.1.12", 10);
	world_free(world);
	world = in_data(0);
	world_feed(world, ".", 1);
	assert_memory_equal(reply_to(world, text, 100000), "250 2.1.12", 10);
	world_free(world);
	world = in_data(0);
	assert_memory_equal(reply_to(world, text, 100100), "552 5.3.4", 9);
	assert_int_equal(world->open, 0);
	world_free(world);
}

static void
nul_is_refused(void **state)
{
	struct world *world = in_data(1);

	(void)state;
	assert_memory_equal(reply_to(world, "a\0b\r\n", 5), "554 5.6.0", 9);
	world_free(world);
	/* One that follows the message is no part of it. */
	world = in_data(0);
	world_feed(world, "a\r\n.\r\nNO\0OP\r\n", 14);
	assert_memory_equal(world->output, "250 2.1.12", 10);
	assert_non_null(strstr(world->output, "\r\n500 5.5.2"));
	world_free(world);
}

/* RFC 5321 section 6.3: in the header alone. */
static void
loops_are_seen(void **state)
{
	static char text[8000];
	struct world *world;
	int i;

	(void)state;
	text[0] = '\0';
	for (i = 0; i < 100; i++)
		strcat(text,
		    i % 2 ? "Received: x\r\n\ty\r\n"
			  : "rEcEiVeD: x\r\nReceive: a\r\n");
	world = in_data(0);
	assert_memory_equal(
	    reply_to(world, text, strlen(text)), "250 2.1.12", 10);
	world_free(world);
	strcat(text, "\r\nReceived: in the body\r\n");
	world = in_data(0);
	assert_memory_equal(
	    reply_to(world, text, strlen(text)), "250 2.1.12", 10);
	world_free(world);
	world = in_data(0);
	world_feed(world, "Received: one\r\n", 15);
	assert_memory_equal(
	    reply_to(world, text, strlen(text)), "554 5.4.6", 9);
	world_free(world);
}

/* F-95, F-36, F-113, F-111: what a line may not be, and what follows it. */
/* By octets, or all in one piece: is the session over behind it? */
static void
bad_line(
    const char *line, size_t length, const char *reply, int closed, int octets)
{
	struct world *world = world_new(SMTP_LISTENER_SMTPS, 0);
	size_t j;

	world->output_length = 0;
	for (j = 0; octets && j < length; j++)
		world_feed(world, line + j, 1);
	if (!octets)
		world_feed(world, line, length);
	world_feed(world, "\r\nNOOP\r\n", 8);
	assert_memory_equal(world->output, reply, 9);
	assert_int_equal(world->closed, closed);
	assert_int_equal(
	    strstr(world->output, "\r\n250 2.0.0") == NULL, closed);
	world_free(world);
}

/* A bare CR or LF is no line end; what follows BDAT and BMTD is no command. */
static void
bad_lines(void **state)
{
	static const struct {
		const char *line;
		size_t length;
		int closed;
	} rows[] = {{"NOOP\n", 5, 0}, {"NO\rOP", 5, 0}, {"NO\0OP", 5, 0},
	    {"NOOP\nQUIT", 9, 0}, {"NOOP\r", 5, 0}, {"\0", 1, 0},
	    {"NOOP\nBDAT 5", 11, 1}, {"NOOP\r\t bmtd5", 12, 1},
	    {"\0\nBDAT", 6, 1}, {"BDAT\nx", 6, 1}, {"BDAT\0005", 6, 1},
	    {" bmtd\t5\0", 8, 1}, {"NOOP\nBDATA", 10, 0},
	    {"NOOP BDAT 5\0", 12, 0}};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows) * 2; i++)
		bad_line(rows[i / 2].line, rows[i / 2].length, "500 5.5.2",
		    rows[i / 2].closed, i & 1);
}

/* F-18, T23: lines that no client of SMTP takes for a command. */
static void
foreign_lines(void **state)
{
	static const struct {
		const char *line;
		int closed;
	} rows[] = {{"BDAT5", 1}, {"BDAT5 LAST", 1}, {"BDAT\t5", 1},
	    {"bdat\t5 LAST", 1}, {"BDAT=5", 1}, {" BDAT 5", 1}, {" BDAT", 1},
	    {"\tBMTD 5", 1}, {"BMTD5", 1}, {"Bmtd:5", 1}, {"BDAT-5", 1},
	    {"BDAT\xc2\xa0"
	     "5",
		1},
	    {"Subject: x", 1}, {"Received:x", 1}, {"X-A: b", 1},
	    {"\tfolded", 1}, {"--boundary=", 1}, {".", 1}, {"..", 1},
	    {"GET / HTTP/1.1", 1}, {"PROPFIND /a b HTTP/2", 1},
	    {"SSH-2.0-x", 1}, {"\x16\x03\x01x", 1}, {"<html>", 1}, {"", 0},
	    {"  ", 0}, {"FROB", 0}, {"FROB HTTP", 0}, {"X", 0}, {"X-FOO", 0},
	    {"XFOO_1 x:y", 0}, {" NOOP", 0}, {"XBDAT 5", 0}, {"BDATA 5", 0},
	    {"FROB x HTTP/1.1 y", 0}};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows) * 2; i++)
		bad_line(rows[i / 2].line, strlen(rows[i / 2].line),
		    rows[i / 2].closed ? "500 5.5.2" : "500 5.5.1",
		    rows[i / 2].closed, i & 1);
}

static void
long_lines(void **state)
{
	static char text[65536];
	struct world *world = world_new(SMTP_LISTENER_SMTPS, 0);
	size_t n;

	(void)state;
	memset(text, 'x', sizeof(text));
	memcpy(text, "NOOP ", 5);
	memcpy(text + SMTP_LINE_MAX - 2, "\r\n", 2);
	world->output_length = 0;
	world_feed(world, text, SMTP_LINE_MAX);
	assert_memory_equal(world->output, "250 2.0.0", 9);
	memset(text + 5, 'x', sizeof(text) - 5);
	world->output_length = 0;
	world_feed(world, text, SMTP_LINE_MAX + 1);
	assert_memory_equal(world->output, "500 5.5.2", 9);
	assert_int_equal(world->held_length, 0);
	world_feed(world, text, 1000);
	world->output_length = 0;
	world_feed(world, "\r\nNOOP\r\n", 8);
	assert_memory_equal(world->output, "250 2.0.0", 9);
	memcpy(text, "AUTH ", 5);
	world->output_length = 0;
	world_feed(world, text, SMTP_LINE_MAX + 1);
	assert_memory_equal(world->output, "500 5.5.6", 9);
	world->output_length = 0;
	for (n = 0; n < SMTP_SKIP_MAX; n += sizeof(text)) {
		assert_int_equal(world->closed, 0);
		world_feed(world, text, sizeof(text));
	}
	assert_memory_equal(world->output, "421 4.7.0", 9);
	assert_int_equal(world->closed, 1);
	world_free(world);
}

static void
long_auth_lines(void **state)
{
	static const char start[] = "EHLO c\r\nAUTH PLAIN\r\n";
	static char text[SMTP_AUTH_LINE_MAX + 2];
	struct world *world = world_new(SMTP_LISTENER_SMTPS, 0);

	(void)state;
	memset(text, 'A', sizeof(text));
	memcpy(text + 12288, "\r\n", 2);
	world_feed(world, start, sizeof(start) - 1);
	world->output_length = 0;
	world_feed(world, text, 12290);
	assert_memory_equal(world->output, "535 5.7.8", 9);
	world_feed(world, "AUTH PLAIN\r\n", 12);
	memset(text, 'A', sizeof(text));
	world->output_length = 0;
	world_feed(world, text, 12291);
	assert_memory_equal(world->output, "500 5.5.6", 9);
	world->output_length = 0;
	world_feed(world, "\r\nNOOP\r\n", 8);
	assert_memory_equal(world->output, "250 2.0.0", 9);
	world_free(world);
}

static void
too_many_errors(void **state)
{
	struct world *world = world_new(SMTP_LISTENER_SMTPS, 0);
	int i;

	(void)state;
	for (i = 0; i < SMTP_ERRORS_MAX; i++) {
		assert_int_equal(world->closed, 0);
		world_feed(world, "XYZZY\r\n", 7);
	}
	assert_int_equal(world->closed, 1);
	assert_string_equal(world->reason, "errors");
	assert_non_null(strstr(world->output, "\r\n421 4.7.0"));
	world_free(world);
}

/* CVE-2011-0411, F-64: what came in clear behind STARTTLS is never read. */
static void
nothing_passes_starttls(void **state)
{
	static const char text[] = "EHLO c\r\nSTARTTLS\r\nEHLO x\r\nNOOP\r\n";
	struct world *world = world_new(SMTP_LISTENER_TLS_REQUIRE, 1);

	(void)state;
	world_feed(world, text, sizeof(text) - 1);
	assert_int_equal(world->held_length, 0);
	world_feed(world, "NOOP\r\nHALF", 10);
	assert_int_equal(world->held_length, 0);
	world->output_length = 0;
	world->output[0] = '\0';
	world_answer(world);
	assert_int_equal(world->tls, 1);
	assert_string_equal(world->output, "");
	world_feed(world, "MAIL FROM:<a@b.c>\r\n", 19);
	assert_memory_equal(world->output, "503 5.5.1", 9);
	world_feed(world, "EHLO c\r\n", 8);
	assert_null(strstr(world->output, "STARTTLS"));
	assert_non_null(strstr(world->output, "AUTH SCRAM-SHA-256 PLAIN"));
	world_feed(world, "STARTTLS\r\n", 10);
	assert_non_null(strstr(world->output, "\r\n503 5.5.1"));
	world_free(world);
}

/* RFC 2920: RCPT checks overlap, replies keep the order of the commands. */
static void
pipelined_recipients(void **state)
{
	static const char text[] =
	    "LHLO c\r\nMAIL FROM:<al@b.example>\r\n"
	    "RCPT TO:<bob@a.example>\r\nRCPT TO:<nobody@a.example>\r\n"
	    "RCPT TO:<soft@a.example>\r\nRCPT TO:<bob@a.example>\r\n"
	    "RCPT TO:<bad\r\nDATA\r\n";
	struct world *world = world_new(SMTP_LISTENER_SOCKET, 1);
	const char *expected[] = {"250 2.1.5", "550 5.1.1", "451 4.3.0",
	    "250 2.1.5", "501 5.1.3", "354 "};
	const char *p;
	size_t i;

	(void)state;
	world_feed(world, text, sizeof(text) - 1);
	assert_int_equal(world->asked, 4);
	assert_true(smtp_stalled(world->session));
	world->output_length = 0;
	world_answer(world);
	for (i = 0, p = world->output; i < COUNT(expected); i++) {
		assert_memory_equal(p, expected[i], strlen(expected[i]));
		p = strstr(p, "\r\n") + 2;
	}
	world_free(world);
}

static void
too_many_recipients(void **state)
{
	struct world *world = world_new(SMTP_LISTENER_SOCKET, 1);
	const char *p;
	int i;

	(void)state;
	world->settings.recipients = 3;
	world_feed(world, "LHLO c\r\nMAIL FROM:<>\r\n", 22);
	world->output_length = 0;
	for (i = 0; i < 5; i++)
		world_feed(world, "RCPT TO:<bob@a.example>\r\n", 25);
	world_answer(world);
	for (i = 0, p = world->output; i < 5; i++) {
		assert_memory_equal(p, i < 3 ? "250 2.1.5" : "452 4.5.3", 9);
		p = strstr(p, "\r\n") + 2;
	}
	world_free(world);
}

/* S1-61: what is not stored is not 250, for that recipient alone. */
static void
one_recipient_fails(void **state)
{
	static const char text[] =
	    "LHLO c\r\nMAIL FROM:<al@b.example>\r\n"
	    "RCPT TO:<bob@a.example>\r\nRCPT TO:<al@a.example>\r\nDATA\r\n"
	    ".\r\n";
	struct world *world = world_new(SMTP_LISTENER_SOCKET, 0);

	(void)state;
	world->no_store = 1;
	world_feed(world, text, sizeof(text) - 1);
	assert_non_null(strstr(
	    world->output, "\r\n250 2.1.12 <bob@a.example> MESSAGEID-1"));
	assert_non_null(strstr(world->output, "\r\n451 4.2.0 <al@a.example> "));
	world_free(world);
}

static void
lost_message(void **state)
{
	struct world *world = in_data(0);

	(void)state;
	world_feed(world, "a\r\n", 3);
	smtp_message_lost(world->session, SMTP_TEMPORARY);
	assert_int_equal(world->open, 0);
	assert_memory_equal(reply_to(world, "b\r\n", 3), "451 4.3.0", 9);
	world_free(world);
	world = in_data(0);
	world->lost = 1;
	world_feed(world, ".\r\n", 3);
	smtp_on_delivered(world->session, NULL, 0);
	assert_memory_equal(world->output, "451 4.3.0", 9);
	world_free(world);
}

static void
trace_fields(void **state)
{
	static const char text[] =
	    "LHLO c.example\r\n" TOKEN_LOGIN "\r\n"
	    "MAIL FROM:<al@b.example>\r\n"
	    "RCPT TO:<bob@a.example> STOKEN=good\r\nDATA\r\n.\r\n";
	static const char submission[] =
	    "EHLO c.example\r\n" PLAIN_LOGIN "\r\n"
	    "MAIL FROM:<alice@a.example> SMTPUTF8\r\n"
	    "RCPT TO:<bob@a.example>\r\nRCPT TO:<al@a.example>\r\nDATA\r\n"
	    ".\r\n";
	struct world *world = world_new(SMTP_LISTENER_SMTPS, 0);

	(void)state;
	assert_int_equal(setenv("TZ", "UTC", 1), 0);
	tzset();
	world_feed(world, text, sizeof(text) - 1);
	world->message[world->message_length] = '\0';
	assert_string_equal(world->message,
	    "Return-Path: <al@b.example>\n"
	    "Received: from c.example ([192.0.2.7])\n"
	    "\tby mx.a.example with LMTPSA id MESSAGEID\n"
	    "\tfor <bob@a.example>\n"
	    "\ttls TLS_AES_256_GCM_SHA384 group x25519;\n"
	    "\tTue, 14 Nov 2023 22:13:20 +0000\n"
	    "Authentication-Results: mx.a.example;\n"
	    "\tauth=pass (stoken temporary) smtp.mailfrom=al@b.example\n");
	world_free(world);
	world = world_new(SMTP_LISTENER_SMTPS, 0);
	world_feed(world, submission, sizeof(submission) - 1);
	world->message[world->message_length] = '\0';
	assert_string_equal(world->message,
	    "Return-Path: <alice@a.example>\n"
	    "Received: from unknown\n"
	    "\tby mx.a.example with UTF8SMTPSA id MESSAGEID\n"
	    "\ttls TLS_AES_256_GCM_SHA384 group x25519;\n"
	    "\tTue, 14 Nov 2023 22:13:20 +0000\n"
	    "Authentication-Results: mx.a.example;\n"
	    "\tauth=pass smtp.auth=alice@a.example\n"
	    "Date: Tue, 14 Nov 2023 22:13:20 +0000\n"
	    "Message-ID: <MESSAGEID@mx.a.example>\n");
	world_free(world);
}

static void
ends_of_sessions(void **state)
{
	struct world *world = world_new(SMTP_LISTENER_SMTPS, 0);

	(void)state;
	world->output_length = 0;
	smtp_timeout(world->session);
	smtp_shutdown(world->session);
	assert_string_equal(
	    world->output, "421 4.4.2 mx.a.example Timeout, closing\r\n");
	world_free(world);
	world = world_new(SMTP_LISTENER_SMTPS, 0);
	world->output_length = 0;
	smtp_greet(world->session, 1); /* F-114 */
	assert_memory_equal(world->output, "554 mx.a.example ", 17);
	assert_int_equal(world->closed, 1);
	world_feed(world, "NOOP\r\n", 6);
	assert_int_equal(world->held_length, 0);
	world_free(world);
}

/* `token no`: as if nobody had ever heard of it. */
static void
without_tokens(void **state)
{
	static const char text[] = "LHLO c\r\nGENSTOKEN TEMP a@b.c\r\n"
				   "REVSTOKEN a@b.c\r\n" TOKEN_LOGIN "\r\n";
	struct world *world = world_new(SMTP_LISTENER_SMTPS, 0);

	(void)state;
	world->settings.tokens = 0;
	world->settings.mechanisms = SMTP_AUTH_PLAIN;
	world_feed(world, text, sizeof(text) - 1);
	assert_null(strstr(world->output, "STOKEN"));
	assert_non_null(strstr(world->output, "\r\n250-AUTH PLAIN\r\n"));
	assert_non_null(strstr(world->output,
	    "\r\n500 5.5.1 Command unrecognized\r\n"
	    "500 5.5.1 Command unrecognized\r\n504 5.5.4"));
	world_free(world);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(all_dialogues),
	    cmocka_unit_test(data_ends_in_one_way),
	    cmocka_unit_test(size_limit),
	    cmocka_unit_test(nul_is_refused),
	    cmocka_unit_test(loops_are_seen),
	    cmocka_unit_test(bad_lines),
	    cmocka_unit_test(foreign_lines),
	    cmocka_unit_test(long_lines),
	    cmocka_unit_test(long_auth_lines),
	    cmocka_unit_test(too_many_errors),
	    cmocka_unit_test(nothing_passes_starttls),
	    cmocka_unit_test(pipelined_recipients),
	    cmocka_unit_test(too_many_recipients),
	    cmocka_unit_test(one_recipient_fails),
	    cmocka_unit_test(lost_message),
	    cmocka_unit_test(trace_fields),
	    cmocka_unit_test(ends_of_sessions),
	    cmocka_unit_test(without_tokens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
