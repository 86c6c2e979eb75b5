/* SPDX-License-Identifier: ISC */
/* The directives of METADATA. */
#include <stdio.h>
#include <string.h>

#include "imsg/verdicts.h"
#include "smtpd-stoken/config-directives.h"

/* Who may give flags, and the bits of config.metadata_flags. */
static const struct source {
	const char *name;
	uint64_t bit;
} sources[] = {
    {"socket", METADATA_FLAGS_SOCKET},
    {"submission", METADATA_FLAGS_SUBMISSION},
    {"token", METADATA_FLAGS_TOKEN},
};

#define SOURCES (sizeof(sources) / sizeof(sources[0]))

int
parse_metadata_no(struct parser *parser, const struct directive *directive)
{
	(void)directive;
	parser->config->metadata = 0;
	return 0;
}

int
parse_metadata_strict(struct parser *parser, const struct directive *directive)
{
	(void)directive;
	parser->config->metadata_strict = 1;
	return 0;
}

static int
source_item(struct parser *parser, const char *text, const struct place *place)
{
	size_t i;

	for (i = 0; i < SOURCES; i++)
		if (strcmp(sources[i].name, text) == 0)
			break;
	if (i == SOURCES)
		return parse_error(parser, place,
		    "\"%s\" gives no flags, expected socket, submission or "
		    "token",
		    text);
	if (parser->config->metadata_flags & sources[i].bit)
		return parse_error(parser, place,
		    "%s stands here for the second time, expected it once",
		    text);
	parser->config->metadata_flags |= sources[i].bit;
	return 0;
}

int
parse_metadata_flags(struct parser *parser, const struct directive *directive)
{
	struct place place = parse_place(parser);

	(void)directive;
	if (!parse_accept(parser, "from"))
		return parse_error(parser, &place,
		    "expected \"from { socket | submission | token ... }\"");
	return parse_list(parser, "socket, submission or token", source_item);
}

void
print_metadata_no(
    FILE *file, const struct config *config, const struct directive *directive)
{
	(void)directive;
	if (!config->metadata)
		fputs("metadata no\n", file);
}

void
print_metadata_strict(
    FILE *file, const struct config *config, const struct directive *directive)
{
	(void)directive;
	if (config->metadata && config->metadata_strict)
		fputs("metadata strict\n", file);
}

void
print_metadata_flags(
    FILE *file, const struct config *config, const struct directive *directive)
{
	size_t i;

	(void)directive;
	if (!config->metadata)
		return;
	fputs("metadata flags from {", file);
	for (i = 0; i < SOURCES; i++)
		if (config->metadata_flags & sources[i].bit)
			fprintf(file, " %s", sources[i].name);
	fputs(" }\n", file);
}
