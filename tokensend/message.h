/* SPDX-License-Identifier: ISC */
/* The message on standard input, kept in a file without a name. */
#ifndef TOKENSEND_MESSAGE_H
#define TOKENSEND_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

#define MESSAGE_MOST ((uint64_t)1 << 30) /* octets */

struct message {
	int fd;
	uint64_t size; /* octets; LF line ends */
	uint64_t ends; /* line ends that become CR LF */
	int has_8bit, header_8bit;
	/* While it is read: */
	int after_cr, in_header, line_is_empty;
};

/*
 * Takes octets: CR LF and LF both end a line. Writes LF ends to `out`, which
 * has room for length + 1 octets, and the count to *count. Returns 0; -1: a
 * NUL, which no server would take.
 */
int message_convert(struct message *, const char *data, size_t length,
    char *out, size_t *count);
void message_begin(struct message *);

/* All of `fd`. Ends with EX_DATAERR, EX_IOERR or EX_CANTCREAT. */
void message_read(struct message *, int fd);

/* As client_message.read; reader is the struct message. */
int message_piece(void *reader, uint64_t offset, void *buffer, size_t size);

#endif
