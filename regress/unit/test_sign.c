/* SPDX-License-Identifier: ISC */
/* objects: regress/unit/keys.c tokend/sign/block.o tokend/sign/keyname.o tokend/sign/keyring.o tokend/sign/refusals.o tokend/sign/signer.o */
/* libs: -lcrypto */
/* The key process: what it signs, and above all what it does not. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include <sys/types.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <openssl/rsa.h>

#include "imsg/verdicts.h"
#include "regress/unit/keys.h"
#include "tokend/sign/block.h"
#include "tokend/sign/keyring.h"
#include "tokend/sign/refusals.h"
#include "tokend/sign/signer.h"

static EVP_PKEY *p256, *p384, *rsa2048;
static struct keyring ring;

static const uint8_t sha256_info[19] = {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09,
    0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04,
    0x20};

static const struct key *
load(struct keyring *into, EVP_PKEY *key, const char *pass, const char **error)
{
	const struct key *loaded;
	int fd = key_file(key, pass);

	loaded = keyring_load(into, fd, error);
	close(fd);
	return loaded;
}

static int
setup(void **state)
{
	const char *error;

	(void)state;
	p256 = make_key("P-256");
	p384 = make_key("P-384");
	rsa2048 = make_key("RSA-2048");
	keyring_init(&ring);
	return load(&ring, p256, NULL, &error) == NULL ||
	    load(&ring, p384, NULL, &error) == NULL ||
	    load(&ring, rsa2048, NULL, &error) == NULL;
}

static int
teardown(void **state)
{
	(void)state;
	keyring_clear(&ring);
	EVP_PKEY_free(p256);
	EVP_PKEY_free(p384);
	EVP_PKEY_free(rsa2048);
	return 0;
}

/* The key of the ring at this place: 0 P-256, 1 P-384, 2 RSA. */
static const struct key *
at(int place)
{
	const struct key *key = TAILQ_FIRST(&ring.keys);

	while (place-- > 0)
		key = TAILQ_NEXT(key, entry);
	return key;
}

static enum sign_result
ask(const struct key *key, uint8_t kind, const uint8_t *input, size_t length,
    struct sign_answer *answer)
{
	struct sign_request request = {
	    .name = key->name,
	    .name_length = sizeof(key->name),
	    .kind = kind,
	    .input = input,
	    .input_length = length,
	};

	return sign_request(&ring, &request, answer);
}

static int
verifies(EVP_PKEY *key, int padding, const EVP_MD *hash, const uint8_t *digest,
    size_t length, const struct sign_answer *answer)
{
	EVP_PKEY_CTX *verify = EVP_PKEY_CTX_new(key, NULL);
	int ok = EVP_PKEY_verify_init(verify) == 1;

	if (padding != 0) {
		ok = ok && EVP_PKEY_CTX_set_rsa_padding(verify, padding) == 1;
		ok = ok && EVP_PKEY_CTX_set_signature_md(verify, hash) == 1;
	}
	ok = ok &&
	    EVP_PKEY_verify(
		verify, answer->signature, answer->length, digest, length) == 1;
	EVP_PKEY_CTX_free(verify);
	return ok;
}

/* An EMSA-PSS block of the library's making. */
static void
pss_block(EVP_PKEY *key, const EVP_MD *hash, int salt, uint8_t *block)
{
	uint8_t digest[64];
	RSA *rsa = EVP_PKEY_get1_RSA(key);

	memset(digest, 7, sizeof(digest));
	assert_int_equal(RSA_padding_add_PKCS1_PSS_mgf1(
			     rsa, block, digest, hash, hash, salt),
	    1);
	RSA_free(rsa);
}

static void
test_ec(void **state)
{
	static const size_t lengths[] = {32, 48, 64};
	struct sign_answer answer;
	uint8_t digest[64];
	size_t i;

	(void)state;
	memset(digest, 3, sizeof(digest));
	for (i = 0; i < 3; i++) {
		assert_int_equal(
		    ask(at(0), SIGN_EC, digest, lengths[i], &answer),
		    SIGN_DONE);
		assert_true(
		    verifies(p256, 0, NULL, digest, lengths[i], &answer));
		assert_int_equal(
		    ask(at(1), SIGN_EC, digest, lengths[i], &answer),
		    SIGN_DONE);
		assert_true(
		    verifies(p384, 0, NULL, digest, lengths[i], &answer));
	}
}

static void
test_ec_lengths(void **state)
{
	struct sign_answer answer;
	uint8_t digest[1024] = {0};
	size_t length;

	(void)state;
	for (length = 0; length <= sizeof(digest); length++) {
		if (length == 32 || length == 48 || length == 64)
			continue;
		assert_int_equal(ask(at(0), SIGN_EC, digest, length, &answer),
		    SIGN_WRONG_LENGTH);
		assert_int_equal(answer.length, 0);
	}
}

static void
test_rsa_pss(void **state)
{
	const EVP_MD *hashes[] = {EVP_sha256(), EVP_sha384(), EVP_sha512()};
	struct sign_answer answer;
	uint8_t block[256], digest[64];
	size_t i;

	(void)state;
	memset(digest, 7, sizeof(digest));
	for (i = 0; i < 3; i++) {
		pss_block(rsa2048, hashes[i], RSA_PSS_SALTLEN_DIGEST, block);
		assert_int_equal(
		    ask(at(2), SIGN_RSA_PSS, block, 256, &answer), SIGN_DONE);
		assert_int_equal(answer.length, 256);
		assert_true(verifies(rsa2048, RSA_PKCS1_PSS_PADDING, hashes[i],
		    digest, (size_t)EVP_MD_size(hashes[i]), &answer));
	}
}

static void
test_rsa_pkcs1(void **state)
{
	struct sign_answer answer;
	uint8_t info[sizeof(sha256_info) + 32];

	(void)state;
	memcpy(info, sha256_info, sizeof(sha256_info));
	memset(info + sizeof(sha256_info), 9, 32);
	assert_int_equal(
	    ask(at(2), SIGN_RSA_PKCS1, info, sizeof(info), &answer), SIGN_DONE);
	assert_true(verifies(rsa2048, RSA_PKCS1_PADDING, EVP_sha256(),
	    info + sizeof(sha256_info), 32, &answer));
}

/* Whatever is not a block of a TLS signature would make us an oracle. */
static void
test_rsa_refused(void **state)
{
	struct sign_answer answer;
	uint8_t block[257], info[52];
	size_t i;

	(void)state;
	pss_block(rsa2048, EVP_sha256(), RSA_PSS_SALTLEN_DIGEST, block);
	for (i = 0; i < 256; i++) {
		/* every octet but those of salt and hash is fixed */
		if (i >= 256 - 1 - 32 - 32 && i < 256 - 1)
			continue;
		block[i] ^= 0x10;
		assert_int_equal(ask(at(2), SIGN_RSA_PSS, block, 256, &answer),
		    SIGN_WRONG_FORM);
		block[i] ^= 0x10;
	}
	block[0] |= 0x80;
	assert_int_equal(
	    ask(at(2), SIGN_RSA_PSS, block, 256, &answer), SIGN_WRONG_FORM);
	block[0] &= 0x7f;
	assert_int_equal(
	    ask(at(2), SIGN_RSA_PSS, block, 256, &answer), SIGN_DONE);
	assert_int_equal(
	    ask(at(2), SIGN_RSA_PSS, block, 255, &answer), SIGN_WRONG_LENGTH);
	assert_int_equal(
	    ask(at(2), SIGN_RSA_PSS, block, 257, &answer), SIGN_WRONG_LENGTH);
	assert_int_equal(
	    ask(at(2), SIGN_RSA_PSS, block, 0, &answer), SIGN_WRONG_LENGTH);
	/* salt lengths and hashes that TLS does not use */
	pss_block(rsa2048, EVP_sha256(), 0, block);
	assert_int_equal(
	    ask(at(2), SIGN_RSA_PSS, block, 256, &answer), SIGN_WRONG_FORM);
	pss_block(rsa2048, EVP_sha1(), RSA_PSS_SALTLEN_DIGEST, block);
	assert_int_equal(
	    ask(at(2), SIGN_RSA_PSS, block, 256, &answer), SIGN_WRONG_FORM);
	/* a ciphertext to decrypt */
	memset(block, 0x42, sizeof(block));
	block[255] = 0xbc;
	assert_int_equal(
	    ask(at(2), SIGN_RSA_PSS, block, 256, &answer), SIGN_WRONG_FORM);

	memcpy(info, sha256_info, sizeof(sha256_info));
	memset(info + 19, 9, 33);
	for (i = 0; i < sizeof(sha256_info); i++) {
		info[i] ^= 1;
		assert_int_equal(ask(at(2), SIGN_RSA_PKCS1, info, 51, &answer),
		    SIGN_WRONG_FORM);
		info[i] ^= 1;
	}
	for (i = 0; i <= sizeof(info); i++)
		if (i != 51)
			assert_int_equal(
			    ask(at(2), SIGN_RSA_PKCS1, info, i, &answer),
			    SIGN_WRONG_FORM);
	assert_int_equal(
	    ask(at(2), SIGN_RSA_PKCS1, block, 256, &answer), SIGN_WRONG_FORM);
	assert_int_equal(answer.length, 0);
}

static void
test_wrong_kind_or_key(void **state)
{
	struct sign_answer answer;
	struct key stranger;
	struct sign_request request = {.kind = SIGN_EC};
	uint8_t block[256] = {0};
	unsigned kind;

	(void)state;
	for (kind = 0; kind < 256; kind++) {
		if (kind != SIGN_EC)
			assert_int_equal(
			    ask(at(0), (uint8_t)kind, block, 32, &answer),
			    SIGN_WRONG_KIND);
		if (kind != SIGN_RSA_PSS && kind != SIGN_RSA_PKCS1)
			assert_int_equal(
			    ask(at(2), (uint8_t)kind, block, 256, &answer),
			    SIGN_WRONG_KIND);
	}
	memset(&stranger, 0, sizeof(stranger));
	assert_int_equal(
	    ask(&stranger, SIGN_EC, block, 32, &answer), SIGN_UNKNOWN_KEY);
	request.name = at(0)->name;
	request.input = block;
	request.input_length = 32;
	for (request.name_length = 0; request.name_length < 32;
	     request.name_length++)
		assert_int_equal(
		    sign_request(&ring, &request, &answer), SIGN_WRONG_LENGTH);
}

static void
test_keys_refused(void **state)
{
	static const char *const kinds[] = {
	    "P-521", "RSA-1024", "RSA-4104", "ED25519"};
	static const char *const reasons[] = {
	    "P-256 or P-384", "2048 to 4096", "2048 to 4096", "Ed25519"};
	const char *error;
	EVP_PKEY *key;
	size_t i;
	int fd;

	(void)state;
	for (i = 0; i < 4; i++) {
		key = make_key(kinds[i]);
		assert_null(load(&ring, key, NULL, &error));
		assert_non_null(strstr(error, reasons[i]));
		EVP_PKEY_free(key);
	}
	assert_null(load(&ring, p256, "secret", &error));
	assert_non_null(strstr(error, "pass phrase"));
	fd = octets_file("nothing", 7);
	assert_null(keyring_load(&ring, fd, &error));
	assert_string_equal(error, "no PEM private key found");
	close(fd);
	fd = octets_file("", 0);
	assert_null(keyring_load(&ring, fd, &error));
	assert_string_equal(error, "empty file");
	close(fd);
	assert_null(keyring_load(&ring, fd, &error));
	assert_string_equal(error, "Bad file descriptor");
}

static void
test_reload(void **state)
{
	struct keyring small;
	const struct key *first, *second;
	const char *error;

	(void)state;
	keyring_init(&small);
	first = load(&small, p256, NULL, &error);
	assert_non_null(load(&small, p384, NULL, &error));
	keyring_confirm(&small);
	keyring_begin(&small);
	/* the same key again, and a new one: old ones still sign meanwhile */
	assert_ptr_equal(load(&small, p256, NULL, &error), first);
	second = load(&small, rsa2048, NULL, &error);
	assert_non_null(keyring_find(&small, at(1)->name));
	keyring_drop(&small);
	assert_non_null(keyring_find(&small, at(1)->name));
	/* that one was refused, and so is one more */
	keyring_begin(&small);
	assert_ptr_equal(load(&small, rsa2048, NULL, &error), second);
	keyring_drop(&small);
	assert_ptr_equal(keyring_find(&small, at(0)->name), first);
	assert_false(first->newest);
	assert_non_null(keyring_find(&small, at(1)->name));
	/* this one is not */
	keyring_begin(&small);
	assert_ptr_equal(load(&small, p256, NULL, &error), first);
	assert_ptr_equal(load(&small, rsa2048, NULL, &error), second);
	keyring_drop(&small);
	keyring_confirm(&small);
	keyring_drop(&small);
	assert_null(keyring_find(&small, at(1)->name));
	assert_ptr_equal(keyring_find(&small, at(0)->name), first);
	assert_ptr_equal(keyring_find(&small, at(2)->name), second);
	keyring_clear(&small);
	assert_null(keyring_find(&small, at(0)->name));
}

static void
test_refusals(void **state)
{
	struct refusals refusals = {0, 0};
	unsigned suppressed, i, logged = 0;

	(void)state;
	for (i = 0; i < 1000; i++)
		logged += (unsigned)refusals_count(&refusals, 100, &suppressed);
	assert_int_equal(logged, REFUSALS_LOGGED);
	assert_int_equal(refusals_count(&refusals, 159, &suppressed), 0);
	assert_int_equal(refusals_count(&refusals, 160, &suppressed), 1);
	assert_int_equal(suppressed, 1001 - REFUSALS_LOGGED);
	assert_int_equal(refusals_count(&refusals, 160, &suppressed), 1);
	assert_int_equal(suppressed, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_ec),
	    cmocka_unit_test(test_ec_lengths),
	    cmocka_unit_test(test_rsa_pss),
	    cmocka_unit_test(test_rsa_pkcs1),
	    cmocka_unit_test(test_rsa_refused),
	    cmocka_unit_test(test_wrong_kind_or_key),
	    cmocka_unit_test(test_keys_refused),
	    cmocka_unit_test(test_reload),
	    cmocka_unit_test(test_refusals),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
