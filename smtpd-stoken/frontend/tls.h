/* SPDX-License-Identifier: ISC */
#ifndef FRONTEND_TLS_H
#define FRONTEND_TLS_H

#include <stddef.h>
#include <stdint.h>

struct ssl_st;
struct tls;

/* A certificate chain in PEM, and the pki name that the operator gave it. */
struct certificate {
	const char *name;
	uint8_t *pem;
	size_t length;
};

/*
 * What a listener needs for TLS. libtls keeps pointers to it in connections
 * whose handshake is not done (the callbacks for SNI and ALPN), so it is
 * counted: each connection holds it for as long as it lives.
 */
struct tls_context;

/*
 * A context for these certificates, chosen by SNI; the first is the default.
 * TLS 1.2 and 1.3, ECDHE with AEAD only: the key process needs no decryption.
 * No private key is here: signatures come from remote_key.c. Returns NULL with
 * a reason for the log in error.
 */
struct tls_context *tls_context_new(const struct certificate *const *list,
    size_t count, char *error, size_t error_size);
void tls_context_hold(struct tls_context *);
void tls_context_release(struct tls_context *); /* NULL is fine */

/* libtls' server behind a context. */
struct tls *tls_context_server(struct tls_context *);

/*
 * A server connection on this socket. Does not hold the context: the caller
 * does. Returns 0, or -1 when there is no memory.
 */
int tls_context_accept(
    struct tls_context *, int fd, struct tls **, struct ssl_st **);

/*
 * A TLS handshake of this process with itself, in memory, for one certificate:
 * the only proof that the key process has the key and answers. Returns 0, or
 * -1 with the reason in error.
 */
int tls_self_test(const struct certificate *, char *error, size_t error_size);

#endif
