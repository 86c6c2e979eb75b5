/* SPDX-License-Identifier: ISC */
#ifndef ENGINE_METADATA_H
#define ENGINE_METADATA_H

#include "smtpd-stoken/engine/relay.h"
#include "smtpd-stoken/engine/transfer.h"

/*
 * metadata_tell: what came beside the message by METADATA, before its
 * DELIVER: its flags, and where header fields that came late belong. Returns
 * 0, or -1 when its lmtpd cannot be told.
 */
int metadata_tell(struct transfer *);

/*
 * metadata_append: writes the containers behind a message that goes to others
 * too. metadata_relay: tells relay of them and sends the message to it; head
 * fields must be there already, and be all that stands above the message.
 * Returns as relay_data().
 */
enum smtp_verdict metadata_append(struct transfer *);
int metadata_relay(struct transfer *, struct relay_mail *, int one_by_one);

#endif
