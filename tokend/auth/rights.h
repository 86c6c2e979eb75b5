/* SPDX-License-Identifier: ISC */
#ifndef TOKEND_AUTH_RIGHTS_H
#define TOKEND_AUTH_RIGHTS_H

#include <stdbool.h>
#include <stdint.h>

struct source_place;

/*
 * What a user may do, as the extra fields of Dovecot's passwd-file say it:
 * submit=no, receive=no, messages_per_hour=N, recipients_per_hour=N.
 */
struct user_rights {
	bool no_submit;
	bool no_receive;
	uint32_t messages_per_hour; /* 0: no limit; or LIMIT_SITE */
	uint32_t recipients_per_hour;
};

/* Those of a user of whom nothing is said. */
void rights_init(struct user_rights *rights);

/*
 * Takes one field; one that is not ours is passed over. Returns NULL, or what
 * was expected in place of its value.
 */
const char *
rights_take(struct user_rights *rights, const char *name, const char *value);

/*
 * Takes the extra fields of a line: NAME=VALUE or NAME, with blanks between.
 * Writes into `text`. Returns 0, or -1 when a value was bad and reported.
 */
int rights_parse(
    struct user_rights *rights, char *text, const struct source_place *at);

#endif
