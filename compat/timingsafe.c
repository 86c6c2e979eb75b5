/* SPDX-License-Identifier: ISC */
#include <string.h>

/* volatile: so that no compiler finds out when it may stop. */
int
timingsafe_bcmp(const void *one, const void *two, size_t length)
{
	const volatile unsigned char *a = one, *b = two;
	unsigned char difference = 0;

	for (size_t i = 0; i < length; i++)
		difference |= a[i] ^ b[i];
	return difference != 0;
}

/* Goes on to the end, keeping the first difference in order. */
int
timingsafe_memcmp(const void *one, const void *two, size_t length)
{
	const volatile unsigned char *a = one, *b = two;
	int result = 0;

	for (size_t i = length; i > 0; i--) {
		int order = (int)a[i - 1] - (int)b[i - 1];
		/* All ones where they differ, else zero. */
		int mask = (order | -order) >> 31;

		result = (order & mask) | (result & ~mask);
	}
	return result;
}
