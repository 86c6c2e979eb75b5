/* SPDX-License-Identifier: ISC */
/*
 * What goes with pledge(2) and unveil(2): log instead of kill, say what holds,
 * prove that it holds. On OpenBSD the system does the work, and what it has no
 * counterpart for does nothing.
 */
#ifndef COMPAT_SANDBOX_H
#define COMPAT_SANDBOX_H

#include <stddef.h>

/*
 * Directive `sandbox log`: with `on`, every later pledge() of this process
 * lets a forbidden call fail (EPERM; ENOSYS for an unknown one) and logs a line
 * that names it, where it would have killed. For finding out what a new libc
 * wants, never for normal use. The line goes to standard error or, where that
 * is /dev/null, to the connection that openlog(3) with LOG_NDELAY has made.
 * No effect on OpenBSD.
 */
void sandbox_log_mode(int on);

/*
 * For a process that is given its listening sockets: from the next pledge()
 * on "inet" lets it accept and use connections, but neither make a socket nor
 * bind, listen or connect. No effect on OpenBSD.
 */
void sandbox_accept_only(void);

/*
 * The other way round: from the next pledge() on sockets may be made and
 * connected, but not bound, listened on or accepted from. No effect on OpenBSD.
 */
void sandbox_connect_only(void);

/*
 * From the next pledge() on compat_memory_file() is allowed. No effect on
 * OpenBSD.
 */
void sandbox_memory_files(void);

/*
 * Early, behind closefrom(3): what the reports of a sanitizer need. Does
 * nothing in other builds.
 */
void sandbox_prepare(void);

/* Nobody else may trace this process or read its memory; no core files. */
void sandbox_undumpable(void);

/*
 * Writes to `out` (of `size` bytes, always ended by NUL) what pledge() and
 * unveil() are on this machine: "seccomp, Landlock ABI 7 (files, TCP, signals,
 * abstract sockets)"; a part that is missing is said in capitals. Returns
 * `out`.
 */
const char *sandbox_describe(char *out, size_t size);

/*
 * Proves that pledge(promises) stops what it must: a child for each forbidden
 * call (opening a file, a socket, execve, fork, ptrace, executable memory ...)
 * makes the same promises, with the same unveil() rules, and tries it. To be
 * called after chroot and the change of user, before the process's own
 * pledge(), or under one that has "proc". Returns 0 when every try was
 * stopped; else -1, and the call that went through is logged.
 */
int sandbox_prove(const char *promises);

#endif
