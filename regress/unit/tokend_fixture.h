/* SPDX-License-Identifier: ISC */
/* A store, a keyring and an issuer in a directory of their own. */
#ifndef REGRESS_TOKEND_FIXTURE_H
#define REGRESS_TOKEND_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tokend/check.h"
#include "tokend/held.h"

#define DAY 86400000ULL
#define NOW 1700000000000ULL

struct fixture {
	char base[64];
	char dir[96];
	struct problem problem;
	struct store *store;
	struct keyring ring;
	struct marks *marks;
	struct issuer issuer;
};

static inline struct bytes
text(const char *string)
{
	return bytes_text(string);
}

static inline void
fixture_open(struct fixture *f)
{
	const struct lifetimes lifetimes = {
	    7 * DAY, 365 * DAY, 90 * DAY, 7 * DAY};
	int fresh;

	f->store = store_open(f->dir, 0, &fresh, &f->problem);
	if (f->store == NULL)
		fail_msg("%s", f->problem.text);
	f->marks = marks_new();
	assert_int_equal(marks_load(f->marks, f->store), 0);
	f->issuer.store = f->store;
	f->issuer.ring = &f->ring;
	f->issuer.marks = f->marks;
	f->issuer.lifetimes = lifetimes;
	assert_int_equal(issuer_load(&f->issuer), 0);
}

static inline void
fixture_close(struct fixture *f)
{
	marks_free(f->marks);
	store_close(f->store);
	f->store = NULL;
	f->marks = NULL;
}

static inline void
fixture_reopen(struct fixture *f)
{
	fixture_close(f);
	fixture_open(f);
}

static inline void
fixture_commit(struct fixture *f)
{
	assert_int_equal(store_commit(f->store), 0);
}

static inline void
fixture_make(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	strlcpy(f->base, "/tmp/tokend-test.XXXXXX", sizeof(f->base));
	assert_non_null(mkdtemp(f->base));
	snprintf(f->dir, sizeof(f->dir), "%s/store", f->base);
}

static inline int
fixture_setup(void **state)
{
	struct fixture *f = malloc(sizeof(*f));

	assert_non_null(f);
	fixture_make(f);
	fixture_open(f);
	assert_non_null(keyring_add(&f->ring, NOW / 1000));
	*state = f;
	return 0;
}

static inline int
fixture_teardown(void **state)
{
	struct fixture *f = *state;
	char command[128];

	if (f->store != NULL)
		fixture_close(f);
	snprintf(command, sizeof(command), "rm -rf '%s'", f->base);
	assert_int_equal(system(command), 0);
	keyring_wipe(&f->ring);
	free(f);
	return 0;
}

#endif
