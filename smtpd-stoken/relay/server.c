/* SPDX-License-Identifier: ISC */
#include "smtpd-stoken/relay/server.h"

struct trust_names
server_names(const struct server *server, const char *domain)
{
	struct trust_names names = {.domain = domain,
	    .service = server->implicit ? "_submissions" : "_submission",
	    .host = server->validated ? server->host : NULL};

	return names;
}
