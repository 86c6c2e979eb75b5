/* SPDX-License-Identifier: ISC */
#ifndef ENGINE_SMTP_ACTIONS_H
#define ENGINE_SMTP_ACTIONS_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

/* What a session wants done, and what may come of it. */

/* What came of a question; each has its reply in reply.c. */
enum smtp_verdict {
	SMTP_OK,
	SMTP_TEMPORARY, /* something of ours is away */
	SMTP_REFUSED, /* no right: token, sender or relay */
	SMTP_UNKNOWN, /* no such recipient */
	SMTP_NOT_OWNER, /* sender address of somebody else */
	SMTP_NO_RELAY,
	SMTP_INDIRECT, /* cannot be delivered while the client waits */
	SMTP_BAD_REMOTE, /* GENSTOKEN, REVSTOKEN */
	SMTP_BAD_LOCAL,
	SMTP_NO_SPACE,
	SMTP_FULL, /* over quota */
	SMTP_MAILBOX, /* mailbox cannot be written */
	SMTP_DISABLED,
	SMTP_TOO_MANY, /* recipients */
	SMTP_TOO_LARGE,
	SMTP_LOOP,
	SMTP_BARE_NEWLINE,
	SMTP_NUL,
	SMTP_LIMIT, /* of messages or recipients an hour */
	SMTP_NOT_ALLOWED, /* submit=no */
	SMTP_PASSED, /* the next hop's words, in a struct smtp_passed */
	SMTP_VERDICTS
};

/*
 * What another server said, to be said to the client: a refusal. Whatever in
 * it cannot be said is made good (smtp_passed_clean()).
 */
struct smtp_passed {
	int code; /* 400 to 599 */
	char enhanced[16]; /* "" when it gave none */
	char text[481];
};

/* REMEMBERME */
enum smtp_remembered {
	SMTP_REMEMBERED,
	SMTP_REMEMBER_TYPE, /* not made here, or not for this user */
	SMTP_REMEMBER_WEAK, /* a better login is needed first */
	SMTP_REMEMBER_REFUSED,
	SMTP_REMEMBER_TEMPORARY
};

enum smtp_login {
	SMTP_NOBODY,
	SMTP_USER, /* by a normal mechanism */
	SMTP_TOKEN, /* by AUTH STOKEN */
	SMTP_TRUSTED /* the socket */
};

struct smtp_auth_answer {
	enum {
		SMTP_AUTH_CHALLENGE,
		SMTP_AUTH_OK,
		SMTP_AUTH_FAILED,
		SMTP_AUTH_FAILED_LAST, /* of this connection: then 421 */
		SMTP_AUTH_TEMPORARY,
		SMTP_AUTH_MALFORMED,
		SMTP_AUTH_UNKNOWN /* mechanism */
	} outcome;
	const uint8_t *challenge;
	size_t length; /* octets of the challenge */
	const char *identity; /* login, or the token's local address */
	int token; /* by a token, and which kind */
	int permanent;
};

/*
 * One accepted recipient's end. Pointers may be NULL. Recipients that were
 * not tried because of another's refusal carry that refusal.
 */
struct smtp_result {
	enum smtp_verdict verdict;
	const char *id; /* delivery id */
	const char *token; /* new permanent token: 2.1.13 */
	const struct smtp_passed *passed; /* of SMTP_PASSED */
};

/* BODY of MAIL (RFC 6152, RFC 3030). */
enum smtp_body {
	SMTP_BODY_NONE, /* the client did not say */
	SMTP_BODY_7BIT,
	SMTP_BODY_8BITMIME,
	SMTP_BODY_BINARYMIME
};

/* What MAIL said beside the sender. */
struct smtp_mail {
	enum smtp_body body;
	uint64_t size; /* octets; 0: not said */
	int utf8; /* SMTPUTF8 */
	const char *ret; /* "FULL", "HDRS" or NULL (RFC 3461 section 4.3) */
	const char *envid; /* xtext, or NULL (section 4.4) */
};

struct smtp_recipient_check {
	unsigned int number; /* of this RCPT in the transaction, from 0 */
	const char *address; /* as the client wrote it */
	const char *token; /* STOKEN= or NULL */
	const char *mine; /* MYSTOKEN= or NULL */
	const char *notify; /* NOTIFY= or NULL (RFC 3461 section 4.1) */
	const char *orcpt; /* ORCPT= as it was written, or NULL (4.2) */
};

/*
 * What a session wants done. Strings live until the call returns. All but
 * reply, close, reset, write and now are answered by the smtp_on_ function
 * named; the answer may come from within the call.
 */
struct smtp_actions {
	void (*reply)(void *owner, const char *text, size_t length);
	/*
	 * The reply goes out as the last thing in clear, behind those before
	 * it. smtp_on_tls
	 */
	void (*start_tls)(void *owner, const char *reply, size_t length);
	/* mechanism NULL: goes on; response NULL: none given. smtp_on_auth */
	void (*auth)(void *owner, const char *mechanism,
	    const uint8_t *response, size_t length);
	void (*auth_abort)(void *owner);
	void (*sender)(void *owner, const char *sender); /* smtp_on_sender */
	/* smtp_on_recipient; several may be under way */
	void (*recipient)(void *owner, const struct smtp_recipient_check *);
	void (*open)(void *owner); /* smtp_on_opened */
	enum smtp_verdict (*write)(
	    void *owner, const void *data, size_t length);
	void (*finish)(void *owner, uint64_t size); /* smtp_on_delivered */
	void (*abandon)(void *owner); /* the open message */
	/* All recipients are told so at the end of the data. */
	void (*refused)(void *owner, const char *id, enum smtp_verdict);
	void (*reset)(void *owner); /* the transaction is over */
	/* smtp_on_token; local may be NULL */
	void (*generate)(
	    void *owner, int permanent, const char *remote, const char *local);
	void (*revoke)(void *owner, const char *remote, const char *local);
	void (*remember)(
	    void *owner, const char *type); /* smtp_on_remembered */
	void (*close)(void *owner, const char *reason);
	time_t (*now)(void *owner);
};

#endif
