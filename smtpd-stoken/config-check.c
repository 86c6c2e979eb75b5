/* SPDX-License-Identifier: ISC */
/* What can be said about a configuration only at its end. */
#include <stdlib.h>
#include <string.h>

#include "smtpd-stoken/config-parse.h"

static void
require(
    struct parser *parser, const struct place *end, int there, const char *what)
{
	if (!there)
		parse_error(
		    parser, end, "the file ends, expected %s in it", what);
}

static void
check_pki(struct parser *parser)
{
	struct config *config = parser->config;
	struct pki *pki;
	size_t i;

	for (i = 0; i < config->pki_count; i++) {
		pki = &config->pki[i];
		if (pki->cert == NULL || pki->key == NULL)
			parse_error(parser, &parser->pki_places[i],
			    "pki %s has no %s, expected \"pki %s %s PATH\"",
			    pki->name, pki->cert == NULL ? "cert" : "key",
			    pki->name, pki->cert == NULL ? "cert" : "key");
	}
}

static int
add_use(struct config *config, const struct pki_use *use)
{
	struct listener *listener = &config->listeners[use->listener];
	size_t i, *grown;

	for (i = 0; i < config->pki_count; i++)
		if (strcmp(config->pki[i].name, use->name) == 0)
			break;
	if (i == config->pki_count)
		return -1;
	grown = reallocarray(
	    listener->pki, listener->pki_count + 1, sizeof(*grown));
	if (grown == NULL)
		return -1;
	listener->pki = grown;
	listener->pki[listener->pki_count++] = i;
	return 0;
}

static void
check_listeners(struct parser *parser)
{
	struct config *config = parser->config;
	struct pki_use *use;
	size_t i, used = 0;

	for (i = 0; i < config->listener_count; i++) {
		size_t before = used;

		while (used < parser->use_count &&
		    parser->uses[used].listener == i) {
			use = &parser->uses[used++];
			if (add_use(config, use) == -1)
				parse_error(parser, &use->place,
				    "pki %s is not defined, expected \"pki %s "
				    "cert PATH\" and \"pki %s key PATH\"",
				    use->name, use->name, use->name);
		}
		if (config->listeners[i].kind != LISTENER_SOCKET &&
		    used == before)
			parse_error(parser, &parser->listener_places[i],
			    "a listener without a certificate, expected "
			    "\"pki NAME\"");
	}
}

const struct place *
parse_seen(const struct parser *parser, const char *name, const char *word)
{
	size_t i;

	for (i = 0; i < directive_count; i++)
		if (strcmp(directives[i].name, name) == 0 &&
		    (word == NULL ||
			(directives[i].word != NULL &&
			    strcmp(directives[i].word, word) == 0)) &&
		    parser->seen[i].file != NULL)
			return &parser->seen[i];
	return NULL;
}

static void
check_token(struct parser *parser)
{
	static const char *const words[] = {"temporary", "permanent"};
	const struct place *place;
	size_t i;

	if (parse_seen(parser, "token", "no") == NULL)
		return;
	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if ((place = parse_seen(parser, "token", words[i])) != NULL)
			parse_error(parser, place,
			    "\"token %s\" contradicts \"token no\", expected "
			    "one of them",
			    words[i]);
}

static void
check_sockets(struct parser *parser)
{
	const struct config *config = parser->config;
	size_t i;

	for (i = 0; i < config->listener_count; i++)
		if (config->listeners[i].kind == LISTENER_SOCKET &&
		    config->control != NULL &&
		    strcmp(config->listeners[i].host, config->control) == 0)
			parse_error(parser, &parser->listener_places[i],
			    "\"%s\" is the control socket, expected another "
			    "path",
			    config->control);
}

static void
check_deliver(struct parser *parser)
{
	const struct place *lmtp = parse_seen(parser, "deliver", "lmtp");

	if (lmtp != NULL && parse_seen(parser, "deliver", "maildir") != NULL)
		parse_error(parser, lmtp,
		    "\"deliver lmtp\" contradicts \"deliver maildir\", "
		    "expected one of them");
}

void
config_check(struct parser *parser, const struct place *end)
{
	const struct config *config = parser->config;
	const struct place *maildir = parse_seen(parser, "deliver", "maildir");

	require(parser, end, parse_seen(parser, "domain", NULL) != NULL,
	    "\"domain NAME\"");
	require(parser, end, parse_seen(parser, "listen", "on") != NULL,
	    "\"listen on ADDRESS ...\"");
	require(parser, end, parse_seen(parser, "deliver", NULL) != NULL,
	    "\"deliver maildir PATH\" or \"deliver lmtp ADDRESS\"");
	check_pki(parser);
	check_listeners(parser);
	check_sockets(parser);
	check_token(parser);
	config_check_users(parser, end);
	config_check_remember(parser);
	check_deliver(parser);
	if (maildir != NULL && config->domains.count > 1 &&
	    config->maildir != NULL && config->maildir_user != NULL &&
	    strstr(config->maildir, "%{domain}") == NULL)
		parse_error(parser, maildir,
		    "users of several domains would share mailboxes, expected "
		    "%%{domain} in \"%s\"",
		    config->maildir);
}
