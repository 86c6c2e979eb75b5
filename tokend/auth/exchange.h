/* SPDX-License-Identifier: ISC */
#ifndef TOKEND_AUTH_EXCHANGE_H
#define TOKEND_AUTH_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "imsg/messages.h"
#include "lib/address.h"
#include "tokend/auth/facts.h"
#include "tokend/auth/scheme.h"
#include "tokend/auth/scram_key.h"

struct exchange;
struct site;

/* What comes of a step. */
enum step_result {
	STEP_CHALLENGE, /* exchange->challenge goes to the client */
	STEP_OK, /* exchange->login is logged in */
	STEP_CHECK, /* exchange->password is to be checked: slow */
	STEP_FAILED,
	STEP_MALFORMED,
	STEP_TEMPORARY /* nobody can tell now */
};

/* A SASL mechanism. One row in mechanisms[] of mechanism.c, one file. */
struct mechanism {
	const char *name;
	bool plus; /* with channel binding */
	/* `response` is NULL when AUTH came without an initial response. */
	enum step_result (*step)(
	    struct exchange *exchange, const struct bytes *response);
};

/* The mechanism of a name in any case, or NULL. */
const struct mechanism *mechanism_find(struct bytes name);

#define EXCHANGE_NAME_MAX 320 /* octets of a name that is looked at */
#define EXCHANGE_CHALLENGE_MAX 512
#define EXCHANGE_BINDING_MAX 64 /* octets of channel binding data */
#define EXCHANGE_SECRET_MAX 9216 /* octets that a digest is made over */
#define SCRAM_HEADER_MAX 512 /* octets of a gs2-header */
#define SCRAM_BARE_MAX 1024 /* octets of a client-first-message-bare */

/* A PLAIN or LOGIN password that waits for its slow check. */
struct password_check {
	const struct scheme *scheme;
	bool known; /* there is such a user; if not the answer is no */
	char secret[SCHEME_TEXT_MAX + 1];
	char password[PASSWORD_MAX + 1];
};

/* Where a SCRAM exchange stands (RFC 5802 section 3). */
struct scram_state {
	struct scram_key key;
	bool known;
	size_t header_length;
	size_t bare_length;
	size_t nonce_length;
	const char *nonce; /* in exchange->challenge */
	char header[SCRAM_HEADER_MAX];
	char bare[SCRAM_BARE_MAX];
	size_t binding_length;
	const uint8_t *binding;
};

/* Where an exchange with Dovecot stands. */
struct dovecot_state {
	uint32_t id; /* Dovecot's name for it; 0: there is none */
	bool waiting; /* for Dovecot's answer */
};

/* Who is at the other end, for another server's log and its limits. */
struct client_facts {
	char address[64];
	char name[17]; /* of the session */
	uint16_t port;
	uint16_t listener;
};

/* One AUTH of one client, from its first step to its end. */
struct exchange {
	const struct mechanism *mechanism;
	const struct site *site;
	struct client_facts client;
	unsigned int step; /* 0 is the first */
	bool checking; /* a password waits for its check */
	/* The client was offered a mechanism with channel binding (B8). */
	bool plus_offered;
	size_t exporter_length;
	size_t endpoint_length;
	uint8_t exporter[EXCHANGE_BINDING_MAX];
	uint8_t endpoint[EXCHANGE_BINDING_MAX];

	size_t challenge_length;
	char challenge[EXCHANGE_CHALLENGE_MAX];
	char login[ADDRESS_SIZE]; /* canonical */
	struct user_facts facts; /* of the login, with STEP_OK */
	/* For the log: the name as the client wrote it, and the reason. */
	enum auth_reason reason;
	size_t tried_length;
	char tried[EXCHANGE_NAME_MAX];
	/* A keyed digest of (login, password), to know repeats by. */
	size_t digest_length; /* 32, or 0 when there was no password */
	uint8_t digest[32];
	union {
		struct password_check check;
		struct scram_state scram;
		struct dovecot_state dovecot;
	} state;
};

/* Makes `exchange` ready for its first step. */
void exchange_begin(struct exchange *exchange, const struct site *site,
    const struct mechanism *mechanism, bool plus_offered, struct bytes exporter,
    struct bytes endpoint);

/* Takes the client's response (NULL as for struct mechanism). */
enum step_result
exchange_step(struct exchange *exchange, const struct bytes *response);

/* The answer to STEP_CHECK: was it the password? STEP_OK or STEP_FAILED. */
enum step_result exchange_checked(struct exchange *exchange, bool matches);

/* Wipes it. */
void exchange_end(struct exchange *exchange);

/* What the mechanisms share. */

/* Sets the reason for the log. Returns STEP_FAILED. */
enum step_result
exchange_fail(struct exchange *exchange, enum auth_reason reason);

/* Sets the challenge; it fits. Returns STEP_CHALLENGE. */
enum step_result
exchange_challenge(struct exchange *exchange, const char *text);

/*
 * Prepares a name and makes it canonical, into exchange->login; keeps it for
 * the log. A name that can belong to nobody gives an empty login.
 */
void exchange_name(struct exchange *exchange, struct bytes name);

/* May the user of exchange->login act as this authzid (empty or the same)? */
bool exchange_authzid(const struct exchange *exchange, struct bytes authzid);

/*
 * Makes the digest by which a repeat of the same wrong secret is known: over
 * the one before, if any, and `secret`. Returns 0 or -1.
 */
int exchange_digest(struct exchange *exchange, struct bytes secret);

/* A password for the user of exchange->login, known or not: STEP_CHECK. */
enum step_result
exchange_password(struct exchange *exchange, struct bytes password);

#endif
