/* SPDX-License-Identifier: ISC */
/*
 * The contract: its rows keep their own rules, every message survives the
 * wire, and the check refuses everything that no row allows.
 * objects: imsg/messages.o
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "imsg/messages.h"

static void
numbers_are_unique_and_found(void **state)
{
	const struct message_row *row, *other;
	size_t i, j;

	(void)state;
	for (i = 0; (row = message_row_at(i)) != NULL; i++) {
		assert_ptr_equal(message_find(row->number), row);
		for (j = 0; j < i; j++) {
			other = message_row_at(j);
			assert_int_not_equal(row->number, other->number);
			assert_string_not_equal(row->name, other->name);
		}
	}
	assert_true(i > 40);
	assert_null(message_find(0));
	assert_null(message_find(0xffffffff));
	assert_null(message_find(0x0fff));
}

/* An odd number answers the even one before it, the other way round. */
static void
replies_go_back(void **state)
{
	const struct message_row *row, *request;
	size_t i;

	(void)state;
	for (i = 0; (row = message_row_at(i)) != NULL; i++) {
		if (row->number % 2 == 0)
			continue;
		request = message_find((uint32_t)row->number - 1);
		if (request == NULL) {
			/* Further answers to the request of tokenctl. */
			assert_int_equal(row->to, ROLE_CONTROL);
			continue;
		}
		assert_int_equal(request->from, row->to);
		assert_int_equal(request->to, row->from);
	}
}

static void
one_sender_and_one_receiver(void **state)
{
	const struct message_row *row;
	size_t i;

	(void)state;
	for (i = 0; (row = message_row_at(i)) != NULL; i++) {
		assert_true(row->from != row->to);
		if (row->from == ROLE_ANY)
			assert_int_equal(row->to, ROLE_PARENT);
		if (row->to == ROLE_ANY)
			assert_int_equal(row->from, ROLE_PARENT);
		assert_true(row->shortest > 0);
		assert_true(row->longest + 64 <= MESSAGE_MAX);
		assert_true(strlen(row->meaning) > 5);
	}
}

/* A message of this row with every field filled as far as it goes. */
static void
fill(const struct message_row *row, union message *m, uint8_t *pool)
{
	const struct message_field *field;
	char *place;
	size_t i;

	for (i = 0; i < row->field_count; i++) {
		field = &row->fields[i];
		place = (char *)m + field->offset;
		switch (field->kind) {
		case FIELD_U8:
			*(uint8_t *)place = 0xa5;
			break;
		case FIELD_U16:
			*(uint16_t *)place = 0xa55a;
			break;
		case FIELD_U32:
			*(uint32_t *)place = 0xdeadbeef;
			break;
		case FIELD_U64:
			*(uint64_t *)place = 0x0123456789abcdef;
			break;
		case FIELD_BYTES:
			*(struct bytes *)place = bytes_of(pool, field->most);
			break;
		}
	}
}

static void
same(const struct message_row *row, const union message *a,
    const union message *b)
{
	const struct message_field *field;
	const char *x, *y;
	size_t i;

	for (i = 0; i < row->field_count; i++) {
		field = &row->fields[i];
		x = (const char *)a + field->offset;
		y = (const char *)b + field->offset;
		switch (field->kind) {
		case FIELD_U8:
			assert_memory_equal(x, y, 1);
			break;
		case FIELD_U16:
			assert_memory_equal(x, y, 2);
			break;
		case FIELD_U32:
			assert_memory_equal(x, y, 4);
			break;
		case FIELD_U64:
			assert_memory_equal(x, y, 8);
			break;
		case FIELD_BYTES:
			assert_true(bytes_equal(*(const struct bytes *)x,
			    *(const struct bytes *)y));
			break;
		}
	}
}

static void
every_message_survives_the_wire(void **state)
{
	static uint8_t pool[MESSAGE_MAX], out[MESSAGE_MAX];
	const struct message_row *row;
	union message a, b;
	size_t i, j, size;

	(void)state;
	for (i = 0; i < sizeof(pool); i++)
		pool[i] = (uint8_t)(i * 7);
	for (i = 0; (row = message_row_at(i)) != NULL; i++) {
		memset(&a, 0, sizeof(a));
		memset(&b, 0, sizeof(b));
		fill(row, &a, pool);
		size = message_size(row, &a);
		assert_int_equal(size, row->longest);
		message_encode(row, &a, out);
		assert_int_equal(message_decode(row, &b, out, size), 0);
		same(row, &a, &b);
		/* One octet more or less is another message. */
		assert_int_equal(message_decode(row, &b, out, size - 1), -1);
		assert_int_equal(message_decode(row, &b, out, size + 1), -1);
		for (j = 0; j < 40 && j < size; j++)
			assert_int_equal(message_decode(row, &b, out, j), -1);
	}
}

static void
too_long_a_field_is_not_sent(void **state)
{
	static uint8_t pool[MESSAGE_MAX];
	const struct message_row *row;
	union message m;
	size_t i, j;

	(void)state;
	for (i = 0; (row = message_row_at(i)) != NULL; i++)
		for (j = 0; j < row->field_count; j++) {
			if (row->fields[j].kind != FIELD_BYTES)
				continue;
			memset(&m, 0, sizeof(m));
			*(struct bytes *)(void *)((char *)&m +
			    row->fields[j].offset) =
			    bytes_of(pool, row->fields[j].most + 1);
			assert_int_equal(message_size(row, &m), 0);
		}
}

/* Lengths inside a message that lie about what follows. */
static void
lying_lengths_are_refused(void **state)
{
	const struct message_row *row = message_find(MSG_AUTH_STEP);
	union message a = {.auth_step = {.mechanism = bytes_text("PLAIN"),
			       .response = bytes_text("secret")}},
		      b;
	uint8_t out[256];
	size_t size = message_size(row, &a), i;
	int changed;

	(void)state;
	message_encode(row, &a, out);
	for (i = 12; i < size; i++) {
		out[i] ^= 0x80;
		changed = message_decode(row, &b, out, size);
		if (changed == 0)
			assert_true(b.auth_step.mechanism.length +
				b.auth_step.response.length <=
			    size);
		out[i] ^= 0x80;
	}
	memset(out + 12, 0xff, 4);
	assert_int_equal(message_decode(row, &b, out, size), -1);
}

static int
is_child(enum role role)
{
	return role >= ROLE_FRONTEND && role <= ROLE_LMTPD;
}

/* Every pair of roles, every message: only what a row says passes. */
static void
only_the_rows_are_allowed(void **state)
{
	const struct message_row *row;
	enum role from, to;
	const char *wrong;
	size_t i;
	int has, want;

	(void)state;
	for (i = 0; (row = message_row_at(i)) != NULL; i++)
		for (from = ROLE_NONE; from < ROLE_COUNT; from++)
			for (to = ROLE_NONE; to < ROLE_COUNT; to++) {
				has = row->descriptor == DESCRIPTOR_ALWAYS;
				wrong = message_check(row, from, to, row->phase,
				    row->shortest, has);
				want = (row->from == from ||
					   (row->from == ROLE_ANY &&
					       is_child(from))) &&
				    (row->to == to ||
					(row->to == ROLE_ANY && is_child(to)));
				assert_int_equal(wrong == NULL, want);
			}
}

static void
length_phase_and_descriptor_are_checked(void **state)
{
	const struct message_row *row;
	enum role from, to;
	size_t i;
	int has;

	(void)state;
	for (i = 0; (row = message_row_at(i)) != NULL; i++) {
		from = row->from == ROLE_ANY ? ROLE_ENGINE : row->from;
		to = row->to == ROLE_ANY ? ROLE_ENGINE : row->to;
		has = row->descriptor == DESCRIPTOR_ALWAYS;
		assert_non_null(message_check(
		    row, from, to, row->phase, row->shortest - 1, has));
		assert_non_null(message_check(
		    row, from, to, row->phase, row->longest + 1, has));
		assert_null(message_check(
		    row, from, to, row->phase, row->longest, has));
		if (row->phase != PHASE_EITHER)
			assert_non_null(message_check(row, from, to,
			    PHASE_EITHER ^ row->phase, row->shortest, has));
		if (row->descriptor != DESCRIPTOR_MAYBE)
			assert_non_null(message_check(
			    row, from, to, row->phase, row->shortest, !has));
	}
	assert_non_null(
	    message_check(NULL, ROLE_ENGINE, ROLE_TOKEND, PHASE_RUNNING, 0, 0));
}

static void
lists(void **state)
{
	uint8_t data[16];
	struct list_writer list;
	struct bytes rest, item;

	(void)state;
	list_init(&list, data, sizeof(data));
	assert_int_equal(list_add(&list, bytes_text("abc")), 0);
	assert_int_equal(list_add(&list, bytes_text("")), 0);
	assert_int_equal(list_add(&list, bytes_text("0123456789")), -1);
	rest = list_bytes(&list);
	assert_int_equal(list_next(&rest, &item), 1);
	assert_true(bytes_equal(item, bytes_text("abc")));
	assert_int_equal(list_next(&rest, &item), 1);
	assert_int_equal(item.length, 0);
	assert_int_equal(list_next(&rest, &item), 0);
	rest = bytes_of("\x05\x00"
			"abc",
	    5);
	assert_int_equal(list_next(&rest, &item), -1);
	rest = bytes_of("\x05", 1);
	assert_int_equal(list_next(&rest, &item), -1);
}

static void
copies(void **state)
{
	char out[4];

	(void)state;
	assert_int_equal(bytes_copy(out, 4, bytes_text("abc")), 0);
	assert_string_equal(out, "abc");
	assert_int_equal(bytes_copy(out, 3, bytes_text("abc")), -1);
	assert_int_equal(bytes_copy(out, 4, bytes_of("a\0b", 3)), -1);
	assert_int_equal(bytes_copy(out, 4, bytes_text(NULL)), 0);
	assert_string_equal(out, "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(numbers_are_unique_and_found),
	    cmocka_unit_test(replies_go_back),
	    cmocka_unit_test(one_sender_and_one_receiver),
	    cmocka_unit_test(every_message_survives_the_wire),
	    cmocka_unit_test(too_long_a_field_is_not_sent),
	    cmocka_unit_test(lying_lengths_are_refused),
	    cmocka_unit_test(only_the_rows_are_allowed),
	    cmocka_unit_test(length_phase_and_descriptor_are_checked),
	    cmocka_unit_test(lists),
	    cmocka_unit_test(copies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
