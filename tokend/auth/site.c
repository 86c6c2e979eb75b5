/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <string.h>

#include "lib/log.h"
#include "lib/settings.h"
#include "tokend/auth/aliases.h"
#include "tokend/auth/site.h"
#include "tokend/auth/users.h"

static void
log_fault(void *context, const char *path, size_t line, const char *what)
{
	(void)context;
	if (line > 0)
		log_warnx("%s:%zu: %s", path, line, what);
	else
		log_warnx("%s: %s", path, what);
}

/* The first fault goes to the parent, all go to the log. */
struct problem {
	char *text;
	size_t size;
};

static void
take_fault(void *context, const char *path, size_t line, const char *what)
{
	const struct problem *problem = context;

	log_fault(NULL, path, line, what);
	if (problem->text[0] != '\0')
		return;
	if (line > 0)
		(void)snprintf(problem->text, problem->size, "%s:%zu: %s", path,
		    line, what);
	else
		(void)snprintf(
		    problem->text, problem->size, "%s: %s", path, what);
}

int
site_take(struct site *site, const struct settings *settings, char *problem,
    size_t size)
{
	struct problem where = {problem, size};
	const struct source_report report = {take_fault, &where};
	struct users *users;
	struct aliases *aliases;

	users = users_open(settings->users_file, &settings->domains, &report);
	aliases =
	    aliases_open(settings->aliases_file, &settings->domains, &report);
	if (users == NULL || aliases == NULL) {
		users_close(users);
		aliases_close(aliases);
		return -1;
	}
	site_close(site);
	site->users = users;
	site->aliases = aliases;
	site->domains = &settings->domains;
	log_debug("%zu users", users_count(users));
	return 0;
}

void
site_refresh(struct site *site)
{
	static const struct source_report report = {log_fault, NULL};

	users_refresh(site->users, &report);
	aliases_refresh(site->aliases, &report);
}

void
site_close(struct site *site)
{
	users_close(site->users);
	aliases_close(site->aliases);
	site->users = NULL;
	site->aliases = NULL;
}
