/* SPDX-License-Identifier: ISC */
/*
 * Reads smtpd-stoken.conf(5): line after line, a macro, an include, or a
 * directive of the table; then the defaults of the table, as if they stood at
 * the end of the file; then what only the whole file can tell.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/address.h"
#include "smtpd-stoken/config-parse.h"

const char *
config_mechanism_name(uint64_t bit)
{
	const struct mechanism *mechanism;

	for (mechanism = config_mechanisms; mechanism->name != NULL;
	     mechanism++)
		if (mechanism->bit == bit && bit != 0)
			return mechanism->name;
	return NULL;
}

int
config_macro_add(struct macro **list, const char *text)
{
	const char *equals = strchr(text, '=');
	struct macro *macro;

	if (equals == NULL || equals == text ||
	    strspn(text,
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		"0123456789_") != (size_t)(equals - text))
		return -1;
	if ((macro = calloc(1, sizeof(*macro))) == NULL)
		return -1;
	macro->name = strndup(text, (size_t)(equals - text));
	macro->value = strdup(equals + 1);
	macro->next = *list;
	*list = macro;
	return macro->name == NULL || macro->value == NULL ? -1 : 0;
}

void
config_macro_free(struct macro *macro)
{
	struct macro *next;

	for (; macro != NULL; macro = next) {
		next = macro->next;
		free(macro->name);
		free(macro->value);
		free(macro);
	}
}

void
config_free(struct config *config)
{
	size_t i;

	if (config == NULL)
		return;
	for (i = 0; i < config->domains.count; i++)
		free(config->domains.item[i]);
	free(config->domains.item);
	for (i = 0; i < config->pki_count; i++) {
		free(config->pki[i].name);
		free(config->pki[i].cert);
		free(config->pki[i].key);
	}
	free(config->pki);
	for (i = 0; i < config->listener_count; i++) {
		free(config->listeners[i].host);
		free(config->listeners[i].group);
		free(config->listeners[i].pki);
	}
	free(config->listeners);
	free(config->hostname);
	free(config->users_file);
	free(config->users_dovecot);
	free(config->users_userdb);
	free(config->aliases_file);
	free(config->store);
	free(config->control);
	free(config->control_group);
	free(config->maildir);
	free(config->maildir_user);
	free(config->lmtp_address);
	free(config->spool);
	free(config->relay_host);
	free(config->resolver);
	free(config->relay_label);
	free(config->relay_secrets);
	free(config->token_learn_authserv);
	free(config->ca_file);
	free(config);
}

/* To the end of the line, or of the list that was begun on it. */
static void
skip_line(struct parser *parser)
{
	while (parser->lexeme.kind != LEXEME_NEWLINE &&
	    parser->lexeme.kind != LEXEME_EOF) {
		if (parser->lexeme.kind == LEXEME_OPEN)
			while (parser->lexeme.kind != LEXEME_CLOSE &&
			    parser->lexeme.kind != LEXEME_EOF)
				parse_next(parser);
		else
			parse_next(parser);
	}
}

static int
end_of_line(struct parser *parser, const struct directive *directive)
{
	struct place place = parse_place(parser);
	char found[LEXEME_MAX + 2];

	if (parser->lexeme.kind == LEXEME_NEWLINE ||
	    parser->lexeme.kind == LEXEME_EOF)
		return 0;
	if (directive == NULL)
		return parse_error(
		    parser, &place, "expected the end of the line");
	return parse_error(parser, &place,
	    "found %s behind \"%s%s%s\", expected %s%sthe end of the line",
	    parse_describe(parser, found), directive->name,
	    directive->word == NULL ? "" : " ",
	    directive->word == NULL ? "" : directive->word, directive->expected,
	    directive->expected[0] == '\0' ? "" : ", then ");
}

static const char *
name_candidate(const void *context, size_t index)
{
	(void)context;
	return index < directive_count ? directives[index].name : NULL;
}

static const struct directive *
find_directive(const char *name, const char *word)
{
	size_t i;

	for (i = 0; i < directive_count; i++)
		if (strcmp(directives[i].name, name) == 0 &&
		    (directives[i].word == NULL ||
			(word != NULL &&
			    strcmp(directives[i].word, word) == 0)))
			return &directives[i];
	return NULL;
}

static int
unknown_name(struct parser *parser, const char *name, const struct place *place)
{
	const char *nearest = parse_nearest(name, name_candidate, NULL);

	if (nearest == NULL)
		return parse_error(parser, place,
		    "\"%s\" is no directive, expected one of "
		    "smtpd-stoken.conf(5)",
		    name);
	return parse_error(parser, place,
	    "\"%s\" is no directive, expected \"%s\"?", name, nearest);
}

/* The second words of the directives that begin with the context. */
static const char *
word_candidate(const void *context, size_t index)
{
	if (index >= directive_count)
		return NULL;
	return strcmp(directives[index].name, context) == 0
	    ? directives[index].word
	    : "";
}

static int
unknown_word(struct parser *parser, const char *name)
{
	struct place place = parse_place(parser);
	char words[256] = "", found[LEXEME_MAX + 2];
	const char *word, *nearest;
	size_t i;

	nearest = parse_nearest(parser->lexeme.text, word_candidate, name);
	if (nearest != NULL)
		return parse_error(parser, &place,
		    "found %s behind \"%s\", expected \"%s\"?",
		    parse_describe(parser, found), name, nearest);
	for (i = 0; (word = word_candidate(name, i)) != NULL; i++)
		if (word[0] != '\0') {
			if (words[0] != '\0')
				strlcat(words, ", ", sizeof(words));
			strlcat(words, word, sizeof(words));
		}
	return parse_error(parser, &place,
	    "found %s behind \"%s\", expected one of: %s",
	    parse_describe(parser, found), name, words);
}

static int
parse_directive(
    struct parser *parser, const char *name, const struct place *place)
{
	const struct directive *directive;
	struct place *seen;

	if ((directive = find_directive(name, parser->lexeme.text)) == NULL) {
		for (directive = directives;
		     directive < directives + directive_count; directive++)
			if (strcmp(directive->name, name) == 0)
				return unknown_word(parser, name);
		return unknown_name(parser, name, place);
	}
	seen = &parser->seen[directive - directives];
	if (directive->word != NULL)
		parse_next(parser);
	if (seen->file != NULL && !directive->repeat && !parser->defaults)
		return parse_error(parser, place,
		    "\"%s%s%s\" stands in %s:%d already, expected it once",
		    name, directive->word == NULL ? "" : " ",
		    directive->word == NULL ? "" : directive->word, seen->file,
		    seen->line);
	if (!parser->defaults)
		*seen = *place;
	if (directive->parse(parser, directive) == -1)
		return -1;
	return end_of_line(parser, directive);
}

/* `name = value`. */
static int
parse_macro(struct parser *parser, const char *name, const struct place *place)
{
	char value[LEXEME_MAX];

	parse_next(parser);
	if (parse_text(parser, value, "the value of the macro") == -1)
		return -1;
	if (lexer_define(parser->lexer, name, value, 0) == -1)
		return parse_error(parser, place,
		    "\"%s\" cannot name a macro, expected letters, digits "
		    "and \"_\"",
		    name);
	return end_of_line(parser, NULL);
}

/* A relative name is beside the file that includes it. */
static int
parse_include(struct parser *parser, const struct place *place)
{
	char path[LEXEME_MAX + 1024], why[256];
	const char *slash = strrchr(place->file, '/');

	if (parser->lexeme.kind != LEXEME_STRING &&
	    parser->lexeme.kind != LEXEME_WORD)
		return parse_error(parser, place, "expected include \"PATH\"");
	path[0] = '\0';
	if (parser->lexeme.text[0] != '/' && slash != NULL)
		snprintf(path, sizeof(path), "%.*s",
		    (int)(slash - place->file + 1), place->file);
	strlcat(path, parser->lexeme.text, sizeof(path));
	if (lexer_push_file(parser->lexer, path, why, sizeof(why)) == -1)
		return parse_error(parser, place, "%s: %s", path, why);
	parse_next(parser);
	return 0;
}

static void
parse_line(struct parser *parser)
{
	struct place place = parse_place(parser);
	char name[LEXEME_MAX];
	int result;

	if (parser->lexeme.kind == LEXEME_NEWLINE) {
		parse_next(parser);
		return;
	}
	if (parse_text(parser, name, "a directive") == -1) {
		parse_next(parser);
		skip_line(parser);
		return;
	}
	if (parser->lexeme.kind == LEXEME_EQUALS)
		result = parse_macro(parser, name, &place);
	else if (strcmp(name, "include") == 0)
		result = parse_include(parser, &place);
	else
		result = parse_directive(parser, name, &place);
	if (result == -1)
		skip_line(parser);
}

static void
parse_all(struct parser *parser)
{
	for (parse_next(parser); parser->lexeme.kind != LEXEME_EOF;)
		parse_line(parser);
}

/* The table's defaults for what the file left out. */
static void
parse_defaults(struct parser *parser)
{
	char text[LEXEME_MAX];
	size_t i;

	parser->defaults = 1;
	for (i = 0; i < directive_count; i++) {
		if (parser->seen[i].file != NULL ||
		    directives[i].defaults == NULL)
			continue;
		snprintf(text, sizeof(text), "%s %s %s\n", directives[i].name,
		    directives[i].word == NULL ? "" : directives[i].word,
		    directives[i].defaults);
		if (lexer_push_text(parser->lexer, "default", text) == -1)
			parser->error_count++;
		parse_all(parser);
	}
}

static void
default_hostname(struct parser *parser, const struct place *end)
{
	char name[256], canonical[ADDRESS_DOMAIN_MAX + 1];

	if (parser->config->hostname != NULL || parser->error_count > 0)
		return;
	if (gethostname(name, sizeof(name)) == -1 ||
	    domain_canonical(name, strlen(name), canonical) == -1)
		parse_error(parser, end,
		    "this machine's name is no domain name, expected "
		    "\"hostname NAME\"");
	else if ((parser->config->hostname = strdup(canonical)) == NULL)
		parse_error(parser, end, "%s", strerror(errno));
}

static void
parse_file(struct parser *parser, const char *path, const struct macro *macro)
{
	struct place end;
	char why[256];

	for (; macro != NULL; macro = macro->next)
		lexer_define(parser->lexer, macro->name, macro->value, 1);
	if (lexer_push_file(parser->lexer, path, why, sizeof(why)) == -1) {
		fprintf(parser->errors, "%s: %s\n", path, why);
		parser->error_count++;
		return;
	}
	parser->config->token = 1;
	parser->config->metadata = 1;
	parser->config->remember = 1;
	parse_all(parser);
	end = parse_place(parser);
	if (end.file == NULL)
		end.file = path;
	default_hostname(parser, &end);
	parse_defaults(parser);
	config_check(parser, &end);
}

int
config_load(const char *path, const struct macro *macros, FILE *errors,
    struct config **config)
{
	struct parser *parser;
	int result = -1;
	size_t i;

	*config = NULL;
	if ((parser = calloc(1, sizeof(*parser))) == NULL)
		return -1;
	parser->errors = errors;
	parser->lexer = lexer_new();
	parser->config = calloc(1, sizeof(*parser->config));
	if (parser->lexer != NULL && parser->config != NULL) {
		parse_file(parser, path, macros);
		result = parser->error_count == 0 ? 0 : -1;
	}
	for (i = 0; i < parser->use_count; i++)
		free(parser->uses[i].name);
	free(parser->uses);
	free(parser->listener_places);
	free(parser->pki_places);
	lexer_free(parser->lexer);
	if (result == 0)
		*config = parser->config;
	else
		config_free(parser->config);
	free(parser);
	return result;
}
