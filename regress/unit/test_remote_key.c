/* SPDX-License-Identifier: ISC */
/* objects: regress/unit/keys.c smtpd-stoken/frontend/remote_key.o smtpd-stoken/frontend/tls.o smtpd-stoken/frontend/tls_hook.o smtpd-stoken/frontend/tls_self_test.o tokend/sign/block.o tokend/sign/keyname.o tokend/sign/keyring.o tokend/sign/signer.o */
/* libs: -ltls -lssl -lcrypto */
/*
 * TLS with private keys elsewhere: libtls at both ends of a socketpair, the
 * signer's core in place of the key process. X-4, DESIGN section 2.
 */
#include <sys/types.h>
#include <sys/socket.h>

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <openssl/ssl.h>
#include <tls.h>

#include "regress/unit/keys.h"
#include "smtpd-stoken/frontend/remote_key.h"
#include "smtpd-stoken/frontend/tls.h"
#include "smtpd-stoken/frontend/tls_hook.h"
#include "tokend/sign/signer.h"

#define KEYS 4

static const char *const kinds[KEYS] = {
    "P-256", "P-384", "RSA-2048", "RSA-3072"};
static const char *const names[KEYS] = {
    "a.example", "b.example", "c.example", "*.d.example"};
static struct certificate certificates[KEYS];
static const struct certificate *list[KEYS];
static struct keyring ring;
static unsigned signatures;
static int signer_is_dead;

static size_t
sign_here(uint8_t kind, const uint8_t *name, const uint8_t *input,
    size_t length, uint8_t *signature, size_t size)
{
	struct sign_request request = {.name = name,
	    .name_length = 32,
	    .kind = kind,
	    .input = input,
	    .input_length = length};
	struct sign_answer answer;

	signatures++;
	if (signer_is_dead ||
	    sign_request(&ring, &request, &answer) != SIGN_DONE ||
	    answer.length > size)
		return 0;
	memcpy(signature, answer.signature, answer.length);
	return answer.length;
}

static int
setup(void **state)
{
	const char *error;
	EVP_PKEY *key;
	size_t i;
	int fd;

	(void)state;
	if (remote_key_init(sign_here) == -1 || tls_hook_init() == -1)
		return -1;
	keyring_init(&ring);
	for (i = 0; i < KEYS; i++) {
		key = make_key(kinds[i]);
		certificates[i].name = names[i];
		certificates[i].pem =
		    make_certificate(key, names[i], &certificates[i].length);
		fd = key_file(key, NULL);
		if (keyring_load(&ring, fd, &error) == NULL)
			return -1;
		close(fd);
		EVP_PKEY_free(key);
		list[i] = &certificates[i];
	}
	return 0;
}

static int
teardown(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < KEYS; i++)
		free(certificates[i].pem);
	keyring_clear(&ring);
	return 0;
}

struct pair {
	int fds[2];
	struct tls *server, *client;
	struct ssl_st *server_ssl, *client_ssl;
	struct tls_context *context;
};

/* verify: the certificate that the client trusts, or -1 for any. */
static void
pair_open(struct pair *pair, size_t count, const char *servername, int verify,
    uint32_t protocols)
{
	struct tls_config *config = tls_config_new();
	char error[200] = "";

	memset(pair, 0, sizeof(*pair));
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair->fds), 0);
	assert_int_equal(fcntl(pair->fds[0], F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(fcntl(pair->fds[1], F_SETFL, O_NONBLOCK), 0);
	pair->context = tls_context_new(list, count, error, sizeof(error));
	if (pair->context == NULL)
		fail_msg("%s", error);
	assert_int_equal(tls_context_accept(pair->context, pair->fds[0],
			     &pair->server, &pair->server_ssl),
	    0);
	assert_int_equal(tls_config_set_protocols(config, protocols), 0);
	if (verify == -1) {
		tls_config_insecure_noverifycert(config);
		tls_config_insecure_noverifyname(config);
	} else {
		assert_int_equal(
		    tls_config_set_ca_mem(config, certificates[verify].pem,
			certificates[verify].length),
		    0);
	}
	pair->client = tls_client();
	assert_int_equal(tls_configure(pair->client, config), 0);
	assert_int_equal(
	    tls_connect_socket(pair->client, pair->fds[1], servername), 0);
	pair->client_ssl = tls_hook_last();
	tls_config_free(config);
}

static int
pair_shake(struct pair *pair)
{
	int client = TLS_WANT_POLLIN, server = TLS_WANT_POLLIN, i;

	for (i = 0; i < 50; i++) {
		if (client != 0 && (client = tls_handshake(pair->client)) == -1)
			return -1;
		if (server != 0 && (server = tls_handshake(pair->server)) == -1)
			return -1;
		if (client == 0 && server == 0)
			return 0;
	}
	return -1;
}

static void
pair_close(struct pair *pair)
{
	tls_free(pair->server);
	tls_free(pair->client);
	tls_context_release(pair->context);
	close(pair->fds[0]);
	close(pair->fds[1]);
}

/* Each certificate by SNI, each version: the client verifies the chain. */
static void
test_certificates(void **state)
{
	static const uint32_t versions[] = {
	    TLS_PROTOCOL_TLSv1_2, TLS_PROTOCOL_TLSv1_3};
	struct pair pair;
	unsigned before;
	size_t i, v;

	(void)state;
	for (i = 0; i < KEYS; i++) {
		for (v = 0; v < 2; v++) {
			before = signatures;
			pair_open(&pair, KEYS,
			    i == 3 ? "mx.d.example" : names[i], (int)i,
			    versions[v]);
			if (pair_shake(&pair) == -1)
				fail_msg(
				    "%s: %s", kinds[i], tls_error(pair.client));
			assert_int_equal(signatures, before + 1);
			pair_close(&pair);
		}
	}
}

/* No name, a strange name, an address: the first certificate. */
static void
test_default_certificate(void **state)
{
	static const char *const asked[] = {NULL, "x.example", "192.0.2.1"};
	struct pair pair;
	size_t i;

	(void)state;
	for (i = 0; i < 3; i++) {
		pair_open(&pair, KEYS, asked[i], -1, TLS_PROTOCOLS_DEFAULT);
		assert_int_equal(pair_shake(&pair), 0);
		assert_non_null(
		    strstr(tls_peer_cert_subject(pair.client), "a.example"));
		pair_close(&pair);
	}
}

/* The end-point binding is the hash of the certificate that was shown. */
static void
check_endpoint(struct pair *pair, const struct tls_facts *facts)
{
	char text[sizeof("SHA256:") + 64];
	size_t i, length;

	assert_int_equal(facts->endpoint_length, 32);
	length = strlcpy(text, "SHA256:", sizeof(text));
	for (i = 0; i < 32; i++)
		length += (size_t)snprintf(text + length, sizeof(text) - length,
		    "%02x", facts->endpoint[i]);
	assert_string_equal(text, tls_peer_cert_hash(pair->client));
}

static void
test_facts(void **state)
{
	struct tls_facts facts;
	struct pair pair;
	uint8_t exporter[32];

	(void)state;
	pair_open(&pair, KEYS, "c.example", 2, TLS_PROTOCOL_TLSv1_3);
	assert_int_equal(pair_shake(&pair), 0);
	assert_true(tls_hook_established(pair.server_ssl));
	tls_hook_facts(pair.server_ssl, &facts);
	assert_string_equal(facts.version, "TLSv1.3");
	assert_string_equal(facts.cipher, "TLS_AES_128_GCM_SHA256");
	assert_string_equal(facts.group, "x25519");
	assert_int_equal(facts.exporter_length, 32);
	assert_int_equal(
	    SSL_export_keying_material(pair.client_ssl, exporter, 32,
		"EXPORTER-Channel-Binding", 24, (const uint8_t *)"", 0, 1),
	    1);
	assert_memory_equal(exporter, facts.exporter, 32);
	check_endpoint(&pair, &facts);
	pair_close(&pair);

	pair_open(&pair, KEYS, "b.example", 1, TLS_PROTOCOL_TLSv1_2);
	assert_int_equal(pair_shake(&pair), 0);
	tls_hook_facts(pair.server_ssl, &facts);
	assert_string_equal(facts.version, "TLSv1.2");
	assert_int_equal(strncmp(facts.cipher, "TLS_ECDHE_ECDSA_WITH_", 21), 0);
	assert_int_equal(facts.exporter_length, 0);
	check_endpoint(&pair, &facts);
	pair_close(&pair);
}

/* tls_handshake(3) takes an end in mid-handshake for success: we must not. */
static void
test_truncated_handshake(void **state)
{
	static const uint8_t close_notify[] = {21, 3, 3, 0, 2, 1, 0};
	struct pair pair;
	int i;

	(void)state;
	for (i = 0; i < 2; i++) {
		pair_open(&pair, 1, "a.example", 0, TLS_PROTOCOLS_DEFAULT);
		(void)tls_handshake(pair.server);
		if (i == 1)
			(void)write(
			    pair.fds[1], close_notify, sizeof(close_notify));
		shutdown(pair.fds[1], SHUT_WR);
		(void)tls_handshake(pair.server);
		assert_false(tls_hook_established(pair.server_ssl));
		pair_close(&pair);
	}
}

/* A dead signer fails the handshake and nothing else. */
static void
test_dead_signer(void **state)
{
	struct pair open, pair;
	char octets[4] = "";
	size_t i;

	(void)state;
	pair_open(&open, KEYS, "a.example", 0, TLS_PROTOCOLS_DEFAULT);
	assert_int_equal(pair_shake(&open), 0);
	signer_is_dead = 1;
	for (i = 0; i < KEYS; i++) {
		pair_open(&pair, KEYS, names[i], -1, TLS_PROTOCOLS_DEFAULT);
		assert_int_equal(pair_shake(&pair), -1);
		pair_close(&pair);
	}
	signer_is_dead = 0;
	assert_int_equal(tls_write(open.client, "hi\n", 3), 3);
	assert_int_equal(tls_read(open.server, octets, 4), 3);
	assert_false(tls_hook_pending(open.server_ssl));
	pair_close(&open);
}

static void
test_self_test(void **state)
{
	struct certificate stranger = {"z.example", NULL, 0};
	struct certificate garbage = {"g.example", (uint8_t *)"garbage", 7};
	EVP_PKEY *key = make_key("P-256");
	char error[400];
	size_t i;

	(void)state;
	for (i = 0; i < KEYS; i++)
		assert_int_equal(
		    tls_self_test(&certificates[i], error, sizeof(error)), 0);
	stranger.pem = make_certificate(key, "z.example", &stranger.length);
	assert_int_equal(tls_self_test(&stranger, error, sizeof(error)), -1);
	assert_int_equal(strncmp(error, "z.example: no signature", 23), 0);
	free(stranger.pem);
	EVP_PKEY_free(key);
	assert_int_equal(tls_self_test(&garbage, error, sizeof(error)), -1);
	key = make_key("ED25519");
	stranger.pem = make_certificate(key, "z.example", &stranger.length);
	assert_int_equal(tls_self_test(&stranger, error, sizeof(error)), -1);
	free(stranger.pem);
	EVP_PKEY_free(key);
}

/* A new configuration comes while a handshake is under way: the old context
 * must live until the connection is gone (run under valgrind or ASan). */
static void
test_context_outlives_reload(void **state)
{
	struct pair pair;

	(void)state;
	pair_open(&pair, KEYS, "b.example", 1, TLS_PROTOCOL_TLSv1_2);
	tls_context_hold(pair.context); /* the connection's */
	tls_context_release(pair.context); /* the listener's */
	assert_int_equal(pair_shake(&pair), 0);
	pair_close(&pair);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_certificates),
	    cmocka_unit_test(test_default_certificate),
	    cmocka_unit_test(test_facts),
	    cmocka_unit_test(test_truncated_handshake),
	    cmocka_unit_test(test_dead_signer),
	    cmocka_unit_test(test_self_test),
	    cmocka_unit_test(test_context_outlives_reload),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
