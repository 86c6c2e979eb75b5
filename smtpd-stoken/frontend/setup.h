/* SPDX-License-Identifier: ISC */
#ifndef FRONTEND_SETUP_H
#define FRONTEND_SETUP_H

#include <stddef.h>

#include "imsg/channel.h"
#include "lib/settings.h"

/*
 * SETUP_CERTIFICATE and SETUP_LISTENER gather a new configuration, which
 * setup_commit makes the one in force as a whole: sessions that are open keep
 * what they have. See process.h.
 */
void setup_init(int restarted);
void setup_certificate(struct channel *, const union message *, int fd);
void setup_listener(struct channel *, const union message *, int fd);
int setup_commit(const struct settings *, int first, char *problem, size_t);

#endif
