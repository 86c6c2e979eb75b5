/* SPDX-License-Identifier: ISC */
/* users file: the passwords are here, checked by processes that hash. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/log.h"
#include "lib/settings.h"
#include "tokend/auth/backend.h"
#include "tokend/auth/exchanges.h"
#include "tokend/auth/hasher.h"
#include "tokend/auth/site.h"
#include "tokend/auth/users.h"

#define WORKERS 2 /* unless `prefork auth` says otherwise */

static const struct site *site;

static bool
is_chosen(const struct settings *settings)
{
	(void)settings;
	return true;
}

static enum found
find(const char *address, uint64_t number, struct user_facts *facts)
{
	const struct user *user = users_find(site->users, address);

	(void)number;
	facts_init(facts);
	if (user == NULL) {
		/* The same work for those who are not there. */
		if ((user = users_usual(site->users, false)) != NULL)
			users_digest(user, facts->digest);
		return FOUND_NO;
	}
	facts->rights = user->rights;
	users_digest(user, facts->digest);
	facts->digest_length = sizeof(facts->digest);
	return FOUND_YES;
}

static void
tell(uint64_t session, struct exchange *exchange, enum step_result result)
{
	if (result == STEP_OK)
		(void)find(exchange->login, 0, &exchange->facts);
	backend_told(session, exchange, result);
}

/* A worker's answer. */
static void
checked(uint64_t session, bool matches)
{
	struct exchange *exchange = exchanges_find(session);

	if (exchange != NULL)
		tell(session, exchange, exchange_checked(exchange, matches));
}

static void
worker_died(void)
{
	fatalx("a hash worker died; starting afresh");
}

/* The workers are forked before any secret is read. */
static int
start(const struct settings *settings, const struct site *of, char *problem,
    size_t size)
{
	unsigned int count = settings->hash_workers == 0
	    ? WORKERS
	    : (unsigned int)settings->hash_workers;

	site = of;
	if (hasher_start(count, checked, worker_died) == 0)
		return 0;
	(void)snprintf(
	    problem, size, "cannot start hash workers: %s", strerror(errno));
	return -1;
}

static bool
has(const struct mechanism *mechanism)
{
	(void)mechanism;
	return true;
}

static void
step(uint64_t session, struct exchange *exchange, const struct bytes *response)
{
	enum step_result result = exchange_step(exchange, response);

	if (result == STEP_CHECK) {
		if (hasher_ask(session, &exchange->state.check) == 0)
			return;
		exchange->reason = AUTH_REASON_OVERLOAD;
		result = STEP_TEMPORARY;
	}
	tell(session, exchange, result);
}

const struct backend backend_file = {
    .is_chosen = is_chosen,
    .start = start,
    .has = has,
    .step = step,
    .forget = hasher_forget,
    .forget_all = hasher_forget_all,
    .find = find,
    .stop = hasher_stop,
};
