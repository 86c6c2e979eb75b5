/* SPDX-License-Identifier: ISC */
/*
 * A peer's reply repeats a token, cut in every way: at every octet over two
 * lines, in pieces, behind so much text that we cut it, in another case, base
 * 64 as it was sent. Nothing of it is in what is passed on and logged.
 *
 * objects: smtpd-stoken/relay/smtp/?*.o
 * libs: -lcrypto
 */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base64.h"
#include "smtpd-stoken/relay/smtp/delivered.h"
#include "smtpd-stoken/relay/smtp/hide.h"
#include "smtpd-stoken/relay/smtp/login.h"
#include "smtpd-stoken/relay/smtp/reply.h"

#define BOB "bob@b.example"
/* As long as ours are; no part of it comes twice, or in any other text. */
#define TOKEN \
	"AW9xQkV5cGl2dzhKfRzLmJ0d3N1oUhjT7v-Xa_YgE4sM6nP2bCqDZrtFkHuIylOeWi3G"

/* The reply as it is taken and passed on; feeds octets of the wire. */
static struct client_reply
received(const char *wire)
{
	struct reply_parser parser;
	struct client_reply reply;
	enum reply_event event = REPLY_NONE;
	size_t length = strlen(wire), n;

	reply_reset(&parser);
	while (length > 0) {
		n = reply_input(&parser, wire, length, &event);
		wire += n;
		length -= n;
		assert_int_not_equal(event, REPLY_FAULT);
	}
	assert_int_equal(event, REPLY_END);
	reply_pass(&parser, &reply);
	return reply;
}

/* The longest part of the secret in the text, whatever case and blanks. */
static size_t
shown(const char *text, const char *secret)
{
	char flat[2 * CLIENT_TEXT_MAX];
	size_t i, j, n, most = 0, count = 0;

	for (; *text != '\0'; text++)
		if (*text != ' ')
			flat[count++] = (char)tolower((unsigned char)*text);
	for (i = 0; i < count; i++)
		for (j = 0; secret[j] != '\0'; j++) {
			for (n = 0; i + n < count && secret[j + n] != '\0' &&
			     flat[i + n] ==
				 tolower((unsigned char)secret[j + n]);
			     n++)
				continue;
			most = n > most ? n : most;
		}
	return most;
}

static void
check(const char *wire)
{
	struct client_reply reply = received(wire);

	delivered_hide(&reply, TOKEN);
	if (shown(reply.text, TOKEN) >= HIDE_LEAST)
		fail_msg("%s\n%s", wire, reply.text);
}

static void
at_every_octet_over_two_lines(void **state)
{
	static const char *const forms[] = {"550-5.7.1 no %.*s\r\n550 %s\r\n",
	    "550-%.*s\r\n550 5.7.1 %s is bad\r\n",
	    "550-5.7.1 %.*s \r\n550-5.7.1\r\n550 5.7.1   %s.\r\n",
	    "250-2.1.5 %.*s\r\n250 %s\r\n", "450 4.2.1 %.*s  %s\r\n"};
	char wire[512];
	size_t form;
	int cut;

	(void)state;
	for (form = 0; form < sizeof(forms) / sizeof(forms[0]); form++)
		for (cut = 0; cut <= (int)strlen(TOKEN); cut++) {
			snprintf(wire, sizeof(wire), forms[form], cut, TOKEN,
			    TOKEN + cut);
			check(wire);
		}
}

static void
in_pieces(void **state)
{
	char wire[4096];
	size_t piece, i, n;

	(void)state;
	for (piece = 1; piece < strlen(TOKEN); piece++) {
		n = 0;
		for (i = 0; i < strlen(TOKEN); i += piece)
			n += (size_t)snprintf(wire + n, sizeof(wire) - n,
			    "554-5.6.0 %.*s\r\n", (int)piece, TOKEN + i);
		snprintf(wire + n, sizeof(wire) - n, "554 5.6.0 end\r\n");
		check(wire);
	}
}

/* Of every end and every beginning; and in capitals. */
static void
parts_of_it(void **state)
{
	char wire[512], *p;
	int from, to;

	(void)state;
	for (from = 0; from < (int)strlen(TOKEN); from++)
		for (to = from; to <= (int)strlen(TOKEN); to++) {
			snprintf(wire, sizeof(wire), "550 5.7.1 <%.*s>\r\n",
			    to - from, TOKEN + from);
			check(wire);
			for (p = wire; *p != '\0'; p++)
				*p = (char)toupper((unsigned char)*p);
			check(wire);
		}
}

/* Behind so many octets that ours end in the middle of it: in one piece. */
static void
where_we_cut(void **state)
{
	struct client_reply reply;
	char wire[2048], fill[CLIENT_TEXT_MAX + 1];
	size_t n;
	int kept;

	(void)state;
	for (n = CLIENT_TEXT_MAX - 80; n <= CLIENT_TEXT_MAX; n++) {
		memset(fill, 0, sizeof(fill));
		memset(fill, '.', n);
		snprintf(wire, sizeof(wire), "550 5.7.1 %s%s\r\n", fill, TOKEN);
		reply = received(wire);
		kept = (int)(CLIENT_TEXT_MAX - n);
		assert_int_equal(reply.cut, kept < (int)strlen(TOKEN));
		assert_int_equal(strlen(reply.text),
		    reply.cut ? CLIENT_TEXT_MAX : n + strlen(TOKEN));
		hide_secret(reply.text, TOKEN, reply.cut);
		assert_int_equal(
		    shown(reply.text, TOKEN), 0); /* not even an octet */
		/* The same over two lines. */
		snprintf(wire, sizeof(wire), "550-5.7.1 %s\r\n550 %s\r\n", fill,
		    TOKEN);
		check(wire);
	}
}

/* A token that nobody here knows: one word, or one that goes on. */
static void
a_new_one(void **state)
{
	struct client_reply reply;
	char wire[1024], token[DELIVERED_TOKEN_MAX + 1];
	int cut, length = (int)strlen(TOKEN), has;

	(void)state;
	for (cut = 0; cut <= length; cut++) {
		snprintf(wire, sizeof(wire),
		    "250-2.1.13 <" BOB "> %.*s\r\n250 2.1.13 %s id saved\r\n",
		    cut, TOKEN, TOKEN + cut);
		reply = received(wire);
		has = delivered_take(&reply, BOB, token);
		/* Where it ends is not known: none is taken. */
		assert_int_equal(has, 0);
		assert_string_equal(token, "");
		assert_string_equal(reply.text, "<" BOB "> ...");
	}
	for (cut = 0; cut < length; cut++) {
		/* The line ends before there is all of it. */
		snprintf(wire, sizeof(wire),
		    "250 2.1.13 <" BOB "> %s id %.*s\r\n", TOKEN, cut, TOKEN);
		reply = received(wire);
		assert_int_equal(delivered_take(&reply, BOB, token), 1);
		assert_string_equal(token, TOKEN);
		assert_true(shown(reply.text, TOKEN) < HIDE_LEAST);
	}
	snprintf(wire, sizeof(wire),
	    "250-2.1.13 <" BOB "> %s id\r\n250 2.1.13 saved\r\n", TOKEN);
	reply = received(wire);
	assert_int_equal(delivered_take(&reply, BOB, token), 1);
	assert_string_equal(token, TOKEN);
	assert_string_equal(reply.text, "<" BOB "> ...");
	/* Where it should not be. */
	snprintf(wire, sizeof(wire), "451 2.1.13 <" BOB "> %s id\r\n", TOKEN);
	reply = received(wire);
	assert_int_equal(delivered_take(&reply, BOB, token), 0);
	delivered_hide(&reply, "another");
	assert_string_equal(reply.text, "2.1.13 <" BOB "> ... id");
	snprintf(wire, sizeof(wire), "250 2.1.12 <" BOB "> %s\r\n", TOKEN);
	reply = received(wire);
	delivered_hide(&reply, "another");
	assert_string_equal(reply.text, "<" BOB "> ...");
}

/* What is no secret stays: the text is there to be read. */
static void
the_rest_stays(void **state)
{
	static const char *const texts[] = {"no such user here",
	    "<" BOB "> 0123456789abcdef0123456789abcdef saved",
	    "the message is too large, see https://b.example/",
	    "<someone.with.a.long.name@a.long.name.example> not here"};
	struct client_reply reply = {.code = 250, .enhanced = "2.1.12"};
	char short_text[] = "a b c ab abc xabc";
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		strlcpy(reply.text, texts[i], sizeof(reply.text));
		delivered_hide(&reply, TOKEN);
		delivered_hide(&reply, "");
		assert_string_equal(reply.text, texts[i]);
	}
	/* One that is as short as a word is hidden as one. */
	assert_int_equal(hide_secret(short_text, "abc", 0), 1);
	assert_string_equal(short_text, "a b c ab ... xabc");
}

/* As it was sent with AUTH: base 64 behind any recipient, at every cut. */
static void
encoded(void **state)
{
	struct login login;
	char plain[256], code[512], text[600];
	const char *address = BOB;
	size_t n, cut, length;

	(void)state;
	for (n = 0; n < 3; n++) {
		login_begin(
		    &login, login_bit("STOKEN", 6), 1, address + n, TOKEN);
		length = strlen(address + n) + 1;
		memcpy(plain, address + n, length);
		memcpy(plain + length, TOKEN, strlen(TOKEN));
		length += strlen(TOKEN);
		assert_int_not_equal(
		    base64_encode(code, sizeof(code), (uint8_t *)plain, length),
		    -1);
		for (cut = 0; cut < strlen(code) - HIDE_LEAST; cut++) {
			snprintf(text, sizeof(text), "no %.*s %s", (int)cut,
			    code, code + cut);
			assert_true(login_shows(&login, text));
			/* Pieces of 20, none of which is long. */
			snprintf(text, sizeof(text), "no %.20s", code + cut);
			if (cut > 26 && cut + 20 < strlen(code))
				assert_true(login_shows(&login, text));
		}
		assert_false(login_shows(&login, "credentials are invalid"));
		login_end(&login);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(at_every_octet_over_two_lines),
	    cmocka_unit_test(in_pieces),
	    cmocka_unit_test(parts_of_it),
	    cmocka_unit_test(where_we_cut),
	    cmocka_unit_test(a_new_one),
	    cmocka_unit_test(the_rest_stays),
	    cmocka_unit_test(encoded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
