/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tls.h>

#include "smtpd-stoken/frontend/tls.h"
#include "smtpd-stoken/frontend/tls_fake_key.h"
#include "smtpd-stoken/frontend/tls_hook.h"

/* For TLS 1.2; 1.3 has nothing weaker. */
#define CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20"

struct tls_context {
	struct tls *server;
	unsigned holders;
};

static struct tls_config *
server_config(const struct certificate *const *list, size_t count, char *error,
    size_t error_size)
{
	struct tls_config *config = tls_config_new();
	const char *name = "";
	size_t i;
	int ok;

	if (config == NULL) {
		snprintf(error, error_size, "out of memory");
		return NULL;
	}
	ok = tls_config_set_protocols(
		 config, TLS_PROTOCOL_TLSv1_2 | TLS_PROTOCOL_TLSv1_3) == 0 &&
	    tls_config_set_ciphers(config, CIPHERS) == 0 &&
	    /* a client that offers others goes on without ALPN */
	    tls_config_set_alpn(config, "smtp") == 0;
	for (i = 0; ok && i < count; i++) {
		name = list[i]->name;
		ok = (i == 0 ? tls_config_set_keypair_mem
			     : tls_config_add_keypair_mem)(
			 config, list[i]->pem, list[i]->length, NULL, 0) == 0;
	}
	if (ok) {
		tls_config_use_fake_private_key(config);
		return config;
	}
	snprintf(error, error_size, "%s: %s", name, tls_config_error(config));
	tls_config_free(config);
	return NULL;
}

struct tls_context *
tls_context_new(const struct certificate *const *list, size_t count,
    char *error, size_t error_size)
{
	struct tls_context *context;
	struct tls_config *config;
	int ok = 0;

	if ((config = server_config(list, count, error, error_size)) == NULL)
		return NULL;
	context = calloc(1, sizeof(*context));
	if (context == NULL || (context->server = tls_server()) == NULL) {
		snprintf(error, error_size, "out of memory");
	} else {
		tls_hook_configure_begin();
		ok = tls_configure(context->server, config) == 0;
		ok = tls_hook_configure_end() == count && ok;
		if (!ok)
			snprintf(error, error_size, "%s: %s", list[0]->name,
			    tls_error(context->server));
	}
	tls_config_free(config);
	if (ok) {
		context->holders = 1;
		return context;
	}
	if (context != NULL)
		tls_free(context->server);
	free(context);
	return NULL;
}

void
tls_context_hold(struct tls_context *context)
{
	context->holders++;
}

void
tls_context_release(struct tls_context *context)
{
	if (context == NULL || --context->holders > 0)
		return;
	tls_free(context->server);
	free(context);
}

struct tls *
tls_context_server(struct tls_context *context)
{
	return context->server;
}

int
tls_context_accept(
    struct tls_context *context, int fd, struct tls **tls, struct ssl_st **ssl)
{
	if (tls_accept_socket(context->server, tls, fd) == -1)
		return -1;
	*ssl = tls_hook_last();
	return 0;
}
