/* SPDX-License-Identifier: ISC */
/*
 * What a token server's answer says of the token, and what of the answer may
 * be logged and passed on.
 */
#ifndef RELAY_TOKEN_ANSWER_H
#define RELAY_TOKEN_ANSWER_H

#include "smtpd-stoken/relay/smtp/client.h"

enum token_stage {
	TOKEN_AT_RCPT,
	TOKEN_AT_END /* of the data */
};

/*
 * Whether the answer refuses the token, which is forgotten then, and not the
 * message or the mailbox. token_connection.c knows that of AUTH.
 */
int token_answer_refuses(enum token_stage, const struct client_reply *);

/* Takes both tokens out of it, as delivered_hide() does; either may be "". */
void
token_answer_hide(struct client_reply *, const char *token, const char *mine);

/* "550 5.7.1 and so on"; text of CLIENT_TEXT_MAX + 64 octets */
#define TOKEN_ANSWER_TEXT (CLIENT_TEXT_MAX + 64)
void
token_answer_text(char text[TOKEN_ANSWER_TEXT], const struct client_reply *);

#endif
