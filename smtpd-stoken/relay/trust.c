/* SPDX-License-Identifier: ISC */
/* The one file of relay that reaches behind libtls; see trust.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <tls.h>

#include "compat/libressl.h"
#include "smtpd-stoken/relay/identity.h"
#include "smtpd-stoken/relay/trust.h"

struct trust {
	struct tls_config *config;
	X509_STORE *store; /* NULL: nobody is verified */
};

/* What hangs on an SSL that verifies: it outlives what the caller named. */
struct demand {
	char domain[256], service[32], host[256];
	struct trust_names names; /* they point into these */
	int met;
};

static SSL *last;
static int demand_index = -1;

static EX_NEW_TYPE
ssl_made(void *parent, void *ptr, CRYPTO_EX_DATA *data, int index, long argl,
    void *argp)
{
	(void)ptr;
	(void)data;
	(void)index;
	(void)argl;
	(void)argp;
	last = parent;
	return EX_NEW_DONE;
}

static void
ssl_gone(void *parent, void *ptr, CRYPTO_EX_DATA *data, int index, long argl,
    void *argp)
{
	(void)parent;
	(void)data;
	(void)index;
	(void)argl;
	(void)argp;
	free(ptr);
}

int
trust_init(void)
{
	demand_index = SSL_get_ex_new_index(0, NULL, ssl_made, NULL, ssl_gone);
	return demand_index == -1 ? -1 : 0;
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

static struct demand *
demand_of(const SSL *ssl)
{
	return SSL_get_ex_data(ssl, demand_index);
}

/*
 * The chain up to one of ours, then the name (RFC 8314 4.3, RFC 9525), while
 * the handshake goes on: where one is wrong an alert is all that we say.
 */
static int
verify(X509_STORE_CTX *context, void *unused)
{
	struct demand *demand = demand_of(X509_STORE_CTX_get_ex_data(
	    context, SSL_get_ex_data_X509_STORE_CTX_idx()));

	(void)unused;
	if (demand == NULL || X509_verify_cert(context) != 1)
		return 0;
	demand->met = identity_matches(X509_STORE_CTX_get0_cert(context),
	    X509_STORE_CTX_get0_chain(context), &demand->names);
	if (!demand->met)
		X509_STORE_CTX_set_error(context, X509_V_ERR_HOSTNAME_MISMATCH);
	return demand->met;
}

/* Returns 0; -1: it is too long. */
static int
keep(char *to, size_t size, const char *from, const char **name)
{
	if (from == NULL)
		return 0;
	*name = to;
	return strlcpy(to, from, size) >= size ? -1 : 0;
}

static struct demand *
demand_new(const struct trust_names *names)
{
	struct demand *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return NULL;
	if (keep(d->domain, sizeof(d->domain), names->domain,
		&d->names.domain) == 0 &&
	    keep(d->service, sizeof(d->service), names->service,
		&d->names.service) == 0 &&
	    keep(d->host, sizeof(d->host), names->host, &d->names.host) == 0)
		return d;
	free(d);
	return NULL;
}

static int
make_demand(SSL *ssl, X509_STORE *store, const struct trust_names *names)
{
	SSL_CTX *context = SSL_get_SSL_CTX(ssl);
	struct demand *demand = demand_new(names);

	if (demand == NULL || SSL_set_ex_data(ssl, demand_index, demand) != 1) {
		free(demand);
		return -1;
	}
	if (X509_STORE_up_ref(store) != 1)
		return -1;
	SSL_CTX_set_cert_store(context, store);
	/* libtls' own would let everybody pass, as it was told to. */
	SSL_CTX_set_cert_verify_callback(context, verify, NULL);
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
		make_demand(last, trust->store, names) == -1)) {
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
	const struct demand *demand = demand_of(ssl);

	if (demand == NULL)
		return 1; /* nobody is verified */
	return demand->met && SSL_get_verify_result(ssl) == X509_V_OK;
}

int
trust_established(const struct ssl_st *ssl)
{
	return SSL_is_init_finished(ssl) && is_satisfied(ssl);
}

/* Without a certificate there is nothing to complain of yet. */
const char *
trust_complaint(const struct ssl_st *ssl)
{
	long result = SSL_get_verify_result(ssl);

	return is_satisfied(ssl) || result == X509_V_OK
	    ? NULL
	    : X509_verify_cert_error_string(result);
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
