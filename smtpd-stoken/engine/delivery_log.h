/* SPDX-License-Identifier: ISC */
#ifndef ENGINE_DELIVERY_LOG_H
#define ENGINE_DELIVERY_LOG_H

#include "smtpd-stoken/engine/transfer.h"

/*
 * The line of the log for a part of a recipient's delivery (DESIGN section
 * 7). The result has the delivery id, and tells whether there is a new token.
 */
void delivery_log(
    const struct transfer *, const struct part *, const struct smtp_result *);

/* The lines of a message that was refused at the end of its data. */
void delivery_log_refused(
    const struct session *, const char *message, enum smtp_verdict);

#endif
