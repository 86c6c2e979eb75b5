/* SPDX-License-Identifier: ISC */
/*
 * The directives: one row each. Adding one is a row here, a field in
 * struct config, and a paragraph in smtpd-stoken.conf(5); a test compares.
 */
#include "paths.h"
#include <stddef.h>

#include "smtpd-stoken/config-directives.h"
#include "smtpd-stoken/config-parse.h"

#define AT(field) offsetof(struct config, field)
#define MIB (1ULL << 20)
#define DAY 86400

#define COUNT(name, word, defaults, field, minimum, maximum)                 \
	{                                                                    \
		name, word, parse_count, print_count, 0, defaults, "NUMBER", \
		    AT(field), minimum, maximum                              \
	}
#define SIZE(name, word, defaults, field, minimum, maximum)               \
	{                                                                 \
		name, word, parse_count, print_size, 0, defaults, "SIZE", \
		    AT(field), minimum, maximum                           \
	}
#define DURATION(name, word, defaults, field, minimum, maximum)          \
	{                                                                \
		name, word, parse_duration, print_duration, 0, defaults, \
		    "DURATION", AT(field), minimum, maximum              \
	}
#define CHOICE(name, word, defaults, choices, field)                          \
	{                                                                     \
		name, word, parse_choice, print_choice, 0, defaults, choices, \
		    AT(field), 0, 0                                           \
	}
#define PATHNAME(name, word, defaults, field)                                  \
	{                                                                      \
		name, word, parse_path, print_string, 0, defaults, "\"PATH\"", \
		    AT(field), 0, 0                                            \
	}
#define OTHER(name, word, repeat, defaults, expected, parse, print)           \
	{                                                                     \
		name, word, parse, print, repeat, defaults, expected, 0, 0, 0 \
	}
/* A feature that a later version brings: only switching it off is allowed. */

const struct directive directives[] = {
    OTHER("hostname", NULL, 0, NULL, "NAME", parse_hostname, print_hostname),
    OTHER("domain", NULL, 1, NULL, "NAME | { NAME ... }", parse_domain,
	print_domains),
    OTHER(
	"pki", NULL, 1, NULL, "NAME cert | key \"PATH\"", parse_pki, print_pki),
    OTHER("listen", "on", 1, NULL,
	"ADDRESS [port NUMBER] smtps | tls-require pki NAME ... | "
	"socket \"PATH\" [group NAME]",
	parse_listen, print_listen),
    PATHNAME("users", "file", "\"" PATH_USERS "\"", users_file),
    OTHER("users", "dovecot", 0, NULL, "\"PATH\" [userdb \"PATH\"]",
	parse_dovecot, print_dovecot),
    OTHER("users", "system", 0, NULL, "", parse_system, print_system),
    PATHNAME("aliases", "file", NULL, aliases_file),
    PATHNAME("store", "db", "\"" PATH_STORE "\"", store),
    OTHER("control", NULL, 0, "\"" PATH_CONTROL "\"", "\"PATH\" [group NAME]",
	parse_control, print_control),
    OTHER("deliver", "maildir", 0, NULL, "\"TEMPLATE\" [user NAME]",
	parse_maildir, print_maildir),
    OTHER("deliver", "lmtp", 0, NULL,
	"\"PATH\" | \"ADDRESS:PORT\" [spool \"DIRECTORY\"]", parse_lmtp,
	print_lmtp),
    OTHER("relay", "host", 0, NULL, "\"URL\" [auth \"PATH\"] [no-verify]",
	parse_relay, print_relay),
    CHOICE("relay", "mx-fallback", "no", "no | yes", relay_mx_fallback),
    CHOICE("relay", "dnssec", "no", "no | yes", relay_dnssec),
    OTHER("resolver", NULL, 0, NULL, "\"ADDRESS\" | \"ADDRESS:PORT\"",
	parse_resolver, print_resolver),
    PATHNAME("ca", NULL, "\"" PATH_CA "\"", ca_file),
    OTHER("token", "no", 0, NULL, "", parse_token_no, print_token_no),
    OTHER("token", "temporary", 0, "lifetime 7d", "lifetime DURATION",
	parse_temporary, print_temporary),
    OTHER("token", "permanent", 0, "lifetime 365d refresh 90d grace 7d",
	"[lifetime DURATION] [refresh DURATION] [grace DURATION]",
	parse_permanent, print_permanent),
    /* A transaction each: more would keep a client waiting. */
    {"token", "header", parse_header, print_header, 0, "recipients 10",
	"no | recipients NUMBER", AT(token_header_recipients), 1, 100},
    OTHER("token", "learn", 0, "authenticated",
	"none | any | authenticated [\"AUTHSERV-ID\"]", parse_learn,
	print_learn),
    CHOICE("token", "mine", "yes", "no | yes", token_mine),
    OTHER("remember", "no", 0, NULL, "", parse_remember_no, print_remember_no),
    OTHER("remember", "types", 0, "{ random jwt } lifetime 90d maximum 365d",
	"{ TYPE ... } [lifetime DURATION] [maximum DURATION]",
	parse_remember_types, print_remember_types),
    OTHER("remember", "strong-only", 0, NULL, "", parse_remember_strong,
	print_remember_strong),
    OTHER("metadata", "no", 0, NULL, "", parse_metadata_no, print_metadata_no),
    OTHER("metadata", "strict", 0, NULL, "", parse_metadata_strict,
	print_metadata_strict),
    OTHER("metadata", "flags", 0, "from { socket submission }",
	"from { socket | submission | token ... }", parse_metadata_flags,
	print_metadata_flags),
    OTHER("auth", "mechanisms", 0,
	"{ plain login scram-sha-256 scram-sha-256-plus rememberme "
	"ht2-sha-256-expr ht2-sha-256-endp oauthbearer xoauth2 }",
	"{ plain | login | scram-sha-256 | scram-sha-256-plus | rememberme | "
	"ht2-sha-256-expr | ht2-sha-256-endp | ht2-sha-256-none | "
	"oauthbearer | xoauth2 ... }",
	parse_mechanisms, print_mechanisms),
    DURATION("timeout", "command", "5m", timeout_command, 1, DAY),
    DURATION("timeout", "data", "5m", timeout_data, 1, DAY),
    DURATION("timeout", "shutdown", "30s", timeout_shutdown, 1, 3600),
    DURATION("timeout", "relay", "5m", timeout_relay, 1, DAY),
    CHOICE("received", "client", "hide", "hide | show", received_client),
    CHOICE("bare-newline", NULL, "reject", "reject | normalize", bare_newline),
    COUNT("limit", "sessions", "10000", limit_sessions, 1, 1000000),
    COUNT("limit", "sessions-per-address", "64", limit_sessions_per_address, 1,
	1000000),
    SIZE(
	"limit", "message-size", "35M", limit_message_size, 65536, 65536 * MIB),
    /* More would not fit into the messages about a commit. */
    COUNT("limit", "recipients", "100", limit_recipients, 1, 500),
    COUNT("limit", "auth-failures", "4", limit_auth_failures, 1, 100),
    COUNT("limit", "auth-failures-per-address", "300",
	limit_auth_failures_per_address, 1, 1000000),
    COUNT(
	"limit", "messages-per-hour", "0", limit_messages_per_hour, 0, 1000000),
    COUNT("limit", "recipients-per-hour", "0", limit_recipients_per_hour, 0,
	1000000),
    COUNT("prefork", "frontend", "2", prefork_frontend, 1, 32),
    COUNT("prefork", "engine", "2", prefork_engine, 1, 32),
    COUNT("prefork", "lmtpd", "8", prefork_lmtpd, 1, 64),
    COUNT("prefork", "auth", "2", prefork_auth, 1, 32),
    CHOICE("sandbox", NULL, "enforce", "enforce | log", sandbox),
};

const size_t directive_count = sizeof(directives) / sizeof(directives[0]);

const struct mechanism config_mechanisms[] = {
    {"plain", MECHANISM_PLAIN},
    {"login", MECHANISM_LOGIN},
    {"scram-sha-256", MECHANISM_SCRAM_SHA_256},
    {"scram-sha-256-plus", MECHANISM_SCRAM_SHA_256_PLUS},
    {"rememberme", MECHANISM_REMEMBERME},
    {"ht2-sha-256-expr", MECHANISM_HT2_EXPR},
    {"ht2-sha-256-endp", MECHANISM_HT2_ENDP},
    {"ht2-sha-256-none", MECHANISM_HT2_NONE},
    {"oauthbearer", MECHANISM_OAUTHBEARER},
    {"xoauth2", MECHANISM_XOAUTH2},
    {NULL, 0},
};
