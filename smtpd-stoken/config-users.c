/* SPDX-License-Identifier: ISC */
/* users: which back-end knows the passwords, and what that means. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "smtpd-stoken/config-directives.h"

#define USERDB "auth-userdb"

/* Dovecot's own name for it, in the folder of the other socket. */
static int
default_userdb(struct parser *parser, const struct place *place)
{
	struct config *config = parser->config;
	const char *slash = strrchr(config->users_dovecot, '/');
	int n;

	n = asprintf(&config->users_userdb, "%.*s" USERDB,
	    (int)(slash - config->users_dovecot + 1), config->users_dovecot);
	if (n != -1)
		return 0;
	config->users_userdb = NULL;
	return parse_error(parser, place, "no memory");
}

int
parse_dovecot(struct parser *parser, const struct directive *directive)
{
	struct config *config = parser->config;
	struct place place = parse_place(parser);

	(void)directive;
	if (parse_socket(parser, &config->users_dovecot) == -1)
		return -1;
	if (parse_accept(parser, "userdb"))
		return parse_socket(parser, &config->users_userdb);
	return default_userdb(parser, &place);
}

void
print_dovecot(
    FILE *file, const struct config *config, const struct directive *directive)
{
	if (config->users_dovecot == NULL)
		return;
	fprintf(file, "%s %s", directive->name, directive->word);
	print_quoted(file, config->users_dovecot);
	fputs(" userdb", file);
	print_quoted(file, config->users_userdb);
	fputc('\n', file);
}

int
parse_system(struct parser *parser, const struct directive *directive)
{
	(void)directive;
	parser->config->users_system = 1;
	return 0;
}

void
print_system(
    FILE *file, const struct config *config, const struct directive *directive)
{
	if (config->users_system)
		fprintf(file, "%s %s\n", directive->name, directive->word);
}

static const struct {
	const char *word;
	uint64_t lacks; /* mechanisms */
} others[] = {
    {"dovecot", MECHANISM_SCRAM_SHA_256_PLUS},
    {"system", MECHANISM_SCRAM_SHA_256 | MECHANISM_SCRAM_SHA_256_PLUS},
};

/* The first of the other back-ends that the file has, or NULL. */
static const struct place *
first_seen(const struct parser *parser, const char **word)
{
	static const char *const words[] = {"file", "dovecot"};
	const struct place *place = NULL;
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]) && place == NULL;
	     i++) {
		*word = words[i];
		place = parse_seen(parser, "users", words[i]);
	}
	return place;
}

/* One back-end; the file is the default. What it lacks is not offered. */
void
config_check_users(struct parser *parser, const struct place *end)
{
	struct config *config = parser->config;
	const struct place *place, *mechanisms;
	const char *first;
	size_t i;

	for (i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		place = parse_seen(parser, "users", others[i].word);
		if (place == NULL)
			continue;
		if (first_seen(parser, &first) != NULL &&
		    strcmp(first, others[i].word) != 0)
			parse_error(parser, place,
			    "\"users %s\" stands beside \"users %s\", "
			    "expected one of them",
			    others[i].word, first);
		free(config->users_file);
		config->users_file = NULL;
		mechanisms = parse_seen(parser, "auth", "mechanisms");
		config->mechanisms &= ~others[i].lacks;
		if ((config->mechanisms & MECHANISMS_PASSWORD) == 0)
			parse_error(parser,
			    mechanisms == NULL ? end : mechanisms,
			    "no mechanism for passwords is left with \"users "
			    "%s\", expected \"plain\" among them",
			    others[i].word);
	}
}
