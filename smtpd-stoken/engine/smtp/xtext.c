/* SPDX-License-Identifier: ISC */
#include "smtpd-stoken/engine/smtp/xtext.h"

/* Upper case alone, as the RFC has it. */
static int
hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

long
xtext_decode(const char *text, size_t length, char *out, size_t size)
{
	size_t i, n = 0;
	unsigned char c;

	for (i = 0; i < length; i++) {
		c = (unsigned char)text[i];
		if (c <= ' ' || c == '=' || c == 0x7f)
			return -1;
		if (c == '+') {
			if (length - i < 3 || hex(text[i + 1]) == -1 ||
			    hex(text[i + 2]) == -1)
				return -1;
			c = (unsigned char)(hex(text[i + 1]) * 16 +
			    hex(text[i + 2]));
			i += 2;
		}
		if (out != NULL && n + 1 >= size)
			return -1;
		if (out != NULL)
			out[n] = (char)c;
		n++;
	}
	if (out != NULL)
		out[n] = '\0';
	return (long)n;
}
