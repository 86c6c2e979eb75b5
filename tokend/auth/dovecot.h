/* SPDX-License-Identifier: ISC */
#ifndef TOKEND_AUTH_DOVECOT_H
#define TOKEND_AUTH_DOVECOT_H

#include "imsg/channel.h"
#include "tokend/auth/backend.h"

/*
 * users dovecot. The parts of its back-end: passwords (dovecot_auth.c, the
 * protocol to clients) and who there is (dovecot_userdb.c, that to masters).
 */

/* The paths are for the log and live on. */
void dovecot_auth_start(const char *path, const struct site *site);
void dovecot_userdb_start(const char *path, const struct site *site);
void dovecot_auth_stop(void);
void dovecot_userdb_stop(void);

/* LOGIN_CONNECTED for each of them: see dovecot_connected(). */
void dovecot_auth_connected(int fd, struct bytes problem);
void dovecot_userdb_connected(int fd, struct bytes problem);

/* As in struct backend. */
bool dovecot_has(const struct mechanism *mechanism);
void dovecot_step(
    uint64_t session, struct exchange *exchange, const struct bytes *response);
void dovecot_forget(uint64_t session);
void dovecot_forget_all(void);
enum found
dovecot_find(const char *address, uint64_t number, struct user_facts *facts);

/* The parent's answer about a socket: a handler for auth.c. */
void on_login_connected(struct channel *, const union message *, int fd);

#endif
