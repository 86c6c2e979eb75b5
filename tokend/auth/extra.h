/* SPDX-License-Identifier: ISC */
#ifndef TOKEND_AUTH_EXTRA_H
#define TOKEND_AUTH_EXTRA_H

struct source_place;
struct user;

/*
 * The extra fields of a user, as Dovecot's passwd-file has them: KEY=VALUE or
 * KEY, with blanks between. Ours are submit=no, receive=no,
 * messages_per_hour=N and recipients_per_hour=N; all others are Dovecot's and
 * passed over. Writes into `text`. Returns 0, or -1 when one of ours has a bad
 * value, which was reported.
 */
int extra_parse(struct user *user, char *text, const struct source_place *at);

#endif
