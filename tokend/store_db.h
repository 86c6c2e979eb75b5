/* SPDX-License-Identifier: ISC */
/* Shared by store_db.c and store_db_backup.c alone. */
#ifndef TOKEND_STORE_DB_H
#define TOKEND_STORE_DB_H

#include <sys/types.h>

#include <limits.h>
#include <stdio.h>

#include <db.h>

#include "tokend/store.h"

#define STORE_FILE "tokens.db"

struct store {
	char dir[PATH_MAX - 32];
	int lock; /* descriptor */
	int broken;
	int lost; /* a write failed: the transaction is gone */
	DB_ENV *env;
	DB *db;
	DB_TXN *txn; /* what was written since the last commit */
	struct store_backup *backup;
	struct store_numbers numbers;
	struct problem problem;
};

#endif
