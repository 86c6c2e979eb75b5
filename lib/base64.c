/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "lib/base64.h"

#define COMMON "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

static const char alphabet_standard[] = COMMON "+/";
static const char alphabet_url[] = COMMON "-_";

static ssize_t
encode(char *out, size_t size, const uint8_t *data, size_t length,
    const char *alphabet, char pad)
{
	size_t i, left, n = 0;
	uint32_t group;

	if (size == 0)
		return -1;
	for (i = 0; i < length; i += 3) {
		left = length - i;
		group = (uint32_t)data[i] << 16;
		group |= left > 1 ? (uint32_t)data[i + 1] << 8 : 0;
		group |= left > 2 ? data[i + 2] : 0;
		if (n + (left > 2 || pad ? 4 : left + 1) >= size)
			return -1;
		out[n++] = alphabet[group >> 18];
		out[n++] = alphabet[group >> 12 & 63];
		if (left > 1)
			out[n++] = alphabet[group >> 6 & 63];
		else if (pad)
			out[n++] = pad;
		if (left > 2)
			out[n++] = alphabet[group & 63];
		else if (pad)
			out[n++] = pad;
	}
	out[n] = '\0';
	return (ssize_t)n;
}

/* The value of a character, or -1. */
static int
value_of(char c, const char *alphabet)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == alphabet[62])
		return 62;
	return c == alphabet[63] ? 63 : -1;
}

static ssize_t
decode(uint8_t *out, size_t size, const char *text, size_t length,
    const char *alphabet)
{
	uint32_t bits = 0;
	size_t i, n = 0;
	unsigned int have = 0;
	int value;

	if (length % 4 == 1)
		return -1;
	for (i = 0; i < length; i++) {
		if ((value = value_of(text[i], alphabet)) == -1)
			return -1;
		bits = bits << 6 | (uint32_t)value;
		have += 6;
		if (have < 8)
			continue;
		have -= 8;
		if (n == size)
			return -1;
		out[n++] = bits >> have & 0xff;
	}
	return (bits & ((1U << have) - 1)) == 0 ? (ssize_t)n : -1;
}

ssize_t
base64_encode(char *out, size_t size, const uint8_t *data, size_t length)
{
	return encode(out, size, data, length, alphabet_standard, '=');
}

ssize_t
base64url_encode(char *out, size_t size, const uint8_t *data, size_t length)
{
	return encode(out, size, data, length, alphabet_url, '\0');
}

ssize_t
base64_decode(uint8_t *out, size_t size, const char *text, size_t length)
{
	if (length % 4 != 0)
		return -1;
	if (length > 0 && text[length - 1] == '=')
		length -= text[length - 2] == '=' ? 2 : 1;
	return decode(out, size, text, length, alphabet_standard);
}

ssize_t
base64url_decode(uint8_t *out, size_t size, const char *text, size_t length)
{
	return decode(out, size, text, length, alphabet_url);
}
