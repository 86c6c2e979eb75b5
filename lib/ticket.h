/* SPDX-License-Identifier: ISC */
/*
 * Tickets: what tokend gives an engine for a proven right, and what lmtpd
 * and relay demand before they act (DESIGN section 2). A ticket is good for
 * one kind of act, one message, one mailbox, and a few seconds:
 *
 *	ticket = first 16 octets of HMAC-SHA-256(key,
 *	    kind || length-prefixed message id || length-prefixed mailbox
 *	    || expires)
 *
 * `expires` (milliseconds of ticket_clock()) travels beside it.
 */
#ifndef LIB_TICKET_H
#define LIB_TICKET_H

#include <stddef.h>
#include <stdint.h>

#include "imsg/verdicts.h" /* TICKET_LENGTH, TICKET_LIFE */

#define TICKET_KEY_LENGTH 32

/* What a ticket allows; the values are part of what is signed. */
enum ticket_kind {
	TICKET_DELIVER = 1, /* lmtpd: make a message visible in a mailbox */
	TICKET_RELAY = 2 /* relay: send a message for a user */
};

enum ticket_verdict {
	TICKET_GOOD = 1,
	TICKET_EXPIRED, /* the MAC is right, the time is over */
	TICKET_BAD /* wrong length, key, kind, message, mailbox, expires */
};

/* What a ticket is about. The strings are counted, not NUL-terminated. */
struct ticket_subject {
	enum ticket_kind kind;
	const void *message; /* message id; relay: the session */
	size_t message_length; /* octets, at most 255 */
	const void
	    *mailbox; /* "alice@a.example"; relay: sender, NUL, recipient */
	size_t mailbox_length; /* octets, at most 1024 */
	uint64_t expires; /* milliseconds of ticket_clock() */
};

/*
 * The clock of the tickets: milliseconds since boot, never set back, the
 * same in all processes of a machine. 0 if there is no such clock; nothing
 * is good then.
 */
uint64_t ticket_clock(void);

/*
 * The subject of a ticket for relay: in this session mail may go from sender
 * to recipient (addresses as in the envelope; "" is <>). `room` holds what
 * the subject points to. An address of more than TICKET_ADDRESS octets makes
 * a subject that ticket_make() and ticket_check() refuse.
 */
#define TICKET_ADDRESS 320

struct ticket_relay {
	uint8_t session[8];
	uint8_t pair[2 * TICKET_ADDRESS + 1];
};

void ticket_relay_subject(struct ticket_subject *, struct ticket_relay *room,
    uint64_t session, const void *sender, size_t sender_length,
    const void *recipient, size_t recipient_length, uint64_t expires);

/*
 * Writes the ticket for a subject. Returns 0, or -1 if the subject is too
 * long or the library fails.
 */
int ticket_make(uint8_t ticket[TICKET_LENGTH],
    const uint8_t key[TICKET_KEY_LENGTH], const struct ticket_subject *subject);

/*
 * Checks what is said to be a ticket, `length` octets, against the time now
 * (milliseconds of ticket_clock()). The MAC is compared in constant time.
 */
enum ticket_verdict ticket_check(const void *ticket, size_t length,
    const uint8_t key[TICKET_KEY_LENGTH], const struct ticket_subject *subject,
    uint64_t now);

#endif
