/* SPDX-License-Identifier: ISC */
#ifndef TOKEND_AUTH_SCRAM_TEXT_H
#define TOKEND_AUTH_SCRAM_TEXT_H

#include <sys/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "imsg/messages.h"

/* The pieces of SCRAM messages (RFC 5802 section 7). */

#define SCRAM_NONCE_MAX 256 /* octets of a client's nonce */

/* Cuts what stands before the next comma, and the comma, off *rest. */
struct bytes scram_next(struct bytes *rest);

/* The value of attribute `letter`, or -1 when it is another attribute. */
int scram_value(struct bytes attribute, char letter, struct bytes *value);

/*
 * Writes a saslname with "=2C" and "=3D" undone. Returns its octets, or -1
 * when it has another "=" or does not fit.
 */
ssize_t scram_unescape(char *out, size_t size, struct bytes in);

/* Printable ASCII without comma or space, 1 to SCRAM_NONCE_MAX octets? */
bool scram_nonce_is_good(struct bytes nonce);

/* Where the ",p=" stands with which a message ends, or NULL. */
const uint8_t *scram_find_proof(struct bytes message);

#endif
