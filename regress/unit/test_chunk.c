/* SPDX-License-Identifier: ISC */
/*
 * BDAT, BMTD and containers: against a model, and by the piece.
 * objects: smtpd-stoken/engine/smtp/?*.o lib/address.o lib/base64.o
 * libs: -lidn2
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "regress/unit/chunk_walk.h"

static uint32_t seed;

static unsigned int
pick(void)
{
	seed = seed * 1664525 + 1013904223;
	return seed >> 8 & 0xffff;
}

/* T07; F-10 to F-15, M-06 to M-21. Failures name the seed and the step. */
static void
random_walk(void **state)
{
	struct walk *walk;
	unsigned int run, i, what, how, delivered = 0;

	(void)state;
	for (run = 0; run < 10000; run++) {
		seed = run;
		walk = walk_new(run & 1, (run & 6) == 6, (run & 8) != 0);
		for (i = 0; i < 120; i++) {
			what = pick();
			how = pick();
			/* Many refused commands would end the session. */
			if (i % 40 == 39)
				what = 2, how = 1;
			if (walk_step(walk, what, how) == -1)
				fail_msg("run %u step %u (%u %u): due %s got "
					 "%s",
				    run, i, what % 8, how, walk->model.due,
				    walk->world->output);
			delivered += walk->model.delivered != 0;
			if (walk->world->closed)
				break;
		}
		walk_free(walk);
	}
	print_message("%u messages delivered\n", delivered);
	assert_true(delivered > 1000);
}

static struct world *
begun(enum smtp_listener listener)
{
	static const char trusted[] = "LHLO c\r\nMAIL FROM:<>\r\n"
				      "RCPT TO:<bob@a.example>\r\n";
	static const char user[] =
	    "EHLO c.example\r\nAUTH PLAIN AGFsaWNlQGEuZXhhbXBsZQBzZWNyZXQ=\r\n"
	    "MAIL FROM:<alice@a.example>\r\nRCPT TO:<bob@a.example>\r\n";
	struct world *world = world_new(listener, 0);
	const char *text = listener == SMTP_LISTENER_SOCKET ? trusted : user;

	world_feed(world, text, strlen(text));
	world->output_length = 0;
	world->output[0] = '\0';
	return world;
}

static void
say(struct world *world, const void *data, size_t length)
{
	world->output_length = 0;
	world->output[0] = '\0';
	world_feed(world, data, length);
}

/* A container of a type below 256. */
static void
bmtd(struct world *world, char type, const char *data, size_t length)
{
	char line[64], head[2] = {0, type};

	snprintf(line, sizeof(line), "BMTD %zu\r\n", length + 2);
	say(world, line, strlen(line));
	world_feed(world, head, 2);
	world_feed(world, data, length);
}

#define BMTD(world, type, text) bmtd(world, type, text, sizeof(text) - 1)
#define SAY(world, text) say(world, text, sizeof(text) - 1)
#define EXPECT(world, text) \
	assert_memory_equal((world)->output, text, sizeof(text) - 1)

/* F-18, D-M12: nobody knows where the next command would be. */
static void
no_number(void **state)
{
	static const char *const counts[] = {"", " ", " x", " -1", " +5",
	    " 9223372036854775808", " 18446744073709551616",
	    " 00000000000000000005", "  5", " 5x", " 0x5", " LAST", " 1,000",
	    " 99999999999999999999 LAST"};
	static const char *const verbs[] = {"BDAT", "BMTD"};
	struct world *world;
	char line[64];
	size_t i, verb;

	(void)state;
	for (i = 0; i < 4 * sizeof(counts) / sizeof(counts[0]); i++) {
		verb = i & 1;
		world = begun(SMTP_LISTENER_SMTPS);
		world->settings.metadata = !(i & 2);
		snprintf(line, sizeof(line), "%s%s\r\nRSET\r\n", verbs[verb],
		    counts[i / 4]);
		say(world, line, strlen(line));
		EXPECT(world, "501 5.5.4 ");
		assert_null(strstr(world->output, "250"));
		assert_int_equal(world->closed, 1);
		world_free(world);
	}
}

/* Octets of a chunk that is too large are used up, up to a bound. */
static void
huge_numbers(void **state)
{
	static const char *const counts[] = {
	    "2147483648", "4294967296", "9223372036854775807", "0002147483648"};
	static char octets[65536];
	struct world *world;
	char line[64];
	size_t i, n;

	(void)state;
	for (i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		world = begun(SMTP_LISTENER_SMTPS);
		snprintf(line, sizeof(line), "BDAT %s LAST\r\n", counts[i]);
		say(world, line, strlen(line));
		for (n = 0; n < (1 << 30) / sizeof(octets); n++)
			world_feed(world, octets, sizeof(octets));
		assert_string_equal(world->output, "");
		world_feed(world, octets, sizeof(octets));
		EXPECT(world, "421 4.7.0 ");
		assert_int_equal(world->closed, 1);
		world_free(world);
	}
}

/* F-12: also before login, before EHLO and in clear. */
static void
swallowed_of_strangers(void **state)
{
	struct world *world = world_new(SMTP_LISTENER_SMTPS, 0);
	static char octets[65536];
	size_t i;

	(void)state;
	SAY(world, "BDAT 6 LAST\r\nQUIT\r\nNOOP\r\n");
	EXPECT(world, "503 5.5.1 Bad sequence of commands\r\n250 2.0.0");
	SAY(world, "EHLO c.example\r\n");
	SAY(world, "BMTD 6\r\nQUIT\r\nBDAT 0\r\nNOOP\r\n");
	EXPECT(world,
	    "530 5.7.0 Authentication required\r\n"
	    "530 5.7.0 Authentication required\r\n250 2.0.0");
	SAY(world, "BDAT 100000000 LAST\r\n");
	for (i = 0; i < 64; i++)
		world_feed(world, octets, sizeof(octets));
	EXPECT(world, "421 4.7.0");
	assert_int_equal(world->closed, 1);
	world_free(world);
}

/* Neither memory nor a queue grows; the message is whole. */
static void
tiny_chunks(void **state)
{
	struct world *world = begun(SMTP_LISTENER_SMTPS);
	size_t i;

	(void)state;
	world->settings.message_size = 0;
	for (i = 0; i < 1000000; i++)
		SAY(world, "BDAT 0\r\n");
	for (i = 0; i < 200000; i++)
		SAY(world, "BDAT 1\r\nx");
	EXPECT(world, "250 2.0.0 1 octets\r\n");
	for (i = 0; i < 1000000; i++)
		SAY(world, "BMTD 0\r\n");
	EXPECT(world, "250 2.1.0 ");
	SAY(world, "BDAT 0 LAST\r\n");
	EXPECT(world, "250 2.0.0 MESSAGEID");
	assert_true(world->message_length > 200000);
	world_free(world);
}

/* D-M08: 64 containers of 64 KiB, and what is too much. */
static void
limits(void **state)
{
	static char octets[65536 + 1] = {0, 9};
	struct world *world = begun(SMTP_LISTENER_SMTPS);
	size_t i;

	(void)state;
	world->settings.message_size = 0;
	for (i = 0; i < 64; i++) {
		SAY(world, "BMTD 65536\r\n");
		world_feed(world, octets, 65536);
		EXPECT(world, "250 2.1.0 ");
	}
	SAY(world, "BMTD 2\r\n\0\011BDAT 0 LAST\r\n");
	EXPECT(world, "552 5.3.4 ");
	assert_non_null(strstr(world->output, "503 5.5.1"));
	world_free(world);
	world = begun(SMTP_LISTENER_SMTPS);
	SAY(world, "BMTD 65537\r\n");
	world_feed(world, octets, 65537);
	EXPECT(world, "552 5.3.4 ");
	SAY(world, "NOOP\r\n");
	EXPECT(world, "250 2.0.0");
	world_free(world);
	/* All octets count, those of containers too. */
	world = begun(SMTP_LISTENER_SMTPS);
	for (i = 0; i < 1; i++) {
		SAY(world, "BMTD 65536\r\n");
		world_feed(world, octets, 65536);
		EXPECT(world, "250 2.1.0 ");
	}
	SAY(world, "BDAT 34465 LAST\r\n");
	world_feed(world, octets, 34465);
	EXPECT(world, "552 5.3.4 ");
	world_free(world);
}

#define TYPE0(text)                    \
	{                              \
		text, sizeof(text) - 1 \
	}

/* M-19, D-M09: nothing that could end the header, or is no header. */
static void
bad_fields(void **state)
{
	static const struct {
		const char *data;
		size_t length;
	} bad[] = {TYPE0("X: y"), TYPE0("X: y\n"), TYPE0("X: y\r\n\r\n"),
	    TYPE0("\r\n"), TYPE0("X: y\r\n\r\nbody"), TYPE0("X: \0\r\n"),
	    TYPE0("X: a\rb\r\n"), TYPE0("X: a\nb\r\n"), TYPE0(" X: y\r\n"),
	    TYPE0("X y\r\n"), TYPE0(": y\r\n"), TYPE0("From x\r\n"),
	    TYPE0("X : y\r\n"), TYPE0("X: y\r\n \r\n"), TYPE0("\xff: y\r\n"),
	    TYPE0("X: y\r\n\t \t\r\nZ: 1\r\n"), TYPE0("X: y\r"),
	    TYPE0("X: y\r\n\n"), TYPE0("X: y\r\n.\r\n"), TYPE0(".\r\n")};
	struct world *world;
	char line[64];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		world = begun(SMTP_LISTENER_SOCKET);
		snprintf(line, sizeof(line), "BMTD %zu\r\n", bad[i].length + 2);
		say(world, line, strlen(line));
		world_feed(world, "\0\0", 2);
		world_feed(world, bad[i].data, bad[i].length);
		EXPECT(world, "554 5.6.0 ");
		SAY(world, "BDAT 0 LAST\r\n");
		EXPECT(world, "503 5.5.1 <bob@a.example>");
		world_free(world);
	}
}

#define RECEIVED "Received: from x\r\n\tby y; z\r\n"
#define FIELDS                                                       \
	"Return-Path: <x@y>\r\n" RECEIVED "Authentication-Results: " \
	"mx.a.example; auth=pass\r\n"

/* Section 11: who may give what of type 0; D-M05: the order. */
static void
who_gives_fields(void **state)
{
	struct world *world = begun(SMTP_LISTENER_SOCKET);
	const char *top;

	(void)state;
	BMTD(world, 0, "X-First: 1\r\n");
	EXPECT(world, "250 2.1.0 Metadata accepted\r\n");
	SAY(world, "BDAT 14\r\nSubject: x\r\n\r\n");
	EXPECT(world, "250 2.0.0 14 octets\r\n");
	BMTD(world, 0, FIELDS);
	EXPECT(world, "250 2.1.0 Metadata accepted\r\n");
	SAY(world, "BDAT 6 LAST\r\nbody\r\n");
	EXPECT(world, "250 2.1.12");
	world->message[world->message_length] = '\0';
	top = strstr(world->message, "X-First:");
	assert_non_null(top);
	assert_string_equal(top,
	    "X-First: 1\nReceived: from x\n\tby y; z\n"
	    "Authentication-Results: mx.a.example; auth=pass\n"
	    "Subject: x\n\nbody\n");
	world_free(world);
	world = begun(SMTP_LISTENER_SMTPS);
	BMTD(world, 0, FIELDS);
	SAY(world, "BDAT 4 LAST\r\n\r\nx\r");
	EXPECT(world, "550 5.5.2");
	SAY(world,
	    "MAIL FROM:<alice@a.example>\r\nRCPT TO:<bob@a.example>\r\n");
	BMTD(world, 0, FIELDS);
	SAY(world, "BDAT 5 LAST\r\n\r\nx\r\n");
	EXPECT(world, "250 2.0.0");
	world->message[world->message_length] = '\0';
	assert_null(strstr(world->message, "from x"));
	world_free(world);
}

static void
hops(void **state)
{
	static char many[64 + 101 * 15];
	struct world *world = begun(SMTP_LISTENER_SOCKET);
	size_t i, n;

	(void)state;
	n = (size_t)snprintf(many, sizeof(many), "BMTD %d\r\n", 2 + 101 * 13);
	memcpy(many + n, "\0\0", 2);
	n += 2;
	for (i = 0; i < 101; i++, n += 13)
		memcpy(many + n, "Received: x\r\n", 13);
	say(world, many, n);
	EXPECT(world, "554 5.4.6");
	world_free(world);
}

/* M-22, M-23, section 11: type 1. */
static void
who_gives_flags(void **state)
{
	static const char flags[] = "\\Seen $Forwarded  \\deleted (bad) "
				    "\\Recent \\Odd \\FLAGGED b\xe9 "
				    "NonJunk ";
	static const char rest[] = "BDAT 2 LAST\r\n\r\n";
	struct world *world = begun(SMTP_LISTENER_SOCKET);

	(void)state;
	bmtd(world, 1, flags, sizeof(flags) - 1);
	say(world, rest, sizeof(rest) - 1);
	assert_string_equal(
	    world->flags, "\\Seen $Forwarded \\deleted \\FLAGGED NonJunk");
	world_free(world);
	world = begun(SMTP_LISTENER_SMTPS);
	bmtd(world, 1, flags, sizeof(flags) - 1);
	say(world, rest, sizeof(rest) - 1);
	assert_string_equal(world->flags, "$Forwarded \\FLAGGED NonJunk");
	world_free(world);
	world = begun(SMTP_LISTENER_SMTPS);
	world->settings.flags_from = SMTP_FLAGS_SOCKET;
	bmtd(world, 1, flags, sizeof(flags) - 1);
	say(world, rest, sizeof(rest) - 1);
	assert_string_equal(world->flags, "");
	world_free(world);
}

static void
without_metadata(void **state)
{
	struct world *world = begun(SMTP_LISTENER_SMTPS);

	(void)state;
	world->settings.metadata = 0;
	/* M-13, M-15: their octets are no commands, and the message is lost. */
	SAY(world, "BMTD 6\r\nNOOP\r\nBDAT 6 LAST\r\nNOOP\r\nHELP\r\n");
	EXPECT(world, "500 5.5.1 Command unrecognized\r\n503 5.5.1");
	assert_non_null(strstr(world->output, "\r\n214"));
	assert_null(strstr(world->output, "250"));
	SAY(world, "EHLO c.example\r\n");
	assert_null(strstr(world->output, "METADATA"));
	assert_non_null(strstr(world->output, "CHUNKING"));
	world_free(world);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(random_walk),
	    cmocka_unit_test(no_number),
	    cmocka_unit_test(huge_numbers),
	    cmocka_unit_test(swallowed_of_strangers),
	    cmocka_unit_test(tiny_chunks),
	    cmocka_unit_test(limits),
	    cmocka_unit_test(bad_fields),
	    cmocka_unit_test(who_gives_fields),
	    cmocka_unit_test(hops),
	    cmocka_unit_test(who_gives_flags),
	    cmocka_unit_test(without_metadata),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
