/* SPDX-License-Identifier: ISC */
/*
 * objects: regress/unit/keys.c smtpd-stoken/relay/trust.o
 * objects: smtpd-stoken/relay/identity.o
 * libs: -ltls -lssl -lcrypto
 * Whose certificates are taken, by real handshakes (D-S14, S1-59): names of a
 * domain, of its service, of a host that it surely named; and that nothing is
 * said to those whose are not.
 */
#include <sys/types.h>
#include <sys/socket.h>

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <tls.h>

#include "regress/unit/keys.h"
#include "smtpd-stoken/relay/trust.h"

#define DNS_SRV "otherName:1.3.6.1.5.5.7.8.7;IA5STRING:"
#define DAY 86400

static EVP_PKEY *key;
static X509 *authority, *other_authority, *constrained;
static struct trust *trust;

static void
extend(X509 *certificate, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX context;
	X509_EXTENSION *extension;

	X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	assert_non_null(extension);
	assert_int_equal(X509_add_ext(certificate, extension, -1), 1);
	X509_EXTENSION_free(extension);
}

/* issuer NULL: it is its own. */
static X509 *
issue(X509 *issuer, const char *cn, const char *names, long from, long until)
{
	X509 *certificate = X509_new();
	static long serial;

	assert_int_equal(X509_set_version(certificate, 2), 1);
	ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++serial);
	assert_int_equal(
	    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN",
		MBSTRING_ASC, (const unsigned char *)cn, -1, -1, 0),
	    1);
	assert_int_equal(
	    X509_set_issuer_name(certificate,
		X509_get_subject_name(issuer == NULL ? certificate : issuer)),
	    1);
	assert_non_null(
	    X509_gmtime_adj(X509_getm_notBefore(certificate), from));
	assert_non_null(
	    X509_gmtime_adj(X509_getm_notAfter(certificate), until));
	assert_int_equal(X509_set_pubkey(certificate, key), 1);
	if (names != NULL)
		extend(certificate, issuer, NID_subject_alt_name, names);
	return certificate;
}

static X509 *
signed_by_key(X509 *certificate)
{
	assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
	return certificate;
}

static X509 *
make_authority(X509 *issuer, const char *cn, const char *constraints)
{
	X509 *ca = issue(issuer, cn, NULL, -DAY, DAY);

	extend(ca, ca, NID_basic_constraints, "critical,CA:TRUE");
	extend(ca, ca, NID_key_usage, "critical,keyCertSign");
	if (constraints != NULL)
		extend(ca, ca, NID_name_constraints, constraints);
	return signed_by_key(ca);
}

static int
setup(void **state)
{
	char why[128];
	char *pem;
	long length;
	BIO *bio = BIO_new(BIO_s_mem());

	(void)state;
	assert_int_equal(trust_init(), 0);
	key = make_key("P-256");
	authority = make_authority(NULL, "authority", NULL);
	other_authority = make_authority(NULL, "other", NULL);
	constrained = make_authority(
	    authority, "constrained", "critical,permitted;DNS:b.example");
	assert_int_equal(PEM_write_bio_X509(bio, authority), 1);
	length = BIO_get_mem_data(bio, &pem);
	trust =
	    trust_new((const uint8_t *)pem, (size_t)length, why, sizeof(why));
	assert_non_null(trust);
	BIO_free(bio);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	trust_free(trust);
	X509_free(authority);
	X509_free(other_authority);
	X509_free(constrained);
	EVP_PKEY_free(key);
	return 0;
}

/* What a handshake came to. */
static struct {
	int accepted; /* by us */
	int heard; /* octets that the server got behind the handshake, or -1 */
	char complaint[128];
	char sni[256];
} seen;

static int
note_sni(SSL *ssl, int *alert, void *unused)
{
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

	(void)alert;
	(void)unused;
	strlcpy(seen.sni, name == NULL ? "" : name, sizeof(seen.sni));
	return SSL_TLSEXT_ERR_OK;
}

static SSL_CTX *
server_context(X509 *certificate, X509 *between, int version)
{
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());

	assert_non_null(context);
	assert_int_equal(SSL_CTX_use_certificate(context, certificate), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(context, key), 1);
	if (between != NULL)
		assert_int_equal(SSL_CTX_add1_chain_cert(context, between), 1);
	assert_int_equal(SSL_CTX_set_max_proto_version(context, version), 1);
	SSL_CTX_set_tlsext_servername_callback(context, note_sni);
	return context;
}

/* Both sides in turn, until ours knows; then the server reads what came. */
static void
shake(SSL *server, struct tls *client, struct ssl_st *ssl)
{
	char octets[64];
	const char *complaint;
	int i, result = TLS_WANT_POLLIN;

	for (i = 0; i < 100 && result != 0 && result != -1; i++) {
		result = tls_handshake(client);
		(void)SSL_do_handshake(server);
	}
	seen.accepted = result == 0 && trust_established(ssl);
	complaint = trust_complaint(ssl);
	strlcpy(seen.complaint, complaint == NULL ? "" : complaint,
	    sizeof(seen.complaint));
	if (seen.accepted)
		assert_int_equal(tls_write(client, "token", 5), 5);
	seen.heard = SSL_read(server, octets, sizeof(octets));
}

static void
meet_by(X509 *certificate, X509 *between, const struct trust_names *names,
    int version)
{
	SSL_CTX *context = server_context(certificate, between, version);
	SSL *server = SSL_new(context);
	struct tls *client;
	struct ssl_st *ssl;
	int ends[2];

	memset(&seen, 0, sizeof(seen));
	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
	SSL_set_fd(server, ends[0]);
	SSL_set_accept_state(server);
	client = trust_dial(trust, ends[1], names, &ssl);
	assert_non_null(client);
	shake(server, client, ssl);
	assert_int_equal(seen.accepted, seen.heard == 5);
	if (!seen.accepted)
		assert_true(seen.heard <= 0);
	tls_free(client);
	SSL_free(server);
	SSL_CTX_free(context);
	(void)close(ends[0]);
	(void)close(ends[1]);
}

static int
meet(X509 *certificate, X509 *between, const struct trust_names *names)
{
	int accepted;

	meet_by(certificate, between, names, TLS1_2_VERSION);
	accepted = seen.accepted;
	meet_by(certificate, between, names, TLS1_3_VERSION);
	assert_int_equal(seen.accepted, accepted);
	X509_free(certificate);
	return accepted;
}

/* names: of the certificate, as openssl(1) has them; NULL: only the CN. */
static int
is_taken(const char *cn, const char *san, const struct trust_names *names)
{
	return meet(
	    signed_by_key(issue(authority, cn, san, -DAY, DAY)), NULL, names);
}

static const struct trust_names submissions = {"b.example", "_submissions",
				    NULL},
				submission = {"b.example", "_submission", NULL},
				validated = {"b.example", "_submissions",
				    "mail.host.example"},
				plain = {"b.example", NULL, NULL},
				below = {"sub.b.example", "_submissions", NULL};

static void
names_of_the_domain(void **state)
{
	static const struct {
		const char *san;
		const struct trust_names *names;
		int taken;
	} rows[] = {
	    {"DNS:b.example", &submissions, 1},
	    {"DNS:B.EXAMPLE", &plain, 1},
	    {"DNS:x.example,DNS:b.example", &plain, 1},
	    {"DNS:www.b.example", &submissions, 0},
	    {"DNS:*.b.example", &submissions, 0},
	    {"DNS:*.example", &submissions, 0}, /* of a whole top level */
	    {"DNS:*.b.example", &below, 1}, /* RFC 9525 section 6.3 */
	    {"DNS:b.example", &below, 0},
	    {"DNS:example", &submissions, 0},
	    {"DNS:b.example.org", &submissions, 0},
	    {"DNS:.b.example", &submissions, 0},
	    {"email:x@b.example", &submissions, 0},
	    {"URI:https://b.example/", &submissions, 0},
	    {NULL, &submissions, 0}, /* a CN is no name */
	    {"email:x@b.example", &plain, 0},
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		print_message("%s\n", rows[i].san == NULL ? "-" : rows[i].san);
		assert_int_equal(
		    is_taken("b.example", rows[i].san, rows[i].names),
		    rows[i].taken);
		if (!rows[i].taken)
			assert_string_equal(
			    seen.complaint, "hostname mismatch");
		assert_string_equal(seen.sni, rows[i].names->domain);
	}
}

/* RFC 4985: the whole name, of the service that was found. */
static void
names_of_the_service(void **state)
{
	static const struct {
		const char *san;
		const struct trust_names *names;
		int taken;
	} rows[] = {
	    {DNS_SRV "_submissions.b.example", &submissions, 1},
	    {DNS_SRV "_SubMissions.B.Example", &submissions, 1},
	    {"DNS:host.example," DNS_SRV "_submissions.b.example", &submissions,
		1},
	    {DNS_SRV "_imaps.b.example," DNS_SRV "_submission.b.example",
		&submission, 1},
	    {DNS_SRV "_submission.b.example", &submissions, 0},
	    {DNS_SRV "_submissions.b.example", &submission, 0},
	    {DNS_SRV "_submissions.b.example", &plain, 0},
	    {DNS_SRV "_submissions._tcp.b.example", &submissions, 0},
	    {DNS_SRV "_submissions.*.example", &submissions, 0},
	    {DNS_SRV "_submissions.*", &submissions, 0},
	    {DNS_SRV "*.b.example", &submissions, 0},
	    {DNS_SRV "_submissions.sub.b.example", &submissions, 0},
	    {DNS_SRV "_submissions.b.example.", &submissions, 0},
	    {DNS_SRV "_submissions.b.exampl", &submissions, 0},
	    {DNS_SRV "_submissions.mail.host.example", &validated, 0},
	    /* Of another type, or as another string. */
	    {"otherName:1.3.6.1.5.5.7.8.7;UTF8:_submissions.b.example",
		&submissions, 0},
	    {"otherName:1.3.6.1.5.5.7.8.5;IA5STRING:_submissions.b.example",
		&submissions, 0},
	    {"otherName:1.3.6.1.5.5.7.8.71;IA5STRING:_submissions.b.example",
		&submissions, 0},
	    {"DNS:_submissions.b.example", &submissions, 0},
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		print_message("%s\n", rows[i].san);
		assert_int_equal(
		    is_taken("b.example", rows[i].san, rows[i].names),
		    rows[i].taken);
	}
}

/* Hexadecimal, since openssl(1)'s text ends at a NUL. */
static void
a_nul_in_a_name(void **state)
{
	GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_TYPE *value = ASN1_TYPE_new();
	ASN1_IA5STRING *text = ASN1_IA5STRING_new();
	X509 *certificate = issue(authority, "x", NULL, -DAY, DAY);

	(void)state;
	assert_int_equal(
	    ASN1_STRING_set(text, "_submissions.b.example\0.evil", 28), 1);
	ASN1_TYPE_set(value, V_ASN1_IA5STRING, text);
	assert_int_equal(GENERAL_NAME_set0_othername(
			     name, OBJ_txt2obj("1.3.6.1.5.5.7.8.7", 1), value),
	    1);
	assert_true(sk_GENERAL_NAME_push(names, name) > 0);
	assert_int_equal(X509_add1_ext_i2d(certificate, NID_subject_alt_name,
			     names, 0, X509V3_ADD_APPEND),
	    1);
	GENERAL_NAMES_free(names);
	assert_int_equal(
	    meet(signed_by_key(certificate), NULL, &submissions), 0);
}

/* A host's name counts where it is given, by a DNS-ID alone. */
static void
names_of_the_host(void **state)
{
	(void)state;
	assert_int_equal(is_taken("x", "DNS:mail.host.example", &validated), 1);
	assert_string_equal(seen.sni, "b.example");
	assert_int_equal(is_taken("x", "DNS:*.host.example", &validated), 1);
	assert_int_equal(
	    is_taken("x", "DNS:mail.host.example", &submissions), 0);
	assert_int_equal(is_taken("mail.host.example", NULL, &validated), 0);
	assert_int_equal(is_taken("x", "DNS:b.example", &validated), 1);
	assert_int_equal(is_taken("x", "DNS:host.example", &validated), 0);
}

static void
addresses(void **state)
{
	struct trust_names names = {"127.0.0.1", NULL, NULL};

	(void)state;
	assert_int_equal(is_taken("x", "IP:127.0.0.1", &names), 1);
	assert_string_equal(seen.sni, "");
	assert_int_equal(is_taken("x", "IP:127.0.0.2", &names), 0);
	assert_int_equal(is_taken("x", "DNS:127.0.0.1", &names), 0);
	names.domain = "::1";
	assert_int_equal(is_taken("x", "IP:::1", &names), 1);
}

/* The right name is of no use without the chain. */
static void
chains(void **state)
{
	static const char names[] =
	    "DNS:b.example," DNS_SRV "_submissions.b.example";

	(void)state;
	assert_int_equal(
	    meet(signed_by_key(issue(other_authority, "x", names, -DAY, DAY)),
		NULL, &submissions),
	    0);
	assert_int_equal(meet(signed_by_key(issue(NULL, "x", names, -DAY, DAY)),
			     NULL, &submissions),
	    0);
	assert_int_equal(
	    meet(signed_by_key(issue(authority, "x", names, -2 * DAY, -DAY)),
		NULL, &submissions),
	    0);
	assert_string_equal(seen.complaint, "certificate has expired");
	assert_int_equal(
	    meet(signed_by_key(issue(authority, "x", names, DAY, 2 * DAY)),
		NULL, &submissions),
	    0);
}

/* libcrypto does not hold other names to an authority's constraints. */
static void
constraints(void **state)
{
	(void)state;
	assert_int_equal(meet(signed_by_key(issue(constrained, "x",
				  "DNS:b.example", -DAY, DAY)),
			     constrained, &submissions),
	    1);
	assert_int_equal(meet(signed_by_key(issue(constrained, "x",
				  DNS_SRV "_submissions.b.example", -DAY, DAY)),
			     constrained, &submissions),
	    0);
	assert_int_equal(
	    meet(signed_by_key(
		     issue(constrained, "x", "DNS:c.example", -DAY, DAY)),
		constrained, &(struct trust_names) {"c.example", NULL, NULL}),
	    0);
}

/* Where nobody is verified anybody is taken. */
static void
without_verification(void **state)
{
	struct trust *verifies = trust;
	char why[128];

	(void)state;
	trust = trust_new(NULL, 0, why, sizeof(why));
	assert_non_null(trust);
	assert_int_equal(is_taken("x", "DNS:x.example", &plain), 1);
	assert_string_equal(seen.complaint, "");
	trust_free(trust);
	trust = verifies;
}

/* Names that are too long are no reason to ask for less. */
static void
long_names(void **state)
{
	char name[400];
	struct ssl_st *ssl;
	struct trust_names names = {"b.example", "_submissions", name};
	int ends[2];

	(void)state;
	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	assert_null(trust_dial(trust, ends[0], &names, &ssl));
	(void)close(ends[0]);
	(void)close(ends[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(names_of_the_domain),
	    cmocka_unit_test(names_of_the_service),
	    cmocka_unit_test(a_nul_in_a_name),
	    cmocka_unit_test(names_of_the_host),
	    cmocka_unit_test(addresses),
	    cmocka_unit_test(chains),
	    cmocka_unit_test(constraints),
	    cmocka_unit_test(without_verification),
	    cmocka_unit_test(long_names),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
