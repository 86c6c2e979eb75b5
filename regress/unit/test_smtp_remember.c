/* SPDX-License-Identifier: ISC */
/*
 * The command REMEMBERME, with the protocol code alone.
 * clauses: R-01 R-02 R-03 R-05 R-06 R-08 R-10 R-11 R-12 R-19
 * objects: smtpd-stoken/engine/smtp/?*.o
 * libs: -lidn2
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "regress/unit/smtp_world.h"

#define LOGIN "AUTH PLAIN AGFsaWNlQGEuZXhhbXBsZQBzZWNyZXQ=\r\n"

static struct world *
world(enum smtp_listener listener)
{
	struct world *w = world_new(listener, 0);

	w->settings.remember = SMTP_REMEMBER_RANDOM | SMTP_REMEMBER_JWT |
	    SMTP_REMEMBER_HT2_EXPR | SMTP_REMEMBER_HT2_ENDP;
	w->settings.mechanisms |= SMTP_AUTH_REMEMBERME | SMTP_AUTH_HT2_EXPR |
	    SMTP_AUTH_HT2_ENDP | SMTP_AUTH_HT2_NONE | SMTP_AUTH_OAUTHBEARER;
	return w;
}

/* What is said to these octets. */
static const char *
said(struct world *w, const char *text)
{
	w->output_length = 0;
	w->output[0] = '\0';
	world_feed(w, text, strlen(text));
	return w->output;
}

/* Only what this connection can have: it has an exporter alone. */
static void
what_is_listed(void **state)
{
	struct world *w = world(SMTP_LISTENER_SMTPS);
	const char *text = said(w, "EHLO c.example\r\n");

	(void)state;
	assert_non_null(
	    strstr(text, "\r\n250-REMEMBERME RANDOM JWT HT2-SHA-256-EXPR\r\n"));
	assert_non_null(strstr(text,
	    " REMEMBERME HT2-SHA-256-EXPR "
	    "HT2-SHA-256-NONE OAUTHBEARER\r\n"));
	text = said(w, "LHLO c.example\r\n");
	assert_null(strstr(text, "250-REMEMBERME"));
	world_free(w);
	w = world(SMTP_LISTENER_TLS_REQUIRE);
	text = said(w, "EHLO c.example\r\n");
	assert_null(strstr(text, "REMEMBERME"));
	assert_memory_equal(said(w, "REMEMBERME JWT\r\n"), "530 5.7.0", 9);
	text = said(w, "STARTTLS\r\n");
	text = said(w, "EHLO c.example\r\n");
	assert_non_null(strstr(text, "250-REMEMBERME RANDOM JWT\r\n"));
	assert_null(strstr(text, "HT2"));
	world_free(w);
}

static const struct {
	const char *line;
	const char *answer;
} errors[] = {
    {"REMEMBERME", "501 5.5.4"},
    {"REMEMBERME RANDOM JWT", "501 5.5.4"},
    {"REMEMBERME RAN(DOM", "501 5.5.4"},
    {"REMEMBERME \"RANDOM\"", "501 5.5.4"},
    {"REMEMBERME  RANDOM", "501 5.5.4"},
    {"REMEMBERME SAML", "504 5.5.4"},
    {"REMEMBERME RANDO", "504 5.5.4"},
    {"REMEMBERME RANDOMX", "504 5.5.4"},
    {"REMEMBERME HT2-SHA-256-ENDP", "504 5.5.4"},
    {"REMEMBERME HT2-SHA-256-NONE", "504 5.5.4"},
};

static void
refusals(void **state)
{
	struct world *w = world(SMTP_LISTENER_SMTPS);
	char line[64];
	size_t i;

	(void)state;
	assert_memory_equal(said(w, "REMEMBERME JWT\r\n"), "503 5.5.1", 9);
	(void)said(w, "EHLO c.example\r\n");
	assert_memory_equal(said(w, "REMEMBERME JWT\r\n"), "530 5.7.0", 9);
	assert_memory_equal(said(w, LOGIN), "235 2.7.0", 9);
	for (i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		snprintf(line, sizeof(line), "%s\r\n", errors[i].line);
		if (memcmp(said(w, line), errors[i].answer, 9) != 0)
			fail_msg("%s: %s", errors[i].line, w->output);
	}
	(void)said(w, "MAIL FROM:<alice@a.example>\r\n");
	assert_memory_equal(said(w, "REMEMBERME JWT\r\n"), "503 5.5.1", 9);
	(void)said(w, "RSET\r\n");
	w->settings.remember = 0;
	assert_memory_equal(said(w, "REMEMBERME JWT\r\n"), "500 5.5.1", 9);
	world_free(w);
	w = world(SMTP_LISTENER_SOCKET);
	(void)said(w, "LHLO c.example\r\n");
	assert_memory_equal(said(w, "REMEMBERME JWT\r\n"), "500 5.5.1", 9);
	world_free(w);
	w = world(SMTP_LISTENER_SMTPS);
	(void)said(w, "LHLO c.example\r\n");
	(void)said(w, "AUTH STOKEN Ym9iQGEuZXhhbXBsZQBnb29k\r\n");
	assert_memory_equal(said(w, "REMEMBERME JWT\r\n"), "550 5.7.1", 9);
	world_free(w);
}

static const struct {
	enum smtp_remembered remembered;
	const char *answer;
} outcomes[] = {
    {SMTP_REMEMBERED, "235 2.7.0 YWFh"},
    {SMTP_REMEMBER_TYPE, "504 5.5.4"},
    {SMTP_REMEMBER_WEAK, "534 5.7.9"},
    {SMTP_REMEMBER_REFUSED, "550 5.7.1"},
    {SMTP_REMEMBER_TEMPORARY, "454 4.7.0"},
};

static void
answers(void **state)
{
	struct world *w = world(SMTP_LISTENER_SMTPS);
	size_t i;

	(void)state;
	(void)said(w, "EHLO c.example\r\n");
	(void)said(w, LOGIN);
	for (i = 0; i < sizeof(outcomes) / sizeof(outcomes[0]); i++) {
		w->remembered = outcomes[i].remembered;
		(void)said(w, "rememberme random\r\n");
		assert_memory_equal(
		    w->output, outcomes[i].answer, strlen(outcomes[i].answer));
		assert_int_equal(strstr(w->output, "\r\n") - w->output + 2,
		    w->output_length);
	}
	w->remembered = SMTP_REMEMBERED;
	(void)said(w, "RememberMe jwt\r\n");
	assert_int_equal(w->output_length, 10 + 500 + 2);
	(void)said(w, "REMEMBERME RANDOM\r\n");
	assert_int_equal(w->output_length, 10 + 136 + 2);
	assert_non_null(strstr(w->output, "YQ==\r\n"));
	/* tokend is gone while it is asked: an answer, and one only. */
	w->deferred = 1;
	assert_string_equal(said(w, "REMEMBERME RANDOM\r\n"), "");
	smtp_checks_lost(w->session);
	assert_memory_equal(w->output, "454 4.7.0", 9);
	w->output_length = 0;
	world_answer(w);
	assert_int_equal(w->output_length, 0);
	world_free(w);
}

/* RS-03: one text, which says what to do. */
static void
failure_text(void **state)
{
	struct world *w = world(SMTP_LISTENER_SMTPS);

	(void)state;
	(void)said(w, "EHLO c.example\r\n");
	assert_string_equal(said(w, "AUTH REMEMBERME d3Jvbmc=\r\n"),
	    "535 5.7.8 Token not accepted: log in with your password\r\n");
	assert_memory_equal(
	    said(w, "AUTH HT2-SHA-256-EXPR\r\n"), "334 \r\n", 6);
	assert_string_equal(said(w, "d3Jvbmc=\r\n"),
	    "535 5.7.8 Token not accepted: log in with your password\r\n");
	assert_string_equal(said(w, "AUTH PLAIN d3Jvbmc=\r\n"),
	    "535 5.7.8 Authentication failed\r\n");
	world_free(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_listed),
	    cmocka_unit_test(refusals),
	    cmocka_unit_test(answers),
	    cmocka_unit_test(failure_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
