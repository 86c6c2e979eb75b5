/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "tokend/auth/extra.h"
#include "tokend/auth/source.h"
#include "tokend/auth/users.h"

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

	*(uint32_t *)to = (uint32_t)strtonum(value, 0, PER_HOUR_MAX, &problem);
	return problem == NULL ? NULL : "a number, or 0 for no limit";
}

static const struct field {
	const char *name;
	take *take;
	size_t offset; /* in struct user */
} fields[] = {
    {"submit", take_refusal, offsetof(struct user, no_submit)},
    {"receive", take_refusal, offsetof(struct user, no_receive)},
    {"messages_per_hour", take_number,
	offsetof(struct user, messages_per_hour)},
    {"recipients_per_hour", take_number,
	offsetof(struct user, recipients_per_hour)},
};

static int
take_field(struct user *user, const char *name, const char *value,
    const struct source_place *at)
{
	const char *expected;
	size_t i;

	for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		if (strcmp(fields[i].name, name) != 0)
			continue;
		expected =
		    fields[i].take((char *)user + fields[i].offset, value);
		if (expected == NULL)
			return 0;
		source_fault(at, "bad extra field %s=%.40s, expected %s", name,
		    value, expected);
		return -1;
	}
	return 0;
}

int
extra_parse(struct user *user, char *text, const struct source_place *at)
{
	char *word, *value;
	int result = 0;

	while ((word = strsep(&text, " \t")) != NULL) {
		if ((value = strchr(word, '=')) != NULL)
			*value++ = '\0';
		if (take_field(user, word, value == NULL ? "" : value, at) ==
		    -1)
			result = -1;
	}
	return result;
}
