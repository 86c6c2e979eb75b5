/* SPDX-License-Identifier: ISC */
/* `tokenctl check`: does a next hop answer, with TLS and login as configured? */
#ifndef RELAY_PROBE_H
#define RELAY_PROBE_H

#include "imsg/channel.h"

/* Handler of what tokend asks. */
void on_probe(struct channel *, const union message *, int fd);

#endif
