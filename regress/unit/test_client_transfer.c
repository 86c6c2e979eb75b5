/* SPDX-License-Identifier: ISC */
/*
 * Messages on their way to a next hop: what goes out is held against a plain
 * conversion, whatever the pieces; chunks; back-pressure; hostile replies.
 * objects: smtpd-stoken/relay/smtp/?*.o
 * libs: -lcrypto
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "regress/unit/client_world.h"
#include "smtpd-stoken/relay/smtp/body.h"
#include "smtpd-stoken/relay/smtp/reply.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void
say(struct world *world, const char *text)
{
	client_input(world->client, text, strlen(text));
}

/* A connection with one recipient accepted; nothing said is kept. */
static struct world *
open_world(int lmtp, const char *extensions)
{
	static const struct client_mail mail = {
	    "a@a", RELAY_BODY_BINARYMIME, 0, 0, ""};
	struct client_mail other = mail;
	struct world *world = world_new(lmtp, CLIENT_TLS_NEVER, NULL, NULL);
	char text[256];
	const char *blank;

	if (strstr(extensions, "BINARYMIME") == NULL)
		other.body = RELAY_BODY_NONE;
	say(world, "220 mx\r\n");
	say(world, "250-mx\r\n250-8BITMIME\r\n");
	for (; (blank = strchr(extensions, ' ')) != NULL;
	     extensions = blank + 1) {
		snprintf(text, sizeof(text), "250-%.*s\r\n",
		    (int)(blank - extensions), extensions);
		say(world, text);
	}
	snprintf(text, sizeof(text), "250 %s\r\n", extensions);
	say(world, text);
	assert_int_equal(client_mail(world->client, &other), 0);
	assert_int_equal(client_recipient(world->client, 1, "b@b", ""), 0);
	say(world, "250 ok\r\n");
	if (strstr(world->said, "RCPT") == NULL)
		fail();
	say(world, "250 ok\r\n");
	assert_true(world->accepted[1]);
	world->said_length = world->writes = 0;
	memset(world->said, 0, sizeof(world->said));
	return world;
}

/* What should go out, octet by octet. Returns its length. */
static size_t
convert(const char *in, size_t length, char *out, int stuffing, int exact)
{
	int start = 1, after_cr = 0, raw = 0;
	size_t i, n = 0;

	for (i = 0; i < length; i++) {
		if (raw) {
			out[n++] = in[i];
		} else if (in[i] == '\n' && after_cr) {
			after_cr = 0;
		} else if (in[i] == '\n' || in[i] == '\r') {
			raw = exact && in[i] == '\n' && start;
			out[n++] = '\r';
			out[n++] = '\n';
			start = 1;
			after_cr = in[i] == '\r';
		} else {
			if (start && in[i] == '.' && stuffing)
				out[n++] = '.';
			out[n++] = in[i];
			start = after_cr = 0;
		}
	}
	if (!start && !raw) {
		out[n++] = '\r';
		out[n++] = '\n';
	}
	return n;
}

/* Text with all that is of interest, more often than in life. */
static void
fill(char *text, size_t length, unsigned int seed)
{
	static const char letters[] = "\n\n\r.\nab \xe4.\r\nx\n.";
	size_t i;

	for (i = 0; i < length; i++) {
		seed = seed * 1103515245 + 12345;
		text[i] = letters[seed >> 16 & 15];
	}
}

/* Takes the chunks off what was said. Returns the octets in them. */
static size_t
unchunk(const struct world *world, char *out)
{
	char *p = (char *)(uintptr_t)world->said, *end = p + world->said_length;
	size_t n = 0, size;
	int last = 0;

	while (p < end) {
		assert_false(last);
		assert_memory_equal(p, "BDAT ", 5);
		size = strtoul(p + 5, &p, 10);
		last = memcmp(p, " LAST", 5) == 0;
		p += last ? 5 : 0;
		assert_memory_equal(p, "\r\n", 2);
		p += 2;
		assert_true(size <= (size_t)(end - p));
		memcpy(out + n, p, size);
		p += size;
		n += size;
	}
	assert_true(last);
	return n;
}

static const size_t lengths[] = {0, 1, 2, 3, 7, 100, 4096, BODY_PIECE - 1,
    BODY_PIECE, BODY_PIECE + 1, 2 * BODY_PIECE, 2 * BODY_PIECE + 17,
    3 * BODY_PIECE + 5};

static char message[4 * BODY_PIECE], expected[8 * BODY_PIECE],
    got[8 * BODY_PIECE];

static size_t
compose(const char *head, size_t length, unsigned int seed)
{
	size_t n = head == NULL ? 0 : strlen(head);
	static char whole[5 * BODY_PIECE];
	int exact = seed & 64;

	fill(message, length, seed);
	if (n > 0)
		memcpy(whole, head, n);
	memcpy(whole + n, message, length);
	return convert(whole, n + length, expected, !(seed & 32), exact != 0);
}

static void
by_data(void **state)
{
	struct world *world;
	unsigned int seed;
	size_t i, n;

	(void)state;
	for (i = 0; i < COUNT(lengths); i++) {
		for (seed = 0; seed < 8; seed++) {
			const char *head = seed & 1 ? "Received: x\n" : NULL;

			world = open_world(0, "PIPELINING");
			n = compose(head, lengths[i], seed);
			assert_int_equal(world_data(world, head, message,
					     lengths[i], 0, seed & 2),
			    0);
			assert_string_equal(world->said, "DATA\r\n");
			world->said_length = 0;
			world->full = seed & 4;
			say(world, "354 go\r\n");
			while (seed & 4 && world->over == 0 &&
			    world->writes < 100) {
				assert_true(world->writes <= 8);
				client_drained(world->client);
				if (*client_awaits(world->client) == 'e')
					break;
				if (strstr(world->told, "held") != NULL)
					break;
			}
			if (seed & 2) {
				assert_non_null(strstr(world->told, "held"));
				assert_int_equal(world->said_length, n);
				client_release(world->client);
			}
			assert_int_equal(world->said_length, n + 3);
			assert_memory_equal(world->said, expected, n);
			assert_memory_equal(world->said + n, ".\r\n", 3);
			say(world, "250 ok\r\n");
			assert_int_equal(world->results[1], 1);
			assert_true(client_is_ready(world->client));
			world_free(world);
		}
	}
}

static void
by_chunks(void **state)
{
	struct world *world;
	unsigned int seed;
	size_t i, n, pieces;

	(void)state;
	for (i = 0; i < COUNT(lengths); i++) {
		for (seed = 32; seed < 128; seed += seed == 39 ? 57 : 1) {
			const char *head = seed & 1 ? "Received: x\n" : NULL;

			world = open_world(0, "CHUNKING BINARYMIME");
			n = compose(head, lengths[i], seed);
			world->full = seed & 4;
			assert_int_equal(
			    world_data(world, head, message, lengths[i],
				(seed & 64) != 0, seed & 2),
			    0);
			for (pieces = 0; pieces < 8; pieces++) {
				client_drained(world->client);
				if (*client_awaits(world->client) == 'e' ||
				    strstr(world->told, "held") != NULL)
					break;
				say(world, "250 chunk\r\n");
			}
			if (seed & 2) {
				assert_non_null(strstr(world->told, "held"));
				client_release(world->client);
			}
			assert_int_equal(unchunk(world, got), n);
			assert_memory_equal(got, expected, n);
			say(world, "250 ok\r\n");
			assert_int_equal(world->results[1], 1);
			assert_true(client_is_ready(world->client));
			world_free(world);
		}
	}
}

/* A small message is one write: command, header fields, text. */
static void
one_write(void **state)
{
	struct world *world = open_world(0, "CHUNKING");

	(void)state;
	(void)world_data(world, "Received: x\n", "A: b\n\nx\n", 8, 0, 0);
	assert_string_equal(
	    world->said, "BDAT 24 LAST\r\nReceived: x\r\nA: b\r\n\r\nx\r\n");
	assert_int_equal(world->writes, 1);
	world_free(world);

	world = open_world(0, "PIPELINING");
	(void)world_data(world, "Received: x\n", "A: b\n\nx\n", 8, 0, 0);
	world->writes = 0;
	say(world, "354 go\r\n");
	assert_string_equal(
	    world->said, "DATA\r\nReceived: x\r\nA: b\r\n\r\nx\r\n.\r\n");
	assert_int_equal(world->writes, 1);
	world_free(world);
}

/* LAST waits for the answers; a refused chunk is the last one. */
static void
chunk_windows(void **state)
{
	static char large[40 * BODY_PIECE];
	struct world *world;

	(void)state;
	memset(large, 'x', sizeof(large));
	world = open_world(1, "CHUNKING");
	(void)world_data(world, NULL, large, sizeof(large), 0, 0);
	assert_int_equal(world->writes, 1);
	say(world, "250 ok\r\n");
	assert_int_equal(world->writes, 2);
	say(world, "452 4.3.1 full\r\n");
	assert_non_null(strstr(world->told, "result 1 said 452 4.3.1 full\n"));
	assert_true(world->over);
	world_free(world);

	world = open_world(1, "CHUNKING PIPELINING");
	(void)world_data(world, NULL, large, 10 * BODY_PIECE, 0, 0);
	assert_int_equal(world->writes, 9);
	say(world, "250 ok\r\n250 ok\r\n452 4.3.1 full\r\n503 what\r\n");
	assert_non_null(strstr(world->told, "result 1 said 452 4.3.1 full\n"));
	assert_null(strstr(world->said, "LAST"));
	assert_true(world->over);
	world_free(world);
}

#define HEAD "Received: x\n\ty\nSubmission-Token: t\n"
#define WHOLE "A: b\nS: s\n\nx\n"
#define CONTENT "S: s\n\nx\n"
#define BOXES "\0\0\0\x08\0\0A: b\r\n\0\0\0\x03\x12\x34\0\0\0\0\x02\0\x01"

static struct world *
metadata_world(const char *extensions)
{
	struct world *world = open_world(1, extensions);

	world->content = CONTENT;
	world->metadata.content_size = strlen(CONTENT);
	world->containers = BOXES;
	world->metadata.containers_size = sizeof(BOXES) - 1;
	return world;
}

/* M-26, M-27, D-M05: ours first, then the others as they came, then BDAT. */
static void
containers(void **state)
{
	static const char boxes[] = "BMTD 19\r\n\0\0Received: x\r\n\ty\r\n"
				    "BMTD 8\r\n\0\0A: b\r\n"
				    "BMTD 3\r\n\x12\x34\0BMTD 2\r\n\0\x01";
	static const char bdat[] =
	    "BDAT 32 LAST\r\nSubmission-Token: t\r\nS: s\r\n\r\nx\r\n";
	struct world *world = metadata_world("PIPELINING CHUNKING METADATA");
	size_t both = sizeof(boxes) + sizeof(bdat) - 2;

	(void)state;
	(void)world_data(world, HEAD, WHOLE, strlen(WHOLE), 0, 0);
	assert_int_equal(world->said_length, both);
	assert_memory_equal(world->said, boxes, sizeof(boxes) - 1);
	assert_memory_equal(
	    world->said + sizeof(boxes) - 1, bdat, sizeof(bdat) - 1);
	say(world, "250 1\r\n250 2\r\n250 3\r\n250 4\r\n");
	assert_int_equal(world->results[1], 0);
	say(world, "250 ok\r\n");
	assert_int_equal(world->results[1], 1);
	assert_int_equal(world->said_length, both);
	world_free(world);

	/* What may be held back waits for all answers. */
	world = metadata_world("PIPELINING CHUNKING METADATA");
	(void)world_data(world, HEAD, WHOLE, strlen(WHOLE), 0, 1);
	assert_int_equal(world->said_length, sizeof(boxes) - 1);
	say(world, "250 1\r\n250 2\r\n250 3\r\n");
	assert_null(strstr(world->told, "held"));
	say(world, "250 4\r\n");
	assert_non_null(strstr(world->told, "held"));
	assert_int_equal(world->said_length, sizeof(boxes) - 1);
	world_free(world);

	/* One at a time, and one is refused: M-14. */
	world = metadata_world("CHUNKING METADATA");
	(void)world_data(world, HEAD, WHOLE, strlen(WHOLE), 0, 0);
	assert_int_equal(world->writes, 1);
	say(world, "250 1\r\n");
	assert_int_equal(world->writes, 2);
	say(world, "554 5.6.0 no\r\n");
	assert_int_equal(world->writes, 2);
	assert_non_null(strstr(world->told, "result 1 said 554 5.6.0 no\n"));
	world_free(world);
}

/*
 * The message is out behind a container that is refused: what is said to the
 * message counts, and if it is no, the reason is that of the container.
 */
static void
refused_containers(void **state)
{
	static const struct {
		const char *replies, *told;
		int over, rset;
	} cases[] = {
	    {"452 4.3.1 full\r\n503 what\r\n503 what\r\n503 what\r\n"
	     "503 5.5.1 chunk\r\n",
		"result 1 said 452 4.3.1 full\n", 0, 1},
	    {"250 1\r\n250 2\r\n250 3\r\n554 5.6.0 no\r\n250 yes\r\n",
		"result 1 said 250 ", 0, 0},
	    {"554 5.6.0 no\r\n", "result 1 said 554 5.6.0 no\n", 1, 0},
	    {"250 1\r\n", "result 1 unknown 451 ", 1, 0},
	    {"354 1\r\n", "result 1 ", 1, 0},
	};
	struct world *world;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(cases); i++) {
		world = metadata_world("PIPELINING CHUNKING METADATA");
		(void)world_data(world, HEAD, WHOLE, strlen(WHOLE), 0, 0);
		assert_non_null(memmem(
		    world->said, world->said_length, "LAST", strlen("LAST")));
		world->said_length = 0;
		memset(world->said, 0, sizeof(world->said));
		say(world, cases[i].replies);
		if (cases[i].over)
			client_lost(world->client, "gone");
		assert_non_null(strstr(world->told, cases[i].told));
		assert_int_equal(world->over != 0, cases[i].over);
		assert_int_equal(
		    strstr(world->said, "RSET") != NULL, cases[i].rset);
		world_free(world);
	}
}

/* M-30: whoever does not know it gets the message with the fields in it. */
static void
no_containers(void **state)
{
	static const char *const without[] = {"METADATA", "CHUNKING"};
	struct world *world;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(without); i++) {
		world = metadata_world(without[i]);
		(void)world_data(world, HEAD, WHOLE, strlen(WHOLE), 0, 0);
		say(world, "354 go\r\n");
		assert_null(strstr(world->said, "BMTD"));
		if (i == 1)
			assert_non_null(strstr(
			    world->said, "BDAT 55 LAST\r\nReceived: x\r\n"));
		else
			assert_non_null(strstr(world->said,
			    "t\r\nA: b\r\nS: s\r\n\r\nx\r\n.\r\n"));
		world_free(world);
	}
}

/* The file is an engine's, and may be nonsense. */
static void
bad_containers(void **state)
{
	static const struct {
		const char *boxes;
		size_t length;
	} bad[] = {{"\0\0\0", 3}, {"\0\0\0\0", 4}, {"\0\0\0\1x", 5},
	    {"\0\0\0\3xx", 6}, {"\xff\xff\xff\xffxx", 6}, {"\0\1\0\1xx", 6}};
	struct world *world;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(bad); i++) {
		world = metadata_world("CHUNKING METADATA");
		world->containers = bad[i].boxes;
		world->metadata.containers_size = bad[i].length;
		(void)world_data(world, NULL, WHOLE, strlen(WHOLE), 0, 0);
		assert_string_equal(world->said, "RSET\r\n");
		assert_non_null(strstr(world->told, "result 1 decided 451"));
		world_free(world);
	}
}

/* T25: what has no end has one here. */
static void
endless_replies(void **state)
{
	static const char *const floods[] = {
	    "220-mx\r\n", "220-\r\n", "2", "x", "220-", "\r\n", "\0"};
	struct world *world;
	size_t i, n;

	(void)state;
	for (i = 0; i < COUNT(floods); i++) {
		world = world_new(0, CLIENT_TLS_NEVER, NULL, NULL);
		for (n = 0; n < 100000 && !world->over; n++)
			client_input(world->client, floods[i],
			    floods[i][0] == '\0' ? 1 : strlen(floods[i]));
		assert_true(world->over);
		assert_true(n <= REPLY_LINE_MAX + 1);
		assert_memory_equal(world->told, "over lost 451 4.5.0", 19);
		world_free(world);
	}
}

static void
bounds_of_replies(void **state)
{
	struct world *world;
	char line[REPLY_LINE_MAX + 2];
	size_t i;
	int over;

	(void)state;
	for (over = 0; over < 2; over++) {
		memset(line, 'x', sizeof(line));
		memcpy(line, "220 ", 4);
		memcpy(line + REPLY_LINE_MAX - 2 + over, "\r\n", 2);
		world = world_new(0, CLIENT_TLS_NEVER, NULL, NULL);
		client_input(
		    world->client, line, REPLY_LINE_MAX + (size_t)over);
		assert_int_equal(world->over, over);
		world_free(world);

		world = world_new(0, CLIENT_TLS_NEVER, NULL, NULL);
		for (i = 1; i < REPLY_LINES_MAX + (size_t)over; i++)
			say(world, "220-mx\r\n");
		if (!over)
			say(world, "220 mx\r\n");
		assert_int_equal(world->over, over);
		world_free(world);
	}
}

/* The text is kept whole up to its bound, and is printable. */
static void
texts(void **state)
{
	struct world *world = world_new(0, CLIENT_TLS_NEVER, NULL, NULL);
	static const struct client_mail mail = {
	    "a@a", RELAY_BODY_NONE, 0, 0, ""};
	char line[1600];
	size_t i;

	(void)state;
	say(world, "220 mx\r\n");
	say(world, "250 mx\r\n");
	(void)client_mail(world->client, &mail);
	(void)client_recipient(world->client, 1, "b@b", "");
	say(world, "250 ok\r\n");
	memset(line, 'x', sizeof(line));
	memcpy(line, "550-5.1.1 ", 10);
	for (i = 0; i < 255; i++) {
		if (i != '\n' && i != '\0')
			line[10 + i] = (char)i;
	}
	memcpy(line + sizeof(line) - 3, "\r\n", 3);
	say(world, line);
	memcpy(line, "550 5.1.1 ", 10);
	say(world, line);
	assert_int_equal(world->last.code, 550);
	assert_string_equal(world->last.enhanced, "5.1.1");
	assert_int_equal(strlen(world->last.text), CLIENT_TEXT_MAX);
	for (i = 0; i < CLIENT_TEXT_MAX; i++)
		assert_in_range(world->last.text[i], ' ', '~');
	world_free(world);
}

/* A caller that goes on from within what it is told. */
static void
go_on(struct world *world, const char *what)
{
	static const struct client_mail mail = {
	    "a@a", RELAY_BODY_NONE, 0, 0, ""};

	if (strcmp(what, "ready") == 0) {
		world_forget(world);
		assert_int_equal(client_mail(world->client, &mail), 0);
		assert_int_equal(
		    client_recipient(world->client, 1, "b@b", ""), 0);
	} else if (strcmp(what, "rcpt") == 0)
		(void)world_data(world, NULL, "x\n", 2, 0, 1);
	else if (strcmp(what, "held") == 0)
		client_release(world->client);
	else if (strcmp(what, "result") == 0)
		assert_int_equal(client_mail(world->client, &mail), -1);
}

static void
from_within(void **state)
{
	struct world *world = world_new(0, CLIENT_TLS_NEVER, NULL, NULL);
	int i;

	(void)state;
	world->react = go_on;
	say(world, "220 mx\r\n");
	say(world, "250-mx\r\n250-PIPELINING\r\n250 CHUNKING\r\n");
	for (i = 0; i < 100; i++) {
		say(world, "250 ok\r\n250 ok\r\n");
		assert_memory_equal(world->said + world->said_length - 16,
		    "BDAT 3 LAST\r\nx\r\n", 16);
		say(world, "250 ok\r\n");
	}
	/* A result that comes with the next answer is not taken for it. */
	say(world, "250 ok\r\n250 ok\r\n250 early\r\n");
	assert_true(world->over);
	assert_non_null(strstr(world->told, "result 1 lost 451 4.5.0"));
	world_free(world);
}

static void
give_up(struct world *world, const char *what)
{
	if (strcmp(what, "over") != 0)
		client_lost(world->client, "given up");
}

/* The connection may end in any of them. */
static void
ends_from_within(void **state)
{
	static const char *const talk[] = {"220 mx\r\n",
	    "250-mx\r\n250-PIPELINING\r\n250 CHUNKING\r\n",
	    "250 ok\r\n250 ok\r\n", "250 ok\r\n", NULL};
	static const struct client_mail mail = {
	    "a@a", RELAY_BODY_NONE, 0, 0, ""};
	struct world *world;
	size_t when, i;

	(void)state;
	for (when = 0; when < COUNT(talk); when++) {
		world = world_new(0, CLIENT_TLS_NEVER, NULL, NULL);
		(void)client_mail(world->client, &mail);
		(void)client_recipient(world->client, 1, "b@b", "");
		(void)client_recipient(world->client, 2, "c@b", "");
		(void)world_data(world, NULL, "x\n", 2, 0, 1);
		for (i = 0; talk[i] != NULL && !world->over; i++) {
			if (i == when)
				world->react = give_up;
			say(world, talk[i]);
		}
		if (when == COUNT(talk) - 1)
			client_timeout(world->client);
		else if (!world->over)
			client_lost(world->client, "end");
		assert_true(world->over);
		assert_int_equal(world->answers[1], 1);
		assert_int_equal(world->answers[2], 1);
		assert_int_equal(world->results[1], world->accepted[1]);
		assert_int_equal(world->results[2], world->accepted[2]);
		world_free(world);
	}
}

static void
many_recipients(void **state)
{
	static const struct client_mail mail = {
	    "a@a", RELAY_BODY_NONE, 0, 0, ""};
	struct world *world = world_new(0, CLIENT_TLS_NEVER, NULL, NULL);
	uint32_t i;

	(void)state;
	(void)client_mail(world->client, &mail);
	for (i = 0; i < CLIENT_RECIPIENTS_MAX; i++)
		assert_int_equal(
		    client_recipient(world->client, i % 200, "b@b", ""), 0);
	assert_int_equal(client_recipient(world->client, 1, "b@b", ""), -1);
	client_abandon(world->client);
	world_free(world);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(by_data),
	    cmocka_unit_test(by_chunks),
	    cmocka_unit_test(one_write),
	    cmocka_unit_test(chunk_windows),
	    cmocka_unit_test(containers),
	    cmocka_unit_test(refused_containers),
	    cmocka_unit_test(no_containers),
	    cmocka_unit_test(bad_containers),
	    cmocka_unit_test(endless_replies),
	    cmocka_unit_test(bounds_of_replies),
	    cmocka_unit_test(texts),
	    cmocka_unit_test(from_within),
	    cmocka_unit_test(ends_from_within),
	    cmocka_unit_test(many_recipients),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
