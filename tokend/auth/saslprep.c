/* SPDX-License-Identifier: ISC */
#include <stdint.h>
#include <string.h>

#include "lib/address.h"
#include "tokend/auth/saslprep.h"

enum treatment {
	KEEP,
	TO_SPACE,
	TO_NOTHING,
	PROHIBITED
};

/* RFC 4013 sections 2.1 and 2.3 with the tables of RFC 3454; ascending. */
static const struct {
	uint32_t first, last;
	enum treatment treatment;
} ranges[] = {
    {0x0000, 0x001f, PROHIBITED}, /* C.2.1 */
    {0x007f, 0x009f, PROHIBITED}, /* C.2.1, C.2.2 */
    {0x00a0, 0x00a0, TO_SPACE}, {0x00ad, 0x00ad, TO_NOTHING},
    {0x0340, 0x0341, PROHIBITED}, /* C.8 */
    {0x034f, 0x034f, TO_NOTHING}, {0x06dd, 0x06dd, PROHIBITED},
    {0x070f, 0x070f, PROHIBITED}, {0x1680, 0x1680, TO_SPACE},
    {0x1806, 0x1806, TO_NOTHING}, {0x180b, 0x180d, TO_NOTHING},
    {0x180e, 0x180e, PROHIBITED}, {0x2000, 0x200b, TO_SPACE},
    {0x200c, 0x200d, TO_NOTHING}, {0x200e, 0x200f, PROHIBITED},
    {0x2028, 0x202e, PROHIBITED}, {0x202f, 0x202f, TO_SPACE},
    {0x205f, 0x205f, TO_SPACE}, {0x2060, 0x2060, TO_NOTHING},
    {0x2061, 0x2063, PROHIBITED}, {0x206a, 0x206f, PROHIBITED},
    {0x2ff0, 0x2ffb, PROHIBITED}, /* C.7 */
    {0x3000, 0x3000, TO_SPACE}, {0xd800, 0xf8ff, PROHIBITED}, /* C.5, C.3 */
    {0xfdd0, 0xfdef, PROHIBITED}, /* C.4 */
    {0xfe00, 0xfe0f, TO_NOTHING}, {0xfeff, 0xfeff, TO_NOTHING},
    {0xfff9, 0xffff, PROHIBITED}, /* C.6, C.4 */
    {0x1d173, 0x1d17a, PROHIBITED}, {0xe0001, 0xe0001, PROHIBITED}, /* C.9 */
    {0xe0020, 0xe007f, PROHIBITED}, {0xf0000, 0x10ffff, PROHIBITED}, /* C.3 */
};

static enum treatment
treatment_of(uint32_t c)
{
	size_t i;

	if ((c & 0xfffe) == 0xfffe) /* C.4, at the end of each plane */
		return PROHIBITED;
	for (i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		if (c < ranges[i].first)
			return KEEP;
		if (c <= ranges[i].last)
			return ranges[i].treatment;
	}
	return KEEP;
}

/* The character at text, which is UTF-8; its octets go to *length. */
static uint32_t
character(const char *text, size_t *length)
{
	const unsigned char *u = (const unsigned char *)text;
	uint32_t c;
	size_t i;

	*length = u[0] < 0x80 ? 1 : u[0] < 0xe0 ? 2 : u[0] < 0xf0 ? 3 : 4;
	if (*length == 1)
		return u[0];
	c = u[0] & (0xffU >> (*length + 1));
	for (i = 1; i < *length; i++)
		c = c << 6 | (u[i] & 0x3fU);
	return c;
}

ssize_t
saslprep(char *out, size_t size, const char *text, size_t length)
{
	size_t i, n = 0, width;

	if (!utf8_valid(text, length))
		return -1;
	for (i = 0; i < length; i += width) {
		switch (treatment_of(character(text + i, &width))) {
		case PROHIBITED:
			return -1;
		case TO_NOTHING:
			break;
		case TO_SPACE:
			if (n + 1 >= size)
				return -1;
			out[n++] = ' ';
			break;
		case KEEP:
			if (n + width >= size)
				return -1;
			memcpy(out + n, text + i, width);
			n += width;
			break;
		}
	}
	if (n >= size)
		return -1;
	out[n] = '\0';
	return (ssize_t)n;
}
