/* SPDX-License-Identifier: ISC */
/* The effective configuration, in a form that reads back to itself. */
#include <string.h>

#include "smtpd-stoken/config-parse.h"

static uint64_t
number_at(const struct config *config, const struct directive *directive)
{
	return *(const uint64_t *)(const void *)((const char *)config +
	    directive->offset);
}

static void
begin(FILE *file, const struct directive *directive)
{
	fprintf(file, "%s%s%s", directive->name,
	    directive->word == NULL ? "" : " ",
	    directive->word == NULL ? "" : directive->word);
}

void
print_quoted(FILE *file, const char *text)
{
	fputs(" \"", file);
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', file);
		fputc(*text, file);
	}
	fputc('"', file);
}

/* The largest unit that leaves nothing over. */
static void
with_unit(
    FILE *file, uint64_t value, const char *units, const uint64_t *factors)
{
	size_t i = strlen(units);

	while (i-- > 0)
		if (value != 0 && value % factors[i] == 0) {
			fprintf(file, " %llu%c",
			    (unsigned long long)(value / factors[i]), units[i]);
			return;
		}
	fprintf(file, " %llu", (unsigned long long)value);
}

void
print_duration_value(FILE *file, uint64_t value)
{
	static const uint64_t factors[] = {1, 60, 3600, 86400};

	with_unit(file, value, "smhd", factors);
}

void
print_count(
    FILE *file, const struct config *config, const struct directive *directive)
{
	begin(file, directive);
	fprintf(
	    file, " %llu\n", (unsigned long long)number_at(config, directive));
}

void
print_size(
    FILE *file, const struct config *config, const struct directive *directive)
{
	static const uint64_t factors[] = {1ULL << 10, 1ULL << 20, 1ULL << 30};

	begin(file, directive);
	with_unit(file, number_at(config, directive), "KMG", factors);
	fputc('\n', file);
}

void
print_duration(
    FILE *file, const struct config *config, const struct directive *directive)
{
	begin(file, directive);
	print_duration_value(file, number_at(config, directive));
	fputc('\n', file);
}

void
print_choice(
    FILE *file, const struct config *config, const struct directive *directive)
{
	const char *choice = directive->expected;
	uint64_t index = number_at(config, directive);

	while (index-- > 0) {
		choice += strcspn(choice, " ");
		choice += strspn(choice, " |");
	}
	begin(file, directive);
	fprintf(file, " %.*s\n", (int)strcspn(choice, " "), choice);
}

void
print_string(
    FILE *file, const struct config *config, const struct directive *directive)
{
	const char *text = *(char *const *)(const void *)((const char *)config +
	    directive->offset);

	if (text == NULL)
		return;
	begin(file, directive);
	print_quoted(file, text);
	fputc('\n', file);
}

void
print_hostname(
    FILE *file, const struct config *config, const struct directive *directive)
{
	begin(file, directive);
	fprintf(file, " %s\n", config->hostname);
}

void
print_domains(
    FILE *file, const struct config *config, const struct directive *directive)
{
	size_t i;

	for (i = 0; i < config->domains.count; i++) {
		begin(file, directive);
		fprintf(file, " %s\n", config->domains.item[i]);
	}
}

void
print_pki(
    FILE *file, const struct config *config, const struct directive *directive)
{
	const struct pki *pki;
	size_t i;

	for (i = 0; i < config->pki_count; i++) {
		pki = &config->pki[i];
		begin(file, directive);
		print_quoted(file, pki->name);
		fputs(" cert", file);
		print_quoted(file, pki->cert);
		fputc('\n', file);
		begin(file, directive);
		print_quoted(file, pki->name);
		fputs(" key", file);
		print_quoted(file, pki->key);
		fputc('\n', file);
	}
}

static void
print_network(
    FILE *file, const struct config *config, const struct listener *listener)
{
	size_t i;

	fprintf(file, " %s port %u %s", listener->host,
	    (unsigned int)listener->port,
	    listener->kind == LISTENER_SMTPS ? "smtps" : "tls-require");
	for (i = 0; i < listener->pki_count; i++) {
		fputs(" pki", file);
		print_quoted(file, config->pki[listener->pki[i]].name);
	}
}

void
print_listen(
    FILE *file, const struct config *config, const struct directive *directive)
{
	const struct listener *listener;
	size_t i;

	for (i = 0; i < config->listener_count; i++) {
		listener = &config->listeners[i];
		begin(file, directive);
		if (listener->kind == LISTENER_SOCKET) {
			fputs(" socket", file);
			print_quoted(file, listener->host);
			if (listener->group != NULL) {
				fputs(" group", file);
				print_quoted(file, listener->group);
			}
		} else
			print_network(file, config, listener);
		fputc('\n', file);
	}
}

void
print_control(
    FILE *file, const struct config *config, const struct directive *directive)
{
	begin(file, directive);
	print_quoted(file, config->control);
	if (config->control_group != NULL) {
		fputs(" group", file);
		print_quoted(file, config->control_group);
	}
	fputc('\n', file);
}

void
print_maildir(
    FILE *file, const struct config *config, const struct directive *directive)
{
	if (config->maildir == NULL)
		return;
	begin(file, directive);
	print_quoted(file, config->maildir);
	if (config->maildir_user != NULL) {
		fputs(" user", file);
		print_quoted(file, config->maildir_user);
	}
	fputc('\n', file);
}

void
print_token_no(
    FILE *file, const struct config *config, const struct directive *directive)
{
	if (config->token)
		return;
	begin(file, directive);
	fputc('\n', file);
}

void
print_temporary(
    FILE *file, const struct config *config, const struct directive *directive)
{
	if (!config->token)
		return;
	begin(file, directive);
	fputs(" lifetime", file);
	print_duration_value(file, config->token_temporary_lifetime);
	fputc('\n', file);
}

void
print_permanent(
    FILE *file, const struct config *config, const struct directive *directive)
{
	if (!config->token)
		return;
	begin(file, directive);
	fputs(" lifetime", file);
	print_duration_value(file, config->token_permanent_lifetime);
	fputs(" refresh", file);
	print_duration_value(file, config->token_permanent_refresh);
	fputs(" grace", file);
	print_duration_value(file, config->token_permanent_grace);
	fputc('\n', file);
}

void
print_mechanisms(
    FILE *file, const struct config *config, const struct directive *directive)
{
	const struct mechanism *mechanism;

	begin(file, directive);
	fputs(" {", file);
	for (mechanism = config_mechanisms; mechanism->name != NULL;
	     mechanism++)
		if (config->mechanisms & mechanism->bit)
			fprintf(file, " %s", mechanism->name);
	fputs(" }\n", file);
}

void
config_print(const struct config *config, FILE *file)
{
	size_t i;

	for (i = 0; i < directive_count; i++)
		directives[i].print(file, config, &directives[i]);
}
