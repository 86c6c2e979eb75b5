/* SPDX-License-Identifier: ISC */
/*
 * <string.h> as OpenBSD has it: the system's (and libbsd's) and the compares
 * that take the same time whatever they compare.
 */
#include_next <string.h>

#if defined(__linux__) && !defined(COMPAT_STRING_H)
#define COMPAT_STRING_H

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Both compare `length` octets in a time that depends on `length` alone.
 * timingsafe_bcmp returns 0 when they are equal, timingsafe_memcmp orders
 * like memcmp(3). Source: timingsafe_bcmp(3).
 */
int timingsafe_bcmp(const void *one, const void *two, size_t length);
int timingsafe_memcmp(const void *one, const void *two, size_t length);

#ifdef __cplusplus
}
#endif

#endif
