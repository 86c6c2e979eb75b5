/* SPDX-License-Identifier: ISC */
/* What the operator wants to know of the DNS (`tokenctl show dns`, `check`). */
#ifndef RELAY_QUESTIONS_H
#define RELAY_QUESTIONS_H

#include "imsg/channel.h"

/* Handlers of what tokend asks. */
void on_dns_ask(struct channel *, const union message *, int fd);

#endif
