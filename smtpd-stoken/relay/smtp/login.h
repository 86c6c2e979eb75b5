/* SPDX-License-Identifier: ISC */
#ifndef RELAY_SMTP_LOGIN_H
#define RELAY_SMTP_LOGIN_H

#include <sys/types.h>
#include <stddef.h>

#include "smtpd-stoken/relay/smtp/scram.h"

/*
 * AUTH as a client (RFC 4954): a table of mechanisms, the best first. None
 * sends a password to somebody who did not prove who he is; that TLS does.
 */

#define LOGIN_NAME_MAX 255 /* octets of a user's name, of a password */
#define LOGIN_MESSAGE_MAX SCRAM_CLIENT_MESSAGE_MAX

struct login_mechanism;

struct login {
	const struct login_mechanism *mechanism; /* NULL: none is under way */
	const char *user, *password;
	unsigned int step;
	int proved; /* the server has said all that it must before 235 */
	const char *problem; /* after a failure, for the log */
	struct scram_client scram;
};

/* The bit of a mechanism in a set, or 0. */
unsigned int login_bit(const char *name, size_t length);

/*
 * login_begin: picks the best mechanism of a set: STOKEN where that is
 * wanted, for a recipient and his token, else one for a user and a password.
 * Returns its name, or NULL when there is none.
 */
const char *login_begin(struct login *, unsigned int offered, int stoken,
    const char *user, const char *password);

/*
 * login_next: writes what to answer to a decoded challenge (NULL: what to
 * begin with). Returns its octets, or -1: give up, problem says why. out
 * holds secrets.
 */
ssize_t login_next(struct login *, const char *challenge, size_t length,
    char *out, size_t size);
/* Whether it begins with a response: SMTP sends that with AUTH. */
int login_has_initial(const struct login *);

/* Whether a text that is to be logged may show the password. */
int login_shows(const struct login *, const char *text);

/* Wipes everything. */
void login_end(struct login *);

#endif
