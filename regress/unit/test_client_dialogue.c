/* SPDX-License-Identifier: ISC */
/*
 * Dialogues of the relay's client with a scripted peer, each fed by replies
 * and octet by octet.
 * objects: smtpd-stoken/relay/smtp/?*.o
 * libs: -lcrypto
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "regress/unit/client_world.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/*
 * "<..." the peer's octets, with CR LF; "=..." without; "@..." how the next
 * telling starts; "!..." a call; anything else is the next line that the
 * client says. With "?" in front it need not be: it depends on how the octets
 * come whether a command is said before what is wrong behind it is seen.
 */
struct dialogue {
	const char *name;
	int lmtp;
	enum client_tls tls;
	const char *user;
	const char *const lines[64];
};

#define HELLO "<220 mx", "EHLO c.example"
#define BARE HELLO, "<250 mx"
#define PIPES HELLO, "<250-mx\r\n250 PIPELINING"
#define CHUNKS HELLO, "<250-mx\r\n250-PIPELINING\r\n250 CHUNKING"
#define FULL                                                             \
	HELLO,                                                           \
	    "<250-mx\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250-8BITMIME" \
	    "\r\n250-SMTPUTF8\r\n250-DSN\r\n250-CHUNKING\r\n"            \
	    "250 BINARYMIME"
#define LHLO "<220 mx", "LHLO c.example", "<250-mx\r\n250 PIPELINING"
#define LHLO_CHUNKS \
	"<220 mx", "LHLO c.example", "<250-mx\r\n250-PIPELINING\r\n250 CHUNKING"
#define ONE "!mail a@a", "!rcpt 1 b@b", "MAIL FROM:<a@a>"
#define MAIL_RCPT ONE, "<250 ok", "RCPT TO:<b@b>", "<250 ok", "@rcpt 1 said 250"
#define TWO                                                                \
	"!mail a@a", "!rcpt 1 b@b", "!rcpt 2 c@b", "MAIL FROM:<a@a>",      \
	    "RCPT TO:<b@b>", "RCPT TO:<c@b>", "<250 ok\r\n250 1\r\n250 2", \
	    "@rcpt 1 said 250", "@rcpt 2 said 250"
#define FAULT "@over lost 451 4.5.0"

static const struct dialogue dialogues[] = {
    {"a mail, step by step", 0, CLIENT_TLS_NEVER, NULL,
	{BARE, "@ready", ONE, "<250 2.1.0 fine", "RCPT TO:<b@b>",
	    "<250 2.1.5 good", "@rcpt 1 said 250 2.1.5 good", "!data x\n",
	    "DATA", "<354 go", "x", ".", "<250 2.0.0 taken",
	    "@result 1 said 250 2.0.0 taken", "@ready", "!quit", "QUIT",
	    "<221 bye", "@over | quit", NULL}},
    {"pipelined, and a recipient more", 0, CLIENT_TLS_NEVER, NULL,
	{PIPES, "@ready", ONE, "RCPT TO:<b@b>", "<250 ok\r\n250 ok",
	    "@rcpt 1 said 250 2.0.0 ok", "!rcpt 2 c@b", "RCPT TO:<c@b>",
	    "<550 5.1.1 no", "@rcpt 2 said 550 5.1.1 no", "!data x", "DATA",
	    "<354 go", "x", ".", "<250 taken", "@result 1 said 250 2.0.0 taken",
	    "@ready", NULL}},
    {"all is asked for before the greeting", 0, CLIENT_TLS_NEVER, NULL,
	{"!mail a@a", "!rcpt 1 b@b", "!data x\n", CHUNKS, "MAIL FROM:<a@a>",
	    "RCPT TO:<b@b>", "<250 ok\r\n250 ok", "@rcpt 1 said 250",
	    "BDAT 3 LAST", "x", "<250 taken", "@result 1 said 250", "@ready",
	    NULL}},
    {"parameters that the peer knows", 0, CLIENT_TLS_NEVER, NULL,
	{FULL, "@ready", "!body 2", "!utf8", "!size 999",
	    "!dsn RET=HDRS ENVID=x+2By", "!mail \303\244@a",
	    "!rcpt 1 \303\266@b NOTIFY=NEVER ORCPT=rfc822;b@b",
	    "MAIL FROM:<\303\244@a> SIZE=999 BODY=8BITMIME SMTPUTF8 "
	    "RET=HDRS ENVID=x+2By",
	    "RCPT TO:<\303\266@b> NOTIFY=NEVER ORCPT=rfc822;b@b", NULL}},
    {"parameters that it does not know", 0, CLIENT_TLS_NEVER, NULL,
	{BARE, "@ready", "!body 2", "!size 999", "!dsn RET=HDRS", "!mail ",
	    "!rcpt 1 b@b NOTIFY=NEVER", "MAIL FROM:<>", "<250 ok",
	    "RCPT TO:<b@b>", NULL}},
    {"what the client did not say may be 8-bit", 0, CLIENT_TLS_NEVER, NULL,
	{FULL, "@ready", "!mail a@a", "!rcpt 1 b@b",
	    "MAIL FROM:<a@a> BODY=8BITMIME", "RCPT TO:<b@b>", NULL}},
    {"7BIT needs no word", 0, CLIENT_TLS_NEVER, NULL,
	{FULL, "@ready", "!body 1", "!mail a@a", "!rcpt 1 b@b",
	    "MAIL FROM:<a@a>", "RCPT TO:<b@b>", NULL}},
    {"parameters that would end the command are left out: T06", 0,
	CLIENT_TLS_NEVER, NULL,
	{FULL, "@ready", "!body 1", "!dsn RET=FULL\r\nRSET", "!mail a@a",
	    "!rcpt 1 b@b NOTIFY=NEVER\nRSET", "!rcpt 2 c@b A=\303\244",
	    "MAIL FROM:<a@a>", "RCPT TO:<b@b>", "RCPT TO:<c@b>", NULL}},
    {"addresses that would: T06", 0, CLIENT_TLS_NEVER, NULL,
	{PIPES, "@ready", "!mail a@a", "!rcpt 1 b@b>\r\nRSET",
	    "@rcpt 1 decided 550 5.1.3", "!rcpt 2 b@b> NOTIFY=NEVER",
	    "@rcpt 2 decided 550 5.1.3", "!rcpt 3 \"b@b",
	    "@rcpt 3 decided 550 5.1.3", "!rcpt 4 \"\\\"@b",
	    "@rcpt 4 decided 550 5.1.3", "!rcpt 5 ",
	    "@rcpt 5 decided 550 5.1.3", "!rcpt 6 b\tc@b",
	    "@rcpt 6 decided 550 5.1.3", "!rcpt 7 \"> <\\\"\"@b",
	    "MAIL FROM:<a@a>", "RCPT TO:<\"> <\\\"\"@b>", NULL}},
    {"a sender that would: T06", 0, CLIENT_TLS_NEVER, NULL,
	{PIPES, "@ready", "!mail a@a>\rRSET", "!rcpt 1 b@b",
	    "@rcpt 1 decided 550 5.1.7", "!abandon", "@ready", NULL}},
    {"SMTPUTF8 is needed and not known: F-100", 0, CLIENT_TLS_NEVER, NULL,
	{PIPES, "@ready", "!utf8", "!mail a@a", "!rcpt 1 b@b",
	    "@rcpt 1 decided 550 5.6.7", "!rcpt 2 \303\244@b",
	    "@rcpt 2 decided 553 5.6.7", "!data x\n", "@ready", NULL}},
    {"an address outside ASCII that nobody announced", 0, CLIENT_TLS_NEVER,
	NULL,
	{FULL, "@ready", "!mail a@a", "!rcpt 1 \303\244@b",
	    "@rcpt 1 decided 553 5.6.7", NULL}},
    {"SMTPUTF8 without 8BITMIME is none", 0, CLIENT_TLS_NEVER, NULL,
	{HELLO, "<250-mx\r\n250 SMTPUTF8", "@ready", "!utf8", "!mail a@a",
	    "!rcpt 1 b@b", "@rcpt 1 decided 550 5.6.7", NULL}},
    {"BINARYMIME without CHUNKING", 0, CLIENT_TLS_NEVER, NULL,
	{HELLO, "<250-mx\r\n250 BINARYMIME", "@ready", "!body 3", "!mail a@a",
	    "!rcpt 1 b@b", "@rcpt 1 decided 554 5.6.1", NULL}},
    {"CHUNKING without BINARYMIME", 0, CLIENT_TLS_NEVER, NULL,
	{CHUNKS, "@ready", "!body 3", "!mail a@a", "!rcpt 1 b@b",
	    "@rcpt 1 decided 554 5.6.1", NULL}},
    {"BINARYMIME: the text as it is, the header not", 0, CLIENT_TLS_NEVER, NULL,
	{FULL, "@ready", "!body 3", "!mail a@a", "!rcpt 1 b@b",
	    "MAIL FROM:<a@a> BODY=BINARYMIME", "RCPT TO:<b@b>",
	    "<250 ok\r\n250 ok", "@rcpt 1 said 250", "!exact A: b\n\nx\ry",
	    "BDAT 11 LAST", "A: b", "", "x\ry<", NULL}},
    {"larger than the peer wants", 0, CLIENT_TLS_NEVER, NULL,
	{FULL, "@ready", "!size 1001", "!mail a@a", "!rcpt 1 b@b",
	    "@rcpt 1 decided 552 5.3.4", NULL}},
    {"larger than was said", 0, CLIENT_TLS_NEVER, NULL,
	{HELLO, "<250-mx\r\n250 SIZE 5", "@ready", MAIL_RCPT, "!data 123456",
	    "@result 1 decided 552 5.3.4", "RSET", "<250 ok", "@ready", NULL}},
    {"SIZE that is no number is no limit", 0, CLIENT_TLS_NEVER, NULL,
	{HELLO,
	    "<250-mx\r\n250-SIZE 9x\r\n250-SIZE 99999999999999999999999"
	    "\r\n250 SIZE",
	    "@ready", "!size 5", "!mail a@a", "!rcpt 1 b@b",
	    "MAIL FROM:<a@a> SIZE=5", NULL}},
    {"8-bit for a 7-bit peer", 0, CLIENT_TLS_NEVER, NULL,
	{BARE, "@ready", MAIL_RCPT, "!data \303\244\n",
	    "@result 1 decided 554 5.6.3", "RSET", "<250 ok", "@ready", NULL}},
    {"a message that cannot be read", 0, CLIENT_TLS_NEVER, NULL,
	{CHUNKS, "@ready", "!mail a@a", "!rcpt 1 b@b", "!unreadable", "!data x",
	    "MAIL FROM:<a@a>", "RCPT TO:<b@b>", "<250 a\r\n250 b",
	    "@rcpt 1 said 250", "@result 1 decided 451 4.3.0", "RSET",
	    "<250 ok", "@ready", NULL}},
    {"MAIL is refused: RFC 2920", 0, CLIENT_TLS_NEVER, NULL,
	{PIPES, "@ready", ONE, "RCPT TO:<b@b>", "<550 5.1.8 no\r\n503 what",
	    "@rcpt 1 said 550 5.1.8 no", "!rcpt 2 c@b",
	    "@rcpt 2 said 550 5.1.8 no", "!data x", "RSET", "<250 ok", "@ready",
	    NULL}},
    {"MAIL is refused, and RCPT not", 0, CLIENT_TLS_NEVER, NULL,
	{PIPES, "@ready", ONE, "RCPT TO:<b@b>", "<451 4.1.8 no\r\n250 yes",
	    "@rcpt 1 said 451 4.1.8 no", "!abandon", "RSET", "<250 ok",
	    "@ready", NULL}},
    {"RCPT without a code of its own", 0, CLIENT_TLS_NEVER, NULL,
	{PIPES, "@ready", ONE, "RCPT TO:<b@b>", "<250\r\n452 too many",
	    "@rcpt 1 said 452 4.0.0 too many", NULL}},
    {"codes that concern us", 0, CLIENT_TLS_NEVER, NULL,
	{PIPES, "@ready", ONE, "RCPT TO:<b@b>",
	    "<530 5.7.0 log in\r\n503 5.5.1 MAIL first",
	    "@rcpt 1 said 451 4.7.0 log in", NULL}},
    {"an enhanced code of another class says nothing", 0, CLIENT_TLS_NEVER,
	NULL,
	{PIPES, "@ready", ONE, "RCPT TO:<b@b>", "<250 5.1.0 x\r\n550 4.1.1 y",
	    "@rcpt 1 said 550 5.0.0 4.1.1 y", NULL}},
    {"lines become one text", 0, CLIENT_TLS_NEVER, NULL,
	{PIPES, "@ready", ONE, "RCPT TO:<b@b>",
	    "<250 ok\r\n550-5.1.1 one\r\n550-5.1.1 \r\n550-\r\n"
	    "550 5.1.1\ttwo\033",
	    "@rcpt 1 said 550 5.1.1 one 5.1.1 two?", NULL}},
    {"DATA is refused", 0, CLIENT_TLS_NEVER, NULL,
	{PIPES, "@ready", TWO, "!data x", "DATA", "<451 4.3.0 later",
	    "@result 1 said 451 4.3.0 later", "@result 2 said 451 4.3.0",
	    "RSET", "<250 ok", "@ready", NULL}},
    {"the message is refused", 0, CLIENT_TLS_NEVER, NULL,
	{PIPES, "@ready", TWO, "!data x", "DATA", "<354 go", "x", ".",
	    "<554 5.6.0 bad", "@result 1 said 554 5.6.0 bad",
	    "@result 2 said 554 5.6.0 bad", "@ready", NULL}},
    {"the chunk is refused", 0, CLIENT_TLS_NEVER, NULL,
	{CHUNKS, "@ready", TWO, "!data x", "BDAT 3 LAST", "x", "<554 5.6.0 bad",
	    "@result 1 said 554 5.6.0 bad", "@result 2 said 554 5.6.0 bad",
	    "RSET", "<250 ok", "@ready", NULL}},
    {"the last octets wait: DATA", 0, CLIENT_TLS_NEVER, NULL,
	{PIPES, "@ready", TWO, "!hold x\n.y", "DATA", "<354 go", "x", "..y",
	    "@held", "!release", ".", "<250 ok", "@result 1 said 250",
	    "@result 2 said 250", "@ready", NULL}},
    {"the last octets wait: BDAT", 0, CLIENT_TLS_NEVER, NULL,
	{CHUNKS, "@ready", TWO, "!hold x\n.y", "@held", "!release",
	    "BDAT 7 LAST", "x", ".y", "<250 ok", "@result 1 said 250",
	    "@result 2 said 250", "@ready", NULL}},
    {"released before they wait", 0, CLIENT_TLS_NEVER, NULL,
	{PIPES, "@ready", TWO, "!hold x", "DATA", "!release", "<354 go", "x",
	    ".", "<250 ok", "@result 1 said 250", "@result 2 said 250",
	    "@ready", NULL}},
    {"an empty message", 0, CLIENT_TLS_NEVER, NULL,
	{PIPES, "@ready", TWO, "!data ", "DATA", "<354 go", ".", "<250 ok",
	    "@result 1 said 250", "@result 2 said 250", "@ready", NULL}},
    {"an empty message in a chunk", 0, CLIENT_TLS_NEVER, NULL,
	{CHUNKS, "@ready", TWO, "!data ", "BDAT 0 LAST", "<250 ok",
	    "@result 1 said 250", "@result 2 said 250", "@ready", NULL}},
    {"header fields in front", 0, CLIENT_TLS_NEVER, NULL,
	{PIPES, "@ready", TWO, "!head Received: x\n\ty\n", "!data .x", "DATA",
	    "<354 go", "Received: x", "\ty", "..x", ".", NULL}},
    /* Abandoned. */
    {"given up before anything was said", 0, CLIENT_TLS_NEVER, NULL,
	{"!mail a@a", "!rcpt 1 b@b", "!abandon", BARE, "@ready", NULL}},
    {"given up at RCPT", 0, CLIENT_TLS_NEVER, NULL,
	{PIPES, "@ready", TWO, "!abandon", "RSET", "<250 ok", "@ready",
	    "!forget", TWO, NULL}},
    {"given up with answers on the way", 0, CLIENT_TLS_NEVER, NULL,
	{PIPES, "@ready", ONE, "RCPT TO:<b@b>", "!abandon", "<250 ok\r\n250 ok",
	    "RSET", "<250 ok", "@ready", NULL}},
    {"given up while 354 is awaited", 0, CLIENT_TLS_NEVER, NULL,
	{PIPES, "@ready", TWO, "!data x", "DATA", "!abandon", "<354 go",
	    "@over lost", NULL}},
    {"given up while DATA is refused", 0, CLIENT_TLS_NEVER, NULL,
	{PIPES, "@ready", TWO, "!data x", "DATA", "!abandon", "<451 no", "RSET",
	    "<250 ok", "@ready", NULL}},
    {"given up before the dot", 0, CLIENT_TLS_NEVER, NULL,
	{PIPES, "@ready", TWO, "!hold x", "DATA", "<354 go", "x", "@held",
	    "!abandon", "@over lost", NULL}},
    {"given up before LAST", 0, CLIENT_TLS_NEVER, NULL,
	{CHUNKS, "@ready", TWO, "!hold x", "@held", "!abandon", "RSET",
	    "<250 ok", "@ready", NULL}},
    {"given up behind the dot", 1, CLIENT_TLS_NEVER, NULL,
	{LHLO, "@ready", TWO, "!data x", "DATA", "<354 go", "x", ".",
	    "!abandon", "<250 ok\r\n550 no", "@ready", NULL}},
    {"QUIT behind a transaction", 0, CLIENT_TLS_NEVER, NULL,
	{PIPES, "@ready", TWO, "!abandon", "!quit", "RSET", "<250 ok", "QUIT",
	    "!lost gone", "@over | quit", NULL}},
    {"QUIT while greeting", 0, CLIENT_TLS_NEVER, NULL,
	{"!mail a@a", "!rcpt 1 b@b", "!quit", "@rcpt 1 lost 451 4.4.2",
	    "@over lost 451", NULL}},
    {"an early end", 0, CLIENT_TLS_NEVER, NULL,
	{"<220 mx", "EHLO c.example", "!quit", "@over | given up", NULL}},
    /* LMTP: a reply for each accepted recipient. */
    {"LMTP: lost at LHLO", 1, CLIENT_TLS_NEVER, NULL,
	{"<220 x", "LHLO c.example", "!lost reset",
	    "@over lost 451 4.4.2 The connection to the next hop was lost | "
	    "reset while waiting for: LHLO\n",
	    NULL}},
    {"LMTP: LHLO is refused, without a code", 1, CLIENT_TLS_NEVER, NULL,
	{"<220 x", "LHLO c.example", "<554 no",
	    "@over lost 451 4.3.0 The next hop does not accept us at this time | "
	    "LHLO was refused: 554 no\n",
	    NULL}},
    {"LMTP: F-02", 1, CLIENT_TLS_NEVER, NULL,
	{LHLO, "@ready", TWO, "!rcpt 3 d@b", "RCPT TO:<d@b>", "<550 5.1.1 no",
	    "@rcpt 3 said 550", "!data x", "DATA", "<354 go", "x", ".",
	    "<250 2.1.12 <b@b> ID-1 stored\r\n452-4.2.2 full\r\n"
	    "452 4.2.2 really",
	    "@result 1 said 250 2.1.12 <b@b> ID-1 stored",
	    "@result 2 said 452 4.2.2 full really", "@ready", NULL}},
    {"LMTP: BDAT", 1, CLIENT_TLS_NEVER, NULL,
	{LHLO_CHUNKS, "@ready", TWO, "!data x", "BDAT 3 LAST", "x",
	    "<250 2.1.13 <b@b> TOKEN ID-1\r\n250 ok",
	    "@result 1 said 250 2.1.13 <b@b> TOKEN ID-1",
	    "@result 2 said 250 2.0.0 ok", "@ready", NULL}},
    {"LMTP: a reply too many", 1, CLIENT_TLS_NEVER, NULL,
	{LHLO, "@ready", TWO, "!data x", "DATA", "<354 go", "x", ".",
	    "<250 a\r\n250 b", "@result 1 said 250", "@result 2 said 250",
	    "@ready", "<250 c", FAULT, NULL}},
    {"LMTP: a reply too few", 1, CLIENT_TLS_NEVER, NULL,
	{LHLO, "@ready", TWO, "!data x", "DATA", "<354 go", "x", ".", "<250 a",
	    "@result 1 said 250", "!timeout", "@result 2 unknown 451 4.4.2",
	    "@over lost 451 4.4.2", NULL}},
    {"LMTP: 421 among the results", 1, CLIENT_TLS_NEVER, NULL,
	{LHLO, "@ready", TWO, "!rcpt 3 d@b", "RCPT TO:<d@b>", "<250 ok",
	    "@rcpt 3 said 250", "!data x", "DATA", "<354 go", "x", ".",
	    "<250 a\r\n421 4.3.2 stop", "@result 1 said 250",
	    "@result 2 lost 451 4.3.2 stop", "@result 3 unknown 451",
	    "@over lost 451 4.3.2 stop", NULL}},
    {"LMTP: a fault among the results", 1, CLIENT_TLS_NEVER, NULL,
	{LHLO, "@ready", TWO, "!data x", "DATA", "<354 go", "x", ".",
	    "<550 a\r\nhello", "@result 1 said 550", "@result 2 unknown 451",
	    FAULT, NULL}},
    {"LMTP knows no HELO", 1, CLIENT_TLS_NEVER, NULL,
	{"<220 mx", "LHLO c.example", "<500 what", "@over lost 451 4.3.0",
	    NULL}},
    /* The peer closes, breaks, or is lost. */
    {"421 as a greeting", 0, CLIENT_TLS_NEVER, NULL,
	{"!mail a@a", "!rcpt 1 b@b", "<421 4.3.2 busy",
	    "@rcpt 1 lost 451 4.3.2", "@over lost 451 4.3.2", NULL}},
    {"554 as a greeting", 0, CLIENT_TLS_NEVER, NULL,
	{"!mail a@a", "!rcpt 1 b@b", "<554 no", "@rcpt 1 lost 451 4.3.2",
	    "@over lost 451", NULL}},
    {"HELO", 0, CLIENT_TLS_NEVER, NULL,
	{HELLO, "<500 what", "HELO c.example", "<250 mx", "@ready", MAIL_RCPT,
	    NULL}},
    {"no HELO either", 0, CLIENT_TLS_NEVER, NULL,
	{HELLO, "<500 what", "HELO c.example", "<550 no",
	    "@over lost 451 4.3.0", NULL}},
    {"EHLO is refused for now", 0, CLIENT_TLS_NEVER, NULL,
	{HELLO, "<450 no", "@over lost 451 4.3.0", NULL}},
    {"421 while idle", 0, CLIENT_TLS_NEVER, NULL,
	{PIPES, "@ready", "<421 4.4.2 idle", "@over lost 451", NULL}},
    {"a part of a reply while idle", 0, CLIENT_TLS_NEVER, NULL,
	{BARE, "@ready", "=2", FAULT, NULL}},
    {"lost while idle", 0, CLIENT_TLS_NEVER, NULL,
	{PIPES, "@ready", "!lost closed by the peer",
	    "@over lost 451 4.4.2 The connection to the next hop was lost | "
	    "closed by the peer\n",
	    NULL}},
    {"421 at RCPT", 0, CLIENT_TLS_NEVER, NULL,
	{PIPES, "@ready", "!mail a@a", "!rcpt 1 b@b", "!rcpt 2 c@b",
	    "MAIL FROM:<a@a>", "RCPT TO:<b@b>", "RCPT TO:<c@b>",
	    "<250 ok\r\n250 ok\r\n421 4.7.0 enough", "@rcpt 1 said 250",
	    "@result 1 lost 451 4.7.0 enough", "@rcpt 2 lost 451 4.7.0 enough",
	    "@over lost 451 4.7.0 enough", NULL}},
    {"421 for the message", 0, CLIENT_TLS_NEVER, NULL,
	{PIPES, "@ready", TWO, "!data x", "DATA", "<354 go", "x", ".",
	    "<421 4.3.2 no", "@result 1 lost 451 4.3.2 no",
	    "@result 2 lost 451 4.3.2 no", "@over lost", NULL}},
    {"lost at MAIL", 0, CLIENT_TLS_NEVER, NULL,
	{PIPES, "@ready", ONE, "RCPT TO:<b@b>", "!lost reset",
	    "@rcpt 1 lost 451 4.4.2",
	    "@over lost 451 4.4.2 The connection to the next hop was lost | "
	    "reset while waiting for: MAIL\n",
	    NULL}},
    {"lost between RCPT and DATA", 0, CLIENT_TLS_NEVER, NULL,
	{PIPES, "@ready", TWO, "!lost reset", "@result 1 lost 451 4.4.2",
	    "@result 2 lost 451 4.4.2", "@over lost", NULL}},
    {"lost before the dot", 0, CLIENT_TLS_NEVER, NULL,
	{PIPES, "@ready", TWO, "!hold x", "DATA", "<354 go", "x", "@held",
	    "!lost reset", "@result 1 lost 451", "@result 2 lost 451",
	    "@over lost", NULL}},
    {"lost behind the dot: T25", 0, CLIENT_TLS_NEVER, NULL,
	{PIPES, "@ready", TWO, "!data x", "DATA", "<354 go", "x", ".",
	    "!lost reset", "@result 1 unknown 451 4.4.2",
	    "@result 2 unknown 451 4.4.2", "@over lost 451", NULL}},
    {"half a reply behind the dot", 0, CLIENT_TLS_NEVER, NULL,
	{PIPES, "@ready", TWO, "!data x", "DATA", "<354 go", "x", ".",
	    "=250 ok", "!lost reset", "@result 1 unknown 451",
	    "@result 2 unknown 451", "@over lost", NULL}},
    {"no end behind the dot", 0, CLIENT_TLS_NEVER, NULL,
	{PIPES, "@ready", TWO, "!data x", "DATA", "<354 go", "x", ".",
	    "<250-ok", "!timeout", "@result 1 unknown 451",
	    "@result 2 unknown 451", "@over lost", NULL}},
    {"an answer to nothing", 0, CLIENT_TLS_NEVER, NULL,
	{PIPES, "@ready", "<250 ok", FAULT, NULL}},
    {"two answers to EHLO", 0, CLIENT_TLS_NEVER, NULL,
	{HELLO, "<250 ok\r\n250 ok", "?@ready", FAULT, NULL}},
    {"an answer too many at RCPT", 0, CLIENT_TLS_NEVER, NULL,
	{PIPES, "@ready", TWO, "<250 three", "@result 1 lost 451 4.5.0",
	    "@result 2 lost 451 4.5.0", FAULT, NULL}},
    {"accepted before it was sent", 0, CLIENT_TLS_NEVER, NULL,
	{PIPES, "@ready", TWO, "!hold x", "DATA", "<354 go", "x", "@held",
	    "<250 ok", "@result 1 lost 451 4.5.0", "@result 2 lost 451", FAULT,
	    NULL}},
    {"refused before it was sent", 0, CLIENT_TLS_NEVER, NULL,
	{PIPES, "@ready", TWO, "!hold x", "DATA", "<354 go", "x", "@held",
	    "<552 5.3.4 big", "@result 1 said 552 5.3.4 big",
	    "@result 2 said 552", FAULT, NULL}},
    {"354 for a RCPT", 0, CLIENT_TLS_NEVER, NULL,
	{PIPES, "@ready", ONE, "RCPT TO:<b@b>", "<250 ok\r\n354 go",
	    "@rcpt 1 lost 451 4.5.0", FAULT, NULL}},
    {"250 for DATA", 0, CLIENT_TLS_NEVER, NULL,
	{PIPES, "@ready", TWO, "!data x", "DATA", "<250 go",
	    "@result 1 lost 451 4.5.0", "@result 2 lost 451", FAULT, NULL}},
    {"354 for a message", 0, CLIENT_TLS_NEVER, NULL,
	{PIPES, "@ready", TWO, "!data x", "DATA", "<354 go", "x", ".",
	    "<354 go", "@result 1 unknown 451", "@result 2 unknown 451", FAULT,
	    NULL}},
    {"RSET is refused", 0, CLIENT_TLS_NEVER, NULL,
	{PIPES, "@ready", TWO, "!abandon", "RSET", "<500 no", FAULT, NULL}},
    /* What is no reply. */
    {"no code", 0, CLIENT_TLS_NEVER, NULL, {"<hello", FAULT, NULL}},
    {"an empty line", 0, CLIENT_TLS_NEVER, NULL, {"<", FAULT, NULL}},
    {"two digits", 0, CLIENT_TLS_NEVER, NULL, {"<22", FAULT, NULL}},
    {"four digits", 0, CLIENT_TLS_NEVER, NULL, {"<2200 x", FAULT, NULL}},
    {"1yz", 0, CLIENT_TLS_NEVER, NULL, {"<120 wait", FAULT, NULL}},
    {"0yz", 0, CLIENT_TLS_NEVER, NULL, {"<020 wait", FAULT, NULL}},
    {"6yz", 0, CLIENT_TLS_NEVER, NULL, {"<620 wait", FAULT, NULL}},
    {"999", 0, CLIENT_TLS_NEVER, NULL, {"<999 wait", FAULT, NULL}},
    {"two codes", 0, CLIENT_TLS_NEVER, NULL,
	{"<220-mx\r\n250 mx", FAULT, NULL}},
    {"a code missing in the middle", 0, CLIENT_TLS_NEVER, NULL,
	{"<220-mx\r\nmx\r\n220 mx", FAULT, NULL}},
    {"a bare LF ends a line too", 0, CLIENT_TLS_NEVER, NULL,
	{"=220-mx\n220 mx\n", "EHLO c.example", "=250-mx\n250 SIZE\n", "@ready",
	    NULL}},
    {"a code alone", 0, CLIENT_TLS_NEVER, NULL,
	{"<220", "EHLO c.example", "<250", "@ready", NULL}},
    /* TLS. */
    {"STARTTLS", 0, CLIENT_TLS_DEMANDED, NULL,
	{HELLO, "<250-mx\r\n250-CHUNKING\r\n250 STARTTLS", "STARTTLS",
	    "<220 go", "@tls", "!tls", "EHLO c.example",
	    "<250-mx\r\n250 PIPELINING", "@ready", TWO, "!data x", "DATA",
	    NULL}},
    {"STARTTLS where it is offered", 0, CLIENT_TLS_WANTED, NULL,
	{HELLO, "<250-mx\r\n250 STARTTLS", "STARTTLS", "<220 go", "@tls",
	    "!tls", "EHLO c.example", "<250-mx\r\n250 STARTTLS", "@ready",
	    NULL}},
    {"STARTTLS that is not offered, nor needed", 0, CLIENT_TLS_WANTED, NULL,
	{BARE, "@ready", NULL}},
    {"STARTTLS that is refused, and not needed", 0, CLIENT_TLS_WANTED, NULL,
	{HELLO, "<250-mx\r\n250 STARTTLS", "STARTTLS", "<454 no", "@ready",
	    NULL}},
    {"STARTTLS that is not offered", 0, CLIENT_TLS_DEMANDED, NULL,
	{BARE, "@over lost 451 4.7.4", NULL}},
    {"STARTTLS that is refused", 0, CLIENT_TLS_DEMANDED, NULL,
	{HELLO, "<250-mx\r\n250 STARTTLS", "STARTTLS", "<454 no",
	    "@over lost 451 4.7.4", NULL}},
    {"no EHLO, no STARTTLS", 0, CLIENT_TLS_DEMANDED, NULL,
	{HELLO, "<500 what", "@over lost 451 4.3.0", NULL}},
    {"TLS is not wanted", 0, CLIENT_TLS_NEVER, NULL,
	{HELLO, "<250-mx\r\n250 STARTTLS", "@ready", NULL}},
    {"TLS stands", 0, CLIENT_TLS_ON, NULL,
	{HELLO, "<250-mx\r\n250 STARTTLS", "@ready", NULL}},
    {"octets in clear behind 220", 0, CLIENT_TLS_WANTED, NULL,
	{HELLO, "<250-mx\r\n250 STARTTLS", "STARTTLS", "=220 go\r\n250 x",
	    "?@tls", FAULT, NULL}},
    {"TLS fails", 0, CLIENT_TLS_DEMANDED, NULL,
	{"!mail a@a", "!rcpt 1 b@b", HELLO, "<250-mx\r\n250 STARTTLS",
	    "STARTTLS", "<220 go", "@tls", "!lost certificate expired",
	    "@rcpt 1 lost 451 4.4.2", "@over lost", NULL}},
    /* AUTH. */
    {"PLAIN", 0, CLIENT_TLS_ON, "user",
	{HELLO, "<250-mx\r\n250 AUTH LOGIN PLAIN",
	    "AUTH PLAIN AHVzZXIAc2VjcmV0", "<235 2.7.0 ok", "@ready", NULL}},
    {"LOGIN", 0, CLIENT_TLS_ON, "user",
	{HELLO, "<250-mx\r\n250 AUTH=LOGIN", "AUTH LOGIN", "<334 VXNlcm5hbWU6",
	    "dXNlcg==", "<334 what?", "c2VjcmV0", "<235 ok", "@ready", NULL}},
    {"behind STARTTLS", 0, CLIENT_TLS_DEMANDED, "user",
	{HELLO, "<250-mx\r\n250-AUTH LOGIN\r\n250 STARTTLS", "STARTTLS",
	    "<220 go", "@tls", "!tls", "EHLO c.example",
	    "<250-mx\r\n250 AUTH PLAIN", "AUTH PLAIN AHVzZXIAc2VjcmV0",
	    "<235 ok", "@ready", NULL}},
    {"never without TLS", 0, CLIENT_TLS_WANTED, "user",
	{HELLO, "<250-mx\r\n250 AUTH PLAIN", "@over lost 451 4.7.4", NULL}},
    {"not offered", 0, CLIENT_TLS_ON, "user",
	{BARE, "@over lost 451 4.7.4", NULL}},
    {"offered, but none that we know", 0, CLIENT_TLS_ON, "user",
	{HELLO, "<250-mx\r\n250 AUTH CRAM-MD5 GSSAPI", "@over lost 451 4.7.4",
	    NULL}},
    {"refused: temporary for users", 0, CLIENT_TLS_ON, "user",
	{"!mail a@a", "!rcpt 1 b@b", HELLO, "<250-mx\r\n250 AUTH PLAIN",
	    "AUTH PLAIN AHVzZXIAc2VjcmV0", "<535 5.7.8 bad credentials",
	    "@rcpt 1 lost 451 4.7.0 The next hop does not accept our login",
	    "@over lost 451 4.7.0 The next hop does not accept our login at "
	    "this time | AUTH was refused: 535 5.7.8 bad credentials\n",
	    NULL}},
    {"the log does not show the secret", 0, CLIENT_TLS_ON, "user",
	{HELLO, "<250-mx\r\n250 AUTH PLAIN", "AUTH PLAIN AHVzZXIAc2VjcmV0",
	    "<535 5.7.8 bad password 'secret'",
	    "@over lost 451 4.7.0 The next hop does not accept our login at "
	    "this time | AUTH was refused: 535 5.7.8 \n",
	    NULL}},
    {"the log does not show it encoded", 0, CLIENT_TLS_ON, "user",
	{HELLO, "<250-mx\r\n250 AUTH LOGIN", "AUTH LOGIN", "<334 ",
	    "dXNlcg==", "<334 ", "c2VjcmV0", "<535 5.7.8 what is c2VjcmV0?",
	    "@over lost 451 4.7.0 The next hop does not accept our login at "
	    "this time | AUTH was refused: 535 5.7.8 \n",
	    NULL}},
    {"a mechanism that cannot be used: F-31", 0, CLIENT_TLS_ON, "user",
	{HELLO, "<250-mx\r\n250 AUTH PLAIN LOGIN",
	    "AUTH PLAIN AHVzZXIAc2VjcmV0", "<504 5.5.4 no", "AUTH LOGIN",
	    "<504 5.5.4 no", "@over lost 451 4.7.0", NULL}},
    {"asks without an end", 0, CLIENT_TLS_ON, "user",
	{HELLO, "<250-mx\r\n250 AUTH PLAIN", "AUTH PLAIN AHVzZXIAc2VjcmV0",
	    "<334 ", "@over lost 451 4.7.0", NULL}},
    {"accepts before the end", 0, CLIENT_TLS_ON, "user",
	{HELLO, "<250-mx\r\n250 AUTH LOGIN", "AUTH LOGIN", "<235 ok",
	    "@over lost 451 4.7.0", NULL}},
    {"an answer before AUTH", 0, CLIENT_TLS_ON, "user",
	{HELLO, "<250-mx\r\n250 AUTH LOGIN\r\n250 ", "?AUTH LOGIN",
	    "@over lost 451 4.", NULL}},
};

struct player {
	const struct dialogue *dialogue;
	struct world *world;
	size_t said, told; /* octets of the world's that were looked at */
	struct client_mail mail;
	char address[400];
	const char *head;
	int octets; /* one at a time */
};

static void
complain(const struct player *player, const char *what, const char *line)
{
	fail_msg("%s (%s): %s: %s\nsaid: %s\ntold: %s", player->dialogue->name,
	    player->octets ? "octets" : "lines", what, line,
	    player->world->said + player->said,
	    player->world->told + player->told);
}

static void
feed(struct player *player, const char *text, size_t length)
{
	size_t i;

	if (!player->octets)
		client_input(player->world->client, text, length);
	for (i = 0; player->octets && i < length; i++)
		client_input(player->world->client, text + i, 1);
}

static void
call_mail(struct player *player, const char *text)
{
	player->mail.sender = text;
	if (player->mail.parameters == NULL)
		player->mail.parameters = "";
	if (client_mail(player->world->client, &player->mail) != 0)
		complain(player, "mail", text);
}

static void
call_rcpt(struct player *player, const char *text)
{
	const char *blank = strchr(text, ' '), *parameters = "";
	size_t length;

	blank++;
	/* Parameters begin behind the last blank that a "=" follows. */
	parameters = strstr(blank, " N");
	if (parameters == NULL)
		parameters = strstr(blank, " A=");
	if (parameters != NULL && memchr(blank, '>', 4) != NULL)
		parameters = NULL;
	length =
	    parameters == NULL ? strlen(blank) : (size_t)(parameters - blank);
	memcpy(player->address, blank, length);
	player->address[length] = '\0';
	if (client_recipient(player->world->client, (uint32_t)atoi(text),
		player->address, parameters == NULL ? "" : parameters + 1) != 0)
		complain(player, "rcpt", text);
}

static void
data(struct player *player, const char *text, int exact, int hold)
{
	if (world_data(player->world, player->head, text, strlen(text), exact,
		hold) != 0)
		complain(player, "data", text);
}

static void
call(struct player *player, const char *line)
{
	struct client *client = player->world->client;
	const char *text = strchr(line, ' ');
	size_t n = text == NULL ? strlen(line) : (size_t)(text - line);

	text = text == NULL ? "" : text + 1;
#define IS(name) (n == strlen(name) && memcmp(line, name, n) == 0)
	if (IS("mail"))
		call_mail(player, text);
	else if (IS("rcpt"))
		call_rcpt(player, text);
	else if (IS("data"))
		data(player, text, 0, 0);
	else if (IS("hold"))
		data(player, text, 0, 1);
	else if (IS("exact"))
		data(player, text, 1, 0);
	else if (IS("head"))
		player->head = text;
	else if (IS("body"))
		player->mail.body = (enum relay_body)atoi(text);
	else if (IS("utf8"))
		player->mail.utf8 = 1;
	else if (IS("size"))
		player->mail.size = (uint64_t)atoi(text);
	else if (IS("dsn"))
		player->mail.parameters = text;
	else if (IS("unreadable"))
		player->world->unreadable = 1;
	else if (IS("forget"))
		world_forget(player->world);
	else if (IS("release"))
		client_release(client);
	else if (IS("abandon"))
		client_abandon(client);
	else if (IS("quit"))
		client_quit(client);
	else if (IS("tls"))
		client_on_tls(client);
	else if (IS("lost"))
		client_lost(client, text);
	else if (IS("timeout"))
		client_timeout(client);
	else
		complain(player, "no such call", line);
#undef IS
}

/* "x<": no line end is expected. */
static void
expect_said(struct player *player, const char *line)
{
	const char *said = player->world->said + player->said;
	size_t n = strlen(line), ends = 2;

	if (n > 0 && line[n - 1] == '<') {
		n--;
		ends = 0;
	}
	if (player->said + n + ends > player->world->said_length ||
	    memcmp(said, line, n) != 0 || memcmp(said + n, "\r\n", ends) != 0)
		complain(player, "expected", line);
	player->said += n + ends;
}

static void
expect_told(struct player *player, const char *line)
{
	const char *told = player->world->told + player->told;
	const char *end = strchr(told, '\n');

	if (strncmp(told, line, strlen(line)) != 0 || end == NULL)
		complain(player, "expected", line);
	player->told += (size_t)(end - told) + 1;
}

static int
is_there(const struct player *player, const char *line)
{
	const char *said = player->world->said + player->said;
	const char *told = player->world->told + player->told;

	return *line == '@' ? strncmp(told, line + 1, strlen(line + 1)) == 0
			    : strncmp(said, line, strlen(line)) == 0;
}

static void
play_line(struct player *player, const char *line)
{
	char text[512];

	if (*line == '?') {
		if (is_there(player, line + 1))
			play_line(player, line + 1);
	} else if (*line == '<' || *line == '=') {
		snprintf(text, sizeof(text), "%s%s", line + 1,
		    *line == '<' ? "\r\n" : "");
		feed(player, text, strlen(text));
	} else if (*line == '!')
		call(player, line + 1);
	else if (*line == '@')
		expect_told(player, line + 1);
	else
		expect_said(player, line);
}

static void
play(const struct dialogue *dialogue, int octets)
{
	struct player player = {.dialogue = dialogue, .octets = octets};
	const char *const *line;

	player.world =
	    world_new(dialogue->lmtp, dialogue->tls, dialogue->user, "secret");
	for (line = dialogue->lines; *line != NULL; line++)
		play_line(&player, *line);
	if (player.said != player.world->said_length)
		complain(&player, "said more", "");
	if (player.told != player.world->told_length)
		complain(&player, "told more", "");
	world_free(player.world);
}

static void
plays_by_replies(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(dialogues); i++)
		play(&dialogues[i], 0);
}

static void
plays_by_octets(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(dialogues); i++)
		play(&dialogues[i], 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(plays_by_replies),
	    cmocka_unit_test(plays_by_octets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
