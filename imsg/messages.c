/* SPDX-License-Identifier: ISC */
#include <stdint.h>
#include <string.h>

#include "imsg/messages.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/*
 * The fields of each message. They live in functions, since only there can
 * every list of offsets have the same name for its own struct.
 */
#define U8(field) {FIELD_U8, offsetof(here, field), 0, #field},
#define U16(field) {FIELD_U16, offsetof(here, field), 0, #field},
#define U32(field) {FIELD_U32, offsetof(here, field), 0, #field},
#define U64(field) {FIELD_U64, offsetof(here, field), 0, #field},
#define BYTES(field, most) {FIELD_BYTES, offsetof(here, field), most, #field},
#define MESSAGE(NAME, name, number, from, to, fd, phase, text, fields)     \
	static const struct message_field *fields_of_##name(size_t *count) \
	{                                                                  \
		typedef struct msg_##name here;                            \
		static const struct message_field list[] = {fields};       \
		*count = COUNT(list);                                      \
		return list;                                               \
	}
#include "imsg/messages.def"
#undef MESSAGE
#undef U8
#undef U16
#undef U32
#undef U64
#undef BYTES

#define MESSAGE(NAME, name, number, from, to, fd, phase, text, fields)         \
	{number, ROLE_##from, ROLE_##to, DESCRIPTOR_##fd, PHASE_##phase, 0, 0, \
	    NULL, 0, #NAME, text},
static struct message_row rows[] = {
#include "imsg/messages.def"
};
#undef MESSAGE

#define MESSAGE(NAME, name, number, from, to, fd, phase, text, fields) \
	fields_of_##name,
static const struct message_field *(*const fields_of[])(size_t *) = {
#include "imsg/messages.def"
};
#undef MESSAGE

/* Numbers are dense: at most 16 blocks of at most 64 numbers. */
#define BLOCKS 16
#define NUMBERS 64
static struct message_row *index_of[BLOCKS][NUMBERS];
static int ready;

static const size_t field_octets[] = {
    [FIELD_U8] = 1,
    [FIELD_U16] = 2,
    [FIELD_U32] = 4,
    [FIELD_U64] = 8,
    [FIELD_BYTES] = 4, /* its length; the octets come on top */
};

static void
make_ready(void)
{
	struct message_row *row;
	size_t i, j;

	for (i = 0; i < COUNT(rows); i++) {
		row = &rows[i];
		row->fields = fields_of[i](&row->field_count);
		for (j = 0; j < row->field_count; j++) {
			row->shortest += field_octets[row->fields[j].kind];
			row->longest += field_octets[row->fields[j].kind] +
			    row->fields[j].most;
		}
		index_of[row->number >> 8][row->number & 0xff] = row;
	}
	ready = 1;
}

const struct message_row *
message_row_at(size_t i)
{
	if (!ready)
		make_ready();
	return i < COUNT(rows) ? &rows[i] : NULL;
}

const struct message_row *
message_find(uint32_t number)
{
	if (!ready)
		make_ready();
	if (number >> 8 >= BLOCKS || (number & 0xff) >= NUMBERS)
		return NULL;
	return index_of[number >> 8][number & 0xff];
}

static int
role_fits(enum role allowed, enum role role)
{
	if (allowed == ROLE_ANY)
		return role != ROLE_PARENT && role != ROLE_CONTROL &&
		    role != ROLE_NONE;
	return allowed == role;
}

const char *
message_check(const struct message_row *row, enum role from, enum role to,
    enum phase phase, size_t length, int has_descriptor)
{
	if (row == NULL)
		return "no such message";
	if (!role_fits(row->from, from))
		return "not its sender's to say";
	if (!role_fits(row->to, to))
		return "not its receiver's to hear";
	if ((row->phase & phase) == 0)
		return "not in this phase";
	if (length < row->shortest)
		return "too short";
	if (length > row->longest)
		return "too long";
	if (row->descriptor == DESCRIPTOR_NONE && has_descriptor)
		return "brings a descriptor";
	if (row->descriptor == DESCRIPTOR_ALWAYS && !has_descriptor)
		return "its descriptor is missing";
	return NULL;
}

size_t
message_size(const struct message_row *row, const union message *m)
{
	const struct message_field *field;
	const struct bytes *bytes;
	size_t i, size = 0;

	for (i = 0; i < row->field_count; i++) {
		field = &row->fields[i];
		size += field_octets[field->kind];
		if (field->kind != FIELD_BYTES)
			continue;
		bytes = (const void *)((const char *)m + field->offset);
		if (bytes->length > field->most)
			return 0;
		size += bytes->length;
	}
	return size;
}

static uint64_t
load(enum field_kind kind, const void *value)
{
	switch (kind) {
	case FIELD_U8:
		return *(const uint8_t *)value;
	case FIELD_U16:
		return *(const uint16_t *)value;
	case FIELD_U32:
		return *(const uint32_t *)value;
	case FIELD_U64:
		return *(const uint64_t *)value;
	case FIELD_BYTES:
		break;
	}
	return ((const struct bytes *)value)->length;
}

static void
store(enum field_kind kind, void *value, uint64_t number)
{
	switch (kind) {
	case FIELD_U8:
		*(uint8_t *)value = (uint8_t)number;
		break;
	case FIELD_U16:
		*(uint16_t *)value = (uint16_t)number;
		break;
	case FIELD_U32:
		*(uint32_t *)value = (uint32_t)number;
		break;
	case FIELD_U64:
		*(uint64_t *)value = number;
		break;
	case FIELD_BYTES:
		((struct bytes *)value)->length = (size_t)number;
		break;
	}
}

void
message_encode(
    const struct message_row *row, const union message *m, uint8_t *out)
{
	const struct message_field *field;
	const struct bytes *bytes;
	const void *value;
	uint64_t number;
	size_t i, j;

	for (i = 0; i < row->field_count; i++) {
		field = &row->fields[i];
		value = (const char *)m + field->offset;
		number = load(field->kind, value);
		for (j = 0; j < field_octets[field->kind]; j++)
			*out++ = (uint8_t)(number >> (8 * j));
		if (field->kind != FIELD_BYTES)
			continue;
		bytes = value;
		if (bytes->length > 0)
			memcpy(out, bytes->data, bytes->length);
		out += bytes->length;
	}
}

int
message_decode(const struct message_row *row, union message *m,
    const uint8_t *data, size_t length)
{
	const struct message_field *field;
	struct bytes *bytes;
	void *value;
	uint64_t number;
	size_t i, j, octets;

	for (i = 0; i < row->field_count; i++) {
		field = &row->fields[i];
		value = (char *)m + field->offset;
		octets = field_octets[field->kind];
		if (length < octets)
			return -1;
		for (number = 0, j = 0; j < octets; j++)
			number |= (uint64_t)data[j] << (8 * j);
		data += octets;
		length -= octets;
		store(field->kind, value, number);
		if (field->kind != FIELD_BYTES)
			continue;
		if (number > field->most || number > length)
			return -1;
		bytes = value;
		bytes->data = data;
		data += number;
		length -= (size_t)number;
	}
	return length == 0 ? 0 : -1;
}

const char *
role_name(enum role role)
{
	static const char *const names[ROLE_COUNT] = {
	    [ROLE_NONE] = "nobody",
	    [ROLE_PARENT] = "parent",
	    [ROLE_FRONTEND] = "frontend",
	    [ROLE_ENGINE] = "engine",
	    [ROLE_RELAY] = "relay",
	    [ROLE_TOKEND] = "tokend",
	    [ROLE_SIGN] = "tokend-sign",
	    [ROLE_AUTH] = "tokend-auth",
	    [ROLE_LMTPD] = "lmtpd",
	    [ROLE_CONTROL] = "tokenctl",
	};

	if (role == ROLE_ANY)
		return "any";
	return (unsigned int)role < ROLE_COUNT ? names[role] : "unknown";
}

struct bytes
bytes_of(const void *data, size_t length)
{
	struct bytes bytes = {data, length};

	return bytes;
}

struct bytes
bytes_text(const char *text)
{
	return bytes_of(text, text == NULL ? 0 : strlen(text));
}

int
bytes_equal(struct bytes a, struct bytes b)
{
	return a.length == b.length &&
	    (a.length == 0 || memcmp(a.data, b.data, a.length) == 0);
}

int
bytes_copy(char *out, size_t size, struct bytes in)
{
	if (in.length >= size ||
	    (in.length > 0 && memchr(in.data, '\0', in.length) != NULL))
		return -1;
	if (in.length > 0)
		memcpy(out, in.data, in.length);
	out[in.length] = '\0';
	return 0;
}

void
list_init(struct list_writer *list, void *data, size_t size)
{
	list->data = data;
	list->size = size;
	list->length = 0;
}

int
list_add(struct list_writer *list, struct bytes item)
{
	uint8_t *out = list->data + list->length;

	if (item.length > UINT16_MAX ||
	    list->size - list->length < item.length + 2)
		return -1;
	out[0] = (uint8_t)item.length;
	out[1] = (uint8_t)(item.length >> 8);
	if (item.length > 0)
		memcpy(out + 2, item.data, item.length);
	list->length += item.length + 2;
	return 0;
}

struct bytes
list_bytes(const struct list_writer *list)
{
	return bytes_of(list->data, list->length);
}

int
list_next(struct bytes *rest, struct bytes *item)
{
	size_t length;

	if (rest->length == 0)
		return 0;
	if (rest->length < 2)
		return -1;
	length = (size_t)rest->data[0] | (size_t)rest->data[1] << 8;
	if (rest->length - 2 < length)
		return -1;
	*item = bytes_of(rest->data + 2, length);
	rest->data += 2 + length;
	rest->length -= 2 + length;
	return 1;
}
