/* SPDX-License-Identifier: ISC */
#ifndef TOKEND_SIGN_SIGNER_H
#define TOKEND_SIGN_SIGNER_H

#include <stddef.h>
#include <stdint.h>

#include "tokend/sign/keyring.h"

enum sign_result {
	SIGN_DONE,
	SIGN_UNKNOWN_KEY,
	SIGN_WRONG_KIND, /* no such kind, or not for this type of key */
	SIGN_WRONG_LENGTH, /* of the name or of the input */
	SIGN_WRONG_FORM, /* an RSA block that no TLS server signs */
	SIGN_FAILED, /* in the library */
};

/*
 * All from an untrusted process; nothing in it decides about a buffer. kind is
 * an enum sign_kind of imsg/verdicts.h. There is no decryption.
 */
struct sign_request {
	const uint8_t *name;
	size_t name_length;
	uint8_t kind;
	int newest; /* with no key but one of the newest configuration */
	const uint8_t *input;
	size_t input_length;
};

struct sign_answer {
	uint8_t signature[KEY_SIGNATURE_MAX]; /* ECDSA: DER (RFC 3279 2.2.3) */
	size_t length;
};

/*
 * Signs, or says why not. Only SIGN_DONE leaves anything in the answer, whose
 * length comes from the key alone. Never exits.
 */
enum sign_result sign_request(
    const struct keyring *, const struct sign_request *, struct sign_answer *);

/* For the log: "unknown key". */
const char *sign_result_text(enum sign_result);

#endif
