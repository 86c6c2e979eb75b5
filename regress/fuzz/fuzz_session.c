/* SPDX-License-Identifier: ISC */
/*
 * A whole session: the same octets in one piece with answers at once, and in
 * pieces with late answers, must get the same replies and leave the same
 * message. The first octet picks listener and pieces.
 * sources: smtpd-stoken/engine/smtp/?*.c lib/address.c lib/base64.c
 * libs: -lidn2
 */
#include <ctype.h>

#include "regress/unit/smtp_world.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static struct world *
run(const uint8_t *data, size_t size, int options, size_t piece, int late)
{
	struct world *world = world_new(
	    options & 1 ? SMTP_LISTENER_SOCKET : SMTP_LISTENER_SMTPS, late);
	size_t i, n;

	world->settings.normalize = (options & 2) != 0;
	world->settings.relay = 1;
	world->settings.remember =
	    SMTP_REMEMBER_RANDOM | SMTP_REMEMBER_JWT | SMTP_REMEMBER_HT2_EXPR;
	world->settings.mechanisms |=
	    SMTP_AUTH_REMEMBERME | SMTP_AUTH_HT2_EXPR | SMTP_AUTH_XOAUTH2;
	world->settings.recipients = 5;
	world->settings.message_size = 1000;
	for (i = 0; i < size; i += n) {
		n = size - i < piece ? size - i : piece;
		world_feed(world, data + i, n);
		if (late && (i & 1))
			world_answer(world);
	}
	world_answer(world);
	return world;
}

/* F-112: replies are lines of three digits and text, and nothing else. */
static void
check_output(const char *p)
{
	for (; *p != '\0'; p = strstr(p, "\r\n") + 2) {
		if (!isdigit((unsigned char)p[0]) ||
		    !isdigit((unsigned char)p[1]) ||
		    !isdigit((unsigned char)p[2]) ||
		    (p[3] != ' ' && p[3] != '-') || strstr(p, "\r\n") == NULL ||
		    strstr(p, "\r\n") - p > 1022 ||
		    strcspn(p, "\r\n") != (size_t)(strstr(p, "\r\n") - p))
			abort();
	}
}

/* Of two faults in a line or message another may be found first. */
static void
compare(const char *a, const char *b)
{
	while (*a != '\0' && *b != '\0') {
		if (strncmp(a, b, 2) != 0 || a[3] != b[3] ||
		    (a[2] != b[2] && strncmp(a, "55", 2) != 0))
			abort();
		a = strstr(a, "\r\n") + 2;
		b = strstr(b, "\r\n") + 2;
	}
	if (*a != *b)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world *whole, *pieces;
	size_t piece;

	if (size == 0 || size > 16384)
		return 0;
	piece = (size_t)(data[0] >> 2) + 1;
	whole = run(data + 1, size - 1, data[0], size, 0);
	pieces = run(data + 1, size - 1, data[0], piece, 1);
	check_output(whole->output);
	check_output(pieces->output);
	compare(whole->output, pieces->output);
	if (whole->message_length != pieces->message_length ||
	    memcmp(whole->message, pieces->message, whole->message_length) != 0)
		abort();
	if (whole->held_length > SMTP_AUTH_LINE_MAX)
		abort();
	world_free(whole);
	world_free(pieces);
	return 0;
}
