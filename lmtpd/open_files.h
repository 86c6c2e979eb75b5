/* SPDX-License-Identifier: ISC */
/* What an engine has open, found by the engine's numbers. */
#ifndef LMTPD_OPEN_FILES_H
#define LMTPD_OPEN_FILES_H

#include "lmtpd/deliver.h"

struct open_files;

/* NULL when there is no memory. Freed when nothing is open. */
struct open_files *open_files_new(void);
void open_files_free(struct open_files *);

/* The message of that number, or NULL. */
struct message_file *open_files_find(struct open_files *, uint64_t id);

/* Any of them, or NULL. */
struct message_file *open_files_any(struct open_files *);

/*
 * A message with a new file in `directory`. NULL with errno: EMFILE when the
 * engine has as many as it may have.
 */
struct message_file *
open_files_add(struct open_files *, int directory, uint64_t id);

/* It is no longer there; the message stays. */
void open_files_remove(struct open_files *, struct message_file *);

#endif
