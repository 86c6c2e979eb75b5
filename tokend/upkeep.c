/* SPDX-License-Identifier: ISC */
#include "tokend/upkeep.h"

#include <sys/time.h>

#include <event.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "tokend/client.h"
#include "tokend/control.h"
#include "tokend/limits.h"

#define MINUTE 60
#define AT_ONCE 2000 /* records looked at in one go */

static struct event timer;
/* Where pruning goes on. */
static struct record_key permanent_cursor, renewed_cursor, remember_cursor;

int
key_retire(uint16_t id, struct problem *problem)
{
	struct keyring copy = tokend.ring;
	struct record_key key;
	int result = -1;

	record_key_horizon(&key, id);
	if (held_reseal(&tokend.issuer, id) == -1 ||
	    store_commit(tokend.store) == -1) {
		problem_set(problem, "%s", store_problem(tokend.store));
		goto end;
	}
	if (keyring_remove(&copy, id) == -1 ||
	    keyring_save(&copy, tokend.settings->store, problem) == -1)
		goto end;
	keyring_remove(&tokend.ring, id);
	jwt_key_forget(id);
	/* Of no use now; the next start would drop it from its memory too. */
	if (store_delete(tokend.store, record_key_bytes(&key)) == -1 ||
	    store_commit(tokend.store) == -1)
		log_warnx("%s", store_problem(tokend.store));
	log_info("key %u is retired", id);
	result = 0;
end:
	keyring_wipe(&copy);
	return result;
}

/* An old key goes when the last token under it has expired. */
static void
retire_keys(uint64_t now)
{
	const struct key *active = keyring_active(&tokend.ring);
	struct problem problem;
	uint64_t needed;
	size_t i;

	for (i = 0; i < tokend.ring.count; i++) {
		if (&tokend.ring.keys[i] == active)
			continue;
		needed = issue_horizon(&tokend.issuer, tokend.ring.keys[i].id);
		if (needed == 0 || needed > now)
			continue;
		if (key_retire(tokend.ring.keys[i].id, &problem) == -1)
			log_warnx("%s", problem.text);
		return; /* the ring has changed; the next one has time */
	}
}

/* What expired tokens were computed from, and what they were renewed for. */
struct pruning {
	uint64_t now;
	int left;
	int deleted;
	struct record_key *cursor;
};

static uint64_t
expiry_of(struct bytes key, struct bytes value)
{
	struct permanent permanent = {.expires = 0};
	struct renewed renewed = {.expires = 0};

	if (key.data[0] == RECORD_PERMANENT)
		return permanent_decode(&permanent, value) == 0
		    ? permanent.expires
		    : 0;
	return renewed_decode(&renewed, value) == 0 ? renewed.expires : 0;
}

static int
prune_each(struct bytes key, struct bytes value, void *argument)
{
	struct pruning *pruning = argument;
	uint64_t expires = expiry_of(key, value);

	memcpy(pruning->cursor->data, key.data, key.length);
	pruning->cursor->length = key.length;
	pruning->deleted = expires != 0 && expires <= pruning->now;
	return --pruning->left == 0 || pruning->deleted;
}

/*
 * Goes through the records of a kind from where it was. Returns 1 when
 * there is more to look at.
 */
static int
prune_records(char kind, struct record_key *cursor, uint64_t now)
{
	struct pruning pruning = {now, AT_ONCE, 0, cursor};
	struct record_key prefix;
	int more;

	record_key_single(&prefix, kind);
	if (cursor->length == 0)
		*cursor = prefix;
	do {
		pruning.deleted = 0;
		more = store_each(tokend.store, record_key_bytes(&prefix),
		    record_key_bytes(cursor), prune_each, &pruning);
		if (pruning.deleted &&
		    store_delete(tokend.store, record_key_bytes(cursor)) == -1)
			return 0;
	} while (pruning.deleted && pruning.left > 0);
	if (more != 1)
		cursor->length = 0;
	return more == 1;
}

/* Tokens of others; and how many pairs have one. */
static int
prune_held(uint64_t now)
{
	static struct record_key cursor;
	static size_t count;
	uint64_t life =
	    tokend.held_pairs < HELD_PAIRS_MAX ? HELD_LIFE : HELD_LIFE_CROWDED;

	if (held_prune_some(
		&tokend.issuer, &cursor, AT_ONCE, life, now, &count) == 1)
		return 1;
	tokend.held_pairs = count;
	count = 0;
	return 0;
}

static void
upkeep(int fd, short what, void *argument)
{
	const struct timeval minute = {MINUTE, 0}, second = {1, 0};
	static uint64_t swept;
	uint64_t now = wall_clock();
	int more;

	(void)fd;
	(void)what;
	(void)argument;
	clients_sweep(ticket_clock());
	limits_sweep(ticket_clock());
	if (now >= swept + MINUTE * 1000) {
		control_sweep();
		swept = now;
	}
	more = prune_records(RECORD_PERMANENT, &permanent_cursor, now);
	more |= prune_records(RECORD_RENEWED, &renewed_cursor, now);
	more |= prune_held(now);
	more |= remember_prune_some(
		    &tokend.rememberer, &remember_cursor, AT_ONCE, now) == 1;
	if (marks_prune(tokend.marks, tokend.store, now, AT_ONCE) == -1)
		log_warnx("%s", store_problem(tokend.store));
	if (batch_flush(&tokend.batch) == -1)
		fatalx("%s", store_problem(tokend.store));
	retire_keys(now);
	if (store_checkpoint(tokend.store, 0) == -1)
		fatalx("%s", store_problem(tokend.store));
	(void)evtimer_add(&timer, more ? &second : &minute);
}

void
upkeep_start(void)
{
	const struct timeval minute = {MINUTE, 0};

	evtimer_set(&timer, upkeep, NULL);
	(void)evtimer_add(&timer, &minute);
}
