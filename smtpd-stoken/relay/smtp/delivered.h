/* SPDX-License-Identifier: ISC */
#ifndef RELAY_SMTP_DELIVERED_H
#define RELAY_SMTP_DELIVERED_H

#include "smtpd-stoken/relay/smtp/client.h"

#define DELIVERED_TOKEN_MAX 255 /* octets (D-S02) */

/*
 * The answer of a token server for one recipient (section 7.4.1):
 *	250 2.1.12 <address> id text
 *	250 2.1.13 <address> token id text
 * delivered_take: takes a new token out of the reply, so that what is left of
 * it can be logged. Returns 1 and the token, which the caller wipes; 0: the
 * reply has none, or one that cannot be a token, is another's, or may go on in
 * the next line of the reply.
 */
int delivered_take(struct client_reply *, const char *address,
    char token[DELIVERED_TOKEN_MAX + 1]);

/*
 * Puts "..." in place of what a reply shows of a secret (see hide.h), and of
 * whatever else is as long as a token may be. The new token of a delivery is
 * taken before that.
 */
void delivered_hide(struct client_reply *, const char *secret);

/* 1 to 255 octets that may stand behind STOKEN= (RFC 5321: esmtp-value). */
int delivered_is_token(const char *text);

#endif
