/* SPDX-License-Identifier: ISC */
/*
 * What reaches tokend from outside: a STOKEN response, a token at RCPT, and
 * what a damaged store may hold. The first octet picks one of them.
 * sources: tokend/token.c tokend/hmac.c tokend/stoken.c tokend/records.c tokend/seal.c lib/base64.c imsg/messages.c
 * libs: -lcrypto
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tokend/records.h"
#include "tokend/seal.h"
#include "tokend/stoken.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static struct key key = {.id = 1};

static void
prepare(void)
{
	size_t i;

	for (i = 0; i < sizeof(key.secret); i++)
		key.secret[i] = (uint8_t)i;
	hmac_key_init(&key.hmac, key.secret, sizeof(key.secret));
}

/* A token that passes must be the one that its fields make. */
static void
one_token(struct bytes text, struct bytes local)
{
	struct bytes remote = bytes_text("user@example.com");
	char id[TOKEN_ID + 1], again[TOKEN_LENGTH + 1];
	struct token token;

	if (token_decode(&token, text) == -1)
		return;
	token_id(&token, id);
	(void)token_expired(&token, 1700000000000);
	if (!token_verify(&token, &key.hmac, local) ||
	    !token_is_for(&token, &key.hmac, remote, local))
		return;
	token_encode(&token, &key.hmac, remote, local, again);
	if (memcmp(again, text.data, TOKEN_LENGTH) != 0)
		abort();
}

static void
one_response(struct bytes in)
{
	struct bytes recipient, token;

	if (stoken_split(in, &recipient, &token) == -1)
		return;
	if (recipient.length + token.length > in.length)
		abort();
	one_token(token, recipient);
}

static void
one_value(struct bytes in)
{
	uint8_t out[1 << 16];
	struct permanent permanent;
	struct renewed renewed;
	struct mark_times mark;
	struct held_list held;
	size_t i;
	uint64_t time;

	(void)permanent_decode(&permanent, in);
	(void)renewed_decode(&renewed, in);
	(void)mark_decode(&mark, in);
	(void)time_decode(&time, in);
	if (held_decode(&held, in) == 0)
		for (i = 0; i < held.count; i++)
			(void)seal_open(
			    &key, bytes_text("h"), held.tokens[i].sealed, out);
}

/* A key that can be split must come out again. */
static void
one_key(struct bytes in)
{
	struct record_key again;
	struct bytes remote, local;

	if (record_key_split(in, &remote, &local) == -1 ||
	    record_key_pair(&again, (char)in.data[0], remote, local) == -1)
		return;
	if (!bytes_equal(in, record_key_bytes(&again)))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes in;

	if (key.secret[1] == 0)
		prepare();
	if (size == 0)
		return 0;
	in = bytes_of(data + 1, size - 1);
	switch (data[0] % 4) {
	case 0:
		one_token(in, bytes_text("user@foo.com"));
		break;
	case 1:
		one_response(in);
		break;
	case 2:
		one_value(in);
		break;
	default:
		one_key(in);
		break;
	}
	return 0;
}
