/* SPDX-License-Identifier: ISC */
/*
 * TLS as a client, by libtls, and what that lacks: the certificates of the
 * authorities are read once, not once for each connection (50 ms of CPU for a
 * system's bundle). libcrypto tells an ex_data index of each SSL that comes
 * into being (CRYPTO_get_ex_new_index(3)), so that libtls' can be reached.
 */
#ifndef RELAY_TRUST_H
#define RELAY_TRUST_H

#include <stddef.h>
#include <stdint.h>

struct ssl_st;
struct tls;

/* Whom connections trust: any number of them share one. */
struct trust;

/* Whom a certificate must be for: one of these (RFC 9525, 6). */
struct trust_names {
	const char *domain; /* a DNS-ID, and the SNI; or an address */
	const char *service; /* "_submissions": an SRV-ID (RFC 4985); NULL */
	const char *host; /* whom the domain surely named: a DNS-ID; NULL */
};

/* Once, before any other TLS call of the process. 0, or -1. */
int trust_init(void);

/*
 * `pem` holds certificates of authorities; NULL: nobody is verified. Returns
 * NULL with the reason in `why`.
 */
struct trust *
trust_new(const uint8_t *pem, size_t length, char *why, size_t size);
void trust_free(struct trust *); /* NULL is fine */

/*
 * TLS on a connected, non-blocking descriptor, with a server that is one of
 * the names. NULL: no memory.
 */
struct tls *trust_dial(
    struct trust *, int fd, const struct trust_names *, struct ssl_st **);

/* The handshake is done, and the certificate was verified where it had to. */
int trust_established(const struct ssl_st *);

/* What is wrong with the peer's certificate, for the log; NULL: nothing. */
const char *trust_complaint(const struct ssl_st *);

/* Octets wait inside the connection, of which poll(2) knows nothing. */
int trust_pending(const struct ssl_st *);

#endif
