/* SPDX-License-Identifier: ISC */
#ifndef SMTPD_STOKEN_CONFIG_FILE_H
#define SMTPD_STOKEN_CONFIG_FILE_H

#include <stddef.h>

enum config_file_kind {
	CONFIG_FILE_OWN, /* configuration: ours or root's, not others' */
	CONFIG_FILE_PUBLIC, /* nobody else may write it */
	CONFIG_FILE_SECRET /* mode 0640 or tighter */
};

/*
 * Opens a regular file for reading and looks at what was opened, not at what
 * the name says a moment later. The descriptor, or -1 with the reason and
 * what was expected in `why`; errno is EACCES where it may not be read.
 */
int config_file_open(
    const char *path, enum config_file_kind, char *why, size_t size);

#endif
