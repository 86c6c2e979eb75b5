/* SPDX-License-Identifier: ISC */
/* What the log says of the token route of a recipient. */
#ifndef RELAY_TOKEN_LOG_H
#define RELAY_TOKEN_LOG_H

#include <stdint.h>

struct token_story {
	uint64_t session;
	unsigned int refusals; /* of tokens that were held */
	const char *recipient;
	const char *server; /* its name, or the domain */
	uint64_t milliseconds;
};

/*
 * It goes to the relay host: at which step, and why. That there was no token is
 * counted, but not logged: nothing has failed.
 */
void
token_log_failure(const struct token_story *, const char *at, const char *why);
/* new_token is "no", "kept" or "lost". */
void token_log_delivered(const struct token_story *, const char *new_token);

#endif
