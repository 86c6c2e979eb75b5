/* SPDX-License-Identifier: ISC */
#ifndef TOKENCTL_ENCRYPT_H
#define TOKENCTL_ENCRYPT_H

#include "tokenctl/verbs.h"

/*
 * encrypt [scheme SCHEME] [rounds N] [USER]: reads a password and prints the
 * line for the users file, or the secret alone without a user. Exits when
 * something is wrong.
 */
void encrypt_run(const struct command *command, int json);

#endif
