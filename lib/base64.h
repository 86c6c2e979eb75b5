/* SPDX-License-Identifier: ISC */
#ifndef LIB_BASE64_H
#define LIB_BASE64_H

#include <sys/types.h>
#include <stddef.h>
#include <stdint.h>

/* Base 64 of RFC 4648: section 4 with padding, section 5 (url) without. */

/* Octets of the text of `length` octets, with padding and a NUL. */
#define BASE64_SIZE(length) (((length) + 2) / 3 * 4 + 1)

/*
 * Writes the text of `length` octets and a NUL to out. Returns the octets of
 * the text, or -1 when `size` is too small for them and the NUL.
 */
ssize_t
base64_encode(char *out, size_t size, const uint8_t *data, size_t length);
ssize_t
base64url_encode(char *out, size_t size, const uint8_t *data, size_t length);

/*
 * Reads `length` octets of text. Strict (F-35): no white space, no character
 * outside the alphabet, padding exactly where it belongs (never in the url
 * form), unused bits zero. Returns the octets written, or -1 when malformed
 * or when more than `size`. Empty text is no octets.
 */
ssize_t
base64_decode(uint8_t *out, size_t size, const char *text, size_t length);
ssize_t
base64url_decode(uint8_t *out, size_t size, const char *text, size_t length);

#endif
