/* SPDX-License-Identifier: ISC */
#ifndef TOKENCTL_REQUEST_H
#define TOKENCTL_REQUEST_H

#include "tokenctl/verbs.h"

/* Connects to the control socket. Exits when that fails. */
void request_connect(const char *socket_path);

/*
 * Asks the daemon and prints the answer. `secret` (or NULL) goes along as the
 * last argument. Exits when something is wrong.
 */
void request_run(const struct command *command, const char *secret, int json);

#endif
