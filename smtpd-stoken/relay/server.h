/* SPDX-License-Identifier: ISC */
/* Servers that take mail by token: where they are, and how they prove it. */
#ifndef RELAY_SERVER_H
#define RELAY_SERVER_H

#include <stddef.h>

#include "smtpd-stoken/relay/resolve.h"
#include "smtpd-stoken/relay/trust.h"

#define SERVERS_MOST 16

struct server {
	struct address address;
	int implicit; /* TLS from the first octet; else STARTTLS */
	int validated; /* DNSSEC says that the domain named this host */
	char host[256]; /* its name, for the log */
};

struct servers {
	struct server list[SERVERS_MOST]; /* in the order to be tried */
	size_t count;
};

/*
 * Whom the server's certificate must be for when it serves the domain
 * (D-S14). It points into both.
 */
struct trust_names server_names(const struct server *, const char *domain);

#endif
