/* SPDX-License-Identifier: ISC */
#ifndef ENGINE_SMTP_HEADER_H
#define ENGINE_SMTP_HEADER_H

#include <stddef.h>
#include <time.h>

/*
 * A message's header on its way through: what is seen in it, taken out of it
 * and put behind it. Octets go in as they come, in pieces of any size; lines
 * of any length need no more memory than the struct below.
 */

struct header;

/* What is done. Strings must outlive the header. */
struct header_rules {
	int submission; /* a user's message: fields are added and taken out */
	int tokens; /* Submission-Token is taken out (D-S11) */
	int binary; /* the body's line ends stay CR LF */
	int results; /* forged Authentication-Results are taken out */
	int learn; /* others' tokens in it are to be known; they stay in it */
	const char *authserv; /* whose Authentication-Results count, or NULL */
	const char *hostname; /* our authserv-id, and end of Message-ID */
	const char *id; /* message id, for Message-ID */
	time_t now; /* for Date */
};

/* Takes what goes on to the message. */
typedef void header_emit(void *context, const void *text, size_t length);

/* header_new: NULL when there is no memory. */
struct header *header_new(const struct header_rules *);
void header_free(struct header *);

/*
 * header_text: a piece of a line, at least one octet, without line end.
 * header_newline: the line's end. Both return 1 when the header is over: what
 * comes next is the body, and not for this header.
 * header_end: the message ends within its header.
 */
int header_text(
    struct header *, const char *text, size_t length, header_emit *, void *);
int header_newline(struct header *, header_emit *, void *);
void header_end(struct header *, header_emit *, void *);

unsigned int header_hops(const struct header *); /* Received fields */
/* The nth Submission-Token, NULL behind the last. */
const char *header_token(const struct header *, size_t n);
/*
 * The only address of the first From field, else "". With `learn` a second
 * From field leaves none.
 */
const char *header_from(const struct header *);
/*
 * Whether the Authentication-Results fields of authserv, from the topmost one
 * to the Received field below it, vouch for that address (results.h).
 */
int header_is_authentic(const struct header *);

#endif
