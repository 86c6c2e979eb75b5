/* SPDX-License-Identifier: ISC */
/* The directives of REMEMBERME. */
#include <string.h>
#include <strings.h>

#include "smtpd-stoken/config-directives.h"

#define DAY 86400ULL
#define LIFETIME_LEAST (30 * DAY) /* PROTOCOL D-R09 */

/* The token types; the last has no name. Those that are a mechanism's alone
 * want it among `auth mechanisms`. */
static const struct {
	const char *name;
	uint64_t bit;
	uint64_t mechanism;
} types[] = {
    {"random", REMEMBER_TYPE_RANDOM, 0},
    {"jwt", REMEMBER_TYPE_JWT, 0},
    {"ht2-sha-256-expr", REMEMBER_TYPE_HT2_EXPR, MECHANISM_HT2_EXPR},
    {"ht2-sha-256-endp", REMEMBER_TYPE_HT2_ENDP, MECHANISM_HT2_ENDP},
    {"ht2-sha-256-none", REMEMBER_TYPE_HT2_NONE, MECHANISM_HT2_NONE},
    {NULL, 0, 0},
};

const char *
config_remember_type_name(uint64_t bit)
{
	size_t i;

	for (i = 0; types[i].name != NULL; i++)
		if (types[i].bit == bit)
			return types[i].name;
	return NULL;
}

int
parse_remember_no(struct parser *parser, const struct directive *directive)
{
	(void)directive;
	parser->config->remember = 0;
	return 0;
}

int
parse_remember_strong(struct parser *parser, const struct directive *directive)
{
	(void)directive;
	parser->config->remember_strong_only = 1;
	return 0;
}

static const char *
type_candidate(const void *context, size_t index)
{
	(void)context;
	return types[index].name;
}

static int
type_item(struct parser *parser, const char *text, const struct place *place)
{
	const char *nearest;
	size_t i;

	for (i = 0; types[i].name != NULL; i++)
		if (strcasecmp(types[i].name, text) == 0)
			break;
	if (types[i].name == NULL) {
		nearest = parse_nearest(text, type_candidate, NULL);
		return parse_error(parser, place,
		    "\"%s\" is no type of token, expected %s", text,
		    nearest != NULL ? nearest
				    : "random, jwt, or the name of an HT2 "
				      "mechanism");
	}
	if (parser->config->remember_types & types[i].bit)
		return parse_error(parser, place,
		    "type %s stands here for the second time, expected it once",
		    text);
	parser->config->remember_types |= types[i].bit;
	return 0;
}

int
parse_remember_types(struct parser *parser, const struct directive *directive)
{
	struct config *config = parser->config;
	uint64_t lifetime = 90 * DAY, maximum = 365 * DAY;
	struct place place;

	(void)directive;
	if (parse_list(parser, "a type of token", type_item) == -1)
		return -1;
	place = parse_place(parser);
	if (parse_accept(parser, "lifetime") &&
	    parse_duration_value(parser, &lifetime) == -1)
		return -1;
	if (lifetime != 0 && lifetime < LIFETIME_LEAST)
		return parse_error(parser, &place,
		    "users would have to log in again too often, expected a "
		    "lifetime of at least 30d");
	place = parse_place(parser);
	if (parse_accept(parser, "maximum") &&
	    parse_duration_value(parser, &maximum) == -1)
		return -1;
	if (maximum != 0 &&
	    maximum < (lifetime == 0 ? LIFETIME_LEAST : lifetime))
		return parse_error(parser, &place,
		    "a token would end before its lifetime, expected a "
		    "\"maximum\" that is not shorter");
	config->remember_lifetime = lifetime;
	config->remember_maximum = maximum;
	return 0;
}

void
print_remember_no(
    FILE *file, const struct config *config, const struct directive *directive)
{
	(void)directive;
	if (!config->remember)
		fputs("remember no\n", file);
}

void
print_remember_strong(
    FILE *file, const struct config *config, const struct directive *directive)
{
	(void)directive;
	if (config->remember && config->remember_strong_only)
		fputs("remember strong-only\n", file);
}

void
print_remember_types(
    FILE *file, const struct config *config, const struct directive *directive)
{
	size_t i;

	(void)directive;
	if (!config->remember)
		return;
	fputs("remember types {", file);
	for (i = 0; types[i].name != NULL; i++)
		if (config->remember_types & types[i].bit)
			fprintf(file, " %s", types[i].name);
	fputs(" } lifetime", file);
	print_duration_value(file, config->remember_lifetime);
	fputs(" maximum", file);
	print_duration_value(file, config->remember_maximum);
	fputc('\n', file);
}

void
config_check_remember(struct parser *parser)
{
	const struct config *config = parser->config;
	const struct place *no = parse_seen(parser, "remember", "no");
	const struct place *given = parse_seen(parser, "remember", "types");
	const struct place *strong =
	    parse_seen(parser, "remember", "strong-only");
	size_t i;

	if (no != NULL && given != NULL)
		parse_error(parser, given,
		    "\"remember types\" contradicts \"remember no\", expected "
		    "one of them");
	if (no != NULL && strong != NULL)
		parse_error(parser, strong,
		    "\"remember strong-only\" contradicts \"remember no\", "
		    "expected one of them");
	for (i = 0; given != NULL && types[i].name != NULL; i++)
		if ((config->remember_types & types[i].bit) &&
		    types[i].mechanism != 0 &&
		    !(config->mechanisms & types[i].mechanism))
			parse_error(parser, given,
			    "type %s is for the mechanism of that name alone, "
			    "expected that among \"auth mechanisms\"",
			    types[i].name);
}
