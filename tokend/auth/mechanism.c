/* SPDX-License-Identifier: ISC */
#include <string.h>
#include <strings.h>

#include "tokend/auth/exchange.h"
#include "tokend/auth/mechanisms.h"

static const struct mechanism mechanisms[] = {
    {"PLAIN", false, plain_step},
    {"LOGIN", false, login_step},
    {"SCRAM-SHA-256", false, scram_step},
    {"SCRAM-SHA-256-PLUS", true, scram_step},
};

const struct mechanism *
mechanism_find(struct bytes name)
{
	size_t i;

	for (i = 0; i < sizeof(mechanisms) / sizeof(mechanisms[0]); i++) {
		if (strlen(mechanisms[i].name) == name.length &&
		    strncasecmp(mechanisms[i].name, (const char *)name.data,
			name.length) == 0)
			return &mechanisms[i];
	}
	return NULL;
}
