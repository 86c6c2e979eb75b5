/* SPDX-License-Identifier: ISC */
/* Delivery to system accounts: root's lmtpd, a child for each mailbox. */
#ifndef LMTPD_SYSTEM_H
#define LMTPD_SYSTEM_H

#include "lmtpd/deliver.h"

/*
 * Delivers a message to the account of each recipient, by children that have
 * become its user for good (PEERS T27: never as root), and sets the results.
 */
void system_deliver(const struct deliver_settings *, struct message_file *);

#endif
