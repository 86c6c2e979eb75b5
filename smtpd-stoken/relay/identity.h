/* SPDX-License-Identifier: ISC */
/* Whose a server's certificate is, once its chain was verified. */
#ifndef RELAY_IDENTITY_H
#define RELAY_IDENTITY_H

#include <openssl/x509.h>

#include "smtpd-stoken/relay/trust.h"

/*
 * Whether the certificate is for one of the names (D-S14; RFC 9525 section 6):
 *   the domain, by a DNS-ID or, where it is an address, an IP-ID;
 *   the service of the domain, by an SRV-ID (RFC 4985): all of it, no wildcard;
 *   the host, by a DNS-ID.
 * A CN is no name. `chain` is what it was verified by, or NULL.
 */
int identity_matches(
    X509 *, const STACK_OF(X509) * chain, const struct trust_names *);

#endif
