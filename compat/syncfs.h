/* SPDX-License-Identifier: ISC */
#ifndef COMPAT_SYNCFS_H
#define COMPAT_SYNCFS_H

/*
 * Makes everything durable that was changed on the file system of `fd`, and
 * reports failure to do so. Returns 0 or -1; ENOSYS where there is no such
 * call, or where it hides errors. The first call must come before a sandbox.
 */
int compat_syncfs(int fd);

#endif
