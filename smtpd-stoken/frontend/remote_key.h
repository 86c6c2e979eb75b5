/* SPDX-License-Identifier: ISC */
#ifndef FRONTEND_REMOTE_KEY_H
#define FRONTEND_REMOTE_KEY_H

#include <stddef.h>
#include <stdint.h>

/*
 * Asks the key process for a signature and waits for it. kind is an enum
 * sign_kind of imsg/verdicts.h, name that of keyname.h, size the octets that
 * signature has room for. Returns the length of the signature, or 0 if there
 * is none (refused, dead, late): then only this handshake fails.
 */
typedef size_t (*remote_key_sign)(uint8_t kind, const uint8_t name[32],
    const uint8_t *input, size_t length, uint8_t *signature, size_t size);

/*
 * From now on, keys of which this process has the public part only sign
 * through this function. Once, before any key or TLS object exists. Returns 0,
 * or -1 when there is no memory.
 */
int remote_key_init(remote_key_sign);

#endif
