/* SPDX-License-Identifier: ISC */
/*
 * objects: tokend/auth/dovecot_text.o tokend/auth/rights.o tokend/auth/source.o
 * libs: -lcrypto
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "tokend/auth/dovecot_text.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define LITERAL(text) bytes_of(text, sizeof(text) - 1)

static void
writes_lines(void **state)
{
	static const char want[] = "AUTH\t4294967295\tPLAIN\tnologin"
				   "\tsession=a\001tb\001nc\001rd\001"
				   "1e\trport=25\tresp=AGE=\n";
	struct dovecot_line line;

	(void)state;
	dovecot_begin(&line, "AUTH");
	dovecot_add_number(&line, NULL, UINT32_MAX);
	dovecot_add(&line, "PLAIN");
	dovecot_add(&line, "nologin");
	dovecot_add_text(&line, "session", "a\tb\nc\rd\001e");
	dovecot_add_number(&line, "rport", 25);
	dovecot_add_data(&line, "resp", LITERAL("\0a"));
	assert_int_equal(dovecot_end(&line), 0);
	assert_int_equal(line.length, sizeof(want) - 1);
	assert_memory_equal(line.text, want, line.length);
}

static void
says_when_a_line_is_full(void **state)
{
	static uint8_t data[DOVECOT_LINE_MAX];
	struct dovecot_line line;

	(void)state;
	/* 3 of 4 octets are data; "CONT", TAB, "1", TAB, LF. */
	dovecot_begin(&line, "CONT");
	dovecot_add_number(&line, NULL, 1);
	dovecot_add_data(
	    &line, NULL, bytes_of(data, (DOVECOT_LINE_MAX - 8) / 4 * 3));
	assert_int_equal(dovecot_end(&line), 0);
	dovecot_begin(&line, "CONT");
	dovecot_add_number(&line, NULL, 1);
	dovecot_add_data(&line, NULL, bytes_of(data, sizeof(data)));
	assert_true(line.full);
	assert_int_equal(dovecot_end(&line), -1);
	dovecot_begin(&line, "USER");
	while (!line.full)
		dovecot_add(&line, "a\tb");
	assert_int_equal(dovecot_end(&line), -1);
}

static void
cuts_parameters(void **state)
{
	struct bytes rest = LITERAL("OK\t\t1\tuser=x"), p;

	(void)state;
	assert_true(dovecot_next(&rest, &p));
	assert_true(dovecot_is(p, "OK"));
	assert_false(dovecot_is(p, "O"));
	assert_true(dovecot_next(&rest, &p));
	assert_int_equal(p.length, 0);
	assert_true(dovecot_next(&rest, &p));
	assert_true(dovecot_is(p, "1"));
	assert_true(dovecot_next(&rest, &p));
	assert_true(dovecot_is(p, "user=x"));
	assert_false(dovecot_next(&rest, &p));
	rest = LITERAL("OK\t");
	assert_true(dovecot_next(&rest, &p));
	assert_true(dovecot_next(&rest, &p));
	assert_int_equal(p.length, 0);
	assert_false(dovecot_next(&rest, &p));
	rest = LITERAL("");
	assert_true(dovecot_next(&rest, &p));
	assert_false(dovecot_next(&rest, &p));
}

static void
reads_numbers(void **state)
{
	static const char *const bad[] = {"", "-1", "+1", " 1", "1 ", "0x1",
	    "4294967296", "99999999999999999999", "1\t", "a"};
	uint32_t number;
	size_t i;

	(void)state;
	assert_int_equal(dovecot_number(LITERAL("0"), &number), 0);
	assert_int_equal(number, 0);
	assert_int_equal(dovecot_number(LITERAL("4294967295"), &number), 0);
	assert_int_equal(number, UINT32_MAX);
	for (i = 0; i < COUNT(bad); i++)
		assert_int_equal(
		    dovecot_number(bytes_text(bad[i]), &number), -1);
}

static void
undoes_escapes(void **state)
{
	char out[8];

	(void)state;
	assert_int_equal(dovecot_unescape(out, sizeof(out),
			     LITERAL("a\001t\001n\001r\001"
				     "1\001x")),
	    6);
	assert_memory_equal(out, "a\t\n\r\001x", 7);
	assert_int_equal(
	    dovecot_unescape(out, sizeof(out), LITERAL("a\0010b")), 3);
	assert_memory_equal(out, "a\0b", 4);
	assert_int_equal(
	    dovecot_unescape(out, sizeof(out), LITERAL("a\001")), -1);
	assert_int_equal(
	    dovecot_unescape(out, sizeof(out), LITERAL("1234567")), 7);
	assert_int_equal(
	    dovecot_unescape(out, sizeof(out), LITERAL("12345678")), -1);
	assert_int_equal(dovecot_unescape(out, 0, LITERAL("")), -1);
	assert_int_equal(dovecot_unescape(out, 1, LITERAL("")), 0);
}

static const struct {
	const char *text, *user;
	enum step_result result;
	enum auth_reason reason;
} fails[] = {
    {"user=bob", "bob", STEP_FAILED, AUTH_REASON_BAD_SECRET},
    {"", "", STEP_FAILED, AUTH_REASON_BAD_SECRET},
    {"temp\tuser=bob", "bob", STEP_TEMPORARY, AUTH_REASON_NONE},
    {"user=b\tcode=temp_fail\treason=x y", "b", STEP_TEMPORARY,
	AUTH_REASON_NONE},
    {"user=b\tuser_disabled", "b", STEP_FAILED, AUTH_REASON_DISABLED},
    {"user=b\tcode=user_disabled", "b", STEP_FAILED, AUTH_REASON_DISABLED},
    {"user=b\tcode=pass_expired", "b", STEP_FAILED, AUTH_REASON_EXPIRED},
    {"pass_expired", "", STEP_FAILED, AUTH_REASON_EXPIRED},
    {"user=b\tauthz", "b", STEP_FAILED, AUTH_REASON_PROTOCOL},
    {"temp\tcode=user_disabled", "", STEP_TEMPORARY, AUTH_REASON_NONE},
    {"code=user_disabled\ttemp", "", STEP_TEMPORARY, AUTH_REASON_NONE},
    {"code=whatever\tnew=1\t=\t==\tusers=x", "", STEP_FAILED,
	AUTH_REASON_BAD_SECRET},
    {"user=a\001tb", "a\tb", STEP_FAILED, AUTH_REASON_BAD_SECRET},
    {"user=a\001", "", STEP_FAILED, AUTH_REASON_BAD_SECRET},
};

static void
reads_why_it_failed(void **state)
{
	struct dovecot_answer answer;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(fails); i++) {
		dovecot_read(&answer, bytes_text(fails[i].text));
		assert_string_equal(answer.user, fails[i].user);
		assert_int_equal(answer.user_length, strlen(fails[i].user));
		assert_int_equal(answer.result, fails[i].result);
		if (answer.result == STEP_FAILED)
			assert_int_equal(answer.reason, fails[i].reason);
	}
}

static void
reads_what_a_user_may(void **state)
{
	char text[1024] = "user=";
	uint8_t digest[32];
	struct dovecot_answer answer;

	(void)state;
	dovecot_read(&answer,
	    LITERAL("user=a\tsubmit=no\treceive=no\tmessages_per_hour=7\t"
		    "recipients_per_hour=many\tuid=5"));
	assert_true(
	    answer.facts.rights.no_submit && answer.facts.rights.no_receive);
	assert_int_equal(answer.facts.rights.messages_per_hour, 7);
	assert_int_equal(answer.facts.rights.recipients_per_hour, LIMIT_SITE);
	dovecot_read(&answer, LITERAL("submit=yes\tsubmit\treceive="));
	assert_false(
	    answer.facts.rights.no_submit || answer.facts.rights.no_receive);
	/* What changes with the password: any text, and the same for the same */
	assert_int_equal(answer.facts.digest_length, 0);
	dovecot_read(&answer, LITERAL("password_changed=\tuser=a"));
	assert_int_equal(answer.facts.digest_length, 0);
	dovecot_read(&answer, LITERAL("user=a\tpassword_changed=x\001ty"));
	assert_int_equal(answer.facts.digest_length, 32);
	memcpy(digest, answer.facts.digest, 32);
	dovecot_read(&answer, LITERAL("password_changed=x\001ty\tuser=b"));
	assert_memory_equal(answer.facts.digest, digest, 32);
	dovecot_read(&answer, LITERAL("password_changed=x\001tz"));
	assert_memory_not_equal(answer.facts.digest, digest, 32);
	/* Nobody's name is so long. */
	memset(text + 5, 'a', sizeof(text) - 6);
	dovecot_read(&answer, bytes_text(text));
	assert_int_equal(answer.user_length, 0);
	assert_string_equal(answer.user, "");
	memcpy(text, "reason=", 7);
	dovecot_read(&answer, bytes_text(text));
	assert_int_equal(strlen(answer.why), sizeof(answer.why) - 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(writes_lines),
	    cmocka_unit_test(says_when_a_line_is_full),
	    cmocka_unit_test(cuts_parameters),
	    cmocka_unit_test(reads_numbers),
	    cmocka_unit_test(undoes_escapes),
	    cmocka_unit_test(reads_why_it_failed),
	    cmocka_unit_test(reads_what_a_user_may),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
