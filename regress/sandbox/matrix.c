/* SPDX-License-Identifier: ISC */
/*
 * Every role times everything that it may try: what its promises cover must
 * run, the rest must be refused or kill. Without a sandbox (-n) the cases that
 * must be stopped fail, which is tried by run.sh. Arguments are further sets of
 * promises: those that stand in the source.
 */
#include <sys/wait.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "compat/landlock.h"
#include "regress/sandbox/actions.h"

static const struct {
	const char *name, *promises;
} roles[] = {
    {"frontend", "stdio inet sendfd recvfd"},
    {"engine", "stdio sendfd recvfd"},
    {"relay", "stdio rpath inet dns recvfd"},
    {"relay to a socket", "stdio rpath inet dns recvfd unix"},
    {"tokend", "stdio rpath wpath cpath flock unix"},
    {"tokend-sign", "stdio"},
    {"tokend-auth", "stdio rpath"},
    {"lmtpd", "stdio rpath wpath cpath fattr flock sendfd"},
    {"lmtpd as root",
	"stdio rpath wpath cpath fattr flock sendfd id proc getpw"},
    {"tokenctl", "stdio unix"},
    {"parent", "stdio rpath proc exec sendfd unix"},
    {"resolver", "stdio dns"},
    {"user database", "stdio getpw"},
};

/* `text` begins with one of the words "a|b", which the promises have. */
static bool
has_alternative(const char *promises, const char *text, size_t length)
{
	char padded[256], word[32];
	size_t at = 0, n;

	(void)snprintf(padded, sizeof(padded), " %s ", promises);
	while (at < length) {
		n = strcspn(text + at, "| ");
		if (at + n > length)
			n = length - at;
		(void)snprintf(word, sizeof(word), " %.*s ", (int)n, text + at);
		if (strstr(padded, word) != NULL)
			return true;
		at += n + 1;
	}
	return false;
}

static bool
allowed(const char *promises, const char *needs)
{
	if (needs == NULL)
		return false;
	/* Filters outlive execve: what starts all roles must let them do all. */
	if (has_alternative(promises, "exec", 4))
		return true;
	while (*needs != '\0') {
		size_t length = strcspn(needs, " ");

		if (!has_alternative(promises, needs, length))
			return false;
		needs += length + (needs[length] == ' ');
	}
	return true;
}

/*
 * What runs without a sandbox can show that the sandbox stops it; an error
 * that comes anyway shows nothing. A kill needs no such control.
 */
static bool
shows_something(const struct action *action)
{
	return action->otherwise == KILLED ||
	    harness_is(harness_run(NULL, action->function), RUNS);
}

static void
try_action(const char *name, const char *promises, const struct action *action)
{
	bool may = allowed(promises, action->needs);
	enum outcome expected = may ? RUNS : action->otherwise;
	int status;

	if (!may && action->landlocked != NULL &&
	    has_alternative(
		promises, action->landlocked, strlen(action->landlocked))) {
		if (landlock_abi() < 6) {
			harness_skip(
			    "%s: %s: old Landlock", name, action->name);
			return;
		}
		expected = REFUSED;
	}
	if (!may && action->otherwise == REFUSED &&
	    (has_alternative(promises, "exec", 4) ||
		(action->needs == NULL && !shows_something(action))))
		return;
	status = harness_run(promises, action->function);
	harness_result(harness_is(status, expected), "%s: %s: %s", name,
	    action->name, harness_status(status));
}

/* An action changes the world, so each is put in order again before it. */
static void
restore(void)
{
	(void)unlinkat(world.dirfd, "directory", AT_REMOVEDIR);
	for (size_t i = 0; i < 6; i++) {
		static const char *const left[] = {
		    "new", "new2", "linked", "linked2", "symlinked", "fifo"};

		(void)unlinkat(world.dirfd, left[i], 0);
	}
	(void)renameat(world.dirfd, "renamed", world.dirfd, "append");
	close(openat(world.dirfd, "write", O_RDWR | O_CREAT, 0600));
}

static void
try_actions(const char *name, const char *promises,
    const struct action *actions, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		restore();
		try_action(name, promises, &actions[i]);
	}
}

static void
try_role(const char *name, const char *promises)
{
	/* Which files "getpw" opens only Landlock can say. */
	if (landlock_abi() == 0 && has_alternative(promises, "getpw", 5)) {
		harness_skip("%s: no Landlock", name);
		return;
	}
	try_actions(name, promises, common_actions, ncommon_actions);
	try_actions(name, promises, file_actions, nfile_actions);
	try_actions(name, promises, net_actions, nnet_actions);
	try_actions(name, promises, process_actions, nprocess_actions);
	try_actions(name, promises, system_actions, nsystem_actions);
}

int
main(int argc, char *argv[])
{
	int first = harness_start(argc, argv);

	for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
		try_role(roles[i].name, roles[i].promises);
	for (; first < argc; first++)
		try_role(argv[first], argv[first]);
	return harness_end();
}
