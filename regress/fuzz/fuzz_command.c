/* SPDX-License-Identifier: ISC */
/*
 * One command in each state that a session can be in; the first octet picks
 * the state.
 * sources: smtpd-stoken/engine/smtp/?*.c lib/address.c lib/base64.c
 * libs: -lidn2
 */
#include "regress/unit/smtp_world.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

#define LHLO "LHLO c\r\n"
#define TOKEN LHLO "AUTH STOKEN Ym9iQGEuZXhhbXBsZQBnb29k\r\n"
#define PLAIN "AUTH PLAIN AGFsaWNlQGEuZXhhbXBsZQBzZWNyZXQ=\r\n"
#define MAIL "MAIL FROM:<alice@a.example> SMTPUTF8\r\n"

static const struct {
	enum smtp_listener listener;
	const char *before;
} states[] = {
    {SMTP_LISTENER_SMTPS, ""},
    {SMTP_LISTENER_SMTPS, LHLO},
    {SMTP_LISTENER_SMTPS, LHLO "AUTH LOGIN\r\n"},
    {SMTP_LISTENER_SMTPS, TOKEN},
    {SMTP_LISTENER_SMTPS, TOKEN MAIL},
    {SMTP_LISTENER_SMTPS, "EHLO c\r\n" PLAIN},
    {SMTP_LISTENER_SMTPS, "EHLO c\r\n" PLAIN MAIL},
    {SMTP_LISTENER_TLS_REQUIRE, "EHLO c\r\n"},
    {SMTP_LISTENER_SOCKET, LHLO MAIL},
    {SMTP_LISTENER_SOCKET, LHLO MAIL "RCPT TO:<bob@a.example>\r\n"},
};

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world *world;
	size_t state;

	if (size == 0 || size > 32768)
		return 0;
	state = data[0] % (sizeof(states) / sizeof(states[0]));
	world = world_new(states[state].listener, 0);
	world_feed(world, states[state].before, strlen(states[state].before));
	world_feed(world, data + 1, size - 1);
	world_feed(world, "\r\n", 2);
	world_feed(world, "NOOP\r\n", 6);
	world_free(world);
	return 0;
}
