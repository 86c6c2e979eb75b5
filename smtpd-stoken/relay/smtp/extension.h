/* SPDX-License-Identifier: ISC */
#ifndef RELAY_SMTP_EXTENSION_H
#define RELAY_SMTP_EXTENSION_H

#include <stddef.h>
#include <stdint.h>

/* What the peer's answer to EHLO or LHLO offers. */

enum extension {
	EXTENSION_PIPELINING = 1 << 0,
	EXTENSION_SIZE = 1 << 1,
	EXTENSION_8BITMIME = 1 << 2,
	EXTENSION_SMTPUTF8 = 1 << 3,
	EXTENSION_DSN = 1 << 4,
	EXTENSION_CHUNKING = 1 << 5,
	EXTENSION_BINARYMIME = 1 << 6,
	EXTENSION_STARTTLS = 1 << 7,
	EXTENSION_AUTH = 1 << 8,
	EXTENSION_METADATA = 1 << 9,
	EXTENSION_STOKEN = 1 << 10
};

struct extensions {
	unsigned int offered;
	unsigned int mechanisms; /* login_bit() of those behind AUTH */
	uint64_t size; /* limit in octets, 0: none, or not said */
};

/* Takes one line behind the code; what it does not know it passes over. */
void extension_line(struct extensions *, const char *text, size_t length);
/* The bit of a keyword, or 0. */
unsigned int extension_bit(const char *keyword, size_t length);

#endif
