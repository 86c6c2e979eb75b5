/* SPDX-License-Identifier: ISC */
/* Parsers of the directives that hold one value or a few. */
#include <stdlib.h>
#include <string.h>

#include "lib/address.h"
#include "smtpd-stoken/config-directives.h"

static uint64_t *
number_at(struct parser *parser, const struct directive *directive)
{
	return (uint64_t *)(void *)((char *)parser->config + directive->offset);
}

int
parse_count(struct parser *parser, const struct directive *directive)
{
	return parse_number(parser, number_at(parser, directive),
	    directive->minimum, directive->maximum, directive->expected);
}

int
parse_duration(struct parser *parser, const struct directive *directive)
{
	uint64_t *value = number_at(parser, directive);
	struct place place = parse_place(parser);

	if (parse_duration_value(parser, value) == -1)
		return -1;
	if (*value < directive->minimum || *value > directive->maximum)
		return parse_error(parser, &place,
		    "%llu seconds is out of range, expected %llus to %llus",
		    (unsigned long long)*value,
		    (unsigned long long)directive->minimum,
		    (unsigned long long)directive->maximum);
	return 0;
}

/* The value is the place of the word in `expected`: "first | second". */
int
parse_choice(struct parser *parser, const struct directive *directive)
{
	const char *choice = directive->expected;
	struct place place = parse_place(parser);
	char text[LEXEME_MAX];
	uint64_t index;
	size_t length;

	if (parse_text(parser, text, directive->expected) == -1)
		return -1;
	for (index = 0; *choice != '\0'; index++) {
		length = strcspn(choice, " ");
		if (strlen(text) == length &&
		    memcmp(text, choice, length) == 0) {
			*number_at(parser, directive) = index;
			return 0;
		}
		choice += length;
		choice += strspn(choice, " |");
	}
	return parse_error(parser, &place, "found \"%s\", expected %s", text,
	    directive->expected);
}

int
parse_path(struct parser *parser, const struct directive *directive)
{
	return parse_absolute(parser,
	    (char **)(void *)((char *)parser->config + directive->offset));
}

/* A domain in its canonical form (PROTOCOL D-S04), or NULL and reported. */
static char *
domain_text(struct parser *parser, const char *text, const struct place *place)
{
	char canonical[ADDRESS_DOMAIN_MAX + 1], *copy;

	if (domain_canonical(text, strlen(text), canonical) == -1) {
		parse_error(parser, place,
		    "\"%s\" is no domain name, expected one as mx.a.example",
		    text);
		return NULL;
	}
	if ((copy = strdup(canonical)) == NULL)
		parse_error(parser, place, "no memory");
	return copy;
}

int
parse_hostname(struct parser *parser, const struct directive *directive)
{
	struct place place = parse_place(parser);
	char text[LEXEME_MAX];

	(void)directive;
	if (parse_text(parser, text, "the name of this server") == -1)
		return -1;
	parser->config->hostname = domain_text(parser, text, &place);
	return parser->config->hostname == NULL ? -1 : 0;
}

static int
domain_item(struct parser *parser, const char *text, const struct place *place)
{
	struct strings *domains = &parser->config->domains;
	char *name, **grown;
	size_t i;

	if ((name = domain_text(parser, text, place)) == NULL)
		return -1;
	for (i = 0; i < domains->count; i++)
		if (strcmp(domains->item[i], name) == 0) {
			free(name);
			return parse_error(parser, place,
			    "domain \"%s\" stands here for the second time, "
			    "expected it once",
			    text);
		}
	grown = reallocarray(
	    domains->item, domains->count + 1, sizeof(*domains->item));
	if (grown == NULL) {
		free(name);
		return parse_error(parser, place, "no memory");
	}
	domains->item = grown;
	domains->item[domains->count++] = name;
	return 0;
}

int
parse_domain(struct parser *parser, const struct directive *directive)
{
	(void)directive;
	return parse_list(parser, "a domain name", domain_item);
}

int
parse_control(struct parser *parser, const struct directive *directive)
{
	struct config *config = parser->config;

	(void)directive;
	if (parse_socket(parser, &config->control) == -1)
		return -1;
	if (!parse_accept(parser, "group"))
		return 0;
	config->control_group = parse_string(parser, "the name of a group");
	return config->control_group == NULL ? -1 : 0;
}

/* Only %{user} and %{domain}, and the first must be there. */
static int
check_template(
    struct parser *parser, const char *text, const struct place *place)
{
	const char *percent = text;
	int user = 0;

	while ((percent = strchr(percent, '%')) != NULL) {
		if (strncmp(percent, "%{user}", 7) == 0)
			user = 1;
		else if (strncmp(percent, "%{domain}", 9) != 0)
			return parse_error(parser, place,
			    "\"%.10s\" stands for nothing, expected %%{user} "
			    "or %%{domain}",
			    percent);
		percent++;
	}
	if (!user)
		return parse_error(parser, place,
		    "all users would share \"%s\", expected %%{user} in it",
		    text);
	if (strstr(text, "/../") != NULL || strstr(text, "/./") != NULL)
		return parse_error(parser, place,
		    "\"%s\" has \".\" or \"..\" in it, expected a plain path",
		    text);
	return 0;
}

int
parse_maildir(struct parser *parser, const struct directive *directive)
{
	struct config *config = parser->config;
	struct place place = parse_place(parser);

	(void)directive;
	if (parse_absolute(parser, &config->maildir) == -1)
		return -1;
	if (parse_accept(parser, "user") &&
	    (config->maildir_user =
		    parse_string(parser, "the name of a user")) == NULL)
		return -1;
	return check_template(parser, config->maildir, &place);
}

int
parse_token_no(struct parser *parser, const struct directive *directive)
{
	(void)directive;
	parser->config->token = 0;
	return 0;
}

int
parse_temporary(struct parser *parser, const struct directive *directive)
{
	struct place place = parse_place(parser);
	uint64_t *lifetime = &parser->config->token_temporary_lifetime;

	(void)directive;
	if (!parse_accept(parser, "lifetime"))
		return parse_error(
		    parser, &place, "expected \"lifetime DURATION\"");
	place = parse_place(parser);
	if (parse_duration_value(parser, lifetime) == -1)
		return -1;
	if (*lifetime == 0)
		return parse_error(parser, &place,
		    "a temporary token that never ends, expected at least 1s");
	return 0;
}

int
parse_permanent(struct parser *parser, const struct directive *directive)
{
	struct config *config = parser->config;
	struct place place = parse_place(parser);
	uint64_t lifetime = 365 * 86400, refresh = 90 * 86400,
		 grace = 7 * 86400;
	int given = 0;

	(void)directive;
	for (;;) {
		uint64_t *value = NULL;

		if (parse_accept(parser, "lifetime"))
			value = &lifetime;
		else if (parse_accept(parser, "refresh"))
			value = &refresh;
		else if (parse_accept(parser, "grace"))
			value = &grace;
		if (value == NULL)
			break;
		given = 1;
		if (parse_duration_value(parser, value) == -1)
			return -1;
	}
	if (!given)
		return parse_error(parser, &place,
		    "expected \"lifetime\", \"refresh\" or \"grace\"");
	if (lifetime != 0 && refresh >= lifetime)
		return parse_error(parser, &place,
		    "a token would be renewed by every delivery, expected a "
		    "\"refresh\" shorter than the \"lifetime\"");
	config->token_permanent_lifetime = lifetime;
	config->token_permanent_refresh = refresh;
	config->token_permanent_grace = grace;
	return 0;
}

static const char *
mechanism_candidate(const void *context, size_t index)
{
	(void)context;
	return config_mechanisms[index].name;
}

static int
mechanism_item(
    struct parser *parser, const char *text, const struct place *place)
{
	const struct mechanism *mechanism = config_mechanisms;
	const char *nearest;

	while (
	    mechanism->name != NULL && strcasecmp(mechanism->name, text) != 0)
		mechanism++;
	if (mechanism->name == NULL) {
		nearest = parse_nearest(text, mechanism_candidate, NULL);
		return parse_error(parser, place,
		    "\"%s\" is no mechanism, expected %s", text,
		    nearest != NULL ? nearest
				    : "plain, login, scram-sha-256, "
				      "rememberme and the like");
	}
	if (parser->config->mechanisms & mechanism->bit)
		return parse_error(parser, place,
		    "mechanism %s stands here for the second time, expected "
		    "it once",
		    text);
	parser->config->mechanisms |= mechanism->bit;
	return 0;
}

int
parse_mechanisms(struct parser *parser, const struct directive *directive)
{
	(void)directive;
	return parse_list(parser, "the name of a mechanism", mechanism_item);
}
