/* SPDX-License-Identifier: ISC */
#ifndef TOKEND_AUTH_MECHANISMS_H
#define TOKEND_AUTH_MECHANISMS_H

#include "tokend/auth/exchange.h"

/* The steps of the mechanisms in mechanism.c, as in struct mechanism. */

/* RFC 4616. */
enum step_result
plain_step(struct exchange *exchange, const struct bytes *response);

/* draft-murchison-sasl-login: two prompts. */
enum step_result
login_step(struct exchange *exchange, const struct bytes *response);

/* RFC 5802 and RFC 7677, with and without channel binding. */
enum step_result
scram_step(struct exchange *exchange, const struct bytes *response);

#endif
