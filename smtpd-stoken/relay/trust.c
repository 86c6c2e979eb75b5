/* SPDX-License-Identifier: ISC */
/* The one file of relay that reaches behind libtls; see trust.h. */
#include <netinet/in.h>

#include <arpa/inet.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <tls.h>

#include "smtpd-stoken/relay/trust.h"

struct trust {
	struct tls_config *config;
	X509_STORE *store; /* NULL: nobody is verified */
};

static SSL *last;

static void
ssl_made(void *parent, void *ptr, CRYPTO_EX_DATA *data, int index, long argl,
    void *argp)
{
	(void)ptr;
	(void)data;
	(void)index;
	(void)argl;
	(void)argp;
	last = parent;
}

int
trust_init(void)
{
	return SSL_get_ex_new_index(0, NULL, ssl_made, NULL, NULL) == -1 ? -1
									 : 0;
}

/* How many certificates were added; a duplicate is none. */
static size_t
read_store(X509_STORE *store, const uint8_t *pem, size_t length)
{
	BIO *bio = BIO_new_mem_buf(pem, (int)length);
	size_t count = 0;
	X509 *certificate;

	if (bio == NULL)
		return 0;
	while ((certificate = PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL)) !=
	    NULL) {
		count += X509_STORE_add_cert(store, certificate) == 1;
		X509_free(certificate);
	}
	BIO_free(bio);
	ERR_clear_error(); /* the end of the file counts as one */
	return count;
}

/*
 * libtls verifies nothing, since it would read the certificates each time:
 * OpenSSL does, as trust_dial() asks it to.
 */
static struct tls_config *
client_config(int verifies)
{
	struct tls_config *config = tls_config_new();

	if (config == NULL)
		return NULL;
	tls_config_insecure_noverifycert(config);
	tls_config_insecure_noverifyname(config);
	if (tls_config_set_protocols(
		config, TLS_PROTOCOL_TLSv1_2 | TLS_PROTOCOL_TLSv1_3) == 0 &&
	    tls_config_set_ciphers(config, verifies ? "secure" : "compat") == 0)
		return config;
	tls_config_free(config);
	return NULL;
}

struct trust *
trust_new(const uint8_t *pem, size_t length, char *why, size_t size)
{
	struct trust *trust = calloc(1, sizeof(*trust));

	if (trust == NULL ||
	    (trust->config = client_config(pem != NULL)) == NULL)
		goto no_memory;
	if (pem == NULL)
		return trust;
	if ((trust->store = X509_STORE_new()) == NULL)
		goto no_memory;
	if (read_store(trust->store, pem, length) > 0)
		return trust;
	(void)snprintf(why, size, "ca: there is no certificate in the file");
	trust_free(trust);
	return NULL;
no_memory:
	(void)snprintf(why, size, "out of memory");
	trust_free(trust);
	return NULL;
}

void
trust_free(struct trust *trust)
{
	if (trust == NULL)
		return;
	tls_config_free(trust->config);
	X509_STORE_free(trust->store);
	free(trust);
}

static int
is_address(const char *name)
{
	struct in6_addr address;

	return inet_pton(AF_INET, name, &address) == 1 ||
	    inet_pton(AF_INET6, name, &address) == 1;
}

/* The chain up to one of ours, and the name (RFC 8314 4.3, RFC 9525). */
static int
demand(SSL *ssl, X509_STORE *store, const char *name)
{
	SSL_CTX *context = SSL_get_SSL_CTX(ssl);

	if (is_address(name)) {
		if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) !=
		    1)
			return -1;
	} else {
		/* RFC 9525 section 6.2: a CN is no name of a server. */
		SSL_set_hostflags(ssl,
		    X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
			X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
		if (SSL_set1_host(ssl, name) != 1)
			return -1;
	}
	if (X509_STORE_up_ref(store) != 1)
		return -1;
	SSL_CTX_set_cert_store(context, store);
	/* libtls' own would let everybody pass, as it was told to. */
	SSL_CTX_set_cert_verify_callback(context, NULL, NULL);
	SSL_set_verify(ssl, SSL_VERIFY_PEER, NULL);
	return 0;
}

static void
tune(SSL *ssl)
{
	SSL_set_read_ahead(ssl, 1);
	SSL_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS);
#ifdef SSL_OP_IGNORE_UNEXPECTED_EOF
	SSL_set_options(ssl, SSL_OP_IGNORE_UNEXPECTED_EOF);
#endif
#ifdef SSL_OP_NO_RENEGOTIATION
	SSL_set_options(ssl, SSL_OP_NO_RENEGOTIATION);
#endif
}

struct tls *
trust_dial(struct trust *trust, int fd, const struct trust_names *names,
    struct ssl_st **ssl)
{
	struct tls *tls = tls_client();

	last = NULL;
	if (tls == NULL || tls_configure(tls, trust->config) == -1 ||
	    tls_connect_socket(tls, fd, names->domain) == -1 || last == NULL ||
	    (trust->store != NULL &&
		demand(last, trust->store, names->domain) == -1)) {
		tls_free(tls);
		return NULL;
	}
	*ssl = last;
	tune(last);
	return tls;
}

static int
is_satisfied(const SSL *ssl)
{
	return SSL_get_verify_mode(ssl) == SSL_VERIFY_NONE ||
	    SSL_get_verify_result(ssl) == X509_V_OK;
}

int
trust_established(const struct ssl_st *ssl)
{
	return SSL_is_init_finished(ssl) && is_satisfied(ssl);
}

const char *
trust_complaint(const struct ssl_st *ssl)
{
	if (is_satisfied(ssl))
		return NULL;
	return X509_verify_cert_error_string(SSL_get_verify_result(ssl));
}

int
trust_pending(const struct ssl_st *ssl)
{
#ifdef SSL_OP_IGNORE_UNEXPECTED_EOF /* OpenSSL 3 */
	return SSL_has_pending(ssl);
#else
	(void)ssl;
	return 1;
#endif
}
