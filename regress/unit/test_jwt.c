/* SPDX-License-Identifier: ISC */
/*
 * ES256 and JWTs: the vectors of RFC 6979 A.2.5, and what must be refused.
 * clauses: X-5 R-13
 * objects: tokend/es256.o tokend/jwt.o tokend/jwt_key.o tokend/hmac.o
 * objects: tokend/keyring.o lib/base64.o lib/address.o imsg/messages.o
 * libs: -lcrypto -lidn2
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
#include "tokend/jwt.h"

static void
octets(const char *hex, uint8_t *out, size_t length)
{
	unsigned int octet;
	size_t i;

	for (i = 0; i < length; i++) {
		assert_int_equal(sscanf(hex + 2 * i, "%2x", &octet), 1);
		out[i] = (uint8_t)octet;
	}
}

static const struct {
	const char *message, *r, *s;
} rfc6979[] = {
    {"sample",
	"EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716",
	"F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8"},
    {"test", "F1ABB023518351CD71D881567B1EA663ED3EFCF6C5132B354F28D3B0B7D38367",
	"019F4113742A2B14BD25926B49C649155F267E60D3814B4C0CC84250E46F0083"},
};

static void
known_signatures(void **state)
{
	uint8_t scalar[32], x[32], wanted[64], got[64];
	struct es256 key;
	size_t i;

	(void)state;
	octets(
	    "C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721",
	    scalar, 32);
	octets(
	    "60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6",
	    x, 32);
	assert_int_equal(es256_set(&key, scalar), 0);
	assert_memory_equal(key.x, x, 32);
	for (i = 0; i < 2; i++) {
		octets(rfc6979[i].r, wanted, 32);
		octets(rfc6979[i].s, wanted + 32, 32);
		assert_int_equal(es256_sign(&key, rfc6979[i].message,
				     strlen(rfc6979[i].message), got),
		    0);
		assert_memory_equal(got, wanted, 64);
		assert_true(es256_verify(
		    &key, rfc6979[i].message, strlen(rfc6979[i].message), got));
		got[i * 40] ^= 1;
		assert_false(es256_verify(
		    &key, rfc6979[i].message, strlen(rfc6979[i].message), got));
	}
	memset(got, 0, sizeof(got));
	assert_false(es256_verify(&key, "sample", 6, got));
	es256_clear(&key);
	memset(scalar, 0xff, sizeof(scalar));
	assert_int_equal(es256_set(&key, scalar), -1);
	memset(scalar, 0, sizeof(scalar));
	assert_int_equal(es256_set(&key, scalar), -1);
}

/* Two keys, as a rotation leaves them; the newer one signs. */
static void
two_keys(struct keyring *ring)
{
	size_t i, j;

	jwt_key_forget(0);
	memset(ring, 0, sizeof(*ring));
	for (i = 0; i < 2; i++) {
		ring->keys[i].id = (uint16_t)(i + 1);
		ring->keys[i].created = 1700000000 + i;
		for (j = 0; j < KEY_LENGTH; j++)
			ring->keys[i].secret[j] = (uint8_t)(j + 32 * i);
		hmac_key_init(
		    &ring->keys[i].hmac, ring->keys[i].secret, KEY_LENGTH);
	}
	ring->count = 2;
}

static const struct jwt sample = {
    "mx.a.example", "alice@a.example", 1700000000, 1707776000, "AAECAwQFBgcI"};

static void
round_trip(void **state)
{
	static struct keyring ring;
	char text[JWT_MAX + 1], again[JWT_MAX + 1];
	struct jwt jwt;
	size_t i;

	(void)state;
	two_keys(&ring);
	for (i = 0; i < 2; i++) {
		assert_true(
		    jwt_write(jwt_key_of(&ring.keys[i]), &sample, text) > 0);
		assert_true(
		    jwt_write(jwt_key_of(&ring.keys[i]), &sample, again) > 0);
		assert_string_equal(text, again);
		assert_true(strlen(text) <= 369);
		assert_int_equal(jwt_read(&ring, bytes_text(text), &jwt), 0);
		assert_memory_equal(&jwt, &sample, sizeof(jwt));
		assert_true(jwt_is(bytes_text(text)));
	}
	/* The key is gone: foreign. */
	assert_int_equal(keyring_remove(&ring, 2), 0);
	jwt_key_forget(2);
	assert_int_equal(jwt_read(&ring, bytes_text(text), &jwt), -1);
}

/* Every octet counts: no change of any is accepted. */
static void
every_change(void **state)
{
	static struct keyring ring;
	char text[JWT_MAX + 1];
	struct jwt jwt;
	size_t i, length;

	(void)state;
	two_keys(&ring);
	length = (size_t)jwt_write(jwt_key_of(&ring.keys[1]), &sample, text);
	for (i = 0; i < length; i++) {
		text[i] ^= 1;
		if (jwt_read(&ring, bytes_text(text), &jwt) == 0)
			fail_msg("octet %zu does not count", i);
		text[i] ^= 1;
		assert_int_equal(
		    jwt_read(&ring, bytes_of((uint8_t *)text, i), &jwt), -1);
	}
	text[length] = 'A';
	assert_int_equal(
	    jwt_read(&ring, bytes_of((uint8_t *)text, length + 1), &jwt), -1);
}

/* A token of this header and the sample's claims, signed by key 2. */
static void
with_header(const struct keyring *ring, const char *header, const char *claims,
    char *out)
{
	uint8_t signature[ES256_SIGNATURE];
	char part[BASE64_SIZE(JWT_MAX)];

	assert_true(base64url_encode(out, JWT_MAX, (const uint8_t *)header,
			strlen(header)) > 0);
	(void)strlcat(out, ".", 1000);
	assert_true(base64url_encode(part, sizeof(part),
			(const uint8_t *)claims, strlen(claims)) >= 0);
	(void)strlcat(out, part, 1000);
	assert_int_equal(es256_sign(&jwt_key_of(&ring->keys[1])->es256, out,
			     strlen(out), signature),
	    0);
	assert_true(base64url_encode(
			part, sizeof(part), signature, sizeof(signature)) > 0);
	(void)strlcat(out, ".", 1000);
	(void)strlcat(out, part, 1000);
}

/* Signed with our own key, and yet nothing that we write. */
static void
confusion(void **state)
{
	static const char claims[] =
	    "{\"iss\":\"mx\",\"sub\":\"a@a.example\",\"aud\":\"smtp\",\"iat\":1,"
	    "\"exp\":2,\"jti\":\"AAECAwQFBgcI\"}";
	static const char *const headers[] = {
	    "{\"alg\":\"none\",\"typ\":\"JWT\",\"kid\":\"%s\"}",
	    "{\"alg\":\"HS256\",\"typ\":\"JWT\",\"kid\":\"%s\"}",
	    "{\"alg\":\"ES384\",\"typ\":\"JWT\",\"kid\":\"%s\"}",
	    "{\"alg\":\"es256\",\"typ\":\"JWT\",\"kid\":\"%s\"}",
	    "{\"typ\":\"JWT\",\"alg\":\"ES256\",\"kid\":\"%s\"}",
	    "{\"alg\":\"ES256\",\"kid\":\"%s\"}",
	    "{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"%s\",\"jwk\":{}}",
	    "{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"0123456789\"}",
	    "{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"../../%s\"}", ""};
	static const char *const others[] = {"{}", "",
	    "{\"iss\":\"mx\",\"sub\":\"a@a.example\",\"aud\":\"imap\",\"iat\":1,"
	    "\"exp\":2,\"jti\":\"AAECAwQFBgcI\"}",
	    "{\"iss\":\"mx\",\"sub\":\"a@a.example\",\"aud\":\"smtp\",\"iat\":1,"
	    "\"exp\":,\"jti\":\"AAECAwQFBgcI\"}",
	    "{\"iss\":\"mx\",\"sub\":\"a@a.example\",\"aud\":\"smtp\",\"iat\":1,"
	    "\"exp\":99999999999999999999,\"jti\":\"AAECAwQFBgcI\"}",
	    "{\"iss\":\"mx\",\"sub\":\"a@a.example\",\"aud\":\"smtp\",\"iat\":1,"
	    "\"exp\":2,\"jti\":\"AAECAwQFBg\"}",
	    "{\"iss\":\"mx\",\"sub\":\"a@a.example\",\"aud\":\"smtp\",\"iat\":1,"
	    "\"exp\":2,\"jti\":\"AAECAwQFBgcI\"} "};
	static struct keyring ring;
	char header[200], text[2000];
	struct jwt jwt;
	size_t i;

	(void)state;
	two_keys(&ring);
	snprintf(header, sizeof(header),
	    "{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"%s\"}",
	    jwt_key_of(&ring.keys[1])->kid);
	with_header(&ring, header, claims, text);
	assert_int_equal(jwt_read(&ring, bytes_text(text), &jwt), 0);
	for (i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		with_header(&ring, header, others[i], text);
		if (jwt_read(&ring, bytes_text(text), &jwt) == 0)
			fail_msg("%s", others[i]);
	}
	for (i = 0; headers[i][0] != '\0'; i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		snprintf(header, sizeof(header), headers[i],
		    jwt_key_of(&ring.keys[1])->kid);
#pragma GCC diagnostic pop
		with_header(&ring, header, claims, text);
		if (jwt_read(&ring, bytes_text(text), &jwt) == 0)
			fail_msg("%s", header);
	}
}

/* Names that JSON must escape, and names that are too long for a reply. */
static void
names(void **state)
{
	static struct keyring ring;
	struct jwt jwt = sample, back;
	char text[JWT_MAX + 1];
	size_t i;

	(void)state;
	two_keys(&ring);
	(void)strlcpy(jwt.subject, "\"a\\\"b\"@a.example", sizeof(jwt.subject));
	assert_true(jwt_write(jwt_key_of(&ring.keys[0]), &jwt, text) > 0);
	assert_int_equal(jwt_read(&ring, bytes_text(text), &back), 0);
	assert_string_equal(back.subject, jwt.subject);
	(void)strlcpy(jwt.subject, "a\nb@a.example", sizeof(jwt.subject));
	assert_int_equal(jwt_write(jwt_key_of(&ring.keys[0]), &jwt, text), -1);
	for (i = 1; i < sizeof(jwt.subject); i++) {
		memset(jwt.subject, 'a', i);
		jwt.subject[i] = '\0';
		if (jwt_write(jwt_key_of(&ring.keys[0]), &jwt, text) == -1)
			break;
		assert_true(strlen(text) <= JWT_MAX);
	}
	assert_in_range(i, 60, 90);
}

static void
published(void **state)
{
	static struct keyring ring;
	char text[600];

	(void)state;
	two_keys(&ring);
	assert_int_equal(
	    jwt_key_print(jwt_key_of(&ring.keys[0]), text, sizeof(text)), 0);
	assert_non_null(strstr(text, "\"kty\":\"EC\",\"crv\":\"P-256\""));
	assert_non_null(
	    strstr(text, "-----BEGIN PUBLIC KEY-----\\nMFkwEwYHKoZIzj0CAQ"));
	assert_int_equal(
	    jwt_key_print(jwt_key_of(&ring.keys[0]), text, 300), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(known_signatures),
	    cmocka_unit_test(round_trip),
	    cmocka_unit_test(every_change),
	    cmocka_unit_test(confusion),
	    cmocka_unit_test(names),
	    cmocka_unit_test(published),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
