/* SPDX-License-Identifier: ISC */
/*
 * A connection to a token server: one of its addresses, TLS with a
 * certificate for the recipient's domain (D-S14), LHLO, AUTH STOKEN; then
 * transactions, one at a time. Nothing of tokens is said before the
 * certificate is verified. It knows neither mails nor other processes: relay
 * and tokensend(1) use it.
 */
#ifndef RELAY_TOKEN_LINK_H
#define RELAY_TOKEN_LINK_H

#include "smtpd-stoken/relay/discover.h"
#include "smtpd-stoken/relay/smtp/client.h"

struct token_link;
struct trust;

enum token_link_end {
	TOKEN_LINK_QUIT = 1,
	/* No connection, no TLS, no STOKEN; lost; too slow; nonsense. */
	TOKEN_LINK_FAILED,
	TOKEN_LINK_REFUSED, /* this token, by 535 or 550 */
	TOKEN_LINK_DECLINED /* AUTH, by another code */
};

/* As struct client_actions has them. */
struct token_link_actions {
	void (*ready)(void *owner); /* logged in; and after a transaction */
	void (*recipient)(
	    void *owner, uint32_t id, const struct client_reply *);
	void (*held)(void *owner);
	void (*result)(void *owner, uint32_t id, const struct client_reply *);
	/* Said once, last: it frees itself then. */
	void (*over)(void *owner, enum token_link_end, const char *reason);
};

/* All is copied but trust, which must outlive it. */
struct token_link_settings {
	const char *domain; /* the recipient's, as A-labels: to be verified */
	const char *hostname; /* ours, for LHLO */
	const char *recipient, *token; /* for AUTH STOKEN */
	struct trust *trust;
	uint64_t patience; /* milliseconds without progress */
	uint64_t last_patience; /* the same, behind the end of a message */
};

/*
 * Tries the servers in their order. An action follows, not from within.
 * NULL: no memory.
 */
struct token_link *
token_link_open(const struct servers *, const struct token_link_settings *,
    const struct token_link_actions *, void *owner);

/*
 * A transaction with one recipient, by his token and, unless it is "", ours
 * for the way back. Returns 0; the answer may come from within. -1: none will.
 */
struct token_recipient {
	uint32_t id;
	const char *address, *token, *mine;
};
int token_link_begin(struct token_link *, const struct client_mail *,
    const struct token_recipient *);

/* As client_data() and so on. */
void token_link_data(struct token_link *, const struct client_message *);
void token_link_release(struct token_link *);
void token_link_abandon(struct token_link *);

/* Says QUIT; at once, or after so many milliseconds without use. */
void token_link_quit(struct token_link *);
void token_link_keep(struct token_link *, uint64_t milliseconds);

/* Closes it without a word, and without an action. */
void token_link_close(struct token_link *);

/* "mail.b.example[192.0.2.1]:465", of the one that is tried, or was last. */
const char *token_link_name(const struct token_link *);

#endif
