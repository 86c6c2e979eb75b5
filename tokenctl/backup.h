/* SPDX-License-Identifier: ISC */
#ifndef TOKENCTL_BACKUP_H
#define TOKENCTL_BACKUP_H

#include "imsg/messages.h"

/*
 * The directory of a backup: absent or empty before, 0700. tokend sends the
 * files, and what it sends is not believed: a name is one file in the
 * directory, new, and 0600.
 */

/* Makes or takes the directory. Exits when it cannot be used. */
void backup_open(const char *directory);

/* Takes a piece of a file; `last` ends the file, and makes it durable. */
void backup_piece(struct bytes name, struct bytes data, int last);

/* Ends the backup; one that failed is removed again. */
void backup_close(int ok);

#endif
