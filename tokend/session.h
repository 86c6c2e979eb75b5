/* SPDX-License-Identifier: ISC */
/*
 * The register of sessions. What a session was granted is remembered here
 * and nowhere else: an engine cannot claim it.
 */
#ifndef TOKEND_SESSION_H
#define TOKEND_SESSION_H

#include <sys/tree.h>

#include "lib/address.h"
#include "tokend/client.h"
#include "tokend/limits.h"
#include "tokend/remember_check.h"
#include "tokend/tokend.h"

enum who {
	WHO_NOBODY,
	WHO_USER, /* logged in with a password; `login` is the address */
	WHO_TOKEN, /* logged in with a token; `login` is its local address */
	WHO_MTA /* the trusted socket */
};

/* A user, as tokend-auth said a moment ago. */
struct user_now {
	int is_there;
	int no_submit;
	uint32_t limits[LIMIT_COUNT];
	size_t digest_length; /* 0: his secret is not at hand */
	uint8_t digest[REMEMBER_DIGEST];
};

/* How a user has logged in, for REMEMBERME. */
struct origin {
	int is_strong; /* D-R06 */
	int by_token;
	uint8_t id[REMEMBER_ID]; /* of that */
	size_t digest_length;
	uint8_t digest[REMEMBER_DIGEST]; /* of his secret then */
};

struct mechanism;

/* A login that is going on. */
struct exchange {
	RB_ENTRY(exchange) entry;
	uint64_t number;
	struct session *session;
	char mechanism_name[24]; /* in upper case */
	const struct mechanism *mechanism; /* NULL: tokend-auth's */
	int waiting; /* for tokend-auth, not for the client */
	int with_auth; /* tokend-auth knows it by this number */
	enum {
		STAGE_FIRST,
		STAGE_LAST, /* HT2: our proof is out */
		STAGE_REFUSED /* OAuth: told so in a challenge */
	} stage;
	/* STOKEN */
	struct token token;
	char local[ADDRESS_SIZE];
	/* The mechanisms of REMEMBERME: remember_login.c */
	struct remember_shown shown;
	struct user_now user;
	void (*then)(struct session *);
	const char *problem;
	uint64_t digest; /* of what failed */
	char tried[640]; /* for the log */
};

struct recipient {
	uint32_t index;
	uint8_t verdict; /* enum rcpt_verdict; 0 while it is not known */
	uint8_t granted; /* at COMMIT_BEGIN */
	uint8_t has_token;
	struct token token;
	char remote[ADDRESS_SIZE]; /* "" for <> */
	char local[ADDRESS_SIZE];
	uint8_t *mytoken; /* or NULL */
	uint8_t mytoken_held; /* at COMMIT_BEGIN: nothing is to be written */
	size_t mytoken_length;
	uint8_t *mailboxes; /* a LIST */
	size_t mailboxes_length;
	size_t mailbox_count;
	uint8_t *outside; /* of VERDICT_OUTSIDE: a LIST, as it goes out */
	size_t outside_length;
	size_t outside_count;
};

struct flight;

struct session {
	RB_ENTRY(session) entry;
	uint8_t engine; /* instance: ids of two engines never meet */
	uint64_t id;
	uint8_t kind; /* enum listener_kind */
	uint8_t tls;
	uint16_t listener;
	uint16_t port;
	char address[64];
	uint64_t since; /* as the engine told it */
	struct client *client;
	unsigned int failures;
	unsigned int asked; /* questions to tokend-auth under way */
	enum who who;
	char *login;
	int lmtp; /* it logged in behind LHLO */
	uint8_t mechanism; /* of the last AUTH, for the numbers */
	int no_submit; /* submit=no */
	uint32_t limits[LIMIT_COUNT]; /* an hour; LIMIT_SITE: the site's */
	struct origin origin; /* of a WHO_USER */
	struct exchange *exchange; /* NULL when there is none: auth.c */
	uint32_t transaction;
	struct recipient *recipients;
	size_t recipient_count;
	size_t recipient_room; /* that recipients has space for */
	size_t mailbox_count; /* of all of them */
	size_t outside_count;
	size_t accepted; /* recipients, also behind COMMIT_END */
	char *sender; /* MAIL FROM of the accepted ones, as written */
	int noticed; /* NOTICE_BEGIN has come */
	char own[ADDRESS_SIZE]; /* canonical, found to be the user's ... */
	uint32_t own_transaction; /* ... in this transaction */
	uint32_t counted; /* the transaction that was last counted */
	struct flight *flight;
	int answers; /* the engine waits for COMMIT_RESULT */
};

/* Handlers of the engines' messages. */
void on_session_admit(struct channel *, const union message *, int fd);
void on_session_end(struct channel *, const union message *, int fd);

struct session *session_find(uint8_t engine, uint64_t id);
/* By what an engine said; NULL when it is not, or no longer, known. */
struct session *session_of(struct channel *engine, uint64_t id);
/* Its engine's channel; NULL while that is away. */
struct channel *session_engine(const struct session *session);

/* Forgets what was granted in a transaction before this one. */
void session_transaction(struct session *session, uint32_t transaction);
void recipients_drop(struct session *session);
int session_login(struct session *session, enum who who, const char *login);

/* An engine died: its sessions are over. */
void sessions_drop(uint8_t engine);
size_t sessions_count(void);
/* Those after a place, in order; NULL starts. NULL at the end. */
struct session *session_after(uint8_t engine, uint64_t id);
struct session *session_first(void);

/* "7d1f0c2a": the start of a session's log lines. */
const char *session_name(const struct session *session);

#endif
