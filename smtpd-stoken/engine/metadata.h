/* SPDX-License-Identifier: ISC */
#ifndef ENGINE_METADATA_H
#define ENGINE_METADATA_H

#include "smtpd-stoken/engine/transfer.h"

/*
 * metadata_tell: what came beside the message by METADATA, before its
 * DELIVER: its flags, and where header fields that came late belong. Returns
 * 0, or -1 when its lmtpd cannot be told.
 */
int metadata_tell(struct transfer *);

#endif
