/* SPDX-License-Identifier: ISC */
#ifndef ENGINE_SMTP_SESSION_H
#define ENGINE_SMTP_SESSION_H

#include "smtpd-stoken/engine/smtp/smtp.h"

struct header;

/* What the files of this folder share; the engine itself sees smtp.h. */

#define ID_SIZE 72 /* of a message id or delivery id, with its NUL */
#define SMTP_ENVID_MAX 100 /* RFC 3461 section 4.4 */
#define SMTP_ORCPT_MAX 500 /* section 4.2 */

enum smtp_mode {
	MODE_NONE,
	MODE_SMTP,
	MODE_LMTP
};

/* How the next octets are read. */
enum smtp_reading {
	READ_COMMAND,
	READ_AUTH,
	READ_DATA,
	READ_CHUNK,
	READ_NOTHING
};

/* The one answer that is waited for, besides those to RCPT. */
enum smtp_waiting {
	WAIT_NONE,
	WAIT_AUTH,
	WAIT_SENDER,
	WAIT_OPEN,
	WAIT_DELIVERY,
	WAIT_GENERATE,
	WAIT_REVOKE,
	WAIT_REMEMBER,
	WAIT_TLS
};

enum smtp_recipient_state {
	RECIPIENT_PENDING,
	RECIPIENT_ANSWERED, /* an earlier one is not yet */
	RECIPIENT_ACCEPTED,
	RECIPIENT_REFUSED
};

struct smtp_recipient {
	char *address; /* NULL once refused */
	struct smtp_passed *passed; /* until it is said */
	uint8_t state;
	uint8_t verdict;
};

/* Where in the message the next octet falls. */
enum smtp_position {
	AT_LINE_START,
	IN_LINE,
	AFTER_CR,
	AFTER_DOT, /* that starts a line */
	AFTER_DOT_CR
};

struct smtp_data {
	uint8_t chunked; /* by BDAT: no dots */
	uint8_t binary; /* BODY=BINARYMIME: the body stays as it is */
	uint64_t received; /* with CRLF, without stuffed dots (RFC 1870) */
	uint64_t written; /* with LF, with the trace fields */
	uint8_t position;
	uint8_t failed; /* enum smtp_verdict */
	uint8_t body; /* the header is over */
	unsigned int hops; /* that containers told of */
	struct header *header;
};

/* What BDAT and BMTD have made of a transaction; see chunk.c. */
enum chunk_stage {
	CHUNK_FRESH, /* none has come yet */
	CHUNK_METADATA, /* BMTD alone */
	CHUNK_CONTENT, /* BDAT */
	CHUNK_NOBODY, /* one came, and there was no recipient */
	CHUNK_FAILED,
	CHUNK_OUTSIDE, /* of a transaction */
	CHUNK_STAGES
};

enum chunk_kind {
	CHUNK_BDAT,
	CHUNK_BMTD
};

/* The chunk that is being read. */
struct smtp_chunk {
	uint64_t size, left; /* octets, and how many are still to come */
	const struct smtp_refusal *refusal; /* at its end; NULL: it is good */
	uint8_t kind; /* enum chunk_kind */
	uint8_t last;
	uint8_t waits; /* for the message to be opened */
	uint8_t foreign; /* by who may not send mail at all */
};

struct smtp_transaction {
	struct smtp_recipient *recipients;
	size_t count, room;
	size_t replied; /* the first count RCPT have their reply */
	size_t accepted;
	struct smtp_mail mail;
	struct smtp_data data;
	struct smtp_containers *containers; /* or NULL: none came */
	struct smtp_layout layout;
	uint8_t stage; /* enum chunk_stage, but for CHUNK_OUTSIDE */
	uint8_t open; /* the message can be written */
	uint8_t outside; /* it goes on to others: smtp_goes_outside() */
	time_t opened; /* when the message was begun */
	uint64_t trace; /* octets of the fields at its top */
	char id[ID_SIZE];
	char envid[SMTP_ENVID_MAX + 1];
	char sender[]; /* "" for <> */
};

struct smtp_session {
	const struct smtp_settings *settings;
	const struct smtp_actions *actions;
	void *owner;
	struct smtp_transaction *transaction;
	struct smtp_chunk chunk;
	uint64_t swallowed; /* octets of refused chunks */
	char *helo;
	char *identity;
	unsigned long commands;
	size_t skipped; /* octets of a line that is thrown away */
	unsigned int errors;
	uint8_t listener, mode, reading, waiting, login;
	uint8_t permanent; /* kind of the token of AUTH */
	uint8_t remembered; /* AUTH is by a token of REMEMBERME */
	uint8_t skipping, skipped_cr;
	uint8_t part_length; /* of what stands behind a CR or LF in it */
	char part[5]; /* its first octets, without blanks in front */
	uint8_t stalled;
	uint8_t closed;
	struct smtp_tls tls;
	char client[48];
};

/* session.c */
void smtp_close(struct smtp_session *, const char *reason);
void smtp_transaction_end(struct smtp_session *);

/*
 * data.c: a message's octets, behind the trace fields. smtp_message_begin: it
 * is open; chunked when it comes by BDAT. Returns -1 when there is no memory.
 * smtp_data_input reads what follows DATA; returns the octets used.
 * smtp_content_input takes octets of one that comes by BDAT, and
 * smtp_content_end is its end.
 */
int smtp_message_begin(struct smtp_session *, int chunked);
size_t smtp_data_input(struct smtp_session *, uint8_t *data, size_t length);
void smtp_content_input(struct smtp_session *, uint8_t *data, size_t length);
void smtp_content_end(struct smtp_session *);

/* command_auth.c: a response line without its CRLF. */
void smtp_auth_response(struct smtp_session *, const char *, size_t length);

/* transaction.c */
int smtp_transaction_begin(
    struct smtp_session *, const char *sender, size_t length);
struct smtp_recipient *smtp_recipient_add(
    struct smtp_transaction *, const char *address, size_t length);
int smtp_outstanding(const struct smtp_session *); /* RCPT replies owed */

#endif
