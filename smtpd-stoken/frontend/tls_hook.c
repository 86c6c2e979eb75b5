/* SPDX-License-Identifier: ISC */
/* The one file that reaches behind libtls; see tls_hook.h. */
#include <stdlib.h>
#include <string.h>

#include <openssl/objects.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "compat/libressl.h"
#include "smtpd-stoken/frontend/tls_hook.h"

/* Octets that one read(2) may bring: several records of an upload. */
#define READ_BUFFER (64 * 1024)

/* The contexts that were made since tls_hook_configure_begin. */
static struct {
	SSL_CTX **list;
	size_t count, size;
	int on, failed;
} contexts;
static SSL *last;

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

static EX_NEW_TYPE
context_made(void *parent, void *ptr, CRYPTO_EX_DATA *data, int index,
    long argl, void *argp)
{
	SSL_CTX **list;

	(void)ptr;
	(void)data;
	(void)index;
	(void)argl;
	(void)argp;
	if (!contexts.on)
		return EX_NEW_DONE;
	if (contexts.count == contexts.size) {
		list = reallocarray(
		    contexts.list, contexts.size + 16, sizeof(*list));
		if (list == NULL) {
			contexts.failed = 1;
			return EX_NEW_DONE;
		}
		contexts.list = list;
		contexts.size += 16;
	}
	contexts.list[contexts.count++] = parent;
	return EX_NEW_DONE;
}

/* A temporary context goes: it must not be written to later. */
static void
context_gone(void *parent, void *ptr, CRYPTO_EX_DATA *data, int index,
    long argl, void *argp)
{
	size_t i;

	(void)ptr;
	(void)data;
	(void)index;
	(void)argl;
	(void)argp;
	for (i = 0; i < contexts.count; i++)
		if (contexts.list[i] == parent)
			contexts.list[i--] = contexts.list[--contexts.count];
}

int
tls_hook_init(void)
{
	if (SSL_get_ex_new_index(0, NULL, ssl_made, NULL, NULL) == -1)
		return -1;
	if (SSL_CTX_get_ex_new_index(
		0, NULL, context_made, NULL, context_gone) == -1)
		return -1;
	return 0;
}

void
tls_hook_configure_begin(void)
{
	contexts.count = 0;
	contexts.failed = 0;
	contexts.on = 1;
}

/*
 * In the order of the server's preference: SHA-256 makes a handshake 10 % cheaper
 * than SHA-384 does, at both ends, and nothing weaker than AES-128-GCM is left.
 */
#define SUITES                                           \
	"TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:" \
	"TLS_CHACHA20_POLY1305_SHA256"

/*
 * Buffers are given back while a connection is idle (15 instead of 36 KiB);
 * tickets cost 80 us each and nobody resumes an SMTP session; whoever closes
 * TCP without close_notify is simply gone, since SMTP marks its own ends; the
 * chain is what the operator's file holds, and not sought at each handshake.
 */
static int
tune(SSL_CTX *context)
{
	SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_read_ahead(context, 1);
#ifdef SSL_OP_NO_RENEGOTIATION
	SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION);
#endif
#ifdef SSL_OP_NO_CLIENT_RENEGOTIATION /* LibreSSL */
	SSL_CTX_set_options(context, SSL_OP_NO_CLIENT_RENEGOTIATION);
#endif
#ifdef SSL_OP_CLEANSE_PLAINTEXT
	/* Passwords do not stay in the buffers of records. */
	SSL_CTX_set_options(context, SSL_OP_CLEANSE_PLAINTEXT);
#endif
#ifdef SSL_OP_IGNORE_UNEXPECTED_EOF
	SSL_CTX_set_options(context, SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_default_read_buffer_len(context, READ_BUFFER);
#endif
	SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
	SSL_CTX_set_num_tickets(context, 0);
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
#ifdef SSL_MODE_NO_AUTO_CHAIN
	SSL_CTX_set_mode(context, SSL_MODE_NO_AUTO_CHAIN);
#endif
	return SSL_CTX_set_ciphersuites(context, SUITES) == 1;
}

size_t
tls_hook_configure_end(void)
{
	size_t i;

	contexts.on = 0;
	for (i = 0; i < contexts.count; i++)
		if (!tune(contexts.list[i]))
			contexts.failed = 1;
	return contexts.failed ? 0 : contexts.count;
}

struct ssl_st *
tls_hook_last(void)
{
	return last;
}

int
tls_hook_pending(const struct ssl_st *ssl)
{
#ifdef SSL_OP_IGNORE_UNEXPECTED_EOF /* OpenSSL 3 */
	return SSL_has_pending(ssl);
#else
	(void)ssl;
	return 1;
#endif
}

int
tls_hook_established(const struct ssl_st *ssl)
{
	return SSL_is_init_finished(ssl);
}

/* The name of the group of the key exchange, for Received. */
static const char *
group_name(SSL *ssl)
{
#ifdef SSL_get_negotiated_group
	static const struct {
		int nid;
		const char *name;
	} groups[] = {
	    {NID_X25519, "x25519"},
	    {NID_X9_62_prime256v1, "secp256r1"},
	    {NID_secp384r1, "secp384r1"},
	    {NID_secp521r1, "secp521r1"},
	    {NID_X448, "x448"},
	};
	size_t i;
	int nid = (int)SSL_get_negotiated_group(ssl);

	for (i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		if (groups[i].nid == nid)
			return groups[i].name;
#else
	(void)ssl;
#endif
	return "";
}

/* The name of the IANA, which LibreSSL does not know. */
static const char *
cipher_name(const SSL_CIPHER *cipher)
{
	static const struct {
		unsigned int id;
		const char *name;
	} ciphers[] = {
	    {0x1301, "TLS_AES_128_GCM_SHA256"},
	    {0x1302, "TLS_AES_256_GCM_SHA384"},
	    {0x1303, "TLS_CHACHA20_POLY1305_SHA256"},
	    {0xc02b, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"},
	    {0xc02c, "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"},
	    {0xc02f, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"},
	    {0xc030, "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"},
	    {0xcca8, "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"},
	    {0xcca9, "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"},
	};
	size_t i;

	if (cipher == NULL)
		return "";
	for (i = 0; i < sizeof(ciphers) / sizeof(ciphers[0]); i++)
		if (ciphers[i].id == (SSL_CIPHER_get_id(cipher) & 0xffff))
			return ciphers[i].name;
	return "";
}

/* The hash of a certificate's signature; NID_undef if it has none. */
static int
signature_hash(const X509 *certificate)
{
	int nid = NID_undef, pkey_nid;
#ifdef LIBRESSL_VERSION_NUMBER
	if (OBJ_find_sigid_algs(
		X509_get_signature_nid(certificate), &nid, &pkey_nid) != 1)
		return NID_undef;
#else
	uint32_t flags;
	int bits;

	if (X509_get_signature_info(
		/* its parameters may have to be looked at */
		(X509 *)(uintptr_t)certificate, &nid, &pkey_nid, &bits,
		&flags) != 1)
		return NID_undef;
#endif
	return nid;
}

/* TLS 1.2 with the session's hash in its master secret (RFC 7627)? */
static int
is_extended(SSL *ssl)
{
#ifdef SSL_get_extms_support
	return SSL_get_extms_support(ssl) == 1;
#else
	(void)ssl;
	return 0;
#endif
}

/*
 * RFC 5929 4.1: the hash of the certificate that was sent, by the hash of its
 * signature; MD5 and SHA-1 become SHA-256; undefined if there is none.
 */
static size_t
endpoint(SSL *ssl, uint8_t *out, size_t size)
{
	X509 *certificate = SSL_get_certificate(ssl);
	const EVP_MD *hash;
	unsigned length;
	int nid;

	if (certificate == NULL)
		return 0;
	nid = signature_hash(certificate);
	if (nid == NID_md5 || nid == NID_sha1)
		nid = NID_sha256;
	if (nid == NID_undef || (hash = EVP_get_digestbynid(nid)) == NULL ||
	    (size_t)EVP_MD_size(hash) > size)
		return 0;
	if (X509_digest(certificate, hash, out, &length) != 1)
		return 0;
	return length;
}

void
tls_hook_facts(struct ssl_st *ssl, struct tls_facts *facts)
{
	static const char label[] = "EXPORTER-Channel-Binding";

	memset(facts, 0, sizeof(*facts));
	facts->version = SSL_get_version(ssl);
	facts->cipher = cipher_name(SSL_get_current_cipher(ssl));
	facts->group = group_name(ssl);
	/* What binds to a session needs its hash in the master secret (RFC
	 * 7627), as TLS 1.3 has it always (H-08) */
	if (SSL_version(ssl) == TLS1_3_VERSION || is_extended(ssl))
		facts->endpoint_length =
		    endpoint(ssl, facts->endpoint, sizeof(facts->endpoint));
	/* RFC 9266 4.2: in TLS 1.2 only with extended master secret; not
	 * offered there */
	if (SSL_version(ssl) == TLS1_3_VERSION &&
	    SSL_export_keying_material(ssl, facts->exporter,
		sizeof(facts->exporter), label, sizeof(label) - 1,
		(const uint8_t *)"", 0, 1) == 1)
		facts->exporter_length = sizeof(facts->exporter);
}
