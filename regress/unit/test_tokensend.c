/* SPDX-License-Identifier: ISC */
/*
 * tokensend's arguments, its file of tokens as text, and how it reads a
 * message.
 * objects: tokensend/options.o tokensend/tokens.o tokensend/message.o tokensend/fail.o smtpd-stoken/relay/smtp/delivered.o smtpd-stoken/relay/smtp/hide.o
 * libs: -lidn2
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tokensend/message.h"
#include "tokensend/options.h"
#include "tokensend/tokens.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define AL "al@a.example"
#define BOB "bob@b.example"

static const struct {
	const char *text, *host;
	uint16_t port;
	int implicit; /* -1: it is refused */
} server_cases[] = {
    {"mx.example", "mx.example", 465, 1},
    {"mx.example:465", "mx.example", 465, 1},
    {"mx.example:2465", "mx.example", 2465, 1},
    {"mx.example:587", "mx.example", 587, 0},
    {"smtp+tls://mx.example", "mx.example", 587, 0},
    {"smtp+tls://mx.example:2525", "mx.example", 2525, 0},
    {"smtps://mx.example:587", "mx.example", 587, 1},
    {"192.0.2.1:465", "192.0.2.1", 465, 1},
    {"2001:db8::1", "2001:db8::1", 465, 1},
    {"[2001:db8::1]", "2001:db8::1", 465, 1},
    {"[2001:db8::1]:587", "2001:db8::1", 587, 0},
    {"", NULL, 0, -1},
    {":465", NULL, 0, -1},
    {"mx.example:", NULL, 0, -1},
    {"mx.example:0", NULL, 0, -1},
    {"mx.example:65536", NULL, 0, -1},
    {"mx.example:smtp", NULL, 0, -1},
    {"[2001:db8::1", NULL, 0, -1},
    {"[2001:db8::1]465", NULL, 0, -1},
    {"smtp://mx.example", NULL, 0, -1},
    {"al@mx.example", NULL, 0, -1},
    {"two words", NULL, 0, -1},
    {"mx:465:465", NULL, 0, -1},
    {"[mx.example]:465", NULL, 0, -1},
    {"fe80::1%lo", "fe80::1%lo", 465, 1},
};

static void
servers(void **state)
{
	struct options options = {.server = NULL};
	size_t i;
	int result;

	(void)state;
	for (i = 0; i < COUNT(server_cases); i++) {
		result = options_server(&options, server_cases[i].text);
		if (server_cases[i].implicit == -1) {
			assert_int_equal(result, -1);
			continue;
		}
		assert_int_equal(result, 0);
		assert_string_equal(options.server, server_cases[i].host);
		assert_int_equal(options.port, server_cases[i].port);
		assert_int_equal(options.implicit, server_cases[i].implicit);
	}
	options_free(&options);
}

static const struct {
	char *argv[10];
	int code;
} argument_cases[] = {
    {{"t", "-f", AL, BOB}, 0},
    {{"t", "-f", "<" AL ">", "-v", "<" BOB ">", BOB}, 0},
    {{"t", "-f", "", BOB}, 0},
    {{"t", "-f", "<>", "-m", "-t", "x", BOB}, 0},
    {{"t", "-f", AL, BOB, "-v"}, EX_USAGE}, /* no option behind those */
    {{"t"}, EX_USAGE},
    {{"t", "-f", AL}, EX_USAGE},
    {{"t", BOB}, EX_USAGE},
    {{"t", "-f"}, EX_USAGE},
    {{"t", "-s", "x:y", "-f", AL, BOB}, EX_USAGE},
    {{"t", "-f", "al", BOB}, EX_DATAERR},
    {{"t", "-f", AL, "bob@"}, EX_DATAERR},
    {{"t", "-f", AL, "<" BOB}, EX_DATAERR},
    {{"t", "-f", AL, "a\r\nRSET@b.example"}, EX_DATAERR},
    {{"t", "-f", AL, "--", "-bob@b.example"}, 0},
    {{"t", "-f", AL, "bob@[192.0.2.1]"}, 0},
    {{"t", "-f", "al@[192.0.2.1]", BOB}, 0},
    {{"t", "-r", "127.0.0.1:53", "-r", "[::1]:53", "-f", AL, BOB}, 0},
    {{"t", "-r", "::1", "-r", "127.0.0.1", "-f", AL, BOB}, 0},
    {{"t", "-r", "localhost:53", "-f", AL, BOB}, EX_USAGE},
    {{"t", "-r", "127.0.0.1:65536", "-f", AL, BOB}, EX_USAGE},
    {{"t", "-r", "127.0.0.1,127.0.0.2", "-f", AL, BOB}, EX_USAGE},
    {{"t", "-w", "0", "-f", AL, BOB}, EX_USAGE},
    {{"t", "-w", "5s", "-f", AL, BOB}, EX_USAGE},
    {{"t", "-w", "86400", "-k", "x", "-f", AL, BOB}, 0},
};

static void
arguments(void **state)
{
	struct options options;
	char problem[256];
	size_t i;
	int argc;

	(void)state;
	opterr = 0;
	for (i = 0; i < COUNT(argument_cases); i++) {
		for (argc = 0; argument_cases[i].argv[argc] != NULL; argc++)
			continue;
		optind = 1;
		assert_int_equal(
		    options_parse(&options, argc, argument_cases[i].argv,
			problem, sizeof(problem)),
		    argument_cases[i].code);
		options_free(&options);
	}
}

static const struct {
	const char *text;
	size_t line; /* that is wrong; 0: none */
	const char *token; /* of AL for BOB */
	const char *mine;
} text_cases[] = {
    {"", 0, NULL},
    {"\n\n# " AL " " BOB " comment\n", 0, NULL},
    {AL " " BOB " one", 0, "one"},
    {AL "\t" BOB "  one \r\n", 0, "one"},
    {"  " AL " " BOB " one\n" AL " " BOB " two\n", 0, "two"},
    {"AL@A.example <" BOB "> x\n", 1, NULL},
    {"AL@A.example bob@B.EXAMPLE x\n", 0, "x"},
    {BOB " " AL " x\n", 0, NULL},
    {AL " " BOB "\n", 1, NULL},
    {"\n" AL " " BOB " one more\n", 2, NULL},
    {AL " " BOB " a=b\n", 1, NULL},
    {AL " " BOB " \x01\n", 1, NULL},
    {"al " BOB " x\n", 1, NULL},
    {"mine " AL " " BOB " x\n", 0, NULL, "x"},
    {"mine " AL " " BOB " x\nmine\t" AL "  " BOB "\ty\n", 0, NULL, "y"},
    {AL " " BOB " one\nmine " AL " " BOB " x\n", 0, "one", "x"},
    {"mine " BOB " " AL " x\n", 0, NULL, NULL},
    {"mine " AL " " BOB "\n", 1, NULL, NULL},
    {"mine " AL " " BOB " x y\n", 1, NULL, NULL},
    {"mine mine " AL " " BOB " x\n", 1, NULL, NULL},
    {"Mine " AL " " BOB " x\n", 1, NULL, NULL},
    {"min " AL " " BOB " x\n", 1, NULL, NULL},
    {"mine\n", 1, NULL, NULL},
    {"mine@a.example " BOB " x\n", 0, NULL, NULL},
    {AL " " BOB " mine\n", 0, "mine", NULL},
};

static struct tokens
text(const char *words)
{
	struct tokens tokens = {strdup(words), strlen(words)};

	return tokens;
}

static void
finds(void **state)
{
	struct tokens tokens;
	char token[TOKEN_SIZE];
	size_t i;
	int found;

	(void)state;
	for (i = 0; i < COUNT(text_cases); i++) {
		tokens = text(text_cases[i].text);
		assert_int_equal(tokens_check(&tokens), text_cases[i].line);
		found = tokens_find(&tokens, AL, BOB, token);
		assert_int_equal(found, text_cases[i].token != NULL);
		if (found)
			assert_string_equal(token, text_cases[i].token);
		found = tokens_find_mine(&tokens, AL, BOB, token);
		assert_int_equal(found, text_cases[i].mine != NULL);
		if (found)
			assert_string_equal(token, text_cases[i].mine);
		tokens_free(&tokens);
	}
}

#define NEW .token = "new"
#define REFUSED .token = "old", .refused = "DAY"

static const struct {
	const char *before, *after; /* after NULL: as it was */
	struct tokens_change change;
} change_cases[] = {
    {"", AL " " BOB " new\n", {NEW}},
    {"# x", "# x\n" AL " " BOB " new\n", {NEW}},
    {AL " " BOB " one", AL " " BOB " new", {NEW}},
    {AL " " BOB " new", NULL, {NEW}},
    {AL " " BOB " new\n" AL " " BOB " 2\n",
	AL " " BOB " new\n" AL " " BOB " new\n", {NEW}},
    {"#\n\n" AL "\t" BOB "  one \r\n#", "#\n\n" AL "\t" BOB "  new \r\n#",
	{NEW}},
    {AL " " BOB " a\n" AL " " BOB " longer\n" AL " c@b.example c\n",
	AL " " BOB " a\n" AL " " BOB " new\n" AL " c@b.example c\n", {NEW}},
    {"mine " AL " " BOB " x", "mine " AL " " BOB " x\n" AL " " BOB " new\n",
	{NEW}},
    {"", NULL, {REFUSED}},
    {AL " " BOB " older\n", NULL, {REFUSED}},
    {BOB " " AL " old\n", NULL, {REFUSED}},
    {"mine " AL " " BOB " old\n", NULL, {REFUSED}},
    {"# " AL " " BOB " old\n", NULL, {REFUSED}},
    {AL " " BOB " old", "# refused DAY: " AL " " BOB " old", {REFUSED}},
    {AL " " BOB " a\n " AL " " BOB " old \r\n" AL " " BOB " b\n",
	AL " " BOB " a\n# refused DAY:  " AL " " BOB " old \r\n" AL " " BOB
	   " b\n",
	{REFUSED}},
    {AL " " BOB " old\nAL@a.example " BOB " old\n",
	"# refused DAY: " AL " " BOB " old\n# refused DAY: AL@a.example " BOB
	" old\n",
	{REFUSED}},
};

static void
changes(void **state)
{
	struct tokens_change change;
	struct tokens tokens, fresh;
	size_t i;
	int changed;

	(void)state;
	for (i = 0; i < COUNT(change_cases); i++) {
		change = change_cases[i].change;
		change.local = AL;
		change.remote = BOB;
		tokens = text(change_cases[i].before);
		changed = tokens_change(&fresh, &tokens, &change);
		assert_int_equal(changed, change_cases[i].after != NULL);
		if (changed) {
			assert_int_equal(
			    fresh.length, strlen(change_cases[i].after));
			assert_memory_equal(
			    fresh.text, change_cases[i].after, fresh.length);
			assert_int_equal(tokens_check(&fresh), 0);
		}
		tokens_free(&tokens);
		if (changed)
			tokens_free(&fresh);
	}
}

static void
longest_token(void **state)
{
	char line[400], token[TOKEN_SIZE];
	struct tokens tokens;
	int n;

	(void)state;
	for (n = 250; n < 260; n++) {
		snprintf(line, sizeof(line), "%s %s %0*d", AL, BOB, n, 0);
		tokens = text(line);
		assert_int_equal(tokens_check(&tokens), n > 255);
		assert_int_equal(
		    tokens_find(&tokens, AL, BOB, token), n <= 255);
		tokens_free(&tokens);
	}
}

/* All that a line can need, and a newline that the file lacks. */
static void
longest_line(void **state)
{
	char address[2][256], token[TOKEN_SIZE];
	struct tokens_change change = {
	    .local = address[0], .remote = address[1], .token = token};
	struct tokens tokens = text("#"), fresh;

	(void)state;
	memset(token, 't', sizeof(token));
	token[sizeof(token) - 1] = '\0';
	snprintf(address[0], sizeof(address[0]), "%064d@%0187d.x", 0, 0);
	snprintf(address[1], sizeof(address[1]), "%064d@%0187d.y", 0, 0);
	assert_int_equal(strlen(address[0]), 254);
	assert_int_equal(tokens_change(&fresh, &tokens, &change), 1);
	assert_int_equal(fresh.length, 2 + 2 * 255 + 255 + 1);
	tokens_free(&tokens);
	tokens_free(&fresh);
}

static const struct {
	const char *in, *out;
	int has_8bit, header_8bit;
} message_cases[] = {
    {"a: b\r\n\r\nc\r\n", "a: b\n\nc\n", 0, 0},
    {"a: b\n\nc\n", "a: b\n\nc\n", 0, 0},
    {"a\r\r\nb\rc\n", "a\r\nb\rc\n", 0, 0},
    {"a: b\n\n\xc3\xa9\n", "a: b\n\n\xc3\xa9\n", 1, 0},
    {"a: \xc3\xa9\n\nb\n", "a: \xc3\xa9\n\nb\n", 1, 1},
    {"\n\xc3\xa9\n", "\n\xc3\xa9\n", 1, 0},
};

/* However the octets come. */
static void
messages(void **state)
{
	struct message message;
	char out[64];
	size_t i, at, cut, length, n;

	(void)state;
	for (i = 0; i < COUNT(message_cases); i++) {
		length = strlen(message_cases[i].in);
		for (cut = 0; cut <= length; cut++) {
			message_begin(&message);
			assert_int_equal(
			    message_convert(
				&message, message_cases[i].in, cut, out, &at),
			    0);
			assert_int_equal(
			    message_convert(&message, message_cases[i].in + cut,
				length - cut, out + at, &n),
			    0);
			out[at + n] = '\0';
			assert_string_equal(out, message_cases[i].out);
			assert_int_equal(
			    message.has_8bit, message_cases[i].has_8bit);
			assert_int_equal(
			    message.header_8bit, message_cases[i].header_8bit);
		}
	}
	assert_int_equal(message_convert(&message, "a\0b", 3, out, &n), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(servers),
	    cmocka_unit_test(arguments),
	    cmocka_unit_test(finds),
	    cmocka_unit_test(changes),
	    cmocka_unit_test(longest_token),
	    cmocka_unit_test(longest_line),
	    cmocka_unit_test(messages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
