/* SPDX-License-Identifier: ISC */
/*
 * The one thing that the key process does for others. It must stand against an
 * asking process that was taken over: see the limits in signer.h.
 */
#include <string.h>

#include <openssl/err.h>

#include "imsg/verdicts.h"
#include "tokend/sign/block.h"
#include "tokend/sign/signer.h"

struct block {
	const uint8_t *data;
	size_t length;
	uint8_t padded[KEY_SIGNATURE_MAX];
};

/* Each checks the input and says what EVP_PKEY_sign gets. */
static enum sign_result
prepare_digest(
    const struct key *key, const struct sign_request *request, struct block *b)
{
	(void)key;
	(void)b;
	if (request->input_length != 32 && request->input_length != 48 &&
	    request->input_length != 64)
		return SIGN_WRONG_LENGTH;
	return SIGN_DONE;
}

static enum sign_result
prepare_pss(
    const struct key *key, const struct sign_request *request, struct block *b)
{
	(void)b;
	if (request->input_length != key->size)
		return SIGN_WRONG_LENGTH;
	return block_is_pss(request->input, request->input_length, key->bits)
	    ? SIGN_DONE
	    : SIGN_WRONG_FORM;
}

static enum sign_result
prepare_pkcs1(
    const struct key *key, const struct sign_request *request, struct block *b)
{
	if (!block_is_digest_info(request->input, request->input_length))
		return SIGN_WRONG_FORM;
	if (block_pkcs1(b->padded, key->size, request->input,
		request->input_length) == -1)
		return SIGN_WRONG_LENGTH;
	b->data = b->padded;
	b->length = key->size;
	return SIGN_DONE;
}

static const struct {
	enum sign_kind kind;
	enum key_type type;
	enum sign_result (*prepare)(
	    const struct key *, const struct sign_request *, struct block *);
} kinds[] = {
    {SIGN_EC, KEY_EC, prepare_digest},
    {SIGN_RSA_PSS, KEY_RSA, prepare_pss},
    {SIGN_RSA_PKCS1, KEY_RSA, prepare_pkcs1},
};

static enum sign_result
prepare(
    const struct key *key, const struct sign_request *request, struct block *b)
{
	size_t i;

	b->data = request->input;
	b->length = request->input_length;
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (kinds[i].kind == request->kind &&
		    kinds[i].type == key->type)
			return kinds[i].prepare(key, request, b);
	return SIGN_WRONG_KIND;
}

enum sign_result
sign_request(const struct keyring *ring, const struct sign_request *request,
    struct sign_answer *answer)
{
	const struct key *key;
	enum sign_result result;
	struct block block;
	size_t length = sizeof(answer->signature);

	answer->length = 0;
	if (request->name_length != KEY_NAME_LENGTH)
		return SIGN_WRONG_LENGTH;
	if ((key = keyring_find(ring, request->name)) == NULL ||
	    (request->newest && !key->newest))
		return SIGN_UNKNOWN_KEY;
	/* keyring_load admits no key with a longer signature */
	if (key->size > length)
		return SIGN_FAILED;
	if ((result = prepare(key, request, &block)) != SIGN_DONE)
		return result;
	if (EVP_PKEY_sign(key->sign, answer->signature, &length, block.data,
		block.length) != 1) {
		ERR_clear_error();
		memset(answer, 0, sizeof(*answer));
		return SIGN_FAILED;
	}
	answer->length = length;
	return SIGN_DONE;
}

const char *
sign_result_text(enum sign_result result)
{
	static const char *const texts[] = {
	    [SIGN_DONE] = "done",
	    [SIGN_UNKNOWN_KEY] = "unknown key",
	    [SIGN_WRONG_KIND] = "wrong kind of request",
	    [SIGN_WRONG_LENGTH] = "wrong length",
	    [SIGN_WRONG_FORM] = "not a block of a TLS signature",
	    [SIGN_FAILED] = "signing failed",
	};

	return texts[result];
}
