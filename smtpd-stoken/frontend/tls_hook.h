/* SPDX-License-Identifier: ISC */
#ifndef FRONTEND_TLS_HOOK_H
#define FRONTEND_TLS_HOOK_H

#include <stddef.h>
#include <stdint.h>

/*
 * What libtls does not offer: memory and system calls per connection, no
 * tickets, channel bindings, the names of what was negotiated. libcrypto tells
 * an ex_data index (CRYPTO_get_ex_new_index(3)) of each SSL and SSL_CTX that
 * comes into being, so that those which libtls makes can be reached without
 * knowing anything about libtls.
 */

/* The SSL behind a connection; opaque outside tls_hook.c. */
struct ssl_st;

/* Once, before any other TLS call of the process. 0, or -1 in failure. */
int tls_hook_init(void);

/*
 * Around tls_configure(): tunes each SSL_CTX that it makes, one a certificate.
 * End returns their number, 0 in failure. libtls makes temporary ones elsewhere; those are
 * not seen.
 */
void tls_hook_configure_begin(void);
size_t tls_hook_configure_end(void);

/*
 * The SSL that was made last: call it right after tls_accept_*(). It lives as
 * long as the connection.
 */
struct ssl_st *tls_hook_last(void);

/* Octets wait inside the connection, of which poll(2) knows nothing. */
int tls_hook_pending(const struct ssl_st *);

/*
 * Is the handshake really done? tls_handshake(3) also returns 0 when the
 * client closes in the middle of it.
 */
int tls_hook_established(const struct ssl_st *);

/* A connection after its handshake; names are those of IANA. */
struct tls_facts {
	const char *version; /* "TLSv1.3" */
	const char *cipher; /* "TLS_AES_128_GCM_SHA256" */
	const char *group; /* "x25519"; "" if the library does not say */
	/* tls-exporter (RFC 9266), on TLS 1.3 only; length 0: none */
	uint8_t exporter[32];
	size_t exporter_length;
	/* tls-server-end-point (RFC 5929 4.1); length 0: not defined */
	uint8_t endpoint[64];
	size_t endpoint_length;
};

void tls_hook_facts(struct ssl_st *, struct tls_facts *);

#endif
