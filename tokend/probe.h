/* SPDX-License-Identifier: ISC */
/* `check` has relay try the next hops: control_check.c. */
#ifndef TOKEND_PROBE_H
#define TOKEND_PROBE_H

#include "imsg/channel.h"

/* Handler of relay's answer; and: relay is gone. */
void on_probed(struct channel *, const union message *, int fd);
void probe_relay_gone(void);

#endif
