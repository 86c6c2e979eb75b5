/* SPDX-License-Identifier: ISC */
#ifndef ENGINE_SMTP_SMTP_H
#define ENGINE_SMTP_SMTP_H

#include <sys/types.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

/*
 * SMTP and LMTP as a server speaks them: octets in, actions out. No
 * descriptor, no event loop and no other process is known here; what the
 * protocol needs done it asks for through struct smtp_actions, and the
 * answers come back through the smtp_on_...() functions, at once or later.
 */

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

/* Mechanisms, as bits of smtp_settings.mechanisms. STOKEN is with tokens. */
#define SMTP_AUTH_SCRAM_SHA_256_PLUS 0x1
#define SMTP_AUTH_SCRAM_SHA_256 0x2
#define SMTP_AUTH_PLAIN 0x4
#define SMTP_AUTH_LOGIN 0x8

struct smtp_settings {
	const char *hostname;
	const char *domain; /* of RCPT TO:<postmaster> */
	uint64_t message_size; /* octets; 0: no limit */
	unsigned int recipients; /* of one message */
	unsigned int mechanisms;
	int tokens; /* 0: `token no` */
	int normalize; /* bare-newline normalize */
	int show_client; /* received client show */
};

struct smtp_tls {
	int active;
	int binding; /* channel binding data is at hand: -PLUS is possible */
	char cipher[48]; /* IANA name; "" when there is none */
	char group[24];
};

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
	SMTP_VERDICTS
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

/* One accepted recipient's end. Strings may be NULL. */
struct smtp_result {
	enum smtp_verdict verdict;
	const char *id; /* delivery id */
	const char *token; /* new permanent token: 2.1.13 */
};

struct smtp_recipient_check {
	unsigned int number; /* of this RCPT in the transaction, from 0 */
	const char *address; /* as the client wrote it */
	const char *token; /* STOKEN= or NULL */
	const char *mine; /* MYSTOKEN= or NULL */
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
	void (*close)(void *owner, const char *reason);
	time_t (*now)(void *owner);
};

struct smtp_session;

/*
 * smtp_session_new: a session of a listener; client is its address in text
 * ("" on the socket). Nothing is said before smtp_greet(). settings and
 * actions must outlive it. Returns NULL when there is no memory.
 */
struct smtp_session *
smtp_session_new(const struct smtp_settings *, const struct smtp_actions *,
    enum smtp_listener, const char *client, void *owner);
void smtp_session_free(struct smtp_session *);

/*
 * smtp_set_tls: there is TLS from the start. smtp_greet: says the greeting;
 * early is true when the client has spoken already (F-114: 554 and close).
 * smtp_refuse: 421 4.7.0 in its place.
 */
void smtp_set_tls(struct smtp_session *, const struct smtp_tls *);
void smtp_greet(struct smtp_session *, int early);
void smtp_refuse(struct smtp_session *);

/*
 * smtp_input: takes length octets, and changes them in place. Returns how
 * many were used up; the rest must be given again, with what came later
 * behind it. When smtp_stalled() says so, nothing more is used up before an
 * answer came, and the caller should read no more (back-pressure).
 */
size_t smtp_input(struct smtp_session *, uint8_t *data, size_t length);
int smtp_stalled(const struct smtp_session *);

void smtp_on_tls(struct smtp_session *, const struct smtp_tls *);
void smtp_on_auth(struct smtp_session *, const struct smtp_auth_answer *);
void smtp_on_sender(struct smtp_session *, enum smtp_verdict);
void smtp_on_recipient(
    struct smtp_session *, unsigned int number, enum smtp_verdict);
/* id: message id, named in Received and in the reply. */
void smtp_on_opened(struct smtp_session *, enum smtp_verdict, const char *id);
/* results: one for each accepted recipient, in order. */
void smtp_on_delivered(
    struct smtp_session *, const struct smtp_result *, size_t count);
void smtp_on_token(struct smtp_session *, enum smtp_verdict, const char *token);

/* The open message cannot be kept: what is still sent of it is thrown away. */
void smtp_message_lost(struct smtp_session *, enum smtp_verdict);

/*
 * Who checks logins, senders, recipients and tokens is gone: what is asked of
 * it and not answered yet fails for now (454, 451).
 */
void smtp_checks_lost(struct smtp_session *);

/* smtp_shutdown: 421 4.3.2; smtp_timeout: 421 4.4.2. Both close. */
void smtp_shutdown(struct smtp_session *);
void smtp_timeout(struct smtp_session *);

/* smtp_restarted: 421 4.3.0, since a login is forgotten. Closes. */
void smtp_restarted(struct smtp_session *);

int smtp_in_transfer(const struct smtp_session *); /* DATA to its reply */
int smtp_is_waiting(const struct smtp_session *); /* for any answer */
int smtp_closed(const struct smtp_session *);
/* Whether AUTH has offered a mechanism with channel binding. */
int smtp_offers_plus(const struct smtp_session *);
/* Whether the answer to a RCPT is awaited. */
int smtp_recipient_is_pending(const struct smtp_session *, unsigned int number);
enum smtp_login smtp_login(const struct smtp_session *);
const char *smtp_identity(const struct smtp_session *); /* "" */
const char *smtp_sender(const struct smtp_session *); /* "" or Mailbox */
const char *smtp_helo(const struct smtp_session *); /* "" */
int smtp_is_lmtp(const struct smtp_session *);
unsigned long smtp_commands(const struct smtp_session *);
size_t smtp_accepted(const struct smtp_session *);
/* The nth accepted recipient, as written; number is that of its check. */
const char *
smtp_recipient(const struct smtp_session *, size_t n, unsigned int *number);

/* The enhanced code and text of a verdict's refusal, for the log. */
const char *smtp_verdict_status(
    const struct smtp_session *, enum smtp_verdict, const char **text);

#endif
