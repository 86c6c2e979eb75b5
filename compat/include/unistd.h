/* SPDX-License-Identifier: ISC */
/*
 * <unistd.h> as OpenBSD has it: with pledge(2) and unveil(2). On Linux they
 * come from compat/pledge.c and compat/unveil.c; the system's own header
 * follows in any case.
 */
#include_next <unistd.h>

#if defined(__linux__) && !defined(COMPAT_UNISTD_H)
#define COMPAT_UNISTD_H

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Promises to do from now on only what the blank-separated words of `promises`
 * cover; see compat/pledge.c for what each word means here. NULL changes
 * nothing. A later call may only promise less. Returns 0, or -1 with errno:
 * EINVAL (no such word), EPERM (more than before), ENOSYS (kernel without
 * seccomp), ENOMEM. Source: pledge(2).
 */
int pledge(const char *promises, const char *execpromises);

/*
 * Makes `path` (which must exist; a directory stands for all below it)
 * reachable with `permissions`, any of the letters r w x c, and everything
 * that was not named unreachable as soon as unveil(NULL, NULL) or a pledge()
 * without "unveil" is called; nothing can be added after that. The rule
 * belongs to the file, not to its name: a file that will be replaced by
 * rename needs its directory unveiled. Returns 0, or -1 with errno: ENOENT,
 * EINVAL, E2BIG, EPERM (already locked). Source: unveil(2).
 */
int unveil(const char *path, const char *permissions);

#ifdef __cplusplus
}
#endif

#endif
