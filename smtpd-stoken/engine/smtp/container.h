/* SPDX-License-Identifier: ISC */
#ifndef ENGINE_SMTP_CONTAINER_H
#define ENGINE_SMTP_CONTAINER_H

#include "smtpd-stoken/engine/smtp/reply.h"

/*
 * The containers of METADATA (stoken-metadata(7)). They are kept with the
 * transaction until its end, or, when nobody else needs them, until they are
 * written above the message.
 */
#define CONTAINER_SIZE 65536 /* octets of one, with its type */
#define CONTAINER_COUNT 64 /* of a transaction */
/* Of all transactions of this process together: then 452 4.3.1. */
#define CONTAINER_MEMORY (64U << 20)
#define FLAGS_SIZE 4096 /* octets of all flags of a message, with a NUL */
#define KEYWORDS_COUNT 64 /* of a message, besides the system's flags */
#define FLAG_LENGTH 50 /* octets of one; Dovecot's own limit */

struct container {
	uint16_t type;
	uint8_t written; /* above the message */
	uint8_t withheld; /* it may not be given: nobody gets it */
	uint32_t length; /* of data, without the type */
	uint32_t room;
	uint8_t *data;
};

struct smtp_containers {
	struct container list[CONTAINER_COUNT];
	size_t count;
	size_t came; /* those that were dropped, too */
	struct container current; /* whose octets are coming */
	uint8_t head[2]; /* its type, as far as it is here */
	uint8_t head_length;
	char flags[FLAGS_SIZE];
};

/* A type of container: one file, and one row of the table. */
struct container_type {
	uint16_t type;
	int repeatable; /* else a second one is refused (M-21) */
	/*
	 * take: looks at a whole container, and takes out of it what this
	 * session may not give; what is left empty is dropped. Returns NULL,
	 * or why it is refused.
	 */
	const struct smtp_refusal *(*take)(
	    struct smtp_session *, struct container *);
	/* write: puts it above the message, if it belongs there; or NULL. */
	enum smtp_verdict (*write)(
	    struct smtp_session *, const struct container *);
};

extern const struct container_type container_types[];
extern const size_t container_type_count;

/* metadata_trace.c, type 0; metadata_flags.c, type 1. */
const struct smtp_refusal *
metadata_trace_take(struct smtp_session *, struct container *);
enum smtp_verdict
metadata_trace_write(struct smtp_session *, const struct container *);
const struct smtp_refusal *
metadata_flags_take(struct smtp_session *, struct container *);

/*
 * smtp_container_begin: size octets of a BMTD are to come. Returns NULL, or
 * why they are refused. _input takes them; _end looks at what came, and
 * returns as _begin does.
 */
const struct smtp_refusal *
smtp_container_begin(struct smtp_session *, uint64_t size);
void
smtp_container_input(struct smtp_session *, const uint8_t *data, size_t length);
const struct smtp_refusal *smtp_container_end(struct smtp_session *);

/*
 * Writes what belongs above the message and is not written: at the end of
 * the file, whether it is there or behind the message by then.
 */
void smtp_containers_write(struct smtp_session *);
void smtp_containers_free(struct smtp_transaction *);

#endif
