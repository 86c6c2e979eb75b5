/* SPDX-License-Identifier: ISC */
#include <openssl/crypto.h>

#include <stdint.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "tokend/auth/scheme.h"
#include "tokend/auth/scram_key.h"

static const char crypt_alphabet[] =
    "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* $2b$NN$ and 53 characters; 2a and 2y are the same thing. */
static const char *
bcrypt_check(const char *text, size_t length)
{
	if (length != 60 || strncmp(text, "$2", 2) != 0 ||
	    memchr("aby", text[2], 3) == NULL || text[3] != '$' ||
	    !is_digit(text[4]) || !is_digit(text[5]) || text[6] != '$' ||
	    strspn(text + 7, crypt_alphabet) != 53)
		return "expected $2b$, two digits, $ and 53 characters";
	return NULL;
}

/* $6$[rounds=N$]salt$ and 86 characters. */
static const char *
sha512_check(const char *text, size_t length)
{
	const char *hash;

	if (length < 4 || strncmp(text, "$6$", 3) != 0 ||
	    (hash = strrchr(text + 3, '$')) == NULL ||
	    strspn(hash + 1, crypt_alphabet) != 86 || strlen(hash + 1) != 86)
		return "expected $6$, a salt, $ and 86 characters";
	return NULL;
}

/* Whatever crypt(3) knows; `*` or `!` in front is an account without one. */
static const char *
crypt_check(const char *text, size_t length)
{
	if (text[0] == '\0' || length == 0)
		return "expected what crypt(3) makes, or * for no password";
	return NULL;
}

static bool
crypt_matches(const char *text, size_t length, const char *password)
{
	const char *made = crypt(password, text);

	return made != NULL && strlen(made) == length &&
	    CRYPTO_memcmp(made, text, length) == 0;
}

/* The octets up to the last $ but one or, with rounds= or NN$, after them. */
static size_t
crypt_cost(const char *text, size_t length)
{
	const char *end;

	(void)length;
	if (text[0] != '$' || (end = strchr(text + 1, '$')) == NULL)
		return 0;
	if (strncmp(end + 1, "rounds=", 7) == 0 || text[1] == '2' ||
	    text[1] == 'y')
		end = strchr(end + 1, '$') == NULL ? end : strchr(end + 1, '$');
	return (size_t)(end - text) + 1;
}

static const char *
scram_check(const char *text, size_t length)
{
	struct scram_key key;
	const char *expected = scram_key_parse(&key, text, length);

	explicit_bzero(&key, sizeof(key));
	return expected;
}

static bool
scram_matches(const char *text, size_t length, const char *password)
{
	struct scram_key key;
	bool matches;

	matches = scram_key_parse(&key, text, length) == NULL &&
	    scram_key_matches(&key, password, strlen(password));
	explicit_bzero(&key, sizeof(key));
	return matches;
}

static size_t
scram_cost(const char *text, size_t length)
{
	const char *comma = memchr(text, ',', length);

	return comma == NULL ? 0 : (size_t)(comma - text) + 1;
}

const struct scheme schemes[] = {
    {"SCRAM-SHA-256", scram_check, scram_matches, scram_cost, true},
    {"BLF-CRYPT", bcrypt_check, crypt_matches, crypt_cost, false},
    {"SHA512-CRYPT", sha512_check, crypt_matches, crypt_cost, false},
    {"CRYPT", crypt_check, crypt_matches, crypt_cost, false},
};
const size_t scheme_count = sizeof(schemes) / sizeof(schemes[0]);

const struct scheme *
scheme_find(const char *name, size_t length)
{
	size_t i;

	for (i = 0; i < scheme_count; i++) {
		if (strlen(schemes[i].name) == length &&
		    strncasecmp(schemes[i].name, name, length) == 0)
			return &schemes[i];
	}
	return NULL;
}

const struct scheme *
scheme_at(size_t number)
{
	return number < scheme_count ? &schemes[number] : NULL;
}

size_t
scheme_number(const struct scheme *scheme)
{
	return (size_t)(scheme - schemes);
}

const char *
scheme_names(void)
{
	return "{SCRAM-SHA-256}, {BLF-CRYPT}, {SHA512-CRYPT} or {CRYPT}";
}
