/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "imsg/verdicts.h"
#include "smtpd-stoken/engine/configuration.h"

_Static_assert(METADATA_FLAGS_SOCKET == SMTP_FLAGS_SOCKET &&
	METADATA_FLAGS_SUBMISSION == SMTP_FLAGS_SUBMISSION &&
	METADATA_FLAGS_TOKEN == SMTP_FLAGS_TOKEN,
    "the setting is taken as it is");

_Static_assert((int)TOKEN_LEARN_NONE == (int)SMTP_LEARN_NONE &&
	(int)TOKEN_LEARN_AUTHENTICATED == (int)SMTP_LEARN_AUTHENTICATED &&
	(int)TOKEN_LEARN_ANY == (int)SMTP_LEARN_ANY,
    "so is this one");

/* As many as the octets of COMMIT_GRANT can speak of. */
#define RECIPIENTS_MAX 1000

static const struct {
	const char *name;
	unsigned int bit;
} mechanisms[] = {
    {"scram-sha-256-plus", SMTP_AUTH_SCRAM_SHA_256_PLUS},
    {"scram-sha-256", SMTP_AUTH_SCRAM_SHA_256},
    {"plain", SMTP_AUTH_PLAIN},
    {"login", SMTP_AUTH_LOGIN},
    {"rememberme", SMTP_AUTH_REMEMBERME},
    {"ht2-sha-256-expr", SMTP_AUTH_HT2_EXPR},
    {"ht2-sha-256-endp", SMTP_AUTH_HT2_ENDP},
    {"ht2-sha-256-none", SMTP_AUTH_HT2_NONE},
    {"oauthbearer", SMTP_AUTH_OAUTHBEARER},
    {"xoauth2", SMTP_AUTH_XOAUTH2},
};

/* What a token type is called, and which mechanisms take it (D-R04). */
static const struct {
	const char *name;
	unsigned int bit;
	unsigned int mechanisms;
} types[] = {
    {"random", SMTP_REMEMBER_RANDOM,
	SMTP_AUTH_REMEMBERME | SMTP_AUTH_HT2_EXPR | SMTP_AUTH_HT2_ENDP |
	    SMTP_AUTH_HT2_NONE},
    {"jwt", SMTP_REMEMBER_JWT,
	SMTP_AUTH_REMEMBERME | SMTP_AUTH_OAUTHBEARER | SMTP_AUTH_XOAUTH2},
    {"ht2-sha-256-expr", SMTP_REMEMBER_HT2_EXPR, SMTP_AUTH_HT2_EXPR},
    {"ht2-sha-256-endp", SMTP_REMEMBER_HT2_ENDP, SMTP_AUTH_HT2_ENDP},
    {"ht2-sha-256-none", SMTP_REMEMBER_HT2_NONE, SMTP_AUTH_HT2_NONE},
};

/* Every mechanism that takes tokens; without tokens it is not offered. */
#define BY_TOKEN                                                          \
	(SMTP_AUTH_REMEMBERME | SMTP_AUTH_HT2_EXPR | SMTP_AUTH_HT2_ENDP | \
	    SMTP_AUTH_HT2_NONE | SMTP_AUTH_OAUTHBEARER | SMTP_AUTH_XOAUTH2)

#define PASSWORD_MECHANISMS                                       \
	(SMTP_AUTH_SCRAM_SHA_256_PLUS | SMTP_AUTH_SCRAM_SHA_256 | \
	    SMTP_AUTH_PLAIN | SMTP_AUTH_LOGIN)

/* What can be had; everything, until MECHANISMS says otherwise. */
static unsigned int offered = ~0U;

static unsigned int
mechanism_bits(const struct text_list *list)
{
	unsigned int bits = 0;
	size_t i, j;

	for (i = 0; i < list->count; i++)
		for (j = 0; j < sizeof(mechanisms) / sizeof(mechanisms[0]); j++)
			if (strcasecmp(list->items[i], mechanisms[j].name) == 0)
				bits |= mechanisms[j].bit;
	return bits;
}

/* The types that a mechanism takes, and the mechanisms that have a type. */
static void
take_remember(struct smtp_settings *smtp, const struct settings *settings)
{
	const struct text_list *list = &settings->remember_types;
	unsigned int possible = 0;
	size_t i, j;

	for (i = 0; settings->remember != 0 && i < list->count; i++)
		for (j = 0; j < sizeof(types) / sizeof(types[0]); j++)
			if (strcasecmp(list->items[i], types[j].name) == 0 &&
			    (smtp->mechanisms & types[j].mechanisms) != 0) {
				smtp->remember |= types[j].bit;
				possible |= types[j].mechanisms;
			}
	smtp->mechanisms &= ~(unsigned int)BY_TOKEN | possible;
}

static char *
copy(const char *text)
{
	return strdup(text != NULL ? text : "localhost");
}

struct configuration *
configuration_new(const struct settings *settings)
{
	struct configuration *c;

	if ((c = calloc(1, sizeof(*c))) == NULL)
		return NULL;
	c->references = 1;
	c->hostname = copy(settings->hostname);
	c->domain =
	    copy(settings->domains.count > 0 ? settings->domains.items[0]
					     : settings->hostname);
	if (settings->relay_host != NULL)
		c->relay_host = strdup(settings->relay_host);
	c->authserv = copy(settings->token_learn_authserv != NULL
		? settings->token_learn_authserv
		: settings->hostname);
	if (c->authserv == NULL || c->hostname == NULL || c->domain == NULL) {
		configuration_release(c);
		return NULL;
	}
	c->smtp.hostname = c->hostname;
	c->smtp.domain = c->domain;
	c->smtp.message_size = settings->limit_message_size;
	c->smtp.recipients = RECIPIENTS_MAX;
	if (settings->limit_recipients > 0 &&
	    settings->limit_recipients < RECIPIENTS_MAX)
		c->smtp.recipients = (unsigned int)settings->limit_recipients;
	c->smtp.mechanisms = mechanism_bits(&settings->mechanisms);
	take_remember(&c->smtp, settings);
	c->mechanisms = c->smtp.mechanisms;
	c->smtp.mechanisms &= offered;
	c->smtp.tokens = settings->tokens != 0;
	c->smtp.normalize = settings->bare_newline_normalize != 0;
	c->smtp.show_client = settings->received_client_show != 0;
	c->smtp.learn = (enum smtp_learn)settings->token_learn;
	c->smtp.authserv = c->authserv;
	c->smtp.relay = settings->relay != 0;
	c->smtp.metadata = settings->metadata != 0;
	c->smtp.metadata_strict = settings->metadata_strict != 0;
	c->smtp.flags_from = (unsigned int)settings->metadata_flags;
	c->header_recipients = (uint32_t)settings->token_header_recipients;
	c->deliver_lmtp = settings->deliver_lmtp != 0;
	c->timeout_command = (int64_t)settings->timeout_command * 1000;
	c->timeout_data = (int64_t)settings->timeout_data * 1000;
	c->timeout_shutdown = (uint32_t)settings->timeout_shutdown;
	return c;
}

struct configuration *
configuration_hold(struct configuration *c)
{
	c->references++;
	return c;
}

void
configuration_release(struct configuration *c)
{
	if (c == NULL || --c->references > 0)
		return;
	free(c->hostname);
	free(c->domain);
	free(c->relay_host);
	free(c->authserv);
	free(c);
}

void
configuration_offer(struct configuration *c, struct bytes names)
{
	struct bytes name;
	size_t i;

	offered = ~(unsigned int)PASSWORD_MECHANISMS;
	while (list_next(&names, &name) == 1)
		for (i = 0; i < sizeof(mechanisms) / sizeof(mechanisms[0]); i++)
			if (strlen(mechanisms[i].name) == name.length &&
			    strncasecmp(mechanisms[i].name,
				(const char *)name.data, name.length) == 0)
				offered |= mechanisms[i].bit;
	c->smtp.mechanisms = c->mechanisms & offered;
}
