/* SPDX-License-Identifier: ISC */
/*
 * Directive `sandbox log`: the signal handler that names a forbidden call and
 * lets it fail. It may run inside malloc, so all that it needs is prepared.
 */
#include <sys/types.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <ucontext.h>
#include <unistd.h>

#include "compat/promises.h"
#include "compat/sandbox.h"

#define MAX_CALLS 512
#define MAX_LINES 200 /* a process, so that a loop does not fill the disk */

static struct {
	int fd;
	bool exit_at_once;
	uint32_t promises;
	unsigned int lines;
	char prefix[96];
	char *names[MAX_CALLS];
} state = {.fd = -1};

/* Puts `text` at `at`, as far as there is room, and returns the new end. */
static size_t
append(char *line, size_t size, size_t at, const char *text)
{
	while (*text != '\0' && at < size)
		line[at++] = *text++;
	return at;
}

static void
write_line(const char *name, const char *what)
{
	char line[192];
	size_t end;

	if (state.lines++ >= MAX_LINES)
		return;
	end = append(line, sizeof(line) - 1, 0, state.prefix);
	end = append(line, sizeof(line) - 1, end, ": sandbox: ");
	end = append(line, sizeof(line) - 1, end, name);
	end = append(line, sizeof(line) - 1, end, what);
	line[end++] = '\n';
	if (write(state.fd, line, end) == -1)
		return; /* nobody to tell */
}

static void
get_arguments(const void *context, uint64_t arguments[6])
{
	const ucontext_t *frame = context;

#if defined(__x86_64__)
	static const int order[6] = {
	    REG_RDI, REG_RSI, REG_RDX, REG_R10, REG_R8, REG_R9};

	for (size_t i = 0; i < 6; i++)
		arguments[i] = (uint64_t)frame->uc_mcontext.gregs[order[i]];
#elif defined(__aarch64__)
	for (size_t i = 0; i < 6; i++)
		arguments[i] = frame->uc_mcontext.regs[i];
#elif defined(__riscv)
	for (size_t i = 0; i < 6; i++)
		arguments[i] = frame->uc_mcontext.__gregs[REG_A0 + i];
#else
	(void)frame;
	memset(arguments, 0, 6 * sizeof(arguments[0]));
#endif
}

static bool
check_holds(const struct scmp_arg_cmp *check, const uint64_t arguments[6])
{
	uint64_t value = arguments[check->arg], datum = check->datum_a;

	if (datum == OWN_PID)
		datum = (uint64_t)getpid();
	switch (check->op) {
	case SCMP_CMP_MASKED_EQ:
		return (value & datum) == check->datum_b;
	case SCMP_CMP_EQ:
		return value == datum;
	case SCMP_CMP_NE:
		return value != datum;
	case SCMP_CMP_GT:
		return value > datum;
	default:
		return false;
	}
}

static bool
row_holds(const struct rule *rule, int call, const uint64_t arguments[6])
{
	if (rule->call != call || (rule->promises & state.promises) != 0)
		return false;
	for (unsigned int i = 0; i < rule->nchecks; i++) {
		if (!check_holds(&rule->checks[i], arguments))
			return false;
	}
	return true;
}

/* The strictest of the rows that the call offends, as the kernel takes it. */
static enum tier
tier_of(int call, const void *context)
{
	enum tier tier = ABSENT;
	uint64_t arguments[6];

	get_arguments(context, arguments);
	for (size_t i = 0; i < sandbox_nrules; i++) {
		const struct rule *rule = &sandbox_rules[i];

		if (rule->tier != PASS && row_holds(rule, call, arguments) &&
		    (tier == ABSENT || rule->tier == KILL))
			tier = rule->tier;
	}
	return tier;
}

static void
set_result(void *context, int error)
{
	ucontext_t *frame = context;

#if defined(__x86_64__)
	frame->uc_mcontext.gregs[REG_RAX] = -error;
#elif defined(__aarch64__)
	frame->uc_mcontext.regs[0] = (uint64_t)(int64_t)-error;
#elif defined(__riscv)
	frame->uc_mcontext.__gregs[REG_A0] = (unsigned long)-(long)error;
#else
	(void)frame, (void)error; /* whatever the register holds */
#endif
}

static void
trapped(int signal_number, siginfo_t *info, void *context)
{
	static const struct {
		int error;
		const char *text;
	} reactions[] = {
	    [NO_SEEK] = {ESPIPE, " is refused: ESPIPE"},
	    [REFUSE] = {EACCES, " is refused: EACCES"},
	    [ABSENT] = {ENOSYS, " is not in the list: ENOSYS"},
	    [KILL] = {EPERM, " would have killed this process: EPERM"},
	};
	int saved = errno, call = info->si_syscall;
	enum tier tier = tier_of(call, context);
	const char *name = "a call of unknown number";

	(void)signal_number;
	if (state.exit_at_once)
		_exit(TRAPPED_EXIT);
	if (call >= 0 && call < MAX_CALLS && state.names[call] != NULL)
		name = state.names[call];
	write_line(name, reactions[tier].text);
	set_result(context, reactions[tier].error);
	errno = saved;
}

static bool
is_syslog(int fd)
{
	struct sockaddr_un peer = {0};
	socklen_t length = sizeof(peer), type_length = sizeof(int);
	int type;

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_length) == -1 ||
	    type != SOCK_DGRAM ||
	    getpeername(fd, (struct sockaddr *)&peer, &length) == -1)
		return false;
	return peer.sun_family == AF_UNIX &&
	    strstr(peer.sun_path, "log") != NULL;
}

/*
 * syslog(3) itself may be what was interrupted, and holds its lock: write to
 * its socket instead, which has no other name.
 */
static void
find_log(void)
{
	struct stat st;
	int fd;

	state.fd = STDERR_FILENO;
	(void)snprintf(state.prefix, sizeof(state.prefix), "%s[%ld]",
	    getprogname(), (long)getpid());
	if (fstat(STDERR_FILENO, &st) == 0 && st.st_rdev != makedev(1, 3))
		return;
	for (fd = 3; fd < 64 && !is_syslog(fd); fd++)
		continue;
	if (fd == 64)
		return;
	state.fd = fd;
	(void)snprintf(state.prefix, sizeof(state.prefix),
	    "<%d>smtpd-stoken/%s[%ld]", LOG_MAIL | LOG_WARNING, getprogname(),
	    (long)getpid());
}

int
trap_install(uint32_t promises, bool exit_at_once)
{
	struct sigaction action = {.sa_flags = SA_SIGINFO | SA_NODEFER};
	sigset_t set;

	state.promises = promises;
	state.exit_at_once = exit_at_once;
	if (!exit_at_once && state.fd == -1)
		find_log();
	for (int call = 0; !exit_at_once && call < MAX_CALLS; call++) {
		if (state.names[call] == NULL)
			state.names[call] = seccomp_syscall_resolve_num_arch(
			    SCMP_ARCH_NATIVE, call);
	}
	action.sa_sigaction = trapped;
	sigemptyset(&action.sa_mask);
	sigemptyset(&set);
	sigaddset(&set, SIGSYS);
	if (sigaction(SIGSYS, &action, NULL) == -1)
		return -1;
	return sigprocmask(SIG_UNBLOCK, &set, NULL);
}
