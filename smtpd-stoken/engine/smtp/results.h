/* SPDX-License-Identifier: ISC */
#ifndef ENGINE_SMTP_RESULTS_H
#define ENGINE_SMTP_RESULTS_H

#include <stddef.h>

/*
 * Whether the value of an Authentication-Results field (RFC 8601), as it
 * stands behind the colon, vouches for the address in the From field.
 *
 * It does when its authserv-id is `authserv`, and
 *   dmarc=pass, with header.from, if that is given, the domain of From; or
 *   dkim=pass, with header.d (without one: the domain of header.i) the domain
 *   of From, or one that it lies below. That one has a dot: not "com".
 * Every dkim is looked at. With dmarc=fail, or two of dmarc, the field vouches
 * for nothing, and so does one in which anything is not as the RFC says: a
 * version other than 1, a comment or quoted string without an end, an octet
 * that has no place there. Only values of properties may hold what ought to
 * be quoted ("/", "=", ":"), since servers write them so.
 *
 * value: length octets, folded lines joined by "\n". from: an address.
 * Returns 1 or 0.
 */
int results_vouch(
    const char *value, size_t length, const char *authserv, const char *from);

#endif
