/* SPDX-License-Identifier: ISC */
/* The configuration as the children are told it: lib/settings.def. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/settings.h"
#include "smtpd-stoken/parent.h"

static char *
copy(const char *text)
{
	char *result = text == NULL ? NULL : strdup(text);

	if (text != NULL && result == NULL)
		fatal("strdup");
	return result;
}

static void
copy_lists(struct settings *s, const struct config *config)
{
	const char *name;
	uint64_t bit;
	size_t i;

	for (i = 0; i < config->domains.count; i++)
		if (text_list_add(&s->domains, config->domains.item[i],
			strlen(config->domains.item[i])) == -1)
			fatal("settings");
	for (bit = 1; (name = config_mechanism_name(bit)) != NULL; bit <<= 1)
		if ((config->mechanisms & bit) != 0 &&
		    text_list_add(&s->mechanisms, name, strlen(name)) == -1)
			fatal("settings");
	for (bit = 1; (name = config_remember_type_name(bit)) != NULL;
	     bit <<= 1)
		if ((config->remember_types & bit) != 0 &&
		    text_list_add(&s->remember_types, name, strlen(name)) == -1)
			fatal("settings");
}

/* Can others deliver by our tokens? The local socket is for the MTA. */
static int
listens(const struct config *config)
{
	size_t i;

	for (i = 0; i < config->listener_count; i++)
		if (config->listeners[i].kind != LISTENER_SOCKET)
			return 1;
	return 0;
}

/* For what the operator asks of them; see tokend/publish_items.c. */
static void
copy_listeners(struct settings *s, const struct config *config)
{
	static const char *const kinds[] = {
	    [LISTENER_SMTPS] = "smtps",
	    [LISTENER_TLS_REQUIRE] = "tls-require",
	    [LISTENER_SOCKET] = "socket",
	};
	const struct listener *l;
	char text[4096];
	size_t i, k;

	for (i = 0; i < config->listener_count; i++) {
		l = &config->listeners[i];
		(void)snprintf(
		    text, sizeof(text), "%s %u", kinds[l->kind], l->port);
		for (k = 0; k < l->pki_count; k++) {
			(void)strlcat(text, " ", sizeof(text));
			(void)strlcat(
			    text, config->pki[l->pki[k]].name, sizeof(text));
		}
		if (text_list_add(&s->listeners, text, strlen(text)) == -1)
			fatal("settings");
	}
}

static void
copy_relay(struct settings *s, const struct config *config)
{
	s->relay = config->relay_host != NULL;
	s->relay_host = copy(config->relay_host);
	s->relay_port = config->relay_port;
	s->relay_scheme = config->relay_scheme;
	s->relay_verify = config->relay_verify;
	s->relay_label = copy(config->relay_label);
	s->timeout_relay = config->timeout_relay;
	s->resolver = copy(config->resolver);
	s->mx_fallback = config->relay_mx_fallback;
	s->dnssec = config->relay_dnssec;
	s->token_mine = config->token && config->token_mine && listens(config);
	s->token_header_recipients =
	    config->token ? config->token_header_recipients : 0;
	s->token_learn = config->token ? config->token_learn : 0;
	s->token_learn_authserv = copy(config->token_learn_authserv);
	s->deliver_lmtp = config->lmtp_address != NULL;
	s->lmtp_address = copy(config->lmtp_address);
	s->spool = copy(config->spool);
	s->messages_per_hour = config->limit_messages_per_hour;
	s->recipients_per_hour = config->limit_recipients_per_hour;
}

struct settings *
setup_settings(const struct config *config)
{
	struct settings *s = settings_new();

	if (s == NULL)
		fatal("settings");
	copy_lists(s, config);
	copy_listeners(s, config);
	s->hostname = copy(config->hostname);
	s->users_file = copy(config->users_file);
	s->users_dovecot = copy(config->users_dovecot);
	s->users_userdb = copy(config->users_userdb);
	s->users_system = config->users_system;
	s->aliases_file = copy(config->aliases_file);
	s->store = copy(config->store);
	s->maildir = copy(config->maildir);
	s->system_accounts = geteuid() == 0 && config->maildir != NULL &&
	    config->maildir_user == NULL;
	s->tokens = config->token;
	s->temporary_lifetime = config->token_temporary_lifetime;
	s->permanent_lifetime = config->token_permanent_lifetime;
	s->permanent_refresh = config->token_permanent_refresh;
	s->permanent_grace = config->token_permanent_grace;
	s->remember = config->remember;
	s->remember_lifetime = config->remember_lifetime;
	s->remember_maximum = config->remember_maximum;
	s->remember_strong_only = config->remember_strong_only;
	s->timeout_command = config->timeout_command;
	s->timeout_data = config->timeout_data;
	s->timeout_shutdown = config->timeout_shutdown;
	s->received_client_show = config->received_client == RECEIVED_SHOW;
	s->bare_newline_normalize =
	    config->bare_newline == BARE_NEWLINE_NORMALIZE;
	s->limit_sessions = config->limit_sessions;
	s->limit_sessions_per_address = config->limit_sessions_per_address;
	s->limit_message_size = config->limit_message_size;
	s->limit_recipients = config->limit_recipients;
	s->limit_auth_failures = config->limit_auth_failures;
	s->limit_auth_failures_per_address =
	    config->limit_auth_failures_per_address;
	s->hash_workers = config->prefork_auth;
	s->metadata = config->metadata;
	s->metadata_strict = config->metadata_strict;
	s->metadata_flags = config->metadata_flags;
	copy_relay(s, config);
	return s;
}
