/* SPDX-License-Identifier: ISC */
/* The values of the small fields in messages.def. Never renumbered. */
#ifndef IMSG_VERDICTS_H
#define IMSG_VERDICTS_H

/* Listener kinds, as the configuration names them. */
enum listener_kind {
	LISTENER_SMTPS = 1, /* TLS from the first octet */
	LISTENER_TLS_REQUIRE, /* STARTTLS before anything that matters */
	LISTENER_SOCKET /* LMTP from the site's own MTA */
};

/* SIGN_REQUEST kind. */
enum sign_kind {
	SIGN_EC = 1, /* block is a digest of 32, 48 or 64 octets */
	SIGN_RSA_PSS, /* block is EMSA-PSS, as long as the modulus */
	SIGN_RSA_PKCS1, /* block is a DigestInfo; the signer pads it */
	/* or-ed to it: with no key but one of the newest configuration */
	SIGN_NEWEST = 0x80
};

/* SESSION_VERDICT admission. */
enum admission {
	ADMISSION_OK = 1,
	ADMISSION_SESSIONS, /* limit sessions */
	ADMISSION_PER_ADDRESS, /* limit sessions-per-address */
	ADMISSION_FAILURES /* limit auth-failures-per-address */
};

/* AUTH_RESULT and PASSWORD_RESULT outcome. */
enum auth_outcome {
	AUTH_OK = 1,
	AUTH_CHALLENGE,
	AUTH_FAILED, /* 535 5.7.8 */
	AUTH_FAILED_LAST, /* 535 5.7.8, then 421 4.7.0 and close */
	AUTH_TEMPORARY, /* 454 4.7.0 */
	AUTH_MALFORMED, /* 501 5.5.2 */
	AUTH_UNAVAILABLE /* 504 5.5.4 */
};

/* PASSWORD_RESULT reason, for the log alone. */
enum auth_reason {
	AUTH_REASON_NONE,
	AUTH_REASON_UNKNOWN_USER,
	AUTH_REASON_BAD_SECRET,
	AUTH_REASON_BINDING,
	AUTH_REASON_PROTOCOL,
	AUTH_REASON_DISABLED,
	AUTH_REASON_OVERLOAD,
	AUTH_REASON_EXPIRED /* the password, or the account */
};

/* OWNER_RESULT own. */
enum owner {
	OWNER_NO,
	OWNER_YES,
	OWNER_TEMPORARY /* cannot be told now */
};

/* LOGIN_CONNECT, LOGIN_CONNECTED. */
enum login_socket {
	LOGIN_SOCKET_AUTH = 1, /* users dovecot: passwords */
	LOGIN_SOCKET_USERDB /* who there is */
};

enum token_kind {
	TOKEN_KIND_NONE,
	TOKEN_KIND_TEMPORARY,
	TOKEN_KIND_PERMANENT
};

/* RCPT_VERDICT, COMMIT_GRANT, SENDER_VERDICT. */
enum rcpt_verdict {
	VERDICT_OK = 1,
	VERDICT_UNKNOWN, /* no such local address */
	VERDICT_REFUSED, /* not for this session (token, ownership) */
	VERDICT_OUTSIDE, /* not a local address */
	VERDICT_TEMPORARY, /* cannot tell now */
	VERDICT_TOO_MANY, /* too many mailboxes behind it */
	VERDICT_LIMIT, /* limit messages-per-hour, recipients-per-hour */
	VERDICT_DISABLED /* submit=no, receive=no */
};

/* TOKEN_GENERATED, TOKEN_REVOKED. */
enum token_verdict {
	TOKEN_VERDICT_OK = 1,
	TOKEN_VERDICT_BAD_REMOTE, /* 501 5.1.3 */
	TOKEN_VERDICT_BAD_LOCAL, /* 501 5.1.7 */
	TOKEN_VERDICT_TEMPORARY /* 451 4.5.0 */
};

/* REMEMBERED. */
enum remember_verdict {
	REMEMBER_OK = 1,
	REMEMBER_TYPE, /* 504 5.5.4: not made here, or not for him */
	REMEMBER_WEAK, /* 534 5.7.9: log in by password, or by a better way */
	REMEMBER_REFUSED, /* 550 5.7.1: not in a token session */
	REMEMBER_TEMPORARY /* 454 4.7.0 */
};

/* USER_STATE state. */
enum user_state {
	USER_THERE = 1,
	USER_UNKNOWN,
	USER_TEMPORARY /* cannot be told now */
};

/* ADDRESS_RESULT lookup. */
enum address_lookup {
	LOOKUP_MAILBOXES = 1,
	LOOKUP_OUTSIDE, /* an alias with an outside target, or an address elsewhere */
	LOOKUP_UNKNOWN,
	LOOKUP_TEMPORARY,
	LOOKUP_DISABLED /* receive=no */
};

/* FILE_OPENED and DELIVERED result. */
enum delivery_result {
	DELIVERY_OK = 1,
	DELIVERY_NO_SPACE, /* 452 4.3.1 */
	DELIVERY_QUOTA, /* 452 4.2.2 */
	DELIVERY_PERMISSION, /* 451 4.2.0: the mailbox cannot be written */
	DELIVERY_NO_MAILBOX, /* 550 5.1.1: the account is gone */
	DELIVERY_TICKET, /* 451 4.3.0: no ticket, or a late one */
	DELIVERY_FAILED /* 451 4.3.0: any other error */
};

/* A ticket is an HMAC-SHA-256, cut to this many octets. */
#define TICKET_LENGTH 16
/* Life of a ticket, in milliseconds of the monotonic clock. */
#define TICKET_LIFE 20000
/*
 * And how long, in milliseconds, a message may need from lmtpd's last look at
 * that clock until it is visible: link(2) waits while a journal is written.
 */
#define TICKET_LANDING 3000

/* Limits a user: messages_per_hour, recipients_per_hour of PASSWORD_RESULT. */
#define LIMIT_SITE 0xffffffffU /* what the configuration says; 0: none */

/* Setting relay_scheme: the scheme in the URL of relay host. */
enum relay_scheme {
	RELAY_SCHEME_NONE, /* no relay host */
	RELAY_SCHEME_SMTP, /* STARTTLS if it is there, unverified */
	RELAY_SCHEME_SMTP_TLS, /* STARTTLS demanded */
	RELAY_SCHEME_SMTPS /* TLS from the first octet */
};

/* RELAY_OPEN and so on, next_hop. */
enum next_hop {
	NEXT_HOP_RELAY = 1, /* relay host */
	NEXT_HOP_LMTP /* deliver lmtp */
};

/* RELAY_OPEN body. */
enum relay_body {
	RELAY_BODY_NONE, /* the client did not say */
	RELAY_BODY_7BIT,
	RELAY_BODY_8BITMIME,
	RELAY_BODY_BINARYMIME
};

/* RELAY_OPEN shared. */
enum relay_sharing {
	RELAY_APART, /* a transaction of his own */
	RELAY_SHARED, /* with the others who share one */
	RELAY_SHARED_BUT_BY_TOKEN /* that, unless a token takes him elsewhere */
};

/* RELAY_RESULT outcome. */
enum relay_outcome {
	RELAY_SENT = 1, /* the next hop has taken the responsibility */
	RELAY_REFUSED, /* it has not, or it cannot be known: see the code */
	RELAY_NOT_TRIED /* because an earlier one failed: one_by_one */
};

/*
 * Life of a ticket for relay, in milliseconds: from RCPT on; the client may
 * take its time before the next.
 */
#define TICKET_RELAY_LIFE 3600000

/* Setting metadata_flags: who may give flags, as bits. */
#define METADATA_FLAGS_SOCKET 0x1
#define METADATA_FLAGS_SUBMISSION 0x2
#define METADATA_FLAGS_TOKEN 0x4

#endif
