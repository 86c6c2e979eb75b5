/* SPDX-License-Identifier: ISC */
#include "lmtpd/copy.h"

#include <sys/types.h>

#include <errno.h>
#include <unistd.h>

#define BLOCK 65536

static int
write_all(int fd, const char *data, size_t length)
{
	ssize_t n;

	for (; length > 0; data += n, length -= (size_t)n) {
		if ((n = write(fd, data, length)) == -1) {
			if (errno != EINTR)
				return -1;
			n = 0;
		}
	}
	return 0;
}

int
copy_octets(int in, int out, uint64_t offset, uint64_t length)
{
	static char block[BLOCK];
	size_t want;
	ssize_t n;

	while (length > 0) {
		want = length < BLOCK ? (size_t)length : BLOCK;
		n = pread(in, block, want, (off_t)offset);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == 0)
			errno = EIO;
		if (n <= 0 || write_all(out, block, (size_t)n) == -1)
			return -1;
		offset += (uint64_t)n;
		length -= (uint64_t)n;
	}
	return 0;
}
