/* SPDX-License-Identifier: ISC */
#ifndef TOKEND_AUTH_DOVECOT_TEXT_H
#define TOKEND_AUTH_DOVECOT_TEXT_H

#include <sys/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "imsg/messages.h"
#include "tokend/auth/exchange.h"
#include "tokend/auth/facts.h"

/*
 * The lines of Dovecot's authentication protocol, version 1, to its clients
 * and to its masters: a command and parameters with TABs between, each of them
 * "tab-escaped". What comes in is nobody's word yet: counted octets.
 */

/* Octets of a line with its LF: what Dovecot 2.3 takes. */
#define DOVECOT_LINE_MAX 8192

/* A line that is being written. */
struct dovecot_line {
	size_t length;
	bool full; /* it did not fit */
	char text[DOVECOT_LINE_MAX];
};

void dovecot_begin(struct dovecot_line *line, const char *command);
/* A parameter: TEXT, NAME=TEXT, NAME=NUMBER, NAME=BASE64. */
void dovecot_add(struct dovecot_line *line, const char *text);
void
dovecot_add_text(struct dovecot_line *line, const char *name, const char *text);
void dovecot_add_number(
    struct dovecot_line *line, const char *name, uint32_t number);
void dovecot_add_data(
    struct dovecot_line *line, const char *name, struct bytes data);
/* Ends it. Returns 0, or -1 when it did not fit. */
int dovecot_end(struct dovecot_line *line);

/* Cuts the next parameter off *rest. False at the end. */
bool dovecot_next(struct bytes *rest, struct bytes *parameter);

/* Is it the word? */
bool dovecot_is(struct bytes parameter, const char *word);

/* An unsigned decimal number of 32 bits and nothing else: 0, or -1. */
int dovecot_number(struct bytes parameter, uint32_t *number);

/*
 * Writes a parameter with its escapes undone, and a NUL. Returns its octets,
 * or -1 when it does not fit or ends within an escape.
 */
ssize_t dovecot_unescape(char *out, size_t size, struct bytes parameter);

/* What stands behind the id of OK, FAIL and USER. */
struct dovecot_answer {
	size_t user_length;
	char user[EXCHANGE_NAME_MAX + 1];
	/* Why not, of FAIL: STEP_FAILED or STEP_TEMPORARY. */
	enum step_result result;
	enum auth_reason reason;
	char why[128]; /* in Dovecot's words, or "" */
	/* Of OK: the password is right, and yet he may not come in. */
	bool no_login;
	/* Rights, and the digest of "password_changed". */
	struct user_facts facts;
};

/* Reads it; what is not understood is passed over. */
void dovecot_read(struct dovecot_answer *answer, struct bytes rest);

#endif
