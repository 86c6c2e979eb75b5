/* SPDX-License-Identifier: ISC */
/*
 * What reaches tokend by the mechanisms of REMEMBERME: HT2 messages, JWTs,
 * OAUTHBEARER, XOAUTH2; and records of a damaged store. The first octet picks.
 * sources: tokend/bearer.c tokend/es256.c tokend/jwt.c tokend/jwt_key.c tokend/remember_check.c tokend/remember_list.c tokend/records.c tokend/keyring.c tokend/issue.c tokend/revoke.c tokend/check.c tokend/token.c tokend/hmac.c tokend/problem.c tokend/store_db.c tokend/store_db_backup.c lib/base64.c lib/address.c imsg/messages.c
 * libs: -lcrypto -ldb -lidn2
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base64.h"
#include "tokend/bearer.h"
#include "tokend/remember_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static struct keyring ring;

static void
prepare(void)
{
	struct key *key = &ring.keys[0];
	size_t i;

	key->id = 1;
	for (i = 0; i < sizeof(key->secret); i++)
		key->secret[i] = (uint8_t)i;
	hmac_key_init(&key->hmac, key->secret, sizeof(key->secret));
	ring.count = 1;
}

/* Its parts lie within the message, in order, with a NUL between. */
static void
one_ht2(struct bytes in)
{
	struct ht2 ht2;

	if (ht2_read(in, &ht2) == -1)
		return;
	if (ht2.authcid.data != in.data || ht2.authcid.length == 0 ||
	    ht2.authcid.length > 255 || ht2.mac.length != HMAC_LENGTH ||
	    ht2.authcid.length + ht2.pairs.length + ht2.mac.length + 2 !=
		in.length ||
	    memchr(ht2.authcid.data, '\0', ht2.authcid.length) != NULL)
		abort();
}

/* One that is accepted must be what its claims make. */
static void
one_jwt(struct bytes in)
{
	char again[JWT_MAX + 1];
	struct jwt jwt;

	(void)jwt_is(in);
	if (jwt_read(&ring, in, &jwt) == -1)
		return;
	if (jwt_write(jwt_key_of(&ring.keys[0]), &jwt, again) == -1 ||
	    !bytes_equal(in, bytes_text(again)))
		abort();
}

/* Signed by us, whatever the claims are: what is behind the signature. */
static void
one_signed(struct bytes in)
{
	static const char head[] =
	    "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6";
	uint8_t signature[ES256_SIGNATURE];
	char text[1400], part[BASE64_SIZE(600)], header[80];
	const struct jwt_key *key = jwt_key_of(&ring.keys[0]);

	if (in.length > 250)
		return;
	(void)strlcpy(header, "{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"",
	    sizeof(header));
	(void)strlcat(header, key->kid, sizeof(header));
	(void)strlcat(header, "\"}", sizeof(header));
	(void)base64url_encode(
	    text, sizeof(text), (const uint8_t *)header, strlen(header));
	if (strncmp(text, head, sizeof(head) - 2) != 0)
		abort();
	(void)strlcat(text, ".", sizeof(text));
	(void)base64url_encode(part, sizeof(part), in.data, in.length);
	(void)strlcat(text, part, sizeof(text));
	if (es256_sign(&key->es256, text, strlen(text), signature) == -1)
		abort();
	(void)strlcat(text, ".", sizeof(text));
	(void)base64url_encode(
	    part, sizeof(part), signature, sizeof(signature));
	(void)strlcat(text, part, sizeof(text));
	one_jwt(bytes_text(text));
}

static void
one_bearer(
    struct bytes in, int (*read)(struct bytes message, struct bearer *bearer))
{
	struct bearer bearer;

	if (read(in, &bearer) == -1)
		return;
	if (bearer.token.length == 0 || bearer.token.data < in.data ||
	    bearer.token.data + bearer.token.length > in.data + in.length ||
	    strlen(bearer.user) >= ADDRESS_SIZE)
		abort();
}

static void
one_record(struct bytes in)
{
	struct remembered_list list;
	struct record_value value;

	if (remembered_decode(&list, in) == -1)
		return;
	remembered_encode(&list, &value);
	if (value.length > sizeof(value.data))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes in = bytes_of(data + 1, size - 1);

	if (size == 0)
		return 0;
	if (ring.count == 0)
		prepare();
	switch (data[0] % 6) {
	case 0:
		one_ht2(in);
		break;
	case 1:
		one_jwt(in);
		break;
	case 2:
		one_signed(in);
		break;
	case 3:
		one_bearer(in, oauthbearer_read);
		break;
	case 4:
		one_bearer(in, xoauth2_read);
		break;
	default:
		one_record(in);
		break;
	}
	return 0;
}
