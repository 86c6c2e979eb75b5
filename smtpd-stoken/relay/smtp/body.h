/* SPDX-License-Identifier: ISC */
#ifndef RELAY_SMTP_BODY_H
#define RELAY_SMTP_BODY_H

#include <sys/types.h>
#include <stddef.h>
#include <stdint.h>

#include "smtpd-stoken/relay/smtp/client.h"

/*
 * A message on its way out, in pieces. Lines end with CR LF, whatever the
 * file has: no CR and no LF leaves alone (F-112), so that no peer, however
 * lenient, sees an end of data that is not ours. Only what stands behind the
 * header of a message that is exact goes out as it is, and that only in
 * counted chunks.
 */

#define BODY_PIECE 65536 /* octets read at a time */
/* Of a piece as it goes out: each octet may become two, and one line end. */
#define BODY_OUT (2 * BODY_PIECE + 4)

struct body {
	struct client_message message;
	uint64_t position; /* octets taken of head and file */
	int stuffing; /* a dot that begins a line is doubled */
	int line_start;
	int after_cr;
	int raw; /* from here on as it is */
};

void body_begin(struct body *, const struct client_message *, int stuffing);
/* Octets left to take. */
uint64_t body_left(const struct body *);
/*
 * Takes at most BODY_PIECE octets and writes what goes out for them, at most
 * BODY_OUT octets. Returns how many, or -1: they cannot be had.
 */
ssize_t body_take(struct body *, char *out);
/* Whether any octet is outside ASCII: 1, 0, -1 as above. */
int body_has_8bit(const struct client_message *);

#endif
