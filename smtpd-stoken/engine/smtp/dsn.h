/* SPDX-License-Identifier: ISC */
#ifndef ENGINE_SMTP_DSN_H
#define ENGINE_SMTP_DSN_H

#include "smtpd-stoken/engine/smtp/actions.h"

/*
 * The report to the sender of a message that was accepted and then failed
 * for some of its recipients, or was delivered to some as he wants to know
 * (RFC 3464; RFC 6533 where UTF-8 is in it). It is
 * written in three parts with LF line ends: dsn_begin(), then the original
 * message or its header, by whoever has it, then dsn_end().
 */

enum dsn_action { /* RFC 3464 section 2.3.3 */
	DSN_FAILED,
	DSN_DELIVERED,
	DSN_RELAYED /* to a server that reports nothing: RFC 3461, 5.2.2 */
};

struct dsn_recipient {
	const char *address; /* as in RCPT */
	const char *orcpt, *notify; /* as RCPT said them, or NULL */
	const char *status; /* RFC 3463, "5.1.1"; need not be one */
	const char *remote; /* who refused it, or has it; NULL: we did */
	int code; /* of that reply, 0: there was none */
	const char *text; /* what it said; need not be printable */
	enum dsn_action action; /* of DSN_DELIVERED there is no code or text */
};

struct dsn {
	const char *hostname, *domain;
	const char *sender; /* to whom it goes; not "" */
	const char *id; /* of the report */
	const char *envid; /* as MAIL said it, or NULL */
	/* Chosen at random when the original could not change any more. */
	const char *boundary; /* 16 to 40 letters and digits */
	time_t now, arrived;
	int utf8; /* MAIL said SMTPUTF8 */
	int whole; /* all of the original comes back: dsn_is_whole() */
	int eight_bit; /* octets outside ASCII come back: dsn_header() */
	const struct dsn_recipient *recipients;
	size_t count;
};

/* Takes the report. Returns 0, or -1 to stop. */
typedef int dsn_emit(void *context, const void *text, size_t length);

/*
 * How many recipients it is about: without those whose NOTIFY wants none
 * (RFC 3461 section 4.1). And how many of them have not got it.
 */
size_t dsn_wanted(const struct dsn *);
size_t dsn_failed(const struct dsn *);

/* Whether a NOTIFY, or NULL, names the occasion. */
int dsn_names(const char *notify, const char *occasion);

/* Whether the report itself needs SMTPUTF8 on its way. */
int dsn_is_utf8(const struct dsn *);

/*
 * dsn_begin: what comes before the original. dsn_end: what comes behind it;
 * newline: the original's last octet is one. Return 0; -1 when emit does.
 */
int dsn_begin(const struct dsn *, dsn_emit *, void *context);
int dsn_end(const struct dsn *, int newline, dsn_emit *, void *context);

/* Octets of an original that may come back: of its header, of all of it. */
#define DSN_HEADER_MAX 65536
#define DSN_WHOLE_MAX (1U << 20)

/* Whether all of an original of size octets comes back (RFC 3461, 4.3). */
int dsn_is_whole(const struct smtp_mail *, uint64_t size);

/*
 * dsn_header: how much of the first length octets of an original is its
 * header, to the end of a line; at most DSN_HEADER_MAX. *eight_bit is set
 * when something outside ASCII is in that.
 */
size_t dsn_header(const char *text, size_t length, int *eight_bit);

#endif
