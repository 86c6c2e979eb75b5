/* SPDX-License-Identifier: ISC */
/* What a process may try, and which promises allow it. */
#ifndef SANDBOX_ACTIONS_H
#define SANDBOX_ACTIONS_H

#include <stddef.h>

#include "regress/sandbox/harness.h"

struct action {
	const char *name;
	/*
	 * The promises that it takes: words that all must be there, with | for
	 * alternatives: "wpath cpath", "inet|dns". "" is for everyone, NULL for
	 * nobody.
	 */
	const char *needs;
	enum outcome otherwise;
	int (*function)(void);
	/* A promise with which it is Landlock that refuses it, or NULL. */
	const char *landlocked;
};

extern const struct action common_actions[], file_actions[], net_actions[],
    process_actions[], system_actions[];
extern const size_t ncommon_actions, nfile_actions, nnet_actions,
    nprocess_actions, nsystem_actions;

#endif
