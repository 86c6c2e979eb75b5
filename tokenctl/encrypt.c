/* SPDX-License-Identifier: ISC */
#include <sys/types.h>

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/address.h"
#include "lib/row.h"
#include "tokenctl/encrypt.h"
#include "tokenctl/fail.h"
#include "tokenctl/output.h"
#include "tokenctl/secret.h"
#include "tokend/auth/saslprep.h"
#include "tokend/auth/scheme.h"
#include "tokend/auth/scram_key.h"

/* Random characters of which each says 6 bits: the alphabet of crypt(3). */
static void
random_salt(char *out, size_t length)
{
	static const char alphabet[] = "./ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				       "abcdefghijklmnopqrstuvwxyz0123456789";
	size_t i;

	for (i = 0; i < length; i++)
		out[i] = alphabet[arc4random_uniform(64)];
	out[length] = '\0';
}

static int
make_scram(char *out, size_t size, const char *password, uint32_t rounds)
{
	struct scram_key key = {
	    .iterations = rounds, .salt_length = SCRAM_SALT_MADE};
	int result = -1;

	arc4random_buf(key.salt, key.salt_length);
	if (scram_key_make(&key, password, strlen(password)) == 0)
		result = scram_key_format(&key, out, size);
	explicit_bzero(&key, sizeof(key));
	return result;
}

static int
make_crypt(char *out, size_t size, const char *password, const char *setting)
{
	const char *made = crypt(password, setting);

	if (made == NULL || made[0] == '*' || strlcpy(out, made, size) >= size)
		return -1;
	return 0;
}

static int
make_bcrypt(char *out, size_t size, const char *password, uint32_t rounds)
{
	char setting[40], salt[23];

	if (strlen(password) > 72)
		fail(EX_DATAERR,
		    "bcrypt looks at 72 octets of a password only: choose a "
		    "shorter one");
	random_salt(salt, 21);
	/* The last character stands for two bits. */
	salt[21] = ".Oeu"[arc4random_uniform(4)];
	salt[22] = '\0';
	(void)snprintf(setting, sizeof(setting), "$2b$%02u$%s", rounds, salt);
	return make_crypt(out, size, password, setting);
}

static int
make_sha512(char *out, size_t size, const char *password, uint32_t rounds)
{
	char setting[64], salt[17];

	random_salt(salt, 16);
	(void)snprintf(
	    setting, sizeof(setting), "$6$rounds=%u$%s$", rounds, salt);
	return make_crypt(out, size, password, setting);
}

static const struct maker {
	const char *scheme;
	uint32_t usual, least, most; /* rounds; of bcrypt their logarithm */
	int (*make)(
	    char *out, size_t size, const char *password, uint32_t rounds);
} makers[] = {
    {"SCRAM-SHA-256", SCRAM_ITERATIONS_MADE, SCRAM_ITERATIONS_MIN,
	SCRAM_ITERATIONS_MAX, make_scram},
    {"BLF-CRYPT", 10, 4, 31, make_bcrypt},
    {"SHA512-CRYPT", 100000, 1000, 10000000, make_sha512},
};

static const struct maker *
find_maker(const char *name)
{
	const struct scheme *scheme;
	size_t i;

	if (*name == '\0')
		return &makers[0];
	scheme = scheme_find(name, strlen(name));
	for (i = 0; i < sizeof(makers) / sizeof(makers[0]); i++) {
		if (scheme != NULL &&
		    strcmp(scheme->name, makers[i].scheme) == 0)
			return &makers[i];
	}
	fail(EX_USAGE,
	    "scheme is one of scram-sha-256, blf-crypt and sha512-crypt");
}

static uint32_t
find_rounds(const struct maker *maker, const char *text)
{
	const char *problem;
	long long rounds;

	if (*text == '\0')
		return maker->usual;
	rounds = strtonum(text, maker->least, maker->most, &problem);
	if (problem != NULL)
		fail(EX_USAGE, "rounds for %s is a number from %u to %u",
		    maker->scheme, maker->least, maker->most);
	return (uint32_t)rounds;
}

/* An address, or a bare name, which sites with one domain may use. */
static void
check_user(const char *user)
{
	char whole[ADDRESS_SIZE], canonical[ADDRESS_SIZE];
	int n;

	if (*user == '\0')
		return;
	n = snprintf(whole, sizeof(whole), "%s%s", user,
	    strchr(user, '@') == NULL ? "@a.example" : "");
	if (n < 0 || (size_t)n >= sizeof(whole) || strchr(user, ':') != NULL ||
	    address_canonical_text(whole, (size_t)n, canonical) == -1)
		fail(EX_DATAERR,
		    "\"%.100s\" is no user: give an address like "
		    "alice@a.example",
		    user);
}

/* The password as SASL compares it (RFC 4013). */
static void
read_password(char *out, size_t size)
{
	char typed[PASSWORD_MAX + 1];
	size_t length;
	ssize_t n;

	length = secret_read(typed, sizeof(typed), "Password: ", 1);
	n = saslprep(out, size, typed, length);
	explicit_bzero(typed, sizeof(typed));
	if (n <= 0)
		fail(EX_DATAERR,
		    "the password has characters that are not allowed: "
		    "no controls, and UTF-8");
}

void
encrypt_run(const struct command *command, int json)
{
	const struct maker *maker = find_maker(command->values[0]);
	uint32_t rounds = find_rounds(maker, command->values[1]);
	const char *user = command->values[2];
	char password[PASSWORD_MAX + 1], text[SCHEME_TEXT_MAX + 1];
	char line[SCHEME_TEXT_MAX + ADDRESS_SIZE + 32];
	struct list_writer row;
	struct output *output;
	uint8_t data[2048];
	int result;

	check_user(user);
	read_password(password, sizeof(password));
	if (pledge("stdio", NULL) == -1)
		fail(EX_OSERR, "pledge: %s", strerror(errno));
	result = maker->make(text, sizeof(text), password, rounds);
	explicit_bzero(password, sizeof(password));
	if (result == -1)
		fail(EX_UNAVAILABLE, "this system cannot make %s",
		    maker->scheme);
	(void)snprintf(line, sizeof(line), "%s%s{%s}%s", json ? "" : user,
	    json || *user == '\0' ? "" : ":", maker->scheme, text);
	list_init(&row, data, sizeof(data));
	if ((json && *user != '\0' &&
		row_text(&row, "user", bytes_text(user)) == -1) ||
	    row_text(&row, "secret", bytes_text(line)) == -1 ||
	    (output = output_open(stdout, SHAPE_VALUE, json)) == NULL ||
	    output_row(output, list_bytes(&row)) == -1 ||
	    output_close(output) == -1)
		fail(EX_IOERR, "cannot write to standard output");
}
