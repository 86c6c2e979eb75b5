/* SPDX-License-Identifier: ISC */
#ifndef TOKEND_AUTH_SASLPREP_H
#define TOKEND_AUTH_SASLPREP_H

#include <sys/types.h>
#include <stddef.h>

/*
 * Prepares a name or a password (RFC 4013, F-44): maps spaces to SPACE and
 * some characters to nothing, and refuses controls and the other prohibited
 * characters. It does not normalize (NFKC): outside ASCII the octets stay as
 * the client sent them, so that a password which was typed in another Unicode
 * form does not match.
 * Writes at most `size` - 1 octets (never more than `length`) and a NUL.
 * Returns the octets, or -1 when the text is not UTF-8, is prohibited, or
 * does not fit. No octets is 0: the caller refuses that.
 */
ssize_t saslprep(char *out, size_t size, const char *text, size_t length);

#endif
