/* SPDX-License-Identifier: ISC */
/*
 * objects: tokend/batch.o tokend/check.o tokend/held.o tokend/hmac.o tokend/issue.o tokend/keyfile.o tokend/keyring.o tokend/problem.o tokend/records.o tokend/revoke.o tokend/seal.o tokend/store_db.o tokend/store_db_backup.o tokend/token.o
 * libs: -lcrypto -ldb
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "regress/unit/tokend_fixture.h"

#define VECTORS "regress/vectors/token.json"
#define LINE 1024

/* The value of a field in one line of the file; strings without quotes. */
static struct bytes
field(const char *line, const char *name)
{
	char quoted[32];
	const char *start, *end;

	snprintf(quoted, sizeof(quoted), "\"%s\": ", name);
	if ((start = strstr(line, quoted)) == NULL)
		return bytes_of(NULL, 0);
	start += strlen(quoted);
	if (*start == '"')
		end = strchr(++start, '"');
	else
		end = start + strcspn(start, ",}");
	assert_non_null(end);
	return bytes_of(start, (size_t)(end - start));
}

static uint64_t
number(const char *line, const char *name)
{
	return strtoull((const char *)field(line, name).data, NULL, 10);
}

static void
hex(struct bytes in, uint8_t *out, size_t length)
{
	unsigned int octet;
	size_t i;

	assert_int_equal(in.length, 2 * length);
	for (i = 0; i < length; i++) {
		sscanf((const char *)in.data + 2 * i, "%2x", &octet);
		out[i] = (uint8_t)octet;
	}
}

static void
read_key(struct keyring *ring, const char *line, const char *name)
{
	struct key *key = &ring->keys[ring->count++];

	key->id = (uint16_t)atoi(name);
	hex(field(line, name), key->secret, KEY_LENGTH);
	hmac_key_init(&key->hmac, key->secret, KEY_LENGTH);
}

/* A good one must also come out again from its fields. */
static void
check_encoding(
    const struct keyring *ring, const char *line, const struct token *read)
{
	struct bytes wanted = field(line, "token");
	char out[TOKEN_LENGTH + 1];
	struct token token;

	memset(&token, 0, sizeof(token));
	token.kind = bytes_equal(field(line, "kind"), text("temporary"))
	    ? TOKEN_KIND_TEMPORARY
	    : TOKEN_KIND_PERMANENT;
	token.key_id = (uint16_t)number(line, "key");
	token.issued = number(line, "issued");
	token.expires = number(line, "expires");
	hex(field(line, "nonce"), token.nonce, TOKEN_NONCE);
	assert_int_equal(read->kind, token.kind);
	assert_int_equal(read->issued, token.issued);
	assert_int_equal(read->expires, token.expires);
	token_encode(&token, &keyring_find(ring, token.key_id)->hmac,
	    field(line, "remote"), field(line, "local"), out);
	assert_true(bytes_equal(bytes_text(out), wanted));
}

static void
check_vector(struct fixture *f, const char *line)
{
	struct bytes result = field(line, "result");
	struct token token;
	enum check check;

	check =
	    check_pair(&f->issuer, field(line, "token"), field(line, "remote"),
		field(line, "local"), number(line, "now"), &token);
	if (!bytes_equal(text(check_name(check)), result))
		fail_msg("%s: %s", check_name(check), line);
	if (check == CHECK_OK)
		check_encoding(&f->ring, line, &token);
	/* AUTH sees the same, but for the remote address. */
	if (check == CHECK_WRONG_REMOTE)
		check = CHECK_OK;
	assert_int_equal(check_token(&f->issuer, field(line, "token"),
			     field(line, "local"), number(line, "now"), &token),
	    check);
}

/* S1-15, S1-16, S1-17, S1-25: the published vectors. */
static void
agrees_with_the_vectors(void **state)
{
	struct fixture *f = *state;
	char line[LINE];
	FILE *file = fopen(VECTORS, "r");
	int count = 0;

	assert_non_null(file);
	keyring_wipe(&f->ring);
	while (fgets(line, sizeof(line), file) != NULL) {
		if (strstr(line, "\"1\": ") != NULL)
			read_key(&f->ring, line, "1");
		else if (strstr(line, "\"513\": ") != NULL)
			read_key(&f->ring, line, "513");
		else if (strstr(line, "\"name\": ") != NULL) {
			check_vector(f, line);
			count++;
		}
	}
	fclose(file);
	assert_int_equal(f->ring.count, 2);
	assert_true(count > 400);
}

/* RFC 4231 test cases 1 and 2. */
static void
hmac_is_that_of_rfc_4231(void **state)
{
	static const struct {
		const char *key, *data, *mac;
	} cases[] = {
	    {"\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b"
	     "\x0b\x0b\x0b\x0b",
		"Hi There",
		"b0344c61d8db38535ca8afceaf0bf12b"
		"881dc200c9833da726e9376c2e32cff7"},
	    {"Jefe", "what do ya want for nothing?",
		"5bdcc146bf60754e6a042426089575c7"
		"5a003f089d2739839dec58b964ec3843"},
	};
	uint8_t mac[HMAC_LENGTH], wanted[HMAC_LENGTH];
	struct hmac_key key;
	struct hmac hmac;
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		assert_int_equal(
		    hmac_key_init(&key, cases[i].key, strlen(cases[i].key)), 0);
		hmac_begin(&hmac, &key);
		hmac_add(&hmac, cases[i].data, strlen(cases[i].data));
		hmac_finish(&hmac, mac);
		hex(text(cases[i].mac), wanted, sizeof(wanted));
		assert_memory_equal(mac, wanted, sizeof(mac));
	}
	assert_int_equal(hmac_key_init(&key, cases, 0), -1);
	assert_int_equal(hmac_key_init(&key, cases, 65), -1);
}

/* D-S02: what a token may look like; B1.4: it fits every line. */
static void
has_a_form_that_fits_the_wire(void **state)
{
	struct fixture *f = *state;
	char one[TOKEN_LENGTH + 1], two[TOKEN_LENGTH + 1];

	assert_int_equal(issue_temporary(&f->issuer, text("r@x.example"),
			     text("l@y.example"), NOW, one),
	    0);
	assert_int_equal(issue_temporary(&f->issuer, text("r@x.example"),
			     text("l@y.example"), NOW, two),
	    0);
	assert_int_equal(strlen(one), TOKEN_LENGTH);
	assert_true(TOKEN_LENGTH >= 16 && TOKEN_LENGTH <= 114);
	assert_int_equal(strspn(one,
			     "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuv"
			     "wxyz0123456789-_"),
	    TOKEN_LENGTH);
	assert_string_not_equal(one, two); /* D-S07 */
}

/* The id in the log is neither the token nor a piece of it. */
static void
id_gives_nothing_away(void **state)
{
	struct fixture *f = *state;
	char out[TOKEN_LENGTH + 1], id[TOKEN_ID + 1];
	struct token token;

	issue_temporary(
	    &f->issuer, text("r@x.example"), text("l@y.example"), NOW, out);
	assert_int_equal(token_decode(&token, text(out)), 0);
	token_id(&token, id);
	assert_int_equal(strlen(id), TOKEN_ID);
	assert_true(TOKEN_ID * 3 / 4 < TOKEN_NONCE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		agrees_with_the_vectors, fixture_setup, fixture_teardown),
	    cmocka_unit_test(hmac_is_that_of_rfc_4231),
	    cmocka_unit_test_setup_teardown(
		has_a_form_that_fits_the_wire, fixture_setup, fixture_teardown),
	    cmocka_unit_test_setup_teardown(
		id_gives_nothing_away, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
