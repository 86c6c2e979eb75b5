/* SPDX-License-Identifier: ISC */
/*
 * A handshake with oneself. Whatever is wrong between certificate, key, key
 * process and TLS library shows here, and not at the first client.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <tls.h>

#include "lib/log.h"
#include "smtpd-stoken/frontend/tls.h"

/* Two ends of a connection in memory; enough for any certificate chain. */
struct pipe_end {
	uint8_t *data; /* what the other end has to read */
	size_t length;
	struct pipe_end *other;
};
#define PIPE_MAX (256 * 1024)

static ssize_t
pipe_read(struct tls *tls, void *out, size_t size, void *arg)
{
	struct pipe_end *from = ((struct pipe_end *)arg)->other;

	(void)tls;
	if (from->length == 0)
		return TLS_WANT_POLLIN;
	if (size > from->length)
		size = from->length;
	memcpy(out, from->data, size);
	from->length -= size;
	memmove(from->data, from->data + size, from->length);
	return (ssize_t)size;
}

static ssize_t
pipe_write(struct tls *tls, const void *in, size_t size, void *arg)
{
	struct pipe_end *end = arg;

	(void)tls;
	if (size > PIPE_MAX - end->length)
		return -1;
	memcpy(end->data + end->length, in, size);
	end->length += size;
	return (ssize_t)size;
}

/* Lets both speak until both are done; -1 with the one that failed. */
static int
shake_hands(struct tls *server, struct tls *client, struct tls **failed)
{
	int from_client = TLS_WANT_POLLIN, from_server = TLS_WANT_POLLIN;
	int rounds;

	for (rounds = 0; rounds < 20; rounds++) {
		if (from_client != 0)
			from_client = tls_handshake(client);
		*failed = client;
		if (from_client == -1)
			return -1;
		if (from_server != 0)
			from_server = tls_handshake(server);
		*failed = server;
		if (from_server == -1)
			return -1;
		if (from_client == 0 && from_server == 0)
			return 0;
	}
	return -1;
}

/* The proof of possession is in the handshake: names do not matter here. */
static struct tls *
test_client(struct pipe_end *end)
{
	struct tls_config *config = tls_config_new();
	struct tls *client = tls_client();
	int ok;

	if (config != NULL) {
		tls_config_insecure_noverifycert(config);
		tls_config_insecure_noverifyname(config);
		tls_config_insecure_noverifytime(config);
	}
	ok = config != NULL && client != NULL &&
	    tls_configure(client, config) == 0 &&
	    tls_connect_cbs(client, pipe_read, pipe_write, end, NULL) == 0;
	tls_config_free(config);
	if (ok)
		return client;
	tls_free(client);
	return NULL;
}

/* Not an error: a server with an old certificate is better than none. */
static void
check_dates(struct tls *client, const char *name)
{
	time_t now = time(NULL);

	if (tls_peer_cert_notafter(client) < now)
		log_warnx("pki %s: the certificate has expired", name);
	if (tls_peer_cert_notbefore(client) > now)
		log_warnx("pki %s: the certificate is not valid yet", name);
}

int
tls_self_test(const struct certificate *certificate, char *error, size_t size)
{
	struct pipe_end ends[2] = {{NULL, 0, &ends[1]}, {NULL, 0, &ends[0]}};
	struct tls_context *context;
	struct tls *server = NULL, *client = NULL, *failed = NULL;
	int result = -1;

	context = tls_context_new(&certificate, 1, error, size);
	if (context == NULL)
		return -1;
	snprintf(error, size, "%s: out of memory", certificate->name);
	ends[0].data = malloc(PIPE_MAX);
	ends[1].data = malloc(PIPE_MAX);
	if (ends[0].data == NULL || ends[1].data == NULL)
		goto done;
	client = test_client(&ends[0]);
	if (client == NULL ||
	    tls_accept_cbs(tls_context_server(context), &server, pipe_read,
		pipe_write, &ends[1]) == -1)
		goto done;
	result = shake_hands(server, client, &failed);
	if (result == -1)
		snprintf(error, size,
		    "%s: no signature from tokend-sign: is the key that of "
		    "the certificate? (%s)",
		    certificate->name, tls_error(failed));
	else
		check_dates(client, certificate->name);
done:
	tls_free(server);
	tls_free(client);
	tls_context_release(context);
	free(ends[0].data);
	free(ends[1].data);
	return result;
}
