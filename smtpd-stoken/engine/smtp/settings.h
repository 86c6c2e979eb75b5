/* SPDX-License-Identifier: ISC */
#ifndef ENGINE_SMTP_SETTINGS_H
#define ENGINE_SMTP_SETTINGS_H

#include <stdint.h>

/* What a session is told of the configuration and of its connection. */

/* Octets of a line with its CRLF (F-95, F-36), and how much is put up with. */
#define SMTP_LINE_MAX 2048
#define SMTP_AUTH_LINE_MAX 12290
#define SMTP_SKIP_MAX (4 << 20) /* of a line that is too long: then 421 */
#define SMTP_ERRORS_MAX 100 /* bad commands of a session: then 421 */
#define SMTP_HOPS_MAX 100 /* Received fields: then 554 5.4.6 */

enum smtp_listener {
	SMTP_LISTENER_SMTPS,
	SMTP_LISTENER_TLS_REQUIRE,
	SMTP_LISTENER_SOCKET /* LMTP of the site's own MTA: trusted, no TLS */
};

/* Submission-Token fields of a message that are remembered (S1-50). */
#define SMTP_SUPPLIED_MAX 16

/* Whose tokens found in mail are worth keeping (S1-50). */
enum smtp_learn {
	SMTP_LEARN_NONE,
	SMTP_LEARN_AUTHENTICATED, /* with the word of smtp_settings.authserv */
	SMTP_LEARN_ANY
};

/* Who may give flags, as bits of smtp_settings.flags_from. */
#define SMTP_FLAGS_SOCKET 0x1
#define SMTP_FLAGS_SUBMISSION 0x2
#define SMTP_FLAGS_TOKEN 0x4

/* Mechanisms, as bits of smtp_settings.mechanisms. STOKEN is with tokens. */
#define SMTP_AUTH_SCRAM_SHA_256_PLUS 0x1
#define SMTP_AUTH_SCRAM_SHA_256 0x2
#define SMTP_AUTH_PLAIN 0x4
#define SMTP_AUTH_LOGIN 0x8
#define SMTP_AUTH_REMEMBERME 0x10
#define SMTP_AUTH_HT2_EXPR 0x20
#define SMTP_AUTH_HT2_ENDP 0x40
#define SMTP_AUTH_HT2_NONE 0x80
#define SMTP_AUTH_OAUTHBEARER 0x100
#define SMTP_AUTH_XOAUTH2 0x200

/* Token types of REMEMBERME, as bits of smtp_settings.remember. */
#define SMTP_REMEMBER_RANDOM 0x1
#define SMTP_REMEMBER_JWT 0x2
#define SMTP_REMEMBER_HT2_EXPR 0x4
#define SMTP_REMEMBER_HT2_ENDP 0x8
#define SMTP_REMEMBER_HT2_NONE 0x10
#define SMTP_REMEMBER_MAX 375 /* octets of a token: B4 */

/* Channel binding data at hand, as bits of smtp_tls.binding. */
#define SMTP_BINDING_EXPORTER 0x1
#define SMTP_BINDING_ENDPOINT 0x2

struct smtp_settings {
	const char *hostname;
	const char *domain; /* of RCPT TO:<postmaster> */
	uint64_t message_size; /* octets; 0: no limit */
	unsigned int recipients; /* of one message */
	unsigned int mechanisms;
	int tokens; /* 0: `token no` */
	int normalize; /* bare-newline normalize */
	int show_client; /* received client show */
	int relay; /* a relay host is configured */
	enum smtp_learn learn; /* from others' mail: `token learn` */
	const char *authserv; /* of SMTP_LEARN_AUTHENTICATED */
	unsigned int remember; /* token types; 0: `remember no` */
	int metadata; /* 0: `metadata no` */
	int metadata_strict; /* draft -01 */
	unsigned int flags_from; /* SMTP_FLAGS_: `metadata flags from` */
};

struct smtp_tls {
	int active;
	int binding; /* channel binding data at hand; 0: -PLUS is impossible */
	char cipher[48]; /* IANA name; "" when there is none */
	char group[24];
};

#endif
