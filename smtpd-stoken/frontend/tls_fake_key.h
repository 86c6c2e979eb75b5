/* SPDX-License-Identifier: ISC */
/*
 * Exported by libtls everywhere, declared in no tls.h: written for exactly
 * this use, a server whose private keys are in another process.
 */
#ifndef FRONTEND_TLS_FAKE_KEY_H
#define FRONTEND_TLS_FAKE_KEY_H

struct tls_config;

void tls_config_use_fake_private_key(struct tls_config *);

#endif
