/* SPDX-License-Identifier: ISC */
/* What an engine counts for `tokenctl show metrics`. */
#ifndef ENGINE_NUMBERS_H
#define ENGINE_NUMBERS_H

#include "smtpd-stoken/engine/transfer.h"

/* A RCPT is answered. */
void numbers_recipient(const struct session *, enum smtp_verdict);

/* The whole message is here; its fate is known; nobody waits for it now. */
void numbers_begin(struct transfer *);
void numbers_message(const struct session *, enum smtp_verdict);
void numbers_end(struct transfer *);

/* What became of a part of a recipient's delivery. */
void numbers_part(const struct transfer *, const struct part *);

#endif
