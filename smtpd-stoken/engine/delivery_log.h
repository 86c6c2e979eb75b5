/* SPDX-License-Identifier: ISC */
#ifndef ENGINE_DELIVERY_LOG_H
#define ENGINE_DELIVERY_LOG_H

#include "smtpd-stoken/engine/session.h"

/*
 * The line of the log for the nth accepted recipient of a session's
 * transaction (DESIGN section 7). The result's id is the delivery id.
 */
void delivery_log(const struct session *, size_t n, const struct smtp_result *);

/* The lines of a message that was refused at the end of its data. */
void delivery_log_refused(
    const struct session *, const char *message, enum smtp_verdict);

#endif
