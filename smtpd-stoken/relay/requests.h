/* SPDX-License-Identifier: ISC */
/* What engines ask for: checked here, tickets first, before anything is done. */
#ifndef RELAY_REQUESTS_H
#define RELAY_REQUESTS_H

#include "imsg/channel.h"

extern const struct channel_handler engine_handlers[];

#endif
