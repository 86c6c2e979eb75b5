/* SPDX-License-Identifier: ISC */
#ifndef ENGINE_SMTP_SMTP_H
#define ENGINE_SMTP_SMTP_H

#include "smtpd-stoken/engine/smtp/actions.h"
#include "smtpd-stoken/engine/smtp/settings.h"

/*
 * SMTP and LMTP as a server speaks them: octets in, actions out. No
 * descriptor, no event loop and no other process is known here; what the
 * protocol needs done it asks for through struct smtp_actions, and the
 * answers come back through the smtp_on_...() functions, at once or later.
 */

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
/* passed: what to say with SMTP_PASSED, else NULL; it is copied. */
void smtp_on_recipient(struct smtp_session *, unsigned int number,
    enum smtp_verdict, const struct smtp_passed *passed);
/* id: message id, named in Received and in the reply. */
void smtp_on_opened(struct smtp_session *, enum smtp_verdict, const char *id);
/*
 * results: one for each accepted recipient, in order. In SMTP the reply is
 * 250 if one of them is SMTP_OK, since the rest is told to the sender by a
 * report (section 11); else a temporary refusal before a lasting one.
 */
void smtp_on_delivered(
    struct smtp_session *, const struct smtp_result *, size_t count);
void smtp_on_remembered(
    struct smtp_session *, enum smtp_remembered, const char *token);
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
/* Whether AUTH has offered a mechanism with channel binding. */
int smtp_offers_plus(const struct smtp_session *);
/* Whether the answer to a RCPT is awaited. */
int smtp_recipient_is_pending(const struct smtp_session *, unsigned int number);
enum smtp_login smtp_login(const struct smtp_session *);
const char *smtp_identity(const struct smtp_session *); /* "" */
const char *smtp_sender(const struct smtp_session *); /* "" or Mailbox */
const char *smtp_helo(const struct smtp_session *); /* "" */
int smtp_is_lmtp(const struct smtp_session *);
/*
 * Before DATA: the message goes on to others, who must not have a token that
 * was given to its first recipient (D-S11).
 */
void smtp_goes_outside(struct smtp_session *);
/* What MAIL said; NULL outside of a transaction. */
const struct smtp_mail *smtp_mail(const struct smtp_session *);
unsigned long smtp_commands(const struct smtp_session *);
size_t smtp_accepted(const struct smtp_session *);
/* The nth accepted recipient, as written; number is that of its check. */
const char *
smtp_recipient(const struct smtp_session *, size_t n, unsigned int *number);

/*
 * Of the message that is open, from smtp_on_opened() to the end of its
 * transaction.
 *
 * smtp_trace_length: octets at its start that are our own trace fields; what
 * is behind them is for other servers too.
 * smtp_trace_fields: the same without Return-Path, into out; returns the
 * octets, 0 when they do not fit.
 * smtp_relay_head: the fields in front of a relayed copy, with LF line ends:
 * Received, with `for` when recipient is not NULL, and Submission-Token when
 * token is not NULL (S1-49). Returns the octets, 0 when they do not fit.
 */
size_t smtp_trace_fields(const struct smtp_session *, char *out, size_t size);
uint64_t smtp_trace_length(const struct smtp_session *);
size_t smtp_relay_head(const struct smtp_session *, const char *recipient,
    const char *token, char *out, size_t size);

/*
 * smtp_layout: where in the file, from finish() on, the message itself lies
 * between header fields that came beside it (METADATA): they belong above it,
 * and late of them lie behind it.
 * smtp_flags: the IMAP flags and keywords that it is to have; "".
 */
struct smtp_layout {
	uint64_t top, end; /* of the message */
	uint64_t late; /* octets from end on that belong at top */
};
const struct smtp_layout *smtp_layout(const struct smtp_session *);
const char *smtp_flags(const struct smtp_session *);

/*
 * smtp_containers_append: writes the containers as they go on to others, each
 * with its length in 4 octets in front of it (RELAY_METADATA); *size is how
 * many octets that were. Whatever write() says.
 */
enum smtp_verdict smtp_containers_append(struct smtp_session *, uint64_t *size);

/*
 * smtp_unknown: type and octets of the nth container of a type that has no
 * meaning here; returns 0 when there are not so many.
 */
int smtp_unknown(
    const struct smtp_session *, size_t n, unsigned int *type, size_t *size);

/*
 * Of a user's message, from then on, at the latest from finish() on.
 * smtp_supplied_tokens: the values of the Submission-Token fields that were
 * taken out of it; returns how many.
 * smtp_header_from: the address of its first From field, if that names one
 * mailbox alone; else "".
 */
size_t smtp_supplied_tokens(
    const struct smtp_session *, const char *tokens[SMTP_SUPPLIED_MAX]);
const char *smtp_header_from(const struct smtp_session *);

/*
 * Of a message that is not a user's, from finish() on: the tokens in its
 * Submission-Token fields, and whose they are, if they may be kept. On the
 * socket Authentication-Results must vouch for the address in From, unless
 * `token learn any`; in a token session it must be the sender. Returns how
 * many.
 */
size_t smtp_learned_tokens(const struct smtp_session *,
    const char *tokens[SMTP_SUPPLIED_MAX], const char **from);

/* The enhanced code and text of a verdict's refusal, for the log. */
const char *smtp_verdict_status(
    const struct smtp_session *, enum smtp_verdict, const char **text);

#endif
