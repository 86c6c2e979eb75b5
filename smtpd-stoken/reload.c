/* SPDX-License-Identifier: ISC */
/*
 * A new configuration is taken whole or not at all: it is read and checked,
 * its sockets are bound and its files opened before any process hears of it;
 * if a process then refuses its part, all get the old one again.
 */
#include <sys/types.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/log.h"
#include "lib/metrics.h"
#include "smtpd-stoken/parent.h"

/* roles.c gives ranks from 0 to this. */
#define LAST_RANK 3

static struct {
	int running;
	int undoing;
	size_t waiting; /* answers to come, from processes of this rank: */
	int rank;
	struct config *old;
	struct bound *old_bound;
	size_t old_bound_count;
	uint32_t request;
	int asked; /* by tokenctl: answer it */
	char problem[1024];
} reload;

static void
answer(uint32_t request, int ok, const char *problem)
{
	union message m = {.reload_done = {.request = request,
			       .ok = (uint8_t)ok,
			       .problem = bytes_text(problem)}};
	size_t i;

	for (i = 0; i < parent.child_count; i++)
		if (parent.children[i].row->role == ROLE_TOKEND &&
		    parent.children[i].ready)
			(void)channel_send(parent.children[i].channel,
			    MSG_RELOAD_DONE, &m, -1);
}

static int
differ(const char *a, const char *b)
{
	if (a == NULL || b == NULL)
		return a != b;
	return strcmp(a, b) != 0;
}

/* What processes and their sandboxes are built on cannot change under them. */
static const char *
needs_restart(const struct config *a, const struct config *b)
{
	const struct role_row *row;

	if (differ(a->store, b->store))
		return "store";
	if (differ(a->control, b->control))
		return "control";
	if (differ(a->maildir, b->maildir) ||
	    differ(a->maildir_user, b->maildir_user) ||
	    differ(a->lmtp_address, b->lmtp_address) ||
	    differ(a->spool, b->spool))
		return "deliver";
	if (differ(a->users_file, b->users_file) ||
	    differ(a->users_dovecot, b->users_dovecot) ||
	    differ(a->users_userdb, b->users_userdb) ||
	    a->users_system != b->users_system)
		return "users";
	if (differ(a->aliases_file, b->aliases_file))
		return "aliases";
	if (a->sandbox != b->sandbox)
		return "sandbox";
	if (a->prefork_auth != b->prefork_auth)
		return "prefork";
	if (role_instances(ROLE_RELAY, a) != role_instances(ROLE_RELAY, b))
		return "relay host";
	for (row = role_table; row->role != ROLE_NONE; row++)
		if (role_instances(row->role, a) !=
		    role_instances(row->role, b))
			return "prefork or listen on socket";
	return NULL;
}

static struct config *
read_new(char *problem, size_t size)
{
	struct config *config = NULL;
	const char *what;
	char *text = NULL;
	size_t length = 0;
	FILE *errors;

	if ((errors = open_memstream(&text, &length)) == NULL)
		fatal("open_memstream");
	if (config_load(parent.config_path, parent.macros, errors, &config) ==
	    -1)
		config = NULL;
	else if (config_check_files(config, errors) > 0) {
		config_free(config);
		config = NULL;
	}
	(void)fclose(errors);
	if (length > 0 && text[length - 1] == '\n')
		text[length - 1] = '\0';
	strlcpy(problem, text, size);
	free(text);
	if (config != NULL &&
	    (what = needs_restart(parent.config, config)) != NULL) {
		(void)snprintf(problem, size,
		    "a change of `%s` needs a restart, not a reload", what);
		config_free(config);
		config = NULL;
	}
	return config;
}

/* Sends what is in parent.config now to the processes of reload.rank. */
static void
send_to_rank(void)
{
	struct child *child;
	size_t i;

	for (i = 0; i < parent.child_count; i++) {
		child = &parent.children[i];
		if (!child->ready || child->row->rank != reload.rank)
			continue;
		setup_send(child);
		setup_commit(child);
		child->asked = 1;
		reload.waiting++;
	}
}

/*
 * Rank by rank, as at the start: the signer knows the new keys before a
 * frontend tries the new certificates.
 */
static void
send_to_all(void)
{
	parent.generation++;
	reload.waiting = 0;
	reload.rank = 0;
	send_to_rank();
}

/* The next rank that has anybody; 0 when there is none. */
static int
send_to_next(void)
{
	while (reload.waiting == 0 && reload.rank++ < LAST_RANK)
		send_to_rank();
	return reload.waiting > 0;
}

/* To the signer, the end of a reload: see commit() there. */
static void
confirm(void)
{
	size_t i;

	for (i = 0; i < parent.child_count; i++)
		if (parent.children[i].row->role == ROLE_SIGN &&
		    parent.children[i].ready)
			setup_commit(&parent.children[i]);
}

static void
finish(void)
{
	int ok = !reload.undoing;

	if (ok) {
		config_free(reload.old);
		listeners_close(reload.old_bound, reload.old_bound_count);
		confirm();
		log_info("configuration reloaded");
		metric_set(RELOADED, 0, time(NULL));
	} else
		log_warnx("configuration not reloaded, the old one stays: %s",
		    reload.problem);
	metric_count(RELOADS, ok ? METRIC_OK : METRIC_FAILED);
	if (reload.asked)
		answer(reload.request, ok, reload.problem);
	memset(&reload, 0, sizeof(reload));
}

static void
undo(void)
{
	size_t i;

	config_free(parent.config);
	listeners_close(parent.bound, parent.bound_count);
	parent.config = reload.old;
	parent.bound = reload.old_bound;
	parent.bound_count = reload.old_bound_count;
	reload.undoing = 1;
	/* A replacement that starts with what was refused starts again. */
	for (i = 0; i < parent.child_count; i++)
		if (parent.children[i].pid != 0 && !parent.children[i].ready)
			child_kill(parent.children[i].row->role,
			    parent.children[i].instance);
	send_to_all();
	if (reload.waiting == 0 && !send_to_next())
		finish();
}

void
reload_answered(struct child *child, int ok, const char *problem)
{
	if (!child->asked)
		return;
	child->asked = 0;
	if (!ok && reload.problem[0] == '\0')
		(void)snprintf(reload.problem, sizeof(reload.problem), "%s: %s",
		    child->row->program, problem);
	if (--reload.waiting > 0)
		return;
	if (reload.problem[0] != '\0' && !reload.undoing)
		undo();
	else if (!send_to_next())
		finish();
}

void
reload_lost(struct child *child)
{
	reload_answered(child, 0, "it died");
}

void
reload_start(struct channel *asker, uint32_t request)
{
	char problem[4096] = "";
	struct config *config;
	struct bound *bound;
	size_t count;

	if (reload.running || !parent.started) {
		if (asker != NULL)
			answer(request, 0, "a reload is under way");
		return;
	}
	if ((config = read_new(problem, sizeof(problem))) != NULL &&
	    listeners_open(config, &bound, &count, problem, sizeof(problem)) ==
		-1) {
		config_free(config);
		config = NULL;
	}
	if (config == NULL) {
		metric_count(RELOADS, METRIC_FAILED);
		log_warnx("configuration not reloaded, the old one stays: %s",
		    problem);
		if (asker != NULL)
			answer(request, 0, problem);
		return;
	}
	reload.running = 1;
	reload.asked = asker != NULL;
	reload.request = request;
	reload.old = parent.config;
	reload.old_bound = parent.bound;
	reload.old_bound_count = parent.bound_count;
	parent.config = config;
	parent.bound = bound;
	parent.bound_count = count;
	send_to_all();
}
