/* SPDX-License-Identifier: ISC */
#ifndef ENGINE_SMTP_COMMAND_H
#define ENGINE_SMTP_COMMAND_H

#include "smtpd-stoken/engine/smtp/reply.h"

/* When a command is allowed; checked in this order before it runs. */
#define RULE_NETWORK 0x001 /* unknown on the socket: 500 */
#define RULE_TOKENS 0x002 /* unknown with `token no`: 500 */
#define RULE_GREETED 0x004 /* after EHLO, HELO or LHLO: 503 */
#define RULE_TLS 0x008 /* not in clear: 530 */
#define RULE_LOGIN 0x010 /* after AUTH: 530 */
#define RULE_OUTSIDE 0x020 /* not in a transaction: 503 */
#define RULE_INSIDE 0x040 /* in a transaction: 503 */
#define RULE_REMEMBER 0x400 /* unknown with `remember no`: 500 */
#define RULE_BARE 0x080 /* no arguments: 501 */
#define RULE_METADATA 0x1000 /* unknown with `metadata no`: 500 */
#define RULE_UNCHUNKED 0x800 /* not after BDAT or BMTD: 503 */
/* How it is treated. */
#define RULE_OVERLAP 0x100 /* need not wait for answers to earlier RCPT */
#define RULE_GROUPED 0x200 /* follows a refused MAIL (F-80): not counted */

struct smtp_command {
	const char *verb;
	/* Returns 0 to be run again when earlier answers are out. */
	int (*run)(struct smtp_session *, const char *text, size_t length);
	unsigned int rules;
};

/* All commands; ends with a NULL verb. A new one is a row and a file. */
extern const struct smtp_command smtp_command_table[];

/*
 * smtp_command: runs a line of length octets, without its CRLF. Returns 0
 * when it has to wait for earlier answers, and must be given again.
 */
int smtp_command(struct smtp_session *, const char *line, size_t length);

/* smtp_forbidden: why the rules forbid it now, or NULL. */
const struct smtp_refusal *smtp_forbidden(
    const struct smtp_session *, unsigned int rules, size_t arguments);

int command_auth(struct smtp_session *, const char *, size_t);
int command_bdat(struct smtp_session *, const char *, size_t);
int command_bmtd(struct smtp_session *, const char *, size_t);
int command_burl(struct smtp_session *, const char *, size_t);
int command_data(struct smtp_session *, const char *, size_t);
int command_ehlo(struct smtp_session *, const char *, size_t);
int command_genstoken(struct smtp_session *, const char *, size_t);
int command_helo(struct smtp_session *, const char *, size_t);
int command_help(struct smtp_session *, const char *, size_t);
int command_lhlo(struct smtp_session *, const char *, size_t);
int command_mail(struct smtp_session *, const char *, size_t);
int command_noop(struct smtp_session *, const char *, size_t);
int command_quit(struct smtp_session *, const char *, size_t);
int command_rcpt(struct smtp_session *, const char *, size_t);
int command_refused(struct smtp_session *, const char *, size_t);
int command_rememberme(struct smtp_session *, const char *, size_t);
int command_revstoken(struct smtp_session *, const char *, size_t);
int command_rset(struct smtp_session *, const char *, size_t);
int command_starttls(struct smtp_session *, const char *, size_t);
int command_vrfy(struct smtp_session *, const char *, size_t);

/* A piece of text. */
struct smtp_word {
	const char *text;
	size_t length;
};

/*
 * smtp_words: splits at single spaces. Returns how many there are, most when
 * more than most; 0 for no text; -1 when one is empty.
 */
int
smtp_words(const char *text, size_t length, struct smtp_word *words, int most);
int smtp_word_is(const struct smtp_word *, const char *name);

/* The tokens commands share how they read two addresses: 0, or replied. */
int smtp_pair(struct smtp_session *, const struct smtp_word *words, int count,
    char *remote, char *local);

/*
 * capability.c: the lines of an EHLO or LHLO reply after the first; whether
 * BODY=BINARYMIME is among what they offer.
 */
void smtp_capabilities(struct smtp_session *);
int smtp_offers_binary(const struct smtp_session *);

/* mechanism.c: the name of a mechanism offered in this session, or NULL. */
const char *
smtp_mechanism(const struct smtp_session *, const char *name, size_t length);
/* Whether this one, by its own spelling, takes tokens of REMEMBERME. */
int smtp_mechanism_remembers(const char *name);
/* All of them, each after a space, into out; returns the octets. */
size_t smtp_mechanisms(const struct smtp_session *, char *out, size_t size);

/* command_rememberme.c: the same for the token types. */
size_t smtp_remember_types(const struct smtp_session *, char *out, size_t size);

#endif
