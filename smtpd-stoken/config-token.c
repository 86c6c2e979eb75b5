/* SPDX-License-Identifier: ISC */
/* The directives of tokens. */
#include <stdio.h>
#include <string.h>

#include "lib/address.h"
#include "lib/settings.h"
#include "smtpd-stoken/config-directives.h"

static int
is_printable(const char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text <= ' ' || *text == 0x7f)
			return 0;
	return 1;
}

/* Without an AUTHSERV-ID it is `hostname`, wherever that stands. */
static int
parse_authserv(struct parser *parser)
{
	struct place place = parse_place(parser);
	char text[LEXEME_MAX];

	if (parser->lexeme.kind == LEXEME_NEWLINE ||
	    parser->lexeme.kind == LEXEME_EOF)
		return 0;
	if (parse_text(parser, text, "an AUTHSERV-ID") == -1)
		return -1;
	if (text[0] == '\0' || strlen(text) > ADDRESS_DOMAIN_MAX ||
	    !is_printable(text))
		return parse_error(parser, &place,
		    "\"%s\" is no authserv-id, expected one as mx.a.example",
		    text);
	if ((parser->config->token_learn_authserv = strdup(text)) == NULL)
		return parse_error(parser, &place, "no memory");
	return 0;
}

int
parse_learn(struct parser *parser, const struct directive *directive)
{
	struct place place = parse_place(parser);
	uint64_t *learn = &parser->config->token_learn;

	if (parse_accept(parser, "none"))
		*learn = TOKEN_LEARN_NONE;
	else if (parse_accept(parser, "any"))
		*learn = TOKEN_LEARN_ANY;
	else if (parse_accept(parser, "authenticated")) {
		*learn = TOKEN_LEARN_AUTHENTICATED;
		return parse_authserv(parser);
	} else
		return parse_error(
		    parser, &place, "expected %s", directive->expected);
	return 0;
}

void
print_learn(
    FILE *file, const struct config *config, const struct directive *directive)
{
	static const char *const words[] = {
	    [TOKEN_LEARN_NONE] = "none",
	    [TOKEN_LEARN_AUTHENTICATED] = "authenticated",
	    [TOKEN_LEARN_ANY] = "any",
	};
	const char *authserv = config->token_learn_authserv != NULL
	    ? config->token_learn_authserv
	    : config->hostname;

	if (!config->token)
		return;
	fprintf(file, "%s %s %s", directive->name, directive->word,
	    words[config->token_learn]);
	if (config->token_learn == TOKEN_LEARN_AUTHENTICATED &&
	    authserv != NULL)
		print_quoted(file, authserv);
	fputc('\n', file);
}
