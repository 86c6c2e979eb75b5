/* SPDX-License-Identifier: ISC */
#ifndef FRONTEND_SIGNER_H
#define FRONTEND_SIGNER_H

#include <stddef.h>
#include <stdint.h>

#include "imsg/channel.h"

/* The channel to tokend-sign stands; or is gone. */
void signer_new(struct channel *);
void signer_gone(struct channel *);
int signer_available(void);

/* remote_key_sign: asks tokend-sign, and waits for at most two seconds. */
size_t signer_sign(uint8_t kind, const uint8_t name[32], const uint8_t *input,
    size_t length, uint8_t *signature, size_t size);

/* Until 0 is given: with no key but one of the newest configuration. */
void signer_newest(int);

extern const struct channel_handler signer_handlers[];

#endif
