/* SPDX-License-Identifier: ISC */
#ifndef TOKEND_STOKEN_H
#define TOKEND_STOKEN_H

#include "imsg/messages.h"

/*
 * The one message of SASL STOKEN: recipient NUL token (D-S15). Finds both in
 * `response`, or returns -1. Nothing else is checked.
 */
int stoken_split(
    struct bytes response, struct bytes *recipient, struct bytes *token);

#endif
