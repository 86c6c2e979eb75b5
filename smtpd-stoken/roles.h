/* SPDX-License-Identifier: ISC */
/*
 * The house as data: which processes there are, who they run as, and which
 * pairs of them may talk. The parent makes these and no others.
 */
#ifndef SMTPD_STOKEN_ROLES_H
#define SMTPD_STOKEN_ROLES_H

#include <stdint.h>
#include <stdio.h>

#include "imsg/messages.h"
#include "smtpd-stoken/config.h"

/* Who a role runs as when we were started as root. */
enum role_user {
	USER_NETWORK, /* _smtpdst */
	USER_TOKENS, /* _tokend */
	USER_MAIL /* the configuration's, or root for system accounts */
};

#define NETWORK_USER "_smtpdst"
#define TOKENS_USER "_tokend"

struct role_row {
	enum role role;
	const char *program; /* its executable in libexec */
	enum role_user user;
	int chroot; /* needs no file system: chroot to an empty directory */
	int rank; /* is told to commit when all of lower ranks are ready */
	const char *promises; /* for -n -v; a test compares with the code */
	const char *holds;
};

/* Ends with role ROLE_NONE. Lower ranks first. */
extern const struct role_row role_table[];

/* Which trusted and untrusted instances meet along an edge. */
enum edge_trust {
	EDGE_ALL,
	EDGE_SAME_TRUST, /* trusted with trusted, the others with the others */
	EDGE_UNTRUSTED /* the trusted instance has none */
};

struct edge_row {
	enum role a;
	enum role b;
	enum edge_trust trust;
	const char *meaning;
};

/* Ends with a ROLE_NONE. */
extern const struct edge_row edge_table[];

/*
 * How many instances of a role this configuration has. When there is a
 * `listen on socket`, the last frontend and the last engine are the trusted
 * ones that serve it.
 */
uint8_t role_instances(enum role, const struct config *);
int role_is_trusted(enum role, uint8_t instance, const struct config *);

/* The user name of a role, or NULL: it keeps being root. */
const char *role_user_name(const struct role_row *, const struct config *);

/* Prints roles, users, edges, messages and the sandbox (-n -v). */
void roles_print(const struct config *, FILE *);

#endif
