/* SPDX-License-Identifier: ISC */
#include <errno.h>

#ifdef __linux__
#include <sys/mman.h>
#endif

#include "compat/memory_file.h"

int
compat_memory_file(void)
{
#ifdef __linux__
	return memfd_create("message", MFD_CLOEXEC);
#else
	errno = ENOSYS;
	return -1;
#endif
}
