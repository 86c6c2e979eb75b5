/* SPDX-License-Identifier: ISC */
/*
 * What a client may send behind AUTH. The first octet picks the mechanism and
 * what was offered; responses follow, each ended by 0xff. An 0x1f in one
 * stands for the nonce of the server's last challenge, which nobody guesses.
 * sources: tokend/auth/mechanism.c tokend/auth/mechanism_plain.c tokend/auth/mechanism_login.c tokend/auth/mechanism_scram.c tokend/auth/scram_text.c tokend/auth/exchange.c tokend/auth/saslprep.c tokend/auth/users.c tokend/auth/rights.c tokend/auth/source.c tokend/auth/name_map.c tokend/auth/login.c tokend/auth/scheme.c tokend/auth/scram_key.c lib/address.c lib/base64.c lib/settings.c imsg/messages.c
 * libs: -lidn2 -lcrypto -lcrypt
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/settings.h"
#include "tokend/auth/exchange.h"
#include "tokend/auth/site.h"
#include "tokend/auth/users.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static char *domains[] = {(char *)"a.example"};
static const struct text_list domain_list = {domains, 1};
static struct site site = {.domains = &domain_list};

static const char users_text[] =
    "alice@a.example:{SCRAM-SHA-256}4096,W22ZaJ0SNY7soEsUEjb6gQ==,"
    "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=,"
    "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=\n"
    "bob@a.example:{CRYPT}*\n";

static void
take_fault(void *context, const char *path, size_t line, const char *what)
{
	(void)context;
	(void)fprintf(stderr, "%s:%zu: %s\n", path, line, what);
	abort();
}

static void
open_users(void)
{
	static const struct source_report report = {take_fault, NULL};
	char path[] = "/tmp/fuzz-sasl-XXXXXX";
	int fd = mkstemp(path);

	if (fd == -1 ||
	    write(fd, users_text, sizeof(users_text) - 1) !=
		(ssize_t)sizeof(users_text) - 1)
		abort();
	(void)close(fd);
	site.users = users_open(path, site.domains, &report);
	(void)unlink(path);
}

/* The nonce in "r=NONCE,s=...", or nothing. */
static struct bytes
server_nonce(const struct exchange *exchange)
{
	const char *end;

	if (exchange->challenge_length < 2 || exchange->challenge[0] != 'r' ||
	    (end = memchr(
		 exchange->challenge, ',', exchange->challenge_length)) == NULL)
		return bytes_of(NULL, 0);
	return bytes_of(
	    exchange->challenge + 2, (size_t)(end - exchange->challenge) - 2);
}

/* Octets of its own, so that a read too far is seen. */
static struct bytes
make_response(
    const struct exchange *exchange, const uint8_t *data, size_t length)
{
	struct bytes nonce = server_nonce(exchange);
	uint8_t *out = malloc(length * (nonce.length + 1) + 1);
	size_t i, n = 0;

	if (out == NULL)
		abort();
	for (i = 0; i < length; i++) {
		if (data[i] != 0x1f) {
			out[n++] = data[i];
		} else if (nonce.length > 0) {
			memcpy(out + n, nonce.data, nonce.length);
			n += nonce.length;
		}
	}
	if ((out = realloc(out, n == 0 ? 1 : n)) == NULL)
		abort();
	return bytes_of(out, n);
}

static void
check(const struct exchange *exchange, enum step_result result)
{
	if (exchange->challenge_length >= EXCHANGE_CHALLENGE_MAX ||
	    exchange->tried_length > EXCHANGE_NAME_MAX ||
	    strlen(exchange->login) > ADDRESS_MAX)
		abort();
	if (result == STEP_OK &&
	    users_find(site.users, exchange->login) == NULL)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = {
	    "PLAIN", "LOGIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"};
	static struct exchange exchange;
	enum step_result result = STEP_CHALLENGE;
	struct bytes response;
	const uint8_t *end;
	size_t length;
	uint8_t flags;
	int step;

	if (site.users == NULL)
		open_users();
	if (size < 1 || size > 8192)
		return 0;
	flags = *data++;
	size--;
	exchange_begin(&exchange, &site,
	    mechanism_find(bytes_text(names[flags & 3])), flags & 4,
	    bytes_of("exporter", flags & 8 ? 8 : 0),
	    bytes_of("endpoint", flags & 16 ? 8 : 0));
	if (flags & 32)
		result = exchange_step(&exchange, NULL);
	for (step = 0; step < 8 && result == STEP_CHALLENGE; step++) {
		end = size == 0 ? NULL : memchr(data, 0xff, size);
		length = end == NULL ? size : (size_t)(end - data);
		response = make_response(&exchange, data, length);
		result = exchange_step(&exchange, &response);
		free((void *)(uintptr_t)response.data);
		data += length + (end != NULL);
		size -= length + (end != NULL);
		if (result == STEP_CHECK)
			result = exchange_checked(&exchange, flags & 64);
		check(&exchange, result);
	}
	exchange_end(&exchange);
	return 0;
}
