/* SPDX-License-Identifier: ISC */
/*
 * The configuration: smtpd-stoken.conf(5) read, checked and complete.
 * Durations are seconds and 0 is never; sizes are octets; strings are
 * NUL-terminated and NULL where a directive was left out and has no default.
 */
#ifndef SMTPD_STOKEN_CONFIG_H
#define SMTPD_STOKEN_CONFIG_H

#include <sys/types.h>
#include <sys/socket.h>
#include <stdint.h>
#include <stdio.h>

#include "imsg/verdicts.h" /* enum listener_kind */

struct macro {
	char *name;
	char *value;
	struct macro *next;
};

struct strings {
	char **item;
	size_t count;
};

struct pki {
	char *name;
	char *cert; /* path: PEM, the whole chain */
	char *key; /* path: PEM; the parent never reads its octets */
};

struct listener {
	enum listener_kind kind;
	struct sockaddr_storage address; /* not for LISTENER_SOCKET */
	socklen_t address_length;
	char *host; /* as written; for LISTENER_SOCKET the path */
	uint16_t port;
	char *group; /* LISTENER_SOCKET: who else may connect, or NULL */
	size_t *pki; /* indices into config.pki; the first is the default */
	size_t pki_count;
};

/* Bits of config.mechanisms. Their names: config_mechanism_name(). */
#define MECHANISM_PLAIN 0x01
#define MECHANISM_LOGIN 0x02
#define MECHANISM_SCRAM_SHA_256 0x04
#define MECHANISM_SCRAM_SHA_256_PLUS 0x08
#define MECHANISM_REMEMBERME 0x10
#define MECHANISM_HT2_EXPR 0x20
#define MECHANISM_HT2_ENDP 0x40
#define MECHANISM_HT2_NONE 0x80
#define MECHANISM_OAUTHBEARER 0x100
#define MECHANISM_XOAUTH2 0x200
/* Those that check a password. */
#define MECHANISMS_PASSWORD                                            \
	(MECHANISM_PLAIN | MECHANISM_LOGIN | MECHANISM_SCRAM_SHA_256 | \
	    MECHANISM_SCRAM_SHA_256_PLUS)

/* Bits of config.remember_types, as config_remember_type_name() calls them. */
#define REMEMBER_TYPE_RANDOM 0x01
#define REMEMBER_TYPE_JWT 0x02
#define REMEMBER_TYPE_HT2_EXPR 0x04
#define REMEMBER_TYPE_HT2_ENDP 0x08
#define REMEMBER_TYPE_HT2_NONE 0x10

enum {
	RECEIVED_HIDE,
	RECEIVED_SHOW
};
enum {
	BARE_NEWLINE_REJECT,
	BARE_NEWLINE_NORMALIZE
};
enum {
	SANDBOX_ENFORCE,
	SANDBOX_LOG
};

struct config {
	char *hostname;
	struct strings domains; /* canonical: lower-case A-labels */
	struct pki *pki;
	size_t pki_count;
	struct listener *listeners;
	size_t listener_count;

	char *users_file; /* users file, or NULL */
	char *users_dovecot; /* users dovecot: its socket for clients */
	char *users_userdb; /* and the one for masters */
	uint64_t users_system; /* users system: 1 */
	char *aliases_file; /* aliases file, or NULL */
	char *store; /* store db: the directory */
	char *control; /* path of the control socket */
	char *control_group;
	char *maildir; /* deliver maildir: with %{user} and %{domain} */
	char *maildir_user; /* or NULL */
	char *lmtp_address; /* deliver lmtp: path or ADDRESS:PORT, or NULL */
	char *spool; /* deliver lmtp: where messages wait for their answer */

	uint64_t relay_scheme; /* enum relay_scheme */
	char *relay_host; /* name or address, or NULL */
	uint16_t relay_port;
	char *relay_label; /* of the line in relay_secrets, or NULL */
	char *relay_secrets; /* path, or NULL */
	uint64_t relay_verify;
	uint64_t relay_mx_fallback;
	uint64_t relay_dnssec;
	char *resolver; /* ADDRESS:PORT, or NULL */
	char *ca_file; /* ca */

	uint64_t token; /* 0: token no */
	uint64_t token_temporary_lifetime;
	uint64_t token_permanent_lifetime;
	uint64_t token_permanent_refresh;
	uint64_t token_permanent_grace;
	uint64_t token_header_recipients; /* 0: token header no */
	uint64_t token_learn; /* enum token_learn */
	char *token_learn_authserv; /* or NULL: hostname */
	uint64_t token_mine;
	uint64_t metadata; /* 0: metadata no */
	uint64_t metadata_strict;
	uint64_t metadata_flags; /* METADATA_FLAGS_ of imsg/verdicts.h */
	uint64_t mechanisms;

	uint64_t remember; /* 0: remember no */
	uint64_t remember_types;
	uint64_t remember_lifetime; /* after the last use */
	uint64_t remember_maximum; /* after the login it comes from */
	uint64_t remember_strong_only;

	uint64_t timeout_command;
	uint64_t timeout_data;
	uint64_t timeout_shutdown;
	uint64_t timeout_relay;

	uint64_t limit_sessions;
	uint64_t limit_sessions_per_address;
	uint64_t limit_message_size;
	uint64_t limit_recipients;
	uint64_t limit_messages_per_hour; /* of a user; 0: no limit */
	uint64_t limit_recipients_per_hour;
	uint64_t limit_auth_failures; /* a connection */
	uint64_t limit_auth_failures_per_address; /* a minute */

	uint64_t prefork_frontend;
	uint64_t prefork_engine;
	uint64_t prefork_lmtpd;
	uint64_t prefork_auth; /* workers for slow hashes */

	uint64_t received_client; /* RECEIVED_ */
	uint64_t bare_newline; /* BARE_NEWLINE_ */
	uint64_t sandbox; /* SANDBOX_ */
};

/*
 * Reads the file at `path` with the macros of the command line, which win
 * over those of the file. Every error of the file goes to `errors`, one
 * line each: `FILE:LINE: what is wrong, what was expected`. 0 and *config,
 * to be freed with config_free(); or -1.
 */
int config_load(const char *path, const struct macro *, FILE *errors,
    struct config **config);
void config_free(struct config *);

/* `name=value` of option -D onto the list. 0, or -1: not of that form. */
int config_macro_add(struct macro **, const char *);
void config_macro_free(struct macro *);

/* The effective configuration, in a form that reads back to itself. */
void config_print(const struct config *, FILE *);

/*
 * Opens every file that the configuration names, as at start: certificates,
 * keys, users, aliases. What cannot be opened or is too open goes to
 * `errors`. The number of files with an error.
 */
int config_check_files(const struct config *, FILE *errors);

/*
 * Opens one for reading, and looks at what was opened: a regular file that
 * nobody else may write and, when `secret`, of mode 0640 or tighter. The
 * descriptor, or -1 with the reason on `errors` (may be NULL).
 */
int config_open_file(const char *path, int secret, FILE *errors);

/* Is there a certificate that must be verified? */
int config_needs_ca(const struct config *);

/* The SASL name of one MECHANISM_ bit, NULL if there is none. */
const char *config_mechanism_name(uint64_t bit);

/* The name of one REMEMBER_TYPE_ bit, NULL if there is none. */
const char *config_remember_type_name(uint64_t bit);

#endif
