/* SPDX-License-Identifier: ISC */
/*
 * What is done to a message's header: whole, in all two pieces, and octet by
 * octet the same must come out.
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

#include "smtpd-stoken/engine/smtp/field.h"
#include "smtpd-stoken/engine/smtp/header.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define SIZE 16384
#define DATE "Date: Tue, 14 Nov 2023 22:13:20 +0000\n"
#define ID "Message-ID: <MESSAGEID@mx.a.example>\n"
#define BOTH "Date: x\nMessage-ID: <x@y>\n"
#define TEN "0123456789"
#define HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN
#define BLANKS "          "
#define BLANKS_100 \
	BLANKS BLANKS BLANKS BLANKS BLANKS BLANKS BLANKS BLANKS BLANKS BLANKS
#define BLANKS_500 BLANKS_100 BLANKS_100 BLANKS_100 BLANKS_100 BLANKS_100
#define BLANKS_2100 BLANKS_500 BLANKS_500 BLANKS_500 BLANKS_500 BLANKS_100
#define FIVE HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED
#define LONG FIVE FIVE FIVE FIVE HUNDRED

struct output {
	char text[SIZE];
	size_t length;
};

static void
collect(void *context, const void *text, size_t length)
{
	struct output *output = context;

	assert_true(length > 0);
	assert_true(output->length + length < SIZE);
	memcpy(output->text + output->length, text, length);
	output->length += length;
	output->text[output->length] = '\0';
}

/* Gives a message in pieces that end at `first` and every `step`. */
static struct header *
run(const struct header_rules *rules, const char *text, size_t length,
    size_t first, size_t step, struct output *output)
{
	struct header *header = header_new(rules);
	size_t i, n, end = first;
	int over = 0;

	assert_non_null(header);
	output->length = 0;
	output->text[0] = '\0';
	for (i = 0; i < length && !over; i += n) {
		while (end <= i)
			end += step;
		if (text[i] == '\n') {
			over = header_newline(header, collect, output);
			n = 1;
			continue;
		}
		n = strcspn(text + i, "\n");
		if (n > end - i)
			n = end - i;
		over = header_text(header, text + i, n, collect, output);
	}
	if (over && i < length)
		collect(output, text + i, length - i);
	else if (!over)
		header_end(header, collect, output);
	return header;
}

static const struct {
	const char *name;
	int submission, results;
	const char *in, *out;
	const char *tokens; /* each with a space behind it */
	const char *from;
	unsigned int hops;
} cases[] = {
    {"nothing is missing", 1, 1, BOTH "Subject: x\n\nbody: y\n",
	BOTH "Subject: x\n\nbody: y\n", "", "", 0},
    {"both are missing", 1, 1, "Subject: x\n\nbody\n",
	"Subject: x\n" DATE ID "\nbody\n", "", "", 0},
    {"odd spellings of both", 1, 1, "dATE:x\nMESSAGE-id \t :y\n\n.\n",
	"dATE:x\nMESSAGE-id \t :y\n\n.\n", "", "", 0},
    {"like them, and not they", 1, 1, "Dates: x\nX-Message-ID: y\nDat: z\n\n",
	"Dates: x\nX-Message-ID: y\nDat: z\n" DATE ID "\n", "", "", 0},
    {"no header", 1, 1, "\nbody\n", DATE ID "\nbody\n", "", "", 0},
    {"nothing at all", 1, 1, "", DATE ID, "", "", 0},
    {"an empty line alone", 1, 1, "\n", DATE ID "\n", "", "", 0},
    {"text without a header", 1, 1, "hello world\nfoo: bar\n",
	DATE ID "\nhello world\nfoo: bar\n", "", "", 0},
    {"text with a colon in it", 1, 1, "hello world: x\nfoo: bar\n",
	DATE ID "\nhello world: x\nfoo: bar\n", "", "", 0},
    {"text that starts with a blank", 1, 1, " a: b\nfoo: bar\n",
	DATE ID "\n a: b\nfoo: bar\n", "", "", 0},
    {"a line that goes on with our own", 0, 1, "\tspf=pass\nSubject: x\n\n",
	"\n\tspf=pass\nSubject: x\n\n", "", "", 0},
    {"blanks alone", 0, 0, " \nSubject: x\n\n", "\n \nSubject: x\n\n", "", "",
	0},
    {"others' text without a header", 0, 1, "hello\n a: b\n", "hello\n a: b\n",
	"", "", 0},
    {"a colon first", 1, 1, ": b\n\n", DATE ID "\n: b\n\n", "", "", 0},
    {"text behind fields", 1, 1, "Subject: x\nhello\n\nfoo: bar\n",
	"Subject: x\n" DATE ID "\nhello\n\nfoo: bar\n", "", "", 0},
    {"a header without an end", 1, 1, "Subject: x\n y\n",
	"Subject: x\n y\n" DATE ID, "", "", 0},
    {"nor an end of its line", 1, 1, "Subject: x", "Subject: x\n" DATE ID, "",
	"", 0},
    {"nor of its name", 1, 1, "Subject", DATE ID "\nSubject\n", "", "", 0},
    {"a line from a file of mail", 1, 1,
	"From alice@a.example Tue Nov 14 22:13:20 2023\n" BOTH "\nx\n",
	BOTH "\nx\n", "", "", 0},
    {"one without a colon, quoted", 1, 1, ">From alice today\n" BOTH "\nx\n",
	BOTH "\nx\n", "", "", 0},
    {"not in the second line", 1, 1, "Date: x\nFrom a: b\n\n",
	"Date: x\n" ID "\nFrom a: b\n\n", "", "", 0},
    {"an octet that no name has", 1, 1, "S\xc3\xbc: x\n\n",
	DATE ID "\nS\xc3\xbc: x\n\n", "", "", 0},

    {"tokens are taken out", 1, 1,
	BOTH "Submission-Token: abc\nX: y\nSUBMISSION-TOKEN:def\n\nbody\n"
	     "Submission-Token: ghi\n",
	BOTH "X: y\n\nbody\nSubmission-Token: ghi\n", "abc def ", "", 0},
    {"folded, with blanks and parameters", 1, 1,
	BOTH "Submission-Token \t:\n  abc ; host=x\n\tmore\nX: y\n\n",
	BOTH "X: y\n\n", "abc ", "", 0},
    {"first and alone", 1, 1, "Submission-Token: a", DATE ID, "a ", "", 0},
    {"empty and bad ones", 1, 1,
	BOTH "Submission-Token:\nSubmission-Token: ;x\n"
	     "Submission-Token: a\xc3\xbc\nSubmission-Token: a=b\n\nx\n",
	BOTH "\nx\n", "", "", 0},
    {"as long as may be", 1, 1,
	BOTH "Submission-Token: " HUNDRED HUNDRED "0123456789012345678901234567"
	     "890123456789012345678901234\n\n",
	BOTH "\n",
	HUNDRED HUNDRED "01234567890123456789012345678901234567890123456789"
			"01234 ",
	"", 0},
    {"longer than that", 1, 1,
	BOTH "Submission-Token: " HUNDRED HUNDRED "0123456789012345678901234567"
	     "8901234567890123456789012345\n\n",
	BOTH "\n", "", "", 0},
    {"too long to be looked at", 1, 1,
	BOTH "Submission-Token: " LONG "\n " LONG "\nX: y\n\n", BOTH "X: y\n\n",
	"", "", 0},
    {"blanks without end", 1, 1,
	BOTH "Submission-Token" BLANKS_2100 ": abc\n " LONG "\nX: y\n\n",
	BOTH "X: y\n\n", "", "", 0},
    {"at most 16 are kept", 1, 1,
	BOTH "Submission-Token: 1\nSubmission-Token: 2\nSubmission-Token: 3\n"
	     "Submission-Token: 4\nSubmission-Token: 5\nSubmission-Token: 6\n"
	     "Submission-Token: 7\nSubmission-Token: 8\nSubmission-Token: 9\n"
	     "Submission-Token: 10\nSubmission-Token: 11\n"
	     "Submission-Token: 12\nSubmission-Token: 13\n"
	     "Submission-Token: 14\nSubmission-Token: 15\n"
	     "Submission-Token: 16\nSubmission-Token: 17\n\n",
	BOTH "\n", "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 ", "", 0},
    {"its name in two lines is no field", 1, 1,
	BOTH "Submission-Token\n : abc\n\n",
	BOTH "\nSubmission-Token\n : abc\n\n", "", "", 0},
    {"a token client's are left", 0, 1, "Submission-Token: abc\n\n",
	"Submission-Token: abc\n\n", "", "", 0},
    {"the socket's are left", 0, 0, "Submission-Token: abc\n\nx",
	"Submission-Token: abc\n\nx", "", "", 0},

    {"results in our name", 1, 1,
	BOTH "Authentication-Results: mx.a.example; auth=pass\nX: y\n\n",
	BOTH "X: y\n\n", "", "", 0},
    {"of a token client", 0, 1,
	"Authentication-Results: mx.a.example; auth=pass\nX: y\n\n", "X: y\n\n",
	"", "", 0},
    {"of the socket", 0, 0,
	"Authentication-Results: mx.a.example; auth=pass\nX: y\n\n",
	"Authentication-Results: mx.a.example; auth=pass\nX: y\n\n", "", "", 0},
    {"results of others", 0, 1,
	"Authentication-Results: mx.b.example;\n\tauth=pass\n"
	"ARC-Authentication-Results: i=1; mx.a.example; x\n"
	"Authentication-Results: a.example; x\n"
	"Authentication-Results: xmx.a.example; mx.a.example\n\n",
	"Authentication-Results: mx.b.example;\n\tauth=pass\n"
	"ARC-Authentication-Results: i=1; mx.a.example; x\n"
	"Authentication-Results: a.example; x\n"
	"Authentication-Results: xmx.a.example; mx.a.example\n\n",
	"", "", 0},
    {"in many forms", 0, 1,
	"authentication-RESULTS :MX.A.EXAMPLE; none\n"
	"Authentication-Results:\n\tmx.a.example 1;\n\tspf=pass\n"
	"Authentication-Results: (a (b) \\) c) mx.a.example (d) 1; x\n"
	"Authentication-Results: \"mx.a.exa\\mple\"; x\n"
	"Authentication-Results: mx.a.example\n"
	"Authentication-Results: mx.a.example/1; x\n"
	"Authentication-Results: mx.a.example.; x\n"
	"Authentication-Results: (\n (mx.b.example)\n ) mx.a.example; x\n"
	"Y: z\n\n",
	"Y: z\n\n", "", "", 0},
    {"hidden behind a comment", 0, 1,
	"Authentication-Results: (" LONG ") mx.a.example; x\n y\nY: z\n\n",
	"Y: z\n\n", "", "", 0},
    {"hidden behind blanks", 0, 1,
	"Authentication-Results" BLANKS_2100 ": mx.a.example; x\n y\nY: z\n\n",
	"Y: z\n\n", "", "", 0},
    {"hidden by a fold in the name", 0, 1,
	"Authentication-Results\n : mx.a.example; x\n y\nY: z\n\n", "Y: z\n\n",
	"", "", 0},
    {"that name alone", 0, 1, "Authentication-Results\nY: z\n\n",
	"Authentication-Results\nY: z\n\n", "", "", 0},
    {"that name at the end", 0, 1, "Y: z\nAuthentication-Results\n",
	"Y: z\nAuthentication-Results\n", "", "", 0},
    {"that name with text", 0, 1, "Authentication-Results\n x: y\n\n",
	"Authentication-Results\n x: y\n\n", "", "", 0},
    {"a field of others' that is long", 0, 1,
	"Authentication-Results: mx.b.example; " LONG "\n\t" LONG "\nY: z\n\n",
	"Authentication-Results: mx.b.example; " LONG "\n\t" LONG "\nY: z\n\n",
	"", "", 0},
    {"no name in it", 0, 1,
	"Authentication-Results:\nAuthentication-Results: (x)\n"
	"Authentication-Results: ; mx.a.example\n\n",
	"Authentication-Results:\nAuthentication-Results: (x)\n"
	"Authentication-Results: ; mx.a.example\n\n",
	"", "", 0},
    {"text does not end others' header", 0, 1,
	"hello\nAuthentication-Results: mx.a.example; x\n\ny", "hello\n\ny", "",
	"", 0},

    {"hops", 0, 0,
	"Received: a\n\tb\nrEceived:c\nReceived :\nReceivedx: d\n"
	" Received: e\nX-Received: f\n\nReceived: g\n",
	"Received: a\n\tb\nrEceived:c\nReceived :\nReceivedx: d\n"
	" Received: e\nX-Received: f\n\nReceived: g\n",
	"", "", 3},

    {"from", 1, 1, BOTH "From: alice@a.example\n\n",
	BOTH "From: alice@a.example\n\n", "", "alice@a.example", 0},
    {"from, folded", 1, 1,
	BOTH "From:\n \"Alice (x) <\"\n\t<alice@a.example>\nFrom: b@c.d\n\n",
	BOTH "From:\n \"Alice (x) <\"\n\t<alice@a.example>\nFrom: b@c.d\n\n",
	"", "alice@a.example", 0},
    {"from, at the end of all", 1, 1, BOTH "From:alice@a.example",
	BOTH "From:alice@a.example\n", "", "alice@a.example", 0},
    {"from, too long", 1, 1, BOTH "From: (" LONG ") alice@a.example\n\n",
	BOTH "From: (" LONG ") alice@a.example\n\n", "", "", 0},
    {"from of a token client", 0, 1, "From: alice@a.example\n\n",
	"From: alice@a.example\n\n", "", "", 0},
};

static void
check(size_t which, struct header *header, const struct output *output)
{
	char tokens[6000] = "";
	size_t i;

	for (i = 0; header_token(header, i) != NULL; i++) {
		strlcat(tokens, header_token(header, i), sizeof(tokens));
		strlcat(tokens, " ", sizeof(tokens));
	}
	if (strcmp(output->text, cases[which].out) != 0 ||
	    strcmp(tokens, cases[which].tokens) != 0 ||
	    strcmp(header_from(header), cases[which].from) != 0)
		print_error("%s:\n%s\ntokens %s\nfrom %s\n", cases[which].name,
		    output->text, tokens, header_from(header));
	assert_string_equal(output->text, cases[which].out);
	assert_string_equal(tokens, cases[which].tokens);
	assert_string_equal(header_from(header), cases[which].from);
	assert_int_equal(header_hops(header), cases[which].hops);
	header_free(header);
}

static void
headers(void **state)
{
	static struct output output;
	struct header_rules rules = {
	    .hostname = "mx.a.example", .id = "MESSAGEID", .now = 1700000000};
	size_t i, j, n;

	(void)state;
	for (i = 0; i < COUNT(cases); i++) {
		rules.submission = cases[i].submission;
		rules.tokens = cases[i].submission;
		rules.results = cases[i].results;
		n = strlen(cases[i].in);
		check(
		    i, run(&rules, cases[i].in, n, SIZE, 1, &output), &output);
		check(i, run(&rules, cases[i].in, n, 1, 1, &output), &output);
		check(i, run(&rules, cases[i].in, n, 3, 7, &output), &output);
		for (j = 1; j < n; j++)
			check(i, run(&rules, cases[i].in, n, j, SIZE, &output),
			    &output);
	}
}

#define PASS "Authentication-Results: mx; dmarc=pass\n"
#define FAIL "Authentication-Results: mx; dmarc=fail\n"
#define AL "From: al@b.example\n"
#define OURS "Authentication-Results: mx; "
#define HOP(by)                                                      \
	"Received: from out.b.example (out.b.example [192.0.2.1])\n" \
	"\tby " by " (Postfix) with ESMTPS id 799D23714D\n"          \
	"\tfor <bob@a.example>; Mon,  1 Jun 2026 00:27:03 +0000 (UTC)\n"
#define DMARC_NONE OURS "dmarc=none (p=none dis=none) header.from=b.example\n"
#define SPF OURS "spf=pass smtp.mailfrom=b.example\n"
#define DKIM                                                         \
	"Authentication-Results: mx;\n"                              \
	"\tdkim=pass (2048-bit key; unprotected) header.d=b.example" \
	" header.i=@b.example header.a=rsa-sha256 header.s=s1"       \
	" header.b=\"B4AOKaWx\";\n\tdkim-atps=neutral\n"
#define FILTER(name) name "-Filter: Open" name " Filter v1.4.2 mx 799D23714D\n"

/* What is not a user's passes as it is, and its tokens are known (S1-50). */
static const struct {
	const char *name, *in;
	const char *tokens; /* each with a space behind it */
	const char *from;
	int authentic;
} learning[] = {
    {"several",
	"Submission-Token: a\n" AL "submission-token:b;host=x\n" PASS
	"\nSubmission-Token: c\n",
	"a b ", "al@b.example", 1},
    {"no From", PASS "Submission-Token: a\n\n", "a ", "", 0},
    {"two of From", AL PASS AL "Submission-Token: a\n\n", "a ", "", 0},
    {"three of From", AL PASS AL AL "\n", "", "", 0},
    {"two authors", PASS "From: al@b.example, eve@b.example\n\n", "", "", 0},
    {"the topmost is believed", PASS FAIL AL "\n", "", "al@b.example", 1},
    {"and no other", FAIL PASS AL "\n", "", "al@b.example", 0},
    {"those of others do not count",
	"Authentication-Results: my; dmarc=fail\n" PASS AL "\n", "",
	"al@b.example", 1},
    {"nor vouch", "Authentication-Results: my; dmarc=pass\n" AL "\n", "",
	"al@b.example", 0},
    {"too long to be read",
	"Authentication-Results: mx; dmarc=pass (" LONG ")\n" PASS AL "\n", "",
	"al@b.example", 0},
    {"too long to be ours",
	"Authentication-Results: (" LONG ") mx; dmarc=pass\n" AL "\n", "",
	"al@b.example", 0},
    /* A field of each filter (Postfix with opendkim and opendmarc). */
    {"below Received",
	HOP("mx") FILTER("DMARC") DMARC_NONE SPF FILTER("DKIM")
	    DKIM HOP("out.b.example") AL "\n",
	"", "al@b.example", 1},
    {"above Received",
	"Delivered-To: bob@a.example\n" DMARC_NONE DKIM
	"Received-SPF: Pass (mailfrom)\n" HOP("mx") AL "\n",
	"", "al@b.example", 1},
    {"from the filter's own hop",
	HOP("mx") "X-Spam: no\n" HOP("localhost") HOP("mx") DMARC_NONE DKIM AL
	"\n",
	"", "al@b.example", 1},
    {"the lower one fails", HOP("mx") DKIM FAIL AL "\n", "", "al@b.example", 0},
    /* What was there when the site got it. */
    {"forged below the next hop", DMARC_NONE SPF HOP("mx") DKIM AL "\n", "",
	"al@b.example", 0},
    {"forged below a forged hop", HOP("mx") SPF HOP("mx") DKIM PASS AL "\n", "",
	"al@b.example", 0},
    {"forged where one filter alone has spoken",
	HOP("mx") OURS "dkim=pass header.d=c.example\n" PASS AL "\n", "",
	"al@b.example", 0},
    {"forged beside a true one", HOP("mx") DMARC_NONE PASS AL "\n", "",
	"al@b.example", 0},
    {"too long beside a good one", DKIM OURS "spf=pass (" LONG ")\n" AL "\n",
	"", "al@b.example", 0},
    {"nine", SPF SPF SPF SPF SPF SPF SPF SPF DKIM AL "\n", "", "al@b.example",
	0},
    {"a name that goes on",
	"Authentication-Results" BLANKS_2100 ": mx; dmarc=pass\n" AL
	"Submission-Token" BLANKS_2100 ": abc\n\n",
	"", "al@b.example", 0},
    {"a name in two lines",
	"Authentication-Results\n : mx; dmarc=pass\nSubmission-Token\n : x\n" AL
	"\n",
	"", "al@b.example", 0},
    {"behind text", "hello\n" PASS AL "Submission-Token: a\n\n", "a ",
	"al@b.example", 1},
    {"no body", PASS AL "Submission-Token: a", "a ", "al@b.example", 1},
    {"in the body", AL "\n" PASS "Submission-Token: a\n", "", "al@b.example",
	0},
    {"bad ones",
	AL "Submission-Token: " FIVE "\nSubmission-Token: a=b\n"
	   "Submission-Token:\nSubmission-Token: \xc3\xbc\n"
	   "Submission-Token: \x01x\nSubmission-Token: ;a\n\n",
	"", "al@b.example", 0},
};

static void
learn_one(size_t which, size_t first, size_t step, int results)
{
	static struct output output;
	struct header_rules rules = {.learn = 1,
	    .results = results,
	    .authserv = "mx",
	    .hostname = "mx.a.example",
	    .id = "ID"};
	const char *in = learning[which].in;
	struct header *header;
	char tokens[6000] = "";
	size_t i;

	if (results)
		rules.authserv = NULL;
	header = run(&rules, in, strlen(in), first, step, &output);
	for (i = 0; header_token(header, i) != NULL; i++) {
		strlcat(tokens, header_token(header, i), sizeof(tokens));
		strlcat(tokens, " ", sizeof(tokens));
	}
	if (strcmp(tokens, learning[which].tokens) != 0)
		print_error("%s: %s\n", learning[which].name, tokens);
	assert_string_equal(tokens, learning[which].tokens);
	assert_string_equal(header_from(header), learning[which].from);
	if (!results) {
		assert_string_equal(output.text, in);
		if (header_is_authentic(header) != learning[which].authentic)
			print_error("%s\n", learning[which].name);
		assert_int_equal(
		    header_is_authentic(header), learning[which].authentic);
	} else
		assert_false(header_is_authentic(header));
	header_free(header);
}

static void
learned(void **state)
{
	size_t i, j;

	(void)state;
	for (i = 0; i < COUNT(learning); i++) {
		learn_one(i, SIZE, 1, 0);
		learn_one(i, SIZE, 1, 1);
		learn_one(i, 1, 1, 1);
		learn_one(i, 3, 7, 0);
		for (j = 1; j < strlen(learning[i].in); j += 1 + j / 100)
			learn_one(i, j, SIZE, 0);
	}
}

/* D-S11: what goes on from the socket loses its tokens, and nothing else. */
static void
forwarded(void **state)
{
	static const char in[] = "X: y\nSubmission-Token:\n abc\n"
				 "SUBMISSION-TOKEN : def\n"
				 "Authentication-Results: mx.a.example; x\n"
				 "no field\nSubmission-Token: ghi\n\nx\n";
	static const char out[] = "X: y\n"
				  "Authentication-Results: mx.a.example; x\n"
				  "no field\n\nx\n";
	static struct output output;
	const struct header_rules rules = {
	    .tokens = 1, .hostname = "mx.a.example", .id = "ID"};
	size_t piece;

	(void)state;
	for (piece = 1; piece < sizeof(in); piece++) {
		header_free(
		    run(&rules, in, sizeof(in) - 1, piece, SIZE, &output));
		assert_string_equal(output.text, out);
	}
}

/* Fields whose ends fall around the end of what is looked at. */
static void
edges(void **state)
{
	static struct output output, pieces;
	static char in[8192];
	struct header_rules rules = {.submission = 1,
	    .tokens = 1,
	    .results = 1,
	    .hostname = "mx.a.example",
	    .id = "ID",
	    .now = 1700000000};
	static const char *const starts[] = {"Submission-Token: x ",
	    "Authentication-Results: mx.b.example; ",
	    "Authentication-Results: mx.a.example; ", "From: a@b.c (", "X",
	    "From ", "Authentication-Results", "Submission-Token"};
	struct header *header;
	size_t i, j, n;

	(void)state;
	for (i = 0; i < COUNT(starts); i++)
		for (j = 2020; j < 2090; j++) {
			n = strlcpy(in, starts[i], sizeof(in));
			memset(in + n, i < 6 ? 'x' : ' ', j);
			strlcpy(in + n + j, "): y\n z\nA: b\n\nc\n",
			    sizeof(in) - n - j);
			n = strlen(in);
			header = run(&rules, in, n, SIZE, 1, &output);
			header_free(header);
			header = run(&rules, in, n, 1, 1, &pieces);
			header_free(header);
			assert_string_equal(output.text, pieces.text);
			if (i == 1 || i == 3)
				assert_memory_equal(output.text, in, n - 4);
			if (i == 0 || i == 2)
				assert_memory_equal(
				    output.text, "A: b\nDate: ", 11);
		}
}

static const struct {
	const char *value, *address;
} mailboxes[] = {
    {" alice@a.example", "alice@a.example"},
    {"<alice@a.example>", "alice@a.example"},
    {" Alice Liddell <alice@a.example> (x)", "alice@a.example"},
    {" =?utf-8?q?Alice=2C_x?= <alice@a.example>", "alice@a.example"},
    {" \"Liddell, Alice <x@y>\" <alice@a.example>", "alice@a.example"},
    {" \"\\\"\" <alice@a.example>", "alice@a.example"},
    {" Al\xc3\xbc <al\xc3\xbc@a.example>", "al\xc3\xbc@a.example"},
    {" alice . x @ a . example", "alice.x@a.example"},
    {" \"al ice\" @a.example", "\"al ice\"@a.example"},
    {" (a) < alice (b) @ (c) a.example > (d)", "alice@a.example"},
    {",, alice@a.example,\n ,", "alice@a.example"},
    {" alice@a.example, bob@a.example", ""},
    {" Alice <alice@a.example>, bob@a.example", ""},
    {" Alice <alice@a.example> bob@a.example", ""},
    {" alice@a.example bob", ""},
    {" al ice@a.example", ""},
    {" <al ice@a.example>", ""},
    {" Friends: alice@a.example;", ""},
    {" Nobody:;", ""},
    {" <@x:alice@a.example>", ""},
    {" <alice@a.example", ""},
    {" <<alice@a.example>>", ""},
    {" alice@a.example>", ""},
    {" \"alice@a.example", ""},
    {" <>", ""},
    {"", ""},
    {" (alice@a.example)", ""},
    {" (", ""},
    {" \"", ""},
    {" \"\\", ""},
    {" alice", ""},
    {" <" HUNDRED HUNDRED HUNDRED "@a.example>", ""},
    {" " HUNDRED HUNDRED HUNDRED " <alice@a.example>", "alice@a.example"},
    {" \"" HUNDRED HUNDRED HUNDRED "\" <alice@a.example>", "alice@a.example"},
};

static void
from_addresses(void **state)
{
	char out[ADDRESS_MAX + 1];
	size_t i, n;

	(void)state;
	for (i = 0; i < COUNT(mailboxes); i++) {
		n = field_mailbox(
		    mailboxes[i].value, strlen(mailboxes[i].value), out);
		if (n == 0)
			out[0] = '\0';
		if (strcmp(out, mailboxes[i].address) != 0)
			print_error("%s: %s\n", mailboxes[i].value, out);
		assert_string_equal(out, mailboxes[i].address);
		assert_int_equal(n, strlen(mailboxes[i].address));
	}
}

/* U-labels and A-labels are one name, as everywhere (section 11). */
static void
international_authserv(void **state)
{
	static const char u[] = " b\xc3\xbc"
				"cher.example; x";
	static const char a[] = " XN--bcher-kva.example; x";

	(void)state;
	assert_int_equal(
	    field_authserv_is(u, strlen(u), "xn--bcher-kva.example"), 1);
	assert_int_equal(field_authserv_is(a, strlen(a),
			     "b\xc3\xbc"
			     "cher.example"),
	    1);
	assert_int_equal(field_authserv_is(a, strlen(a), "c.example"), 0);
	assert_int_equal(field_authserv_is(LONG, strlen(LONG), "c.example"), 0);
	assert_int_equal(field_authserv_is(" (x", 3, "c.example"), -1);
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
	    cmocka_unit_test(headers),
	    cmocka_unit_test(forwarded),
	    cmocka_unit_test(edges),
	    cmocka_unit_test(learned),
	    cmocka_unit_test(from_addresses),
	    cmocka_unit_test(international_authserv),
	};

	return cmocka_run_group_tests(tests, in_utc, NULL);
}
