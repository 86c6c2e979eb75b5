/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "lib/settings.h"
#include "tokend/auth/aliases.h"
#include "tokend/auth/login.h"
#include "tokend/auth/route.h"
#include "tokend/auth/site.h"

/* Aliases opened for one question: what a wide and deep file may cost. */
#define EXPANSIONS_MAX 1000

/* One question on its way through the aliases. */
struct question {
	const struct site *site;
	const struct finder *finder;
	struct targets *targets;
	unsigned int expansions;
	bool outside;
	bool disabled; /* a mailbox of a user with receive=no */
	bool later; /* something is not known yet */
};

static enum address_lookup
add_target(struct question *question, const char *address)
{
	struct targets *targets = question->targets;
	size_t i;

	for (i = 0; i < targets->count; i++) {
		if (strcmp(targets->addresses[i], address) == 0)
			return LOOKUP_MAILBOXES;
	}
	if (targets->count == ROUTE_TARGETS_MAX) {
		targets->too_deep = true;
		return LOOKUP_TEMPORARY;
	}
	(void)strlcpy(
	    targets->addresses[targets->count++], address, ADDRESS_SIZE);
	return LOOKUP_MAILBOXES;
}

/*
 * Adds the mailbox of a user. What is not known yet counts as found, so that
 * all that is to be asked is asked in one go.
 */
static enum address_lookup
add_user(struct question *question, const char *address)
{
	const struct finder *finder = question->finder;
	struct user_facts facts;

	switch (finder->find(finder->context, address, &facts)) {
	case FOUND_YES:
		question->disabled |= facts.rights.no_receive;
		return add_target(question, address);
	case FOUND_LATER:
		question->later = true;
		return LOOKUP_MAILBOXES;
	case FOUND_TEMPORARY:
		return LOOKUP_TEMPORARY;
	case FOUND_NO:
		break;
	}
	return LOOKUP_UNKNOWN;
}

static enum address_lookup
walk(struct question *question, const char *address, unsigned int depth);

static enum address_lookup
expand(struct question *question, const char *name,
    const struct text_list *list, unsigned int depth)
{
	enum address_lookup result;
	const char *target;
	size_t i;

	if (depth > ALIAS_DEPTH_MAX ||
	    ++question->expansions > EXPANSIONS_MAX) {
		question->targets->too_deep = true;
		return LOOKUP_TEMPORARY;
	}
	for (i = 0; i < list->count; i++) {
		target = list->items[i];
		if (strcmp(target, name) != 0)
			result = walk(question, target, depth + 1);
		else
			result = add_user(question, target);
		if (result != LOOKUP_MAILBOXES)
			return result;
	}
	return LOOKUP_MAILBOXES;
}

/* Adds the targets of an address that is an alias or a user, as it stands. */
static enum address_lookup
walk_exact(struct question *question, const char *address, unsigned int depth)
{
	const struct text_list *list;

	list = aliases_targets(question->site->aliases, address);
	if (list != NULL)
		return expand(question, address, list, depth);
	return add_user(question, address);
}

static enum address_lookup
walk(struct question *question, const char *address, unsigned int depth)
{
	const struct finder *finder = question->finder;
	struct user_facts facts;
	char base[ADDRESS_SIZE];

	if (!login_is_local(question->site->domains, address)) {
		question->outside = true;
		return add_target(question, address);
	}
	if (aliases_targets(question->site->aliases, address) == NULL &&
	    address_base(address, base) == 1 &&
	    finder->find(finder->context, address, &facts) == FOUND_NO)
		return walk_exact(question, base, depth);
	return walk_exact(question, address, depth);
}

int
route_resolve(const struct site *site, const struct finder *finder,
    const char *address, struct targets *targets)
{
	struct question question = {
	    .site = site, .finder = finder, .targets = targets};
	enum address_lookup result;

	targets->count = 0;
	targets->too_deep = false;
	result = walk(&question, address, 1);
	if (question.later && result == LOOKUP_MAILBOXES) {
		targets->count = 0;
		return LOOKUP_LATER;
	}
	if (result == LOOKUP_MAILBOXES && question.disabled)
		return LOOKUP_DISABLED;
	if (result == LOOKUP_MAILBOXES && question.outside)
		return LOOKUP_OUTSIDE;
	if (result != LOOKUP_MAILBOXES)
		targets->count = 0;
	return result;
}

int
route_split(const struct site *site, const struct targets *targets,
    struct list_writer *mailboxes, struct list_writer *outside)
{
	struct list_writer *list;
	size_t i;

	for (i = 0; i < targets->count; i++) {
		list = login_is_local(site->domains, targets->addresses[i])
		    ? mailboxes
		    : outside;
		if (list_add(list, bytes_text(targets->addresses[i])) == -1)
			return -1;
	}
	return 0;
}

/* Is it the login with a +detail, and nothing else beside? */
static int
own_detail(const struct site *site, const struct finder *finder,
    const char *login, const char *address)
{
	struct user_facts facts;
	char base[ADDRESS_SIZE];

	if (aliases_targets(site->aliases, address) != NULL ||
	    address_base(address, base) != 1 || strcmp(base, login) != 0)
		return OWNER_NO;
	switch (finder->find(finder->context, address, &facts)) {
	case FOUND_NO:
		return OWNER_YES;
	case FOUND_TEMPORARY:
		return OWNER_TEMPORARY;
	case FOUND_LATER:
		return OWNER_LATER;
	case FOUND_YES:
		break;
	}
	return OWNER_NO;
}

int
route_own(const struct site *site, const struct finder *finder,
    const char *login, const char *address)
{
	struct targets targets;
	int own;

	if (strcmp(address, login) == 0)
		return OWNER_YES;
	if ((own = own_detail(site, finder, login, address)) != OWNER_NO)
		return own;
	switch (route_resolve(site, finder, address, &targets)) {
	case LOOKUP_LATER:
		return OWNER_LATER;
	case LOOKUP_TEMPORARY:
		return targets.too_deep ? OWNER_NO : OWNER_TEMPORARY;
	case LOOKUP_MAILBOXES:
	case LOOKUP_DISABLED:
		return targets.count == 1 &&
			strcmp(targets.addresses[0], login) == 0
		    ? OWNER_YES
		    : OWNER_NO;
	default:
		return OWNER_NO;
	}
}
