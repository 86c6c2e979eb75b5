/* SPDX-License-Identifier: ISC */
/*
 * An lmtpd died with deliveries in hand. Whether these are in the mailboxes
 * only a look there can tell, by another worker or by the next one.
 */
#ifndef ENGINE_LOOKS_H
#define ENGINE_LOOKS_H

#include "imsg/channel.h"
#include "smtpd-stoken/engine/transfer.h"

/* transfer_delivered() is called with what was seen, or with nothing. */
void looks_begin(struct transfer *);

/* A worker can be asked; or cannot any more. */
void looks_worker_new(struct channel *);
void looks_worker_gone(uint8_t instance);

/* Handles DELIVERY_SEEN. */
void looks_seen(struct channel *, const union message *, int fd);

#endif
