/* SPDX-License-Identifier: ISC */
/* listen on ... and pki ...: where clients come in, and by what certificate. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "smtpd-stoken/config-directives.h"

#define PKI_MAX 256
#define LISTENERS_MAX 64

/* The pki of that name; a new one for a new name. NULL: reported. */
static struct pki *
find_pki(struct parser *parser, const char *name, const struct place *place)
{
	struct config *config = parser->config;
	struct place *places;
	struct pki *pki;
	size_t i;

	for (i = 0; i < config->pki_count; i++)
		if (strcmp(config->pki[i].name, name) == 0)
			return &config->pki[i];
	if (config->pki_count == PKI_MAX) {
		parse_error(parser, place, "more than %d pki", PKI_MAX);
		return NULL;
	}
	pki = reallocarray(
	    config->pki, config->pki_count + 1, sizeof(*config->pki));
	if (pki != NULL)
		config->pki = pki;
	places = reallocarray(
	    parser->pki_places, config->pki_count + 1, sizeof(*places));
	if (places != NULL)
		parser->pki_places = places;
	if (pki == NULL || places == NULL) {
		parse_error(parser, place, "no memory");
		return NULL;
	}
	memset(&pki[config->pki_count], 0, sizeof(*pki));
	if ((pki[config->pki_count].name = strdup(name)) == NULL) {
		parse_error(parser, place, "no memory");
		return NULL;
	}
	places[config->pki_count] = *place;
	return &pki[config->pki_count++];
}

int
parse_pki(struct parser *parser, const struct directive *directive)
{
	struct place place = parse_place(parser);
	char name[LEXEME_MAX], what[LEXEME_MAX], **path;
	struct pki *pki;

	(void)directive;
	if (parse_text(parser, name, "the name of a certificate") == -1)
		return -1;
	place = parse_place(parser);
	if (parse_text(parser, what, "\"cert\" or \"key\"") == -1)
		return -1;
	if ((pki = find_pki(parser, name, &place)) == NULL)
		return -1;
	if (strcmp(what, "cert") == 0)
		path = &pki->cert;
	else if (strcmp(what, "key") == 0)
		path = &pki->key;
	else
		return parse_error(parser, &place,
		    "found \"%s\", expected \"cert\" or \"key\"", what);
	if (*path != NULL)
		return parse_error(parser, &place,
		    "pki %s has its %s already, expected it once", name, what);
	return parse_absolute(parser, path);
}

static int
set_address(struct parser *parser, struct listener *listener, const char *host,
    const struct place *place)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&listener->address;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&listener->address;

	if (inet_pton(AF_INET, host, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		listener->address_length = sizeof(*in);
	} else if (inet_pton(AF_INET6, host, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		listener->address_length = sizeof(*in6);
	} else
		return parse_error(parser, place,
		    "\"%s\" is no address, expected one as 0.0.0.0, ::, "
		    "192.0.2.1, or \"socket\"",
		    host);
	if ((listener->host = strdup(host)) == NULL)
		return parse_error(parser, place, "no memory");
	return 0;
}

static int
use_pki(struct parser *parser)
{
	struct place place = parse_place(parser);
	struct pki_use *uses;
	char *name;

	if ((name = parse_string(parser, "the name of a pki")) == NULL)
		return -1;
	uses = reallocarray(parser->uses, parser->use_count + 1, sizeof(*uses));
	if (uses == NULL) {
		free(name);
		return parse_error(parser, &place, "no memory");
	}
	parser->uses = uses;
	uses[parser->use_count].listener = parser->config->listener_count;
	uses[parser->use_count].name = name;
	uses[parser->use_count++].place = place;
	return 0;
}

static int
set_port(struct parser *parser, struct listener *listener)
{
	struct place place = parse_place(parser);
	uint64_t port;

	if (parse_number(parser, &port, 1, 65535, "NUMBER") == -1)
		return -1;
	if (port == 25)
		return parse_error(parser, &place,
		    "port 25 is for MTAs, and LMTP must not be there (RFC 2033 "
		    "section 5), expected 465, 587 or another");
	listener->port = (uint16_t)port;
	return 0;
}

/* port NUMBER, smtps, tls-require, pki NAME, in any order. */
static int
network_options(struct parser *parser, struct listener *listener)
{
	struct place place = parse_place(parser);
	int kind = -1;

	for (;;) {
		if (parse_accept(parser, "port")) {
			if (set_port(parser, listener) == -1)
				return -1;
		} else if (parse_accept(parser, "pki")) {
			if (use_pki(parser) == -1)
				return -1;
		} else if (kind == -1 && parse_accept(parser, "smtps"))
			kind = LISTENER_SMTPS;
		else if (kind == -1 && parse_accept(parser, "tls-require"))
			kind = LISTENER_TLS_REQUIRE;
		else
			break;
	}
	if (kind != -1 &&
	    (parse_accept(parser, "smtps") ||
		parse_accept(parser, "tls-require")))
		return parse_error(parser, &place,
		    "a listener is of one kind, expected \"smtps\" or "
		    "\"tls-require\"");
	if (kind == -1)
		return parse_error(parser, &place,
		    "a listener without TLS, expected \"smtps\" or "
		    "\"tls-require\"");
	listener->kind = (enum listener_kind)kind;
	if (listener->port == 0)
		listener->port = kind == LISTENER_SMTPS ? 465 : 587;
	return 0;
}

static void
write_port(struct listener *listener)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&listener->address;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&listener->address;

	if (in->sin_family == AF_INET)
		in->sin_port = htons(listener->port);
	else
		in6->sin6_port = htons(listener->port);
}

static int
network_listener(struct parser *parser, struct listener *listener)
{
	struct place place = parse_place(parser);
	char host[LEXEME_MAX];

	if (parse_text(parser, host, "an address or \"socket\"") == -1 ||
	    set_address(parser, listener, host, &place) == -1 ||
	    network_options(parser, listener) == -1)
		return -1;
	write_port(listener);
	return 0;
}

static int
socket_listener(struct parser *parser, struct listener *listener)
{
	listener->kind = LISTENER_SOCKET;
	if (parse_socket(parser, &listener->host) == -1)
		return -1;
	if (!parse_accept(parser, "group"))
		return 0;
	listener->group = parse_string(parser, "the name of a group");
	return listener->group == NULL ? -1 : 0;
}

static int
same_listener(const struct listener *a, const struct listener *b)
{
	if ((a->kind == LISTENER_SOCKET) != (b->kind == LISTENER_SOCKET))
		return 0;
	if (a->kind == LISTENER_SOCKET)
		return strcmp(a->host, b->host) == 0;
	return a->address_length == b->address_length &&
	    memcmp(&a->address, &b->address, a->address_length) == 0;
}

static int
add_listener(struct parser *parser, const struct listener *listener,
    const struct place *place)
{
	struct config *config = parser->config;
	struct listener *listeners;
	struct place *places;
	size_t i, count = config->listener_count;

	for (i = 0; i < count; i++)
		if (same_listener(&config->listeners[i], listener))
			return parse_error(parser, place,
			    "this listener stands on line %d already, "
			    "expected it once",
			    parser->listener_places[i].line);
	if (count == LISTENERS_MAX)
		return parse_error(
		    parser, place, "more than %d listeners", LISTENERS_MAX);
	listeners =
	    reallocarray(config->listeners, count + 1, sizeof(*listeners));
	if (listeners != NULL)
		config->listeners = listeners;
	places =
	    reallocarray(parser->listener_places, count + 1, sizeof(*places));
	if (places != NULL)
		parser->listener_places = places;
	if (listeners == NULL || places == NULL)
		return parse_error(parser, place, "no memory");
	listeners[count] = *listener;
	places[count] = *place;
	config->listener_count++;
	return 0;
}

/* Forgets the names that a listener with an error asked for. */
static void
drop_uses(struct parser *parser)
{
	while (parser->use_count > 0 &&
	    parser->uses[parser->use_count - 1].listener ==
		parser->config->listener_count)
		free(parser->uses[--parser->use_count].name);
}

int
parse_listen(struct parser *parser, const struct directive *directive)
{
	struct place place = parse_place(parser);
	struct listener listener;
	int result;

	(void)directive;
	memset(&listener, 0, sizeof(listener));
	result = parse_accept(parser, "socket")
	    ? socket_listener(parser, &listener)
	    : network_listener(parser, &listener);
	if (result == 0)
		result = add_listener(parser, &listener, &place);
	if (result == -1) {
		drop_uses(parser);
		free(listener.host);
		free(listener.group);
	}
	return result;
}
