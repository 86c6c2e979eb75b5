/* SPDX-License-Identifier: ISC */
#ifndef TOKEND_AUTH_BACKEND_SYSTEM_H
#define TOKEND_AUTH_BACKEND_SYSTEM_H

#include "lib/process.h"

/* For struct process_role: while tokend-auth is root still. */
void system_privileged(const struct process_start *start);

#endif
