/* SPDX-License-Identifier: ISC */
#include "lib/space.h"

#include <sys/types.h>
#include <sys/statvfs.h>

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define MEGABYTE (1024 * 1024)

/* Of a hundred. */
static unsigned int
share(uint64_t left, uint64_t all)
{
	return all == 0 ? 100 : (unsigned int)(left * 100 / all);
}

enum finding_state
space_look(int fd, char *text, size_t size)
{
	uint64_t left, all;
	unsigned int part, files;
	struct statvfs st;

	if (fstatvfs(fd, &st) == -1) {
		(void)snprintf(
		    text, size, "its file system: %s", strerror(errno));
		return FINDING_UNCHECKED;
	}
	left = (uint64_t)st.f_bavail * st.f_frsize / MEGABYTE;
	all = (uint64_t)st.f_blocks * st.f_frsize / MEGABYTE;
	part = share(left, all);
	files = share((uint64_t)st.f_favail, (uint64_t)st.f_files);
	(void)snprintf(text, size, "%llu MiB (%u %%) of its disk are free%s",
	    (unsigned long long)left, part,
	    files < 5 ? ", but hardly any more files can be made: make room"
		: part < 5 || left < 512 ? ": make room"
					 : "");
	if (part < 1 || left < 64 || files < 1)
		return FINDING_PROBLEM;
	return part < 5 || left < 512 || files < 5 ? FINDING_WARNING
						   : FINDING_OK;
}
