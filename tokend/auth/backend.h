/* SPDX-License-Identifier: ISC */
#ifndef TOKEND_AUTH_BACKEND_H
#define TOKEND_AUTH_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "imsg/messages.h"
#include "tokend/auth/exchange.h"
#include "tokend/auth/facts.h"

struct settings;
struct site;

/*
 * Where users and passwords are: what `users` of smtpd-stoken.conf(5) names.
 * One row in backends[] of backend.c, one file each. Only one is at work, from
 * the first settings on.
 */
struct backend {
	/* Do the settings name this one? */
	bool (*is_chosen)(const struct settings *settings);
	/*
	 * With the first settings, before the sandbox narrows. `site` and the
	 * settings' text live on. Returns 0, or -1 with the problem in words.
	 */
	int (*start)(const struct settings *settings, const struct site *site,
	    char *problem, size_t size);
	/* Can this mechanism, which is switched on, be used now? */
	bool (*has)(const struct mechanism *mechanism);
	/*
	 * The next step of a session's exchange; `response` as in struct
	 * mechanism. It is answered by backend_told(), now or later.
	 */
	void (*step)(uint64_t session, struct exchange *exchange,
	    const struct bytes *response);
	/* The exchange of a session is over, or all are: no answer any more. */
	void (*forget)(uint64_t session);
	void (*forget_all)(void);
	/*
	 * Is this canonical address a user's?
	 * FOUND_LATER: lookup_found() will tell, with the same number.
	 */
	enum found (*find)(
	    const char *address, uint64_t number, struct user_facts *facts);
	void (*stop)(void);
};

extern const struct backend backend_dovecot;
extern const struct backend backend_file;
extern const struct backend backend_system;

/* The one that the settings name. */
const struct backend *backend_choose(const struct settings *settings);

/* In auth.c: what came of a step. */
void backend_told(
    uint64_t session, struct exchange *exchange, enum step_result result);

/* In auth.c: of the mechanisms switched on there are these (a LIST). */
void backend_offers(struct bytes mechanisms);

#endif
