/* SPDX-License-Identifier: ISC */
#ifndef ENGINE_SMTP_XTEXT_H
#define ENGINE_SMTP_XTEXT_H

#include <stddef.h>

/*
 * xtext (RFC 3461 section 4), which hides "+" and "=" and what is no graphic
 * character as "+" and two upper-case hexadecimal digits.
 *
 * xtext_decode: text of length octets, into out with a NUL; it never grows.
 * Octets outside ASCII stay as they are. out may be NULL. Returns the octets
 * of the result without its NUL; -1 when text is malformed or the result does
 * not fit into size octets.
 */
long xtext_decode(const char *text, size_t length, char *out, size_t size);

#endif
