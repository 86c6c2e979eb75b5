/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "imsg/verdicts.h"
#include "tokend/auth/facts.h"
#include "tokend/auth/rights.h"
#include "tokend/auth/source.h"

#define PER_HOUR_MAX 1000000000

/* Sets what a value says. Returns NULL, or what was expected. */
typedef const char *take(void *to, const char *value);

static const char *
take_refusal(void *to, const char *value)
{
	bool *refused = to;

	*refused = strcmp(value, "no") == 0;
	return *refused || strcmp(value, "yes") == 0 ? NULL : "yes or no";
}

static const char *
take_number(void *to, const char *value)
{
	const char *problem;
	long long number;

	number = strtonum(value, 0, PER_HOUR_MAX, &problem);
	if (problem != NULL)
		return "a number, or 0 for no limit";
	*(uint32_t *)to = (uint32_t)number;
	return NULL;
}

static const struct field {
	const char *name;
	take *take;
	size_t offset; /* in struct user_rights */
} fields[] = {
    {"submit", take_refusal, offsetof(struct user_rights, no_submit)},
    {"receive", take_refusal, offsetof(struct user_rights, no_receive)},
    {"messages_per_hour", take_number,
	offsetof(struct user_rights, messages_per_hour)},
    {"recipients_per_hour", take_number,
	offsetof(struct user_rights, recipients_per_hour)},
};

void
rights_init(struct user_rights *rights)
{
	*rights = (struct user_rights) {
	    .messages_per_hour = LIMIT_SITE, .recipients_per_hour = LIMIT_SITE};
}

void
facts_init(struct user_facts *facts)
{
	memset(facts, 0, sizeof(*facts));
	rights_init(&facts->rights);
}

const char *
rights_take(struct user_rights *rights, const char *name, const char *value)
{
	size_t i;

	for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		if (strcmp(fields[i].name, name) == 0)
			return fields[i].take(
			    (char *)rights + fields[i].offset, value);
	}
	return NULL;
}

int
rights_parse(
    struct user_rights *rights, char *text, const struct source_place *at)
{
	const char *expected;
	char *word, *value;
	int result = 0;

	while ((word = strsep(&text, " \t")) != NULL) {
		if ((value = strchr(word, '=')) != NULL)
			*value++ = '\0';
		else
			value = word + strlen(word);
		expected = rights_take(rights, word, value);
		if (expected == NULL)
			continue;
		source_fault(at, "bad extra field %s=%.40s, expected %s", word,
		    value, expected);
		result = -1;
	}
	return result;
}
