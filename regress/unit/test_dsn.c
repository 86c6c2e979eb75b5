/* SPDX-License-Identifier: ISC */
/*
 * The report to a sender (RFC 3464).
 * clauses: F-101
 * objects: smtpd-stoken/engine/smtp/?*.o
 * libs: -lidn2
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <setjmp.h>
#include <cmocka.h>

#include "smtpd-stoken/engine/smtp/dsn.h"
#include "smtpd-stoken/engine/smtp/dsn_text.h"

struct output {
	char text[2000000];
	size_t length, stop;
};

static struct output output;

static int
collect(void *context, const void *text, size_t length)
{
	struct output *o = context;

	assert_true(length > 0);
	if (o->stop > 0 && o->length >= o->stop)
		return -1;
	assert_true(o->length + length < sizeof(o->text));
	memcpy(o->text + o->length, text, length);
	o->length += length;
	o->text[o->length] = '\0';
	return 0;
}

static const struct dsn_recipient some[] = {
    {"bob@b.example", "rfc822;Bob+2Bx@b.example", NULL, "5.1.1", "mx.b.example",
	550, "No such user here"},
    {"never@b.example", NULL, "never", "5.1.1", NULL, 550, "x"},
    {"other@b.example", NULL, "SUCCESS,DELAY", "5.1.1", NULL, 550, "x"},
    {"carol@a.example", NULL, "success,failure", "4.2.2", NULL, 452,
	"Mailbox full"},
};

static struct dsn
report(const struct dsn_recipient *recipients, size_t count)
{
	struct dsn dsn = {.hostname = "mx.a.example",
	    .domain = "a.example",
	    .sender = "alice@a.example",
	    .id = "REPORTID",
	    .envid = "QQ+2B1",
	    .boundary = "0123456789abcdef",
	    .now = 1700000005,
	    .arrived = 1700000000,
	    .recipients = recipients,
	    .count = count};

	output.length = output.stop = 0;
	output.text[0] = '\0';
	return dsn;
}

static const char golden[] =
    "From: \"Mail server mx.a.example\" <postmaster@a.example>\n"
    "To: <alice@a.example>\n"
    "Subject: Not delivered to 2 recipients\n"
    "Date: Tue, 14 Nov 2023 22:13:25 +0000\n"
    "Message-ID: <REPORTID@mx.a.example>\n"
    "Auto-Submitted: auto-replied\n"
    "MIME-Version: 1.0\n"
    "Content-Type: multipart/report; report-type=delivery-status;\n"
    "\tboundary=\"=_0123456789abcdef\"\n"
    "\n"
    "\n"
    "--=_0123456789abcdef\n"
    "Content-Type: text/plain; charset=us-ascii\n"
    "Content-Transfer-Encoding: 7bit\n"
    "\n"
    "This is the mail server mx.a.example.\n"
    "\n"
    "Your message of Tue, 14 Nov 2023 22:13:20 +0000\n"
    "was NOT delivered to:\n"
    "\n"
    "  bob@b.example\n"
    "    There is no mailbox of this name.\n"
    "    The next server said: 550 5.1.1\n"
    "      No such user here\n"
    "\n"
    "  carol@a.example\n"
    "    The mailbox is full.\n"
    "    This server said: 452 4.2.2\n"
    "      Mailbox full\n"
    "\n"
    "It will not be tried again. Other recipients have it.\n"
    "\n"
    "Where the reason may pass, send the message again later to those who\n"
    "are named above, and to nobody else.\n"
    "\n"
    "The header of your message follows.\n"
    "\n"
    "--=_0123456789abcdef\n"
    "Content-Type: message/delivery-status\n"
    "Content-Transfer-Encoding: 7bit\n"
    "\n"
    "Reporting-MTA: dns;mx.a.example\n"
    "Original-Envelope-Id: QQ+1\n"
    "Arrival-Date: Tue, 14 Nov 2023 22:13:20 +0000\n"
    "\n"
    "Original-Recipient: rfc822;Bob+x@b.example\n"
    "Final-Recipient: rfc822;bob@b.example\n"
    "Action: failed\n"
    "Status: 5.1.1\n"
    "Remote-MTA: dns;mx.b.example\n"
    "Diagnostic-Code: smtp;550 5.1.1 No such user here\n"
    "Last-Attempt-Date: Tue, 14 Nov 2023 22:13:25 +0000\n"
    "\n"
    "Final-Recipient: rfc822;carol@a.example\n"
    "Action: failed\n"
    "Status: 4.2.2\n"
    "Last-Attempt-Date: Tue, 14 Nov 2023 22:13:25 +0000\n"
    "\n"
    "--=_0123456789abcdef\n"
    "Content-Type: text/rfc822-headers\n"
    "Content-Transfer-Encoding: 7bit\n"
    "\n";

static void
a_report(void **state)
{
	struct dsn dsn = report(some, 4);

	(void)state;
	assert_int_equal(dsn_wanted(&dsn), 2);
	assert_int_equal(dsn_begin(&dsn, collect, &output), 0);
	assert_string_equal(output.text, golden);
	output.length = 0;
	assert_int_equal(dsn_end(&dsn, 1, collect, &output), 0);
	assert_string_equal(output.text, "\n--=_0123456789abcdef--\n");
	output.length = 0;
	assert_int_equal(dsn_end(&dsn, 0, collect, &output), 0);
	assert_string_equal(output.text, "\n\n--=_0123456789abcdef--\n");
}

/* RFC 3461 section 4.1: who has it, for who asked by NOTIFY=SUCCESS. */
static void
success(void **state)
{
	static const struct dsn_recipient both[] = {
	    {"x@a.example", NULL, NULL, NULL, NULL, 0, NULL, DSN_DELIVERED},
	    {"y@a.example", NULL, "FAILURE", NULL, NULL, 0, NULL,
		DSN_DELIVERED},
	    {"bob@a.example", NULL, "delay,Success", NULL, NULL, 0, NULL,
		DSN_DELIVERED},
	    {"carol@b.example", NULL, NULL, "5.1.1", "mx", 550, "x",
		DSN_FAILED}};
	struct dsn dsn = report(both, 3);

	(void)state;
	assert_int_equal(dsn_wanted(&dsn), 1);
	assert_int_equal(dsn_failed(&dsn), 0);
	assert_int_equal(dsn_begin(&dsn, collect, &output), 0);
	assert_non_null(
	    strstr(output.text, "\nSubject: Delivered to bob@a.example\n"));
	assert_non_null(
	    strstr(output.text, "\nwas delivered to:\n\n  bob@a.example\n"));
	assert_non_null(strstr(output.text,
	    "\nFinal-Recipient: rfc822;bob@a.example\n"
	    "Action: delivered\nStatus: 2.0.0\nLast-Attempt-Date:"));
	assert_null(strstr(output.text, "NOT"));
	assert_null(strstr(output.text, "x@a.example"));
	assert_null(strstr(output.text, "y@a.example"));
	output.length = 0;
	dsn = report(both, 4);
	assert_int_equal(dsn_wanted(&dsn), 2);
	assert_int_equal(dsn_failed(&dsn), 1);
	assert_int_equal(dsn_begin(&dsn, collect, &output), 0);
	assert_non_null(strstr(
	    output.text, "\nSubject: Not delivered to carol@b.example\n"));
	assert_non_null(
	    strstr(output.text, "\nIt was delivered to:\n\n  bob@a.example\n"));
	output.length = 0;
}

/* Section 5.2.2: to a server that will not tell what becomes of it. */
static void
relayed(void **state)
{
	static const struct dsn_recipient both[] = {
	    {"x@b.example", NULL, "success", "2.1.5", "mx.b.example", 250,
		"Ok: queued\nas X", DSN_RELAYED},
	    {"y@b.example", NULL, NULL, "2.1.5", "mx.b.example", 250, "Ok",
		DSN_RELAYED},
	    {"bob@a.example", NULL, "SUCCESS", NULL, NULL, 0, NULL,
		DSN_DELIVERED}};
	struct dsn dsn = report(both, 2);

	(void)state;
	assert_int_equal(dsn_wanted(&dsn), 1);
	assert_int_equal(dsn_failed(&dsn), 0);
	assert_int_equal(dsn_begin(&dsn, collect, &output), 0);
	assert_non_null(
	    strstr(output.text, "\nSubject: Passed on to x@b.example\n"));
	assert_non_null(strstr(output.text,
	    "\nFinal-Recipient: rfc822;x@b.example\n"
	    "Action: relayed\nStatus: 2.1.5\nRemote-MTA: dns;mx.b.example\n"
	    "Diagnostic-Code: smtp;250 2.1.5 Ok: queued as X\n"));
	assert_null(strstr(output.text, "was delivered"));
	assert_null(strstr(output.text, "y@b.example"));
	dsn = report(both, 3);
	assert_int_equal(dsn_begin(&dsn, collect, &output), 0);
	assert_non_null(
	    strstr(output.text, "\nSubject: Passed on to 2 recipients\n"));
	assert_non_null(
	    strstr(output.text, "\nwas delivered to:\n\n  bob@a.example\n"));
	assert_non_null(strstr(output.text, "\nIt was passed on to"));
	assert_string_equal(dsn_status("2.0.1", 0), "2.0.1");
	assert_string_equal(dsn_status("5.1.1", 0), "2.0.0");
	assert_string_equal(dsn_status(NULL, 0), "2.0.0");
}

static void
nobody_asked(void **state)
{
	struct dsn dsn = report(some + 1, 2);

	(void)state;
	assert_int_equal(dsn_wanted(&dsn), 0);
	assert_int_equal(dsn_begin(&dsn, collect, &output), -1);
	assert_int_equal(output.length, 0);
}

/* RFC 6533 where UTF-8 is in it, and may be. */
static void
international(void **state)
{
	static const struct dsn_recipient u[] = {
	    {"b\xc3\xbc@b.example", "utf-8;b\\x{FC}@b.example", NULL, "5.6.7",
		"mx", 553, "No b\xc3\xbc here"}};
	static const struct dsn_recipient a[] = {{"bob@b.example", NULL, NULL,
	    "5.1.1", "mx", 550, "No b\xc3\xbc here"}};
	struct dsn dsn = report(u, 1);

	(void)state;
	dsn.utf8 = 1;
	assert_int_equal(dsn_is_utf8(&dsn), 1);
	assert_int_equal(dsn_begin(&dsn, collect, &output), 0);
	assert_non_null(strstr(output.text,
	    "Subject: Not delivered to "
	    "b\xc3\xbc@b.example\n"));
	assert_non_null(strstr(output.text, "charset=utf-8\n"));
	assert_non_null(
	    strstr(output.text, ": message/global-delivery-status\n"));
	assert_non_null(strstr(output.text, ": message/global-headers\n"));
	assert_non_null(strstr(
	    output.text, "Final-Recipient: utf-8;b\xc3\xbc@b.example\n"));
	assert_non_null(strstr(
	    output.text, "Original-Recipient: utf-8;b\\x{FC}@b.example\n"));
	assert_non_null(strstr(output.text, " No b\xc3\xbc here\n"));
	dsn = report(a, 1);
	dsn.utf8 = 1;
	assert_int_equal(dsn_is_utf8(&dsn), 0);
	assert_int_equal(dsn_begin(&dsn, collect, &output), 0);
	assert_non_null(strstr(output.text, " No b?? here\n"));
	assert_non_null(strstr(output.text, ": text/rfc822-headers\n"));
	dsn = report(a, 1);
	dsn.utf8 = dsn.eight_bit = dsn.whole = 1;
	assert_int_equal(dsn_begin(&dsn, collect, &output), 0);
	assert_non_null(strstr(output.text,
	    ": message/global\nContent-Transfer-Encoding: 8bit\n"));
	dsn = report(a, 1);
	dsn.eight_bit = dsn.whole = 1;
	assert_int_equal(dsn_begin(&dsn, collect, &output), 0);
	assert_non_null(strstr(output.text,
	    ": message/rfc822\nContent-Transfer-Encoding: 8bit\n"));
	assert_non_null(strstr(output.text, "\nYour message follows.\n"));
}

static void
addresses_of_hosts(void **state)
{
	struct dsn_recipient r = some[0];
	struct dsn dsn = report(&r, 1);

	(void)state;
	r.remote = "192.0.2.1";
	assert_int_equal(dsn_begin(&dsn, collect, &output), 0);
	assert_non_null(strstr(output.text, "\nRemote-MTA: dns;[192.0.2.1]\n"));
	r.remote = "2001:db8::1";
	assert_int_equal(dsn_begin(&dsn, collect, &output), 0);
	assert_non_null(
	    strstr(output.text, "\nRemote-MTA: dns;[IPv6:2001:db8::1]\n"));
}

/* Nothing that others said makes a line of its own, or one too long. */
static void
hostile_words(void **state)
{
	static struct dsn_recipient r[500];
	static char text[481], word[481], address[255];
	struct dsn dsn;
	const char *p, *end;
	size_t i, lines = 0;

	(void)state;
	memset(word, 'x', sizeof(word) - 1);
	for (i = 0; i < sizeof(text) - 1; i++)
		text[i] = "\r\n\t x\n\nFrom: y\x7f\xff"[i % 17];
	memset(address, 'a', 254);
	memcpy(address + 60, "@", 1);
	for (i = 0; i < 500; i++) {
		r[i].address = address;
		r[i].status = i % 5 ? "5.7.1" : "5.7.1\nFrom: y";
		r[i].remote = i % 2 ? text : "mx.b.example";
		r[i].code = 550;
		r[i].text = i % 3 ? text : word;
	}
	dsn = report(r, 500);
	assert_int_equal(dsn_begin(&dsn, collect, &output), 0);
	assert_null(strchr(output.text, '\r'));
	assert_null(strstr(output.text, "\nFrom: y"));
	for (p = output.text; (end = strchr(p, '\n')) != NULL; p = end + 1) {
		assert_true(end - p < 998);
		lines += strncmp(p, "Final-Recipient: ", 17) == 0;
		for (; p < end; p++)
			assert_true((unsigned char)*p < 0x7f);
	}
	assert_int_equal(lines, 500);
	/* and it stops when it cannot be written */
	output.length = 0;
	output.stop = 20000;
	assert_int_equal(dsn_begin(&dsn, collect, &output), -1);
	assert_true(output.length < 30000);
}

static void
what_comes_back(void **state)
{
	static char text[DSN_HEADER_MAX + 100];
	struct smtp_mail mail = {.ret = "FULL"};
	int eight;

	(void)state;
	assert_int_equal(dsn_header("A: b\nC: d\n\nbody\n", 16, &eight), 10);
	assert_int_equal(eight, 0);
	assert_int_equal(dsn_header("A: \xc3\xbc\n\n\xff\n", 9, &eight), 6);
	assert_int_equal(eight, 1);
	assert_int_equal(dsn_header("A: b\n\n\xff\n", 8, &eight), 5);
	assert_int_equal(eight, 0);
	assert_int_equal(dsn_header("A: b\nC: d", 9, &eight), 5);
	assert_int_equal(dsn_header("\nbody", 5, &eight), 0);
	assert_int_equal(dsn_header("", 0, &eight), 0);
	memset(text, 'x', sizeof(text));
	text[9] = text[DSN_HEADER_MAX - 1] = '\n';
	assert_int_equal(
	    dsn_header(text, sizeof(text), &eight), DSN_HEADER_MAX);
	text[DSN_HEADER_MAX - 1] = 'x';
	text[DSN_HEADER_MAX] = '\n';
	assert_int_equal(dsn_header(text, sizeof(text), &eight), 10);
	assert_int_equal(dsn_is_whole(&mail, 1000), 1);
	assert_int_equal(dsn_is_whole(&mail, DSN_WHOLE_MAX + 1), 0);
	mail.body = SMTP_BODY_BINARYMIME;
	assert_int_equal(dsn_is_whole(&mail, 1000), 0);
	mail.body = SMTP_BODY_8BITMIME;
	mail.ret = "HDRS";
	assert_int_equal(dsn_is_whole(&mail, 1000), 0);
	mail.ret = NULL;
	assert_int_equal(dsn_is_whole(&mail, 1000), 0);
}

static void
words(void **state)
{
	char out[8];

	(void)state;
	assert_string_equal(
	    dsn_explain("5.1.1"), "There is no mailbox of this name.");
	assert_string_equal(
	    dsn_explain("5.1.10"), "This domain takes no mail.");
	assert_string_equal(
	    dsn_explain("5.1.99"), "The address is not accepted.");
	assert_string_equal(dsn_explain("4.4.5"), dsn_explain("4.4.1"));
	assert_string_equal(
	    dsn_explain("5.0.0"), "The server did not take the message.");
	assert_string_equal(dsn_explain("5"), dsn_explain("5.0.0"));
	assert_string_equal(dsn_explain(""), dsn_explain("5.0.0"));
	assert_string_equal(dsn_status("4.10.123", 1), "4.10.123");
	assert_string_equal(dsn_status("2.0.0", 1), "5.0.0");
	assert_string_equal(dsn_status("5.1.1\nX: y", 1), "5.0.0");
	assert_string_equal(dsn_status("4.1.1.1.1.1", 1), "5.0.0");
	assert_string_equal(dsn_status("", 1), "5.0.0");
	assert_int_equal(dsn_wrap("short", 10), 5);
	assert_int_equal(dsn_wrap("two words", 5), 3);
	assert_int_equal(dsn_wrap("abcdefghij k", 5), 10);
	assert_int_equal(dsn_wrap("           x", 5), 5);
	dsn_clean(out, sizeof(out), "123456\xc3\xbc", 1);
	assert_string_equal(out, "123456");
	dsn_clean(out, sizeof(out), "12345\xc3\xbcx", 1);
	assert_string_equal(out, "12345\xc3\xbc");
	dsn_clean(out, sizeof(out), "1\n\xc3", 1);
	assert_string_equal(out, "1 ?");
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
	    cmocka_unit_test(a_report),
	    cmocka_unit_test(success),
	    cmocka_unit_test(relayed),
	    cmocka_unit_test(nobody_asked),
	    cmocka_unit_test(international),
	    cmocka_unit_test(addresses_of_hosts),
	    cmocka_unit_test(hostile_words),
	    cmocka_unit_test(what_comes_back),
	    cmocka_unit_test(words),
	};

	return cmocka_run_group_tests(tests, in_utc, NULL);
}
