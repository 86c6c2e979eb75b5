/* SPDX-License-Identifier: ISC */
/*
 * What tokend itself can do, without processes around it:
 * token checks, durable tokens written with 32 waiting (all share one
 * transaction and one flush) next to bare Berkeley DB, and the time until it
 * could answer again after kill -9 with a million records.
 *	bench_tokend [DIR [RECORDS]]
 */
#include <sys/stat.h>
#include <sys/wait.h>

#include <err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <db.h>

#include "tokend/batch.h"
#include "tokend/check.h"
#include "tokend/open.h"

#define NOW 1700000000000ULL
#define DAY 86400000ULL
#define WAITING 32
#define SECONDS 2.0

static struct keyring ring;
static struct issuer issuer;
static char dir[1024];

static double
seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* What tokend does before it is READY. */
static struct store *
start(void)
{
	struct problem problem;
	struct store *store;
	int created;

	if ((store = open_all(dir, 1, &ring, &created, &problem)) == NULL)
		errx(1, "%s", problem.text);
	issuer.store = store;
	issuer.ring = &ring;
	issuer.marks = marks_new();
	issuer.lifetimes.temporary = 7 * DAY;
	issuer.lifetimes.permanent = 365 * DAY;
	if (issuer.marks == NULL || marks_load(issuer.marks, store) != 0 ||
	    issuer_load(&issuer) != 0)
		errx(1, "%s", store_problem(store));
	return store;
}

static void
stop(struct store *store)
{
	marks_free(issuer.marks);
	store_close(store);
}

static void
check_rate(const char *what, const char *text, const char *remote)
{
	struct bytes local = bytes_text("bob@a.example");
	struct token token;
	double begin = seconds(), end;
	uint64_t count = 0;
	int i;

	do {
		for (i = 0; i < 1000; i++, count++)
			if (remote == NULL)
				(void)check_token(&issuer, bytes_text(text),
				    local, NOW, &token);
			else
				(void)check_pair(&issuer, bytes_text(text),
				    bytes_text(remote), local, NOW, &token);
		end = seconds();
	} while (end - begin < SECONDS / 2);
	printf("%-44s %10.0f/s %8.3f us\n", what, (double)count / (end - begin),
	    (end - begin) / (double)count * 1e6);
}

static void
checks(struct store *store)
{
	struct bytes remote = bytes_text("alice@b.example");
	struct bytes local = bytes_text("bob@a.example");
	char temporary[TOKEN_LENGTH + 1], permanent[TOKEN_LENGTH + 1],
	    wrong[TOKEN_LENGTH + 1];

	issue_temporary(&issuer, remote, local, NOW, temporary);
	issue_permanent(&issuer, remote, local, NOW, permanent);
	store_commit(store);
	memcpy(wrong, temporary, sizeof(wrong));
	wrong[60] = wrong[60] == 'A' ? 'B' : 'A';
	check_rate("wrong token", wrong, NULL);
	check_rate("temporary token at AUTH", temporary, NULL);
	check_rate("temporary token at RCPT", temporary, "alice@b.example");
	check_rate("permanent token at AUTH", permanent, NULL);
	check_rate("permanent token at RCPT", permanent, "alice@b.example");
}

static void
done(void *argument, int durable)
{
	uint64_t *count = argument;

	*count += (uint64_t)durable;
}

/* Permanent tokens of new pairs; `waiting` share a flush. */
static double
tokens_rate(struct store *store, int waiting)
{
	struct batch batch = {store, NULL, 0, 0};
	double begin = seconds(), end;
	static uint64_t pair;
	uint64_t count = 0;
	char remote[64], token[TOKEN_LENGTH + 1];
	int i;

	do {
		for (i = 0; i < waiting; i++) {
			snprintf(remote, sizeof(remote), "r%08x@b.example",
			    (unsigned int)(pair++ * 2654435761U));
			if (issue_permanent(&issuer, bytes_text(remote),
				bytes_text("bob@a.example"), NOW, token) == -1)
				errx(1, "%s", store_problem(store));
			batch_wait(&batch, done, &count);
		}
		if (batch_flush(&batch) == -1 ||
		    store_checkpoint(store, 0) == -1)
			errx(1, "%s", store_problem(store));
		end = seconds();
	} while (end - begin < SECONDS);
	batch_free(&batch);
	return (double)count / (end - begin);
}

/* Berkeley DB with records of the same size, and nothing else. */
static double
bare_rate(int waiting)
{
	char path[1100], key[64], value[23] = "";
	double begin, end;
	uint64_t count = 0;
	DB_ENV *env;
	DB_TXN *txn;
	DBT k, v;
	DB *db;
	int i;

	snprintf(path, sizeof(path), "%s-bare", dir);
	(void)mkdir(path, 0700);
	if (db_env_create(&env, 0) != 0 ||
	    env->set_cachesize(env, 0, 32 << 20, 1) != 0 ||
	    env->open(env, path,
		DB_CREATE | DB_INIT_TXN | DB_INIT_LOG | DB_INIT_MPOOL |
		    DB_INIT_LOCK | DB_PRIVATE,
		0600) != 0 ||
	    db_create(&db, env, 0) != 0 ||
	    db->open(db, NULL, "bare.db", NULL, DB_BTREE,
		DB_CREATE | DB_AUTO_COMMIT, 0600) != 0)
		errx(1, "bare Berkeley DB");
	memset(&k, 0, sizeof(k));
	memset(&v, 0, sizeof(v));
	k.data = key;
	v.data = value;
	v.size = sizeof(value);
	begin = seconds();
	do {
		if (env->txn_begin(env, NULL, &txn, 0) != 0)
			errx(1, "bare Berkeley DB");
		for (i = 0; i < waiting; i++) {
			k.size = (uint32_t)snprintf(key, sizeof(key),
			    "pbob@a.example r%08x@b.example",
			    (unsigned int)(count++ * 2654435761U));
			if (db->put(db, txn, &k, &v, 0) != 0)
				errx(1, "bare Berkeley DB");
		}
		if (txn->commit(txn, DB_TXN_SYNC) != 0)
			errx(1, "bare Berkeley DB");
		end = seconds();
	} while (end - begin < SECONDS);
	db->close(db, 0);
	env->close(env, 0);
	return (double)count / (end - begin);
}

static void
writes(struct store *store)
{
	static const int waiting[] = {1, WAITING};
	double ours, bare;
	size_t i;

	for (i = 0; i < 2; i++) {
		ours = tokens_rate(store, waiting[i]);
		bare = bare_rate(waiting[i]);
		printf("durable tokens, %2d waiting %28.0f/s, bare Berkeley "
		       "DB %.0f/s, ratio %.2f\n",
		    waiting[i], ours, bare, ours / bare);
	}
}

static void
fill(struct store *store, uint64_t records)
{
	char remote[64], token[TOKEN_LENGTH + 1];
	uint64_t i;

	for (i = 0; i < records; i++) {
		snprintf(remote, sizeof(remote), "f%08x@c.example",
		    (unsigned int)(i * 2654435761U));
		if (issue_permanent(&issuer, bytes_text(remote),
			bytes_text("bob@a.example"), NOW, token) == -1 ||
		    (i % 1000 == 999 &&
			(store_commit(store) == -1 ||
			    store_checkpoint(store, 0) == -1)))
			errx(1, "%s", store_problem(store));
	}
	if (store_commit(store) == -1 || store_checkpoint(store, 1) == -1)
		errx(1, "%s", store_problem(store));
}

/* Writes until the log is as long as it ever gets, then waits to be killed. */
static void
victim(int told)
{
	struct store *store = start();
	struct store_numbers numbers;
	char remote[64], token[TOKEN_LENGTH + 1];
	uint64_t i = 0;

	do {
		snprintf(remote, sizeof(remote), "v%08x@c.example",
		    (unsigned int)(i++ * 2654435761U));
		(void)issue_permanent(&issuer, bytes_text(remote),
		    bytes_text("bob@a.example"), NOW, token);
		if (i % WAITING == 0)
			(void)store_commit(store);
		store_numbers(store, &numbers);
	} while (numbers.log_octets < STORE_LOG_MAX - (1 << 20));
	(void)!write(told, "x", 1);
	pause();
	_exit(1);
}

static void
recovery(uint64_t records)
{
	double begin, end;
	struct store *store;
	char octet, token[TOKEN_LENGTH + 1];
	int told[2], status;
	pid_t child;

	if (pipe(told) == -1 || (child = fork()) == -1)
		err(1, "fork");
	if (child == 0)
		victim(told[1]);
	if (read(told[0], &octet, 1) != 1)
		errx(1, "the one to be killed died");
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	begin = seconds();
	store = start();
	if (issue_permanent(&issuer, bytes_text("x@y.example"),
		bytes_text("bob@a.example"), NOW, token) == -1 ||
	    store_commit(store) == -1)
		errx(1, "%s", store_problem(store));
	end = seconds();
	printf("answers again after kill -9, %llu records %10.3f s\n",
	    (unsigned long long)records, end - begin);
	stop(store);
}

int
main(int argc, char *argv[])
{
	uint64_t records = argc > 2 ? strtoull(argv[2], NULL, 10) : 1000000;
	char command[2200], base[512] = "/var/tmp/bench-tokend.XXXXXX";
	struct store *store;

	if (argc > 1)
		strlcpy(base, argv[1], sizeof(base));
	if (argc > 1 ? mkdir(base, 0700) == -1 : mkdtemp(base) == NULL)
		err(1, "%s", base);
	snprintf(dir, sizeof(dir), "%s/store", base);
	store = start();
	checks(store);
	writes(store);
	fill(store, records);
	stop(store);
	recovery(records);
	snprintf(command, sizeof(command), "rm -rf '%s'", base);
	return system(command) == 0 ? 0 : 1;
}
