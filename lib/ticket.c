/* SPDX-License-Identifier: ISC */
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <string.h>
#include <time.h>

#include "lib/ticket.h"

#define MAC_LENGTH 32
#define MESSAGE_MAX 255
#define MAILBOX_MAX 1024
#define SIGNED_MAX (1 + 2 + MESSAGE_MAX + 2 + MAILBOX_MAX + 8)

/* A suspended machine must not stretch a ticket, where that can be had. */
#ifdef CLOCK_BOOTTIME
#define TICKET_CLOCK CLOCK_BOOTTIME
#else
#define TICKET_CLOCK CLOCK_MONOTONIC
#endif

uint64_t
ticket_clock(void)
{
	struct timespec now;

	if (clock_gettime(TICKET_CLOCK, &now) == -1)
		return 0;
	/* One more, so that the first millisecond is not "no clock". */
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000 +
	    1;
}

static size_t
put_number(uint8_t *out, uint64_t value, size_t length)
{
	for (size_t i = length; i-- > 0; value >>= 8)
		out[i] = (uint8_t)value;
	return length;
}

static size_t
put_counted(uint8_t *out, const void *data, size_t length)
{
	put_number(out, length, 2);
	if (length > 0)
		memcpy(out + 2, data, length);
	return 2 + length;
}

/* The lengths go in too, so that no two subjects sign the same octets. */
static int
whole_mac(uint8_t out[MAC_LENGTH], const uint8_t key[TICKET_KEY_LENGTH],
    const struct ticket_subject *subject)
{
	uint8_t text[SIGNED_MAX];
	size_t used = 0;
	unsigned int length = 0;

	if (subject->message_length > MESSAGE_MAX ||
	    subject->mailbox_length > MAILBOX_MAX)
		return -1;
	used += put_number(text, (uint64_t)subject->kind, 1);
	used +=
	    put_counted(text + used, subject->message, subject->message_length);
	used +=
	    put_counted(text + used, subject->mailbox, subject->mailbox_length);
	used += put_number(text + used, subject->expires, 8);
	if (HMAC(EVP_sha256(), key, TICKET_KEY_LENGTH, text, used, out,
		&length) == NULL ||
	    length != MAC_LENGTH)
		return -1;
	return 0;
}

void
ticket_relay_subject(struct ticket_subject *subject, struct ticket_relay *room,
    uint64_t session, const void *sender, size_t sender_length,
    const void *recipient, size_t recipient_length, uint64_t expires)
{
	*subject = (struct ticket_subject) {.kind = TICKET_RELAY,
	    .message = room->session,
	    .message_length = sizeof(room->session),
	    .mailbox = room->pair,
	    .mailbox_length = SIZE_MAX, /* too long: refused */
	    .expires = expires};
	for (size_t i = 0; i < sizeof(room->session); i++)
		room->session[i] = (uint8_t)(session >> (8 * i));
	if (sender_length > TICKET_ADDRESS || recipient_length > TICKET_ADDRESS)
		return;
	if (sender_length > 0)
		memcpy(room->pair, sender, sender_length);
	room->pair[sender_length] = '\0';
	if (recipient_length > 0)
		memcpy(room->pair + sender_length + 1, recipient,
		    recipient_length);
	subject->mailbox_length = sender_length + 1 + recipient_length;
}

int
ticket_make(uint8_t ticket[TICKET_LENGTH], const uint8_t key[TICKET_KEY_LENGTH],
    const struct ticket_subject *subject)
{
	uint8_t mac[MAC_LENGTH];

	if (whole_mac(mac, key, subject) == -1)
		return -1;
	memcpy(ticket, mac, TICKET_LENGTH);
	OPENSSL_cleanse(mac, sizeof(mac));
	return 0;
}

enum ticket_verdict
ticket_check(const void *ticket, size_t length,
    const uint8_t key[TICKET_KEY_LENGTH], const struct ticket_subject *subject,
    uint64_t now)
{
	uint8_t mac[MAC_LENGTH];
	enum ticket_verdict verdict = TICKET_BAD;

	if (length != TICKET_LENGTH || now == 0)
		return TICKET_BAD;
	if (whole_mac(mac, key, subject) == 0 &&
	    CRYPTO_memcmp(mac, ticket, TICKET_LENGTH) == 0)
		verdict = subject->expires > now ? TICKET_GOOD : TICKET_EXPIRED;
	OPENSSL_cleanse(mac, sizeof(mac));
	return verdict;
}
