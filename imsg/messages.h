/* SPDX-License-Identifier: ISC */
/*
 * The contract in C, made from messages.def: numbers, structs, one encoder,
 * one decoder and the check of who may say what to whom.
 */
#ifndef IMSG_MESSAGES_H
#define IMSG_MESSAGES_H

#include <stddef.h>
#include <stdint.h>

#include "imsg/verdicts.h"

enum role {
	ROLE_NONE,
	ROLE_PARENT,
	ROLE_FRONTEND,
	ROLE_ENGINE,
	ROLE_RELAY,
	ROLE_TOKEND,
	ROLE_SIGN,
	ROLE_AUTH,
	ROLE_LMTPD,
	ROLE_CONTROL, /* a client on the control socket, not a process */
	ROLE_COUNT,
	ROLE_ANY = 0xff
};

enum descriptor_rule {
	DESCRIPTOR_NONE,
	DESCRIPTOR_ALWAYS,
	DESCRIPTOR_MAYBE
};

enum phase {
	PHASE_SETUP = 1,
	PHASE_RUNNING = 2,
	PHASE_EITHER = 3
};

/* Largest message, header included: a few need more than imsg's 16 KiB. */
#define MESSAGE_MAX (64 * 1024)

/* A counted string; never NUL-terminated. */
struct bytes {
	const uint8_t *data;
	size_t length;
};

enum message_number {
#define MESSAGE(NAME, name, number, from, to, fd, phase, text, fields) \
	MSG_##NAME = number,
#include "imsg/messages.def"
#undef MESSAGE
};

#define U8(name) uint8_t name;
#define U16(name) uint16_t name;
#define U32(name) uint32_t name;
#define U64(name) uint64_t name;
#define BYTES(name, most) struct bytes name;
#define MESSAGE(NAME, name, number, from, to, fd, phase, text, fields) \
	struct msg_##name {                                            \
		fields                                                 \
	};
#include "imsg/messages.def"
#undef MESSAGE

union message {
#define MESSAGE(NAME, name, number, from, to, fd, phase, text, fields) \
	struct msg_##name name;
#include "imsg/messages.def"
#undef MESSAGE
};
#undef U8
#undef U16
#undef U32
#undef U64
#undef BYTES

enum field_kind {
	FIELD_U8,
	FIELD_U16,
	FIELD_U32,
	FIELD_U64,
	FIELD_BYTES
};

struct message_field {
	enum field_kind kind;
	size_t offset; /* in the message's struct */
	size_t most; /* octets, of BYTES */
	const char *name;
};

struct message_row {
	uint16_t number;
	enum role from;
	enum role to;
	enum descriptor_rule descriptor;
	enum phase phase;
	size_t shortest; /* octets of the body */
	size_t longest;
	const struct message_field *fields;
	size_t field_count;
	const char *name;
	const char *meaning;
};

/* Row i in the order of messages.def, or NULL behind the last. */
const struct message_row *message_row_at(size_t i);

/* The row of a number, or NULL. */
const struct message_row *message_find(uint32_t number);

/*
 * May `from` say this to `to`, in this phase, with a body of so many octets
 * and a descriptor or none? Returns NULL when it may, else what is wrong.
 */
const char *message_check(const struct message_row *row, enum role from,
    enum role to, enum phase phase, size_t length, int has_descriptor);

/*
 * Octets that the body of a message takes, or 0 when a field is longer than
 * its row allows (every body has at least one octet).
 */
size_t message_size(const struct message_row *row, const union message *m);

/* Writes the body; `out` has room for message_size() octets. */
void message_encode(
    const struct message_row *row, const union message *m, uint8_t *out);

/*
 * Reads a body. BYTES point into `data`. Returns 0, or -1 when the body is
 * not exactly one message of this row.
 */
int message_decode(const struct message_row *row, union message *m,
    const uint8_t *data, size_t length);

const char *role_name(enum role role);

/* Counted strings. */
struct bytes bytes_of(const void *data, size_t length);
struct bytes bytes_text(const char *text); /* NULL is empty */
int bytes_equal(struct bytes a, struct bytes b); /* not constant time */
/* Copies with a NUL. Returns -1 if it does not fit or holds a NUL. */
int bytes_copy(char *out, size_t size, struct bytes in);

/* A LIST: strings behind their 16-bit lengths, in one buffer. */
struct list_writer {
	uint8_t *data;
	size_t size; /* octets in data */
	size_t length; /* octets used */
};
void list_init(struct list_writer *list, void *data, size_t size);
/* Returns -1 when there is no room for the string. */
int list_add(struct list_writer *list, struct bytes item);
struct bytes list_bytes(const struct list_writer *list);
/*
 * Takes the next string off the front of `rest`. Returns 1, 0 at the end,
 * -1 when the list is malformed.
 */
int list_next(struct bytes *rest, struct bytes *item);

#endif
