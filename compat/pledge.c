/* SPDX-License-Identifier: ISC */
/*
 * pledge(2) on Linux, with libseccomp.
 *
 * Threat: a process that reads what strangers send, or holds what they want,
 * runs their code. It must then be able to do nothing but talk to the peers
 * that it already has, in the way that the peers check. So what a process
 * needs is said in words of pledge(2), and each call has one of three fates:
 *
 *   needed		runs; arguments are checked where they matter (no
 *			executable memory, families and types of sockets,
 *			lists of fcntl, ioctl, prctl and socket options);
 *   known dangerous	kills the process (KILL; of the table in calls.c);
 *   unknown		ENOSYS, which libc takes for an old kernel and falls
 *			back, so that a new libc kills nobody. Clone3, whose
 *			flags a filter cannot see, is treated so as well. What
 *			a library tries unasked (reading a file, a socket for
 *			syslog) gets EACCES.
 *
 * Two filters are installed at a time: one that passes everything but what
 * kills, one that refuses everything but what is needed. The kernel runs both
 * and takes the stricter answer, so their rows may overlap. Calls by another
 * architecture's numbers, x32 included, kill. Filters stack, so that a later
 * pledge() can only narrow.
 *
 * Differences from OpenBSD, all towards less:
 *   - "stdio" has no lseek, pread, pwrite, ftruncate or other way to change a
 *     file but at its end: an engine gets append-only descriptors. lseek and
 *     pread come with rpath or wpath, the rest with wpath. It has no threads.
 *   - from the second pledge() on nothing can be narrowed any further, unless
 *     "proc" is promised: seccomp(2) itself is then out of reach.
 *   - without rpath, wpath, cpath no file can be opened whatever its name
 *     (Landlock); without inet no TCP port bound or connected; signals and
 *     abstract sockets do not leave the sandbox.
 * And towards more:
 *   - filters outlive execve(2). With "exec" and without execpromises only the
 *     KILL rows that no promise covers remain; with execpromises the filter
 *     allows both lists from now on, before execve(2) as well.
 *   - recvfd and sendfd cannot be told apart from recvmsg and sendmsg.
 *   - "dns" is sockets for it, no file: read resolv.conf before.
 *
 * AddressSanitizer runs under the same filters (sanitizer.c); what its reports
 * read for names and lines is read before. LeakSanitizer wants ptrace, and
 * valgrind translates code, which no filter can permit: for them there is
 * -DSANDBOX_OFF, which checks the words and does nothing else.
 */
#include <sys/types.h>

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "compat/promises.h"
#include "compat/sandbox.h"

static const struct {
	const char *word;
	uint32_t promise;
} words[] = {
    {"stdio", STDIO},
    {"rpath", RPATH},
    {"wpath", WPATH},
    {"cpath", CPATH},
    {"flock", FLOCK},
    {"fattr", FATTR},
    {"chown", CHOWN},
    {"inet", INET},
    {"unix", UNIX},
    {"dns", DNS},
    {"recvfd", RECVFD},
    {"sendfd", SENDFD},
    {"proc", PROC},
    {"exec", EXEC},
    {"id", ID},
    {"getpw", GETPW},
    {"tty", TTY},
    {"unveil", UNVEIL},
    {"prot_exec", PROT_EXEC_OK},
};

enum reaction {
	REACT_KILL,
	REACT_LOG,
	REACT_EXIT
};

#ifdef SANDBOX_OFF
static const bool words_only = true;
#else
static const bool words_only = false;
#endif

static struct {
	bool pledged;
	bool closed; /* seccomp(2) is out of reach: no further filter */
	bool accept_only;
	bool connect_only;
	bool memory_files;
	enum reaction reaction;
	uint32_t promises;
} state;

void
sandbox_log_mode(int on)
{
	state.reaction = on ? REACT_LOG : REACT_KILL;
}

void
pledge_trap_and_exit(void)
{
	state.reaction = REACT_EXIT;
}

void
sandbox_accept_only(void)
{
	state.accept_only = true;
}

void
sandbox_connect_only(void)
{
	state.connect_only = true;
}

void
sandbox_memory_files(void)
{
	state.memory_files = true;
}

int
pledge_available(void)
{
	return seccomp_api_get() >= 3; /* KILL_PROCESS */
}

uint32_t
pledge_held(void)
{
	return state.promises;
}

static bool
parse_word(const char *word, size_t length, uint32_t *promises)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strlen(words[i].word) == length &&
		    memcmp(words[i].word, word, length) == 0) {
			*promises |= words[i].promise;
			return true;
		}
	}
	return false;
}

static bool
parse_words(const char *text, uint32_t *promises)
{
	while (*(text += strspn(text, " ")) != '\0') {
		size_t length = strcspn(text, " ");

		if (!parse_word(text, length, promises))
			return false;
		text += length;
	}
	return true;
}

/* What makes a socket one that others may connect to. */
static bool
is_incoming(int call)
{
	return call == SCMP_SYS(bind) || call == SCMP_SYS(listen) ||
	    call == SCMP_SYS(accept) || call == SCMP_SYS(accept4);
}

/* In which of the two filters a row belongs, and whether it does at all. */
static bool
row_applies(const struct rule *rule, bool killing, uint32_t promises)
{
	bool promised = (rule->promises & promises) != 0 &&
	    !(state.connect_only && is_incoming(rule->call));

	switch (rule->tier) {
	case PASS:
		return !killing && promised;
	case REFUSE:
	case NO_SEEK:
		return !killing && !promised;
	case ABSENT:
	case KILL:
		return killing && !promised;
	}
	return false;
}

static uint32_t
row_action(const struct rule *rule, enum reaction reaction)
{
	static const uint32_t actions[] = {
	    [PASS] = SCMP_ACT_ALLOW,
	    [REFUSE] = SCMP_ACT_ERRNO(EACCES),
	    [NO_SEEK] = SCMP_ACT_ERRNO(ESPIPE),
	    [ABSENT] = SCMP_ACT_ERRNO(ENOSYS),
	    [KILL] = SCMP_ACT_KILL_PROCESS,
	};

	if (rule->tier == KILL && reaction != REACT_KILL)
		return SCMP_ACT_TRAP;
	if (rule->tier == REFUSE && reaction == REACT_LOG)
		return SCMP_ACT_TRAP;
	return actions[rule->tier];
}

static int
add_row(scmp_filter_ctx filter, const struct rule *rule, uint32_t otherwise)
{
	uint32_t action = row_action(rule, state.reaction);
	struct scmp_arg_cmp checks[2];

	if (action == otherwise)
		return 0;
	memcpy(checks, rule->checks, sizeof(checks));
	for (unsigned int i = 0; i < rule->nchecks; i++) {
		if (checks[i].datum_a == OWN_PID)
			checks[i].datum_a = (scmp_datum_t)getpid();
	}
	return seccomp_rule_add_array(
	    filter, action, rule->call, rule->nchecks, checks);
}

static scmp_filter_ctx
new_filter(uint32_t otherwise)
{
	scmp_filter_ctx filter = seccomp_init(otherwise);

	if (filter == NULL) {
		errno = ENOMEM;
		return NULL;
	}
	if (seccomp_attr_set(
		filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) != 0 ||
	    seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1) != 0) {
		seccomp_release(filter);
		errno = ENOSYS;
		return NULL;
	}
	/* A tree instead of a list; older libraries do without. */
	(void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	return filter;
}

static scmp_filter_ctx
make_filter(bool killing, uint32_t promises)
{
	uint32_t otherwise = killing      ? SCMP_ACT_ALLOW
	    : state.reaction == REACT_LOG ? SCMP_ACT_TRAP
					  : SCMP_ACT_ERRNO(ENOSYS);
	scmp_filter_ctx filter = new_filter(otherwise);
	int error = 0;

	if (filter == NULL)
		return NULL;
	for (size_t i = 0; i < sandbox_nrules && error == 0; i++) {
		const struct rule *rule = &sandbox_rules[i];

		if (rule->call >= 0 && row_applies(rule, killing, promises))
			error = add_row(filter, rule, otherwise);
	}
	if (error != 0) {
		seccomp_release(filter);
		errno = -error;
		return NULL;
	}
	return filter;
}

/* Both are made before either is loaded: making one may need memory. */
static int
install(uint32_t promises, bool with_needed)
{
	scmp_filter_ctx killing = make_filter(true, promises);
	scmp_filter_ctx needed = NULL;
	int error = 0;

	if (killing == NULL)
		return -1;
	if (with_needed && (needed = make_filter(false, promises)) == NULL)
		error = -errno;
	if (error == 0 && state.reaction != REACT_KILL &&
	    trap_install(promises, state.reaction == REACT_EXIT) == -1)
		error = -errno;
	if (error == 0)
		error = seccomp_load(killing);
	if (error == 0 && with_needed)
		error = seccomp_load(needed);
	seccomp_release(killing);
	if (needed != NULL)
		seccomp_release(needed);
	errno = -error;
	return error == 0 ? 0 : -1;
}

/* What the words grant beyond themselves. */
static uint32_t
grants(uint32_t promises)
{
	if (state.accept_only && (promises & INET) != 0)
		promises = (promises & ~(uint32_t)INET) | ACCEPT;
	if (state.memory_files)
		promises |= MEMORY;
	if (!state.pledged || (promises & PROC) != 0)
		promises |= NARROW;
	if ((promises & EXEC) != 0) /* the loader of what is started */
		promises |= PROT_EXEC_OK | RPATH;
	return promises;
}

int
pledge(const char *promises, const char *execpromises)
{
	uint32_t wanted = 0, later = 0, granted;
	bool unbound;

	if (promises == NULL)
		return 0;
	if (!parse_words(promises, &wanted) ||
	    (execpromises != NULL && !parse_words(execpromises, &later))) {
		errno = EINVAL;
		return -1;
	}
	if (state.pledged && execpromises == NULL && wanted == state.promises &&
	    (state.closed || (wanted & PROC) != 0))
		return 0; /* there is nothing more to take away */
	if (state.closed ||
	    (state.pledged && (wanted & ~state.promises) != 0)) {
		errno = EPERM;
		return -1;
	}
	if (!state.pledged)
		sandbox_prepare();
	unbound = (wanted & EXEC) != 0 && execpromises == NULL;
	granted = grants(unbound ? EVERYTHING : wanted | later);
	if (!words_only &&
	    (unveil_enforce(granted, (wanted & EXEC) != 0) == -1 ||
		install(granted, !unbound) == -1))
		return -1;
	state.closed = !words_only && (granted & NARROW) == 0;
	state.pledged = true;
	state.promises = wanted;
	return 0;
}
