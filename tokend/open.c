/* SPDX-License-Identifier: ISC */
#include "tokend/open.h"

#include <sys/stat.h>

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tokend/records.h"

/* Returns 1 when the first start was completed, 0 when not, -1 on error. */
static int
was_started(struct store *store)
{
	uint8_t value[STORE_VALUE_MAX];
	struct record_key key;
	size_t length;
	int found;

	record_key_single(&key, RECORD_STARTED);
	found = store_get(store, record_key_bytes(&key), value, &length);
	return found == -1 ? -1 : found == 0;
}

static int
put_time(struct store *store, char kind)
{
	struct record_value value;
	struct record_key key;

	record_key_single(&key, kind);
	time_encode((uint64_t)time(NULL) * 1000, &value);
	if (store_put(store, record_key_bytes(&key),
		record_value_bytes(&value)) == -1)
		return -1;
	return store_commit(store);
}

int
store_self_test(struct store *store)
{
	return put_time(store, RECORD_TEST);
}

/* Makes the first key. */
static int
first_key(struct keyring *ring, const char *dir, struct problem *problem)
{
	keyring_wipe(ring);
	keyring_add(ring, (uint64_t)time(NULL));
	return keyring_save(ring, dir, problem);
}

static int
match(struct store *store, const char *dir, struct keyring *ring, int *created,
    struct problem *problem)
{
	int started = was_started(store);
	int keys = keyring_load(ring, dir, problem);

	*created = started == 0;
	if (keys == -1 || started == -1)
		return -1;
	if (started && keys == 0)
		return 0;
	if (started) {
		problem_set(problem,
		    "%s: there is a store, but no file \"keys\": restore it "
		    "from a backup, or move the store away to start anew",
		    dir);
		return -1;
	}
	if (keys == 1 && first_key(ring, dir, problem) == -1)
		return -1;
	return put_time(store, RECORD_STARTED);
}

/*
 * A store that exists only since now must not outlive a refusal: the next
 * start would take the keys for those of a start that a crash ended.
 */
static int
keys_without_store(const char *dir, struct problem *problem)
{
	char path[4096];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", dir, KEYRING_FILE);
	if (lstat(path, &st) == -1 || store_exists(dir))
		return 0;
	problem_set(problem,
	    "%s: there are keys, but no store: restore it from a backup, or "
	    "move the keys away to start anew (what was revoked must not be "
	    "good again)",
	    dir);
	return 1;
}

struct store *
open_all(const char *dir, unsigned int wait, struct keyring *ring, int *created,
    struct problem *problem)
{
	struct store *store;
	int fresh;

	if (keys_without_store(dir, problem))
		return NULL;
	if ((store = store_open(dir, wait, &fresh, problem)) == NULL)
		return NULL;
	problem->text[0] = '\0';
	if (match(store, dir, ring, created, problem) == 0 &&
	    store_self_test(store) == 0)
		return store;
	if (*store_problem(store) != '\0')
		problem_set(problem, "%s", store_problem(store));
	keyring_wipe(ring);
	store_close(store);
	return NULL;
}
