/* SPDX-License-Identifier: ISC */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include "lib/process.h"
#include "smtpd-stoken/engine/configuration.h"

/* What the parts of the engine share of the process's state. */

/* The settings in force, for new sessions. */
struct configuration *engine_configuration(void);
const struct process_start *engine_start(void);
/* tokend, relay or an lmtpd does not keep up: clients are not read. */
int engine_is_blocked(void);

#endif
