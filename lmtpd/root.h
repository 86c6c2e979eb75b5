/* SPDX-License-Identifier: ISC */
/* The root directory of the mailboxes: fixed at start. */
#ifndef LMTPD_ROOT_H
#define LMTPD_ROOT_H

#include <stddef.h>
#include <stdint.h>

#include "lib/settings.h"
#include "lmtpd/deliver.h"

/*
 * Takes the settings: parses the template, opens its root and a private
 * directory for unfinished messages below it, and proves that a file can be
 * written, flushed, linked and removed there. `instance` tells the workers
 * apart. Once `set` has a root (not -1), another one is refused: the sandbox
 * forbids to open it. Returns 0, or -1 with the problem in words and `set` as
 * before.
 */
int root_take(struct deliver_settings *set, const struct settings *,
    uint8_t instance, char *problem, size_t size);

/* For `tokenctl check`: does that again, and says how it went. */
void root_report(const struct deliver_settings *set);

/* All that is seen from now on. */
void root_unveil(const struct deliver_settings *set);

/* The directory for message_new(). */
int root_spool(void);

#endif
