/* SPDX-License-Identifier: ISC */
/* The command REMEMBERME of a user who has logged in. */
#ifndef TOKEND_REMEMBER_COMMAND_H
#define TOKEND_REMEMBER_COMMAND_H

#include "tokend/session.h"

/* Handler of the engines' message. */
void on_remember(struct channel *, const union message *, int fd);

#endif
