/* SPDX-License-Identifier: ISC */
/*
 * Inside compat/ only: Landlock by its bare system calls. The constants are
 * our own, since the headers of a Debian 12 stop at the second of the versions
 * that its kernels may have.
 */
#ifndef COMPAT_LANDLOCK_H
#define COMPAT_LANDLOCK_H

#include <stdint.h>

/* Rights on files. ABI 1, then 2 (refer), 3 (truncate), 5 (ioctl). */
#define LL_EXECUTE (1ULL << 0)
#define LL_WRITE_FILE (1ULL << 1)
#define LL_READ_FILE (1ULL << 2)
#define LL_READ_DIR (1ULL << 3)
#define LL_REMOVE_DIR (1ULL << 4)
#define LL_REMOVE_FILE (1ULL << 5)
#define LL_MAKE_CHAR (1ULL << 6)
#define LL_MAKE_DIR (1ULL << 7)
#define LL_MAKE_REG (1ULL << 8)
#define LL_MAKE_SOCK (1ULL << 9)
#define LL_MAKE_FIFO (1ULL << 10)
#define LL_MAKE_BLOCK (1ULL << 11)
#define LL_MAKE_SYM (1ULL << 12)
#define LL_REFER (1ULL << 13)
#define LL_TRUNCATE (1ULL << 14)
#define LL_IOCTL_DEV (1ULL << 15)

/* What can be granted on something that is no directory. */
#define LL_OF_FILES \
	(LL_EXECUTE | LL_WRITE_FILE | LL_READ_FILE | LL_TRUNCATE | LL_IOCTL_DEV)
#define LL_ALL_FILES (LL_IOCTL_DEV | (LL_IOCTL_DEV - 1))

/* ABI 4. */
#define LL_BIND_TCP (1ULL << 0)
#define LL_CONNECT_TCP (1ULL << 1)

/* ABI 6. */
#define LL_SCOPE_ABSTRACT_SOCKETS (1ULL << 0)
#define LL_SCOPE_SIGNALS (1ULL << 1)

/*
 * The version that the kernel has, 0 for none (or switched off, or kept away
 * by a container). Version 1 cannot rename between directories and counts as
 * none.
 */
int landlock_abi(void);

/*
 * A new ruleset that denies `files`, `tcp` and scopes `scopes` (as far as the
 * kernel knows them). Returns its descriptor, or -1 with errno.
 */
int landlock_ruleset(uint64_t files, uint64_t tcp, uint64_t scopes);

/* Allows `rights` again below what `fd` (O_PATH) stands for. 0, or -1. */
int landlock_allow_below(int ruleset, int fd, uint64_t rights);

/* Allows `rights` on TCP port `port`. 0, or -1 with errno. */
int landlock_allow_port(int ruleset, unsigned int port, uint64_t rights);

/* Puts it in force for good, and closes it. Returns 0, or -1 with errno. */
int landlock_enforce(int ruleset);

#endif
