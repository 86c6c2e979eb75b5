/* SPDX-License-Identifier: ISC */
/*
 * regress/vectors/remember.json, ht2.json and jwt.json, which another
 * implementation wrote (make_remember.py).
 * clauses: H-01 H-03 H-04 H-05 H-06 X-5 D-R03
 * objects: tokend/es256.o tokend/jwt.o tokend/jwt_key.o
 * objects: tokend/remember_check.o tokend/remember_list.o tokend/check.o
 * objects: tokend/hmac.o tokend/issue.o tokend/keyring.o tokend/problem.o
 * objects: tokend/records.o tokend/revoke.o tokend/store_db.o
 * objects: tokend/store_db_backup.o tokend/token.o
 * objects: lib/base64.o lib/address.o imsg/messages.o
 * libs: -ldb -lcrypto -lidn2
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "lib/base64.h"
#include "tokend/remember_check.h"

#define LINE 2048
#define FIELD 1024

static struct keyring ring;

/* The value of a field in one line of a file, without quotes; "" for none. */
static const char *
field(const char *line, const char *name, char out[FIELD])
{
	char quoted[32];
	const char *start;
	size_t n = 0;

	snprintf(quoted, sizeof(quoted), "\"%s\": ", name);
	out[0] = '\0';
	if ((start = strstr(line, quoted)) == NULL)
		return out;
	start += strlen(quoted);
	if (*start != '"') {
		n = strcspn(start, ",}");
		memcpy(out, start, n);
	} else
		for (start++; *start != '"'; start++) {
			if (*start == '\\')
				start++;
			assert_true(n + 1 < FIELD);
			out[n++] = *start;
		}
	out[n] = '\0';
	return out;
}

static size_t
hex(const char *text, uint8_t *out)
{
	unsigned int octet;
	size_t n;

	for (n = 0; text[2 * n] != '\0'; n++) {
		assert_int_equal(sscanf(text + 2 * n, "%2x", &octet), 1);
		out[n] = (uint8_t)octet;
	}
	return n;
}

static void
read_keys(void)
{
	static const uint16_t ids[] = {1, 513};
	size_t i, j;

	memset(&ring, 0, sizeof(ring));
	for (i = 0; i < 2; i++) {
		struct key *key = &ring.keys[ring.count++];

		key->id = ids[i];
		key->created = i;
		for (j = 0; j < KEY_LENGTH; j++)
			key->secret[j] = (uint8_t)(i == 0 ? j : 255 - j);
		hmac_key_init(&key->hmac, key->secret, KEY_LENGTH);
	}
	jwt_key_forget(0);
}

/* Calls `one` for every vector. Returns how many. */
static size_t
each(const char *path, void (*one)(const char *line))
{
	FILE *file = fopen(path, "r");
	char line[LINE];
	size_t n = 0;
	int inside = 0;

	assert_non_null(file);
	read_keys();
	while (fgets(line, sizeof(line), file) != NULL) {
		if (strstr(line, "\"vectors\"") != NULL) {
			inside = 1;
		} else if (inside && strchr(line, '{') != NULL) {
			one(line);
			n++;
		}
	}
	fclose(file);
	return n;
}

static void
one_token(const char *line)
{
	char value[FIELD], text[REMEMBER_TEXT + 1], name[REMEMBER_NAME + 1];
	uint8_t id[REMEMBER_ID];
	const struct key *key;

	key = keyring_find(&ring, (uint16_t)atoi(field(line, "key", value)));
	assert_non_null(key);
	assert_int_equal(hex(field(line, "id", value), id), REMEMBER_ID);
	remember_name(id, name);
	assert_string_equal(name, field(line, "name", value));
	remember_text(key, id, text);
	assert_string_equal(text, field(line, "token", value));
}

/* A message that is read; is its MAC the token's? */
static void
judge(const char *line, const struct ht2 *ht2, struct bytes token,
    struct bytes binding)
{
	uint8_t wanted[HMAC_LENGTH], answer[FIELD];
	char value[FIELD], pairs[FIELD];
	ssize_t length;

	ht2_mac(token, "Initiator", binding, ht2->pairs, wanted);
	if (strcmp(field(line, "result", value), "good") != 0) {
		assert_string_equal(value, "wrong");
		assert_memory_not_equal(wanted, ht2->mac.data, sizeof(wanted));
		return;
	}
	assert_memory_equal(wanted, ht2->mac.data, sizeof(wanted));
	field(line, "answer_pairs", pairs);
	ht2_mac(token, "Responder", binding, bytes_text(pairs), wanted);
	field(line, "responder", value);
	length = base64_decode(answer, sizeof(answer), value, strlen(value));
	assert_true(length > HMAC_LENGTH);
	assert_memory_equal(
	    wanted, answer + length - HMAC_LENGTH, sizeof(wanted));
}

static void
one_proof(const char *line)
{
	char value[FIELD], token[FIELD];
	uint8_t message[FIELD], binding[FIELD];
	struct ht2 ht2;
	ssize_t length;
	size_t bound;

	field(line, "initiator", value);
	length = base64_decode(message, sizeof(message), value, strlen(value));
	assert_true(length > 0);
	bound = hex(field(line, "binding", value), binding);
	field(line, "token", token);
	if (ht2_read(bytes_of(message, (size_t)length), &ht2) == -1) {
		if (strstr(line, "HT2-SHA-512-") != NULL)
			return;
		assert_string_equal(field(line, "result", value), "malformed");
		return;
	}
	judge(line, &ht2, bytes_text(token), bytes_of(binding, bound));
}

static void
one_jwt(const char *line)
{
	char value[FIELD], text[FIELD], again[JWT_MAX + 1];
	struct jwt jwt;
	int result;

	field(line, "jwt", text);
	result = jwt_read(&ring, bytes_text(text), &jwt);
	if (strcmp(field(line, "result", value), "good") != 0) {
		if (result == 0)
			fail_msg("accepted: %s", line);
		return;
	}
	assert_int_equal(result, 0);
	assert_string_equal(jwt.subject, field(line, "subject", value));
	assert_string_equal(jwt.issuer, field(line, "issuer", value));
	assert_string_equal(jwt.id, field(line, "id", value));
	assert_true(
	    jwt.issued == strtoull(field(line, "issued", value), NULL, 10));
	assert_true(
	    jwt.expires == strtoull(field(line, "expires", value), NULL, 10));
	field(line, "key", value);
	assert_true(
	    jwt_write(jwt_key_of(keyring_find(&ring, (uint16_t)atoi(value))),
		&jwt, again) > 0);
	assert_string_equal(again, text);
}

static void
tokens(void **state)
{
	(void)state;
	assert_int_equal(each("regress/vectors/remember.json", one_token), 8);
}

static void
proofs(void **state)
{
	(void)state;
	assert_true(each("regress/vectors/ht2.json", one_proof) > 60);
}

static void
jwts(void **state)
{
	(void)state;
	assert_true(each("regress/vectors/jwt.json", one_jwt) > 15);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(tokens),
	    cmocka_unit_test(proofs),
	    cmocka_unit_test(jwts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
