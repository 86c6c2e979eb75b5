/* SPDX-License-Identifier: ISC */
#ifndef TOKEND_AUTH_SYSTEM_H
#define TOKEND_AUTH_SYSTEM_H

#include <stddef.h>
#include <stdint.h>

#include "tokend/auth/scheme.h"

/*
 * users system. PAM and bsd_auth want root and load what they like; so a
 * process that stays root and outside of the sandbox is forked at the start,
 * before tokend-auth becomes its user. It does nothing but fork one more for
 * each question, and knows nobody but tokend-auth.
 */

#define SYSTEM_NAME_MAX 64 /* octets of an account's name */
#define SYSTEM_ADDRESS_MAX 63
#define SYSTEM_CHILDREN 32 /* questions under way */
#define SYSTEM_SECONDS 60 /* for one; then it is killed */
/* Accounts below are the system's own; and so is "nobody". */
#define SYSTEM_UID_MIN 1000
#define SYSTEM_UID_NOBODY 65534
#define SYSTEM_DIGEST_LENGTH 32

enum system_question {
	SYSTEM_FIND = 1, /* is there this account? */
	SYSTEM_CHECK /* is this its password, and may it log in? */
};

enum system_verdict {
	SYSTEM_YES = 1,
	SYSTEM_UNKNOWN, /* no such account, or not one of a user */
	SYSTEM_NO, /* not the password */
	SYSTEM_DISABLED,
	SYSTEM_EXPIRED,
	SYSTEM_TEMPORARY
};

/* One packet each way. */
struct system_request {
	uint64_t number;
	uint8_t question;
	char name[SYSTEM_NAME_MAX + 1];
	char address[SYSTEM_ADDRESS_MAX + 1]; /* of the client, or "" */
	char password[PASSWORD_MAX + 1];
};

struct system_answer {
	uint64_t number;
	uint8_t verdict;
	uint8_t has_digest; /* of SYSTEM_YES alone */
	uint8_t digest[SYSTEM_DIGEST_LENGTH];
};

/*
 * Forks the process, as root. Returns the socket to it, or -1 with errno: it
 * closes when the process ends, which ends with it.
 */
int system_fork(void);

/*
 * system_pam.c or system_bsdauth.c: is it the password, and may the account
 * log in? May take long and do anything: in a process of its own.
 */
enum system_verdict
system_check(const char *name, const char *password, const char *address);

/*
 * The same files: copies what the system itself checks the account's password
 * against. Returns 1; 0 when it has nothing such, since the password is known
 * elsewhere; -1 when that cannot be told now.
 */
int system_secret(const char *name, char *out, size_t size);

#endif
