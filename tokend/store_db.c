/* SPDX-License-Identifier: ISC */
/*
 * The store on Berkeley DB: a transactional environment that no other
 * process maps (DB_PRIVATE), one B-tree. There is one thread and one
 * transaction at a time, so the lock subsystem is not needed: a file lock
 * keeps a second process out.
 */
#include "tokend/store_db.h"

#include <sys/file.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Dirty pages are what a checkpoint writes while everybody waits. */
#define CACHE_OCTETS (32 * 1024 * 1024)
#define LOG_BUFFER (4 * 1024 * 1024)
#define LOG_FILE (16 * 1024 * 1024)
#define PAGE_OCTETS 4096
#define LOCK_FILE "lock"

static void
error_note(const DB_ENV *env, const char *prefix, const char *message)
{
	struct store *store = env->app_private;

	(void)prefix;
	problem_set(&store->problem, "store %s: %s", store->dir, message);
}

/* Berkeley DB's own words came before, if it had any. */
static int
failed(struct store *store, const char *what, int error)
{
	if (store->problem.text[0] == '\0')
		problem_set(&store->problem, "store %s: %s: %s", store->dir,
		    what, db_strerror(error));
	/* Half of a sentence, the rest of which came before. */
	if (strstr(store->problem.text, "BDB2509") != NULL)
		problem_set(&store->problem,
		    "store %s: its log files are missing: restore it from a "
		    "backup",
		    store->dir);
	if (error == DB_RUNRECOVERY)
		store->broken = 1;
	return -1;
}

static DBT
dbt_of(struct bytes bytes)
{
	DBT dbt;

	memset(&dbt, 0, sizeof(dbt));
	dbt.data = (void *)(uintptr_t)bytes.data;
	dbt.size = (uint32_t)bytes.length;
	return dbt;
}

/* An old tokend may need a moment to die: its descriptor holds the lock. */
static int
lock_take(struct store *store, unsigned int wait)
{
	const struct timespec tenth = {0, 100000000};
	unsigned int tries = wait * 10;
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", store->dir, LOCK_FILE);
	store->lock =
	    open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (store->lock == -1) {
		problem_set(&store->problem, "%s: %s", path, strerror(errno));
		return -1;
	}
	while (flock(store->lock, LOCK_EX | LOCK_NB) == -1) {
		if (tries-- == 0) {
			problem_set(&store->problem,
			    "%s: in use by another process", path);
			return -1;
		}
		nanosleep(&tenth, NULL);
	}
	return 0;
}

static int
directory_check(struct store *store)
{
	struct stat st;

	if (mkdir(store->dir, 0700) == -1 && errno != EEXIST)
		problem_set(
		    &store->problem, "%s: %s", store->dir, strerror(errno));
	else if (stat(store->dir, &st) == -1)
		problem_set(
		    &store->problem, "%s: %s", store->dir, strerror(errno));
	else if (!S_ISDIR(st.st_mode))
		problem_set(&store->problem, "%s: not a directory", store->dir);
	else if (st.st_uid != geteuid())
		problem_set(&store->problem,
		    "%s: belongs to user %u, expected %u", store->dir,
		    (unsigned int)st.st_uid, (unsigned int)geteuid());
	else if ((st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
		problem_set(&store->problem, "%s: mode %04o, expected 0700",
		    store->dir, (unsigned int)st.st_mode & 07777);
	else
		return 0;
	return -1;
}

static int
environment_open(struct store *store)
{
	DB_ENV *env;
	int error;

	if ((error = db_env_create(&store->env, 0)) != 0)
		return failed(store, "environment", error);
	env = store->env;
	env->app_private = store;
	env->set_errcall(env, error_note);
	if ((error = env->set_cachesize(env, 0, CACHE_OCTETS, 1)) != 0 ||
	    (error = env->set_lg_bsize(env, LOG_BUFFER)) != 0 ||
	    (error = env->set_lg_max(env, LOG_FILE)) != 0 ||
	    (error = env->open(env, store->dir,
		 DB_CREATE | DB_INIT_TXN | DB_INIT_LOG | DB_INIT_MPOOL |
		     DB_PRIVATE | DB_RECOVER,
		 0600)) != 0)
		return failed(store, "environment", error);
	return 0;
}

/* A file that is missing next to the others is an accident, not a start. */
static int
database_open(struct store *store, int *fresh)
{
	DB *db;
	int error;

	*fresh = !store_exists(store->dir);
	if ((error = db_create(&store->db, store->env, 0)) != 0)
		return failed(store, STORE_FILE, error);
	db = store->db;
	if ((error = db->set_pagesize(db, PAGE_OCTETS)) != 0 ||
	    (error = db->open(db, NULL, STORE_FILE, NULL, DB_BTREE,
		 DB_CREATE | DB_AUTO_COMMIT, 0600)) != 0)
		return failed(store, STORE_FILE, error);
	return 0;
}

int
store_exists(const char *dir)
{
	char path[PATH_MAX];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", dir, STORE_FILE);
	return lstat(path, &st) == 0;
}

struct store *
store_open(
    const char *dir, unsigned int wait, int *fresh, struct problem *problem)
{
	struct store *store;

	if ((store = calloc(1, sizeof(*store))) == NULL ||
	    strlcpy(store->dir, dir, sizeof(store->dir)) >=
		sizeof(store->dir)) {
		problem_set(problem, "store: no memory, or a name too long");
		free(store);
		return NULL;
	}
	store->lock = -1;
	if (directory_check(store) == -1 || lock_take(store, wait) == -1 ||
	    environment_open(store) == -1 ||
	    database_open(store, fresh) == -1) {
		*problem = store->problem;
		store_close(store);
		return NULL;
	}
	return store;
}

void
store_close(struct store *store)
{
	if (store == NULL)
		return;
	store_backup_end(store->backup);
	store_abort(store);
	if (store->db != NULL && !store->broken)
		store->db->close(store->db, 0);
	if (store->env != NULL) {
		if (!store->broken && store->db != NULL)
			store->env->txn_checkpoint(store->env, 0, 0, DB_FORCE);
		store->env->close(store->env, 0);
	}
	if (store->lock != -1)
		close(store->lock);
	free(store);
}

const char *
store_problem(const struct store *store)
{
	return store->problem.text;
}

int
store_get(struct store *store, struct bytes key, uint8_t *value, size_t *length)
{
	DBT k = dbt_of(key), v;
	int error;

	memset(&v, 0, sizeof(v));
	v.data = value;
	v.ulen = STORE_VALUE_MAX;
	v.flags = DB_DBT_USERMEM;
	store->problem.text[0] = '\0';
	error = store->db->get(store->db, store->txn, &k, &v, 0);
	if (error == DB_NOTFOUND)
		return 1;
	if (error != 0)
		return failed(store, "get", error);
	*length = v.size;
	return 0;
}

/*
 * A failed write may have left half of itself. Nothing of its transaction
 * may stay, and nobody who shares it may think that it did: until
 * store_commit() or store_abort() every further write fails too.
 */
static int
write_failed(struct store *store, const char *what, int error)
{
	failed(store, what, error);
	store_abort(store);
	store->lost = 1;
	return -1;
}

static int
transaction_begin(struct store *store)
{
	int error;

	if (store->lost)
		return -1;
	store->problem.text[0] = '\0';
	if (store->txn != NULL)
		return 0;
	error = store->env->txn_begin(store->env, NULL, &store->txn, 0);
	return error == 0 ? 0 : failed(store, "begin", error);
}

int
store_put(struct store *store, struct bytes key, struct bytes value)
{
	DBT k = dbt_of(key), v = dbt_of(value);
	int error;

	if (transaction_begin(store) == -1)
		return -1;
	if (key.length > STORE_KEY_MAX || value.length > STORE_VALUE_MAX)
		return write_failed(store, "put", EINVAL);
	error = store->db->put(store->db, store->txn, &k, &v, 0);
	if (error != 0)
		return write_failed(store, "put", error);
	store->numbers.writes++;
	return 0;
}

int
store_delete(struct store *store, struct bytes key)
{
	DBT k = dbt_of(key);
	int error;

	if (transaction_begin(store) == -1)
		return -1;
	error = store->db->del(store->db, store->txn, &k, 0);
	if (error == DB_NOTFOUND)
		return 1;
	if (error != 0)
		return write_failed(store, "delete", error);
	store->numbers.writes++;
	return 0;
}

static int
has_prefix(const DBT *key, struct bytes prefix)
{
	return key->size >= prefix.length &&
	    memcmp(key->data, prefix.data, prefix.length) == 0;
}

int
store_each(struct store *store, struct bytes prefix, struct bytes from,
    store_each_function *each, void *argument)
{
	DBT k = dbt_of(from), v;
	DBC *cursor;
	int error, result = 0;

	memset(&v, 0, sizeof(v));
	store->problem.text[0] = '\0';
	error = store->db->cursor(store->db, store->txn, &cursor, 0);
	if (error != 0)
		return failed(store, "cursor", error);
	error = cursor->get(cursor, &k, &v, DB_SET_RANGE);
	while (error == 0 && result == 0 && has_prefix(&k, prefix)) {
		result = each(bytes_of(k.data, k.size),
		    bytes_of(v.data, v.size), argument);
		if (result == 0)
			error = cursor->get(cursor, &k, &v, DB_NEXT);
	}
	cursor->close(cursor);
	if (error != 0 && error != DB_NOTFOUND)
		return failed(store, "next", error);
	return result;
}

int
store_dirty(const struct store *store)
{
	return store->txn != NULL || store->lost;
}

int
store_commit(struct store *store)
{
	DB_TXN *txn = store->txn;
	int error;

	if (store->lost) {
		store->lost = 0;
		return -1;
	}
	store->problem.text[0] = '\0';
	if (txn == NULL)
		return 0;
	store->txn = NULL;
	error = txn->commit(txn, DB_TXN_SYNC);
	if (error != 0)
		return failed(store, "commit", error);
	store->numbers.commits++;
	return 0;
}

void
store_abort(struct store *store)
{
	DB_TXN *txn = store->txn;

	store->txn = NULL;
	store->lost = 0;
	if (txn != NULL && !store->broken && txn->abort(txn) != 0)
		store->broken = 1;
}

static uint64_t
log_octets(struct store *store)
{
	DB_LOG_STAT *stat;
	uint64_t octets;

	if (store->env->log_stat(store->env, &stat, 0) != 0)
		return 0;
	octets = (uint64_t)stat->st_wc_mbytes * 1024 * 1024 + stat->st_wc_bytes;
	free(stat);
	return octets;
}

int
store_checkpoint(struct store *store, int force)
{
	int error;

	if (store->txn != NULL || store->backup != NULL || store->broken)
		return 0;
	if (!force && log_octets(store) < STORE_LOG_MAX)
		return 0;
	store->problem.text[0] = '\0';
	error = store->env->txn_checkpoint(store->env, 0, 0, DB_FORCE);
	if (error == 0)
		error =
		    store->env->log_archive(store->env, NULL, DB_ARCH_REMOVE);
	return error == 0 ? 0 : failed(store, "checkpoint", error);
}

void
store_numbers(struct store *store, struct store_numbers *numbers)
{
	*numbers = store->numbers;
	numbers->log_octets = log_octets(store);
}
