/* SPDX-License-Identifier: ISC */
/* The proof at start-up that pledge() and unveil() stop what they must. */
#include <sys/types.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compat/sandbox.h"
#include "lib/log.h"

#ifdef __OpenBSD__
#define TRAPPED_EXIT 31
#define TRACE_ME() ptrace(PT_TRACE_ME, 0, NULL, 0)
#else
#include "compat/promises.h"
#define TRACE_ME() ptrace(PTRACE_TRACEME, 0, NULL, NULL)
#endif

/* How a child that tried something ended. */
enum {
	WENT_THROUGH = 1,
	REFUSED = 2,
	NO_PLEDGE = 3,
	STOPPED = TRAPPED_EXIT
};

static int
try_open(void)
{
	return open("/", O_RDONLY | O_DIRECTORY);
}

static int
try_create(void)
{
	return open("/smtpd-stoken-proof", O_WRONLY | O_CREAT | O_EXCL, 0600);
}

static int
try_unlink(void)
{
	return unlink("/smtpd-stoken-proof");
}

static int
try_inet_socket(void)
{
	return socket(AF_INET, SOCK_STREAM, 0);
}

static int
try_unix_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM, 0);
}

static int
try_execve(void)
{
	char *const none[] = {NULL};

	return execve("/smtpd-stoken-proof", none, none);
}

static int
try_fork(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return (int)pid;
}

static int
try_kill(void)
{
	return kill(getppid(), 0);
}

static int
try_ptrace(void)
{
	return (int)TRACE_ME();
}

static int
try_executable_memory(void)
{
	/* Not writable too: that OpenBSD refuses to everybody. */
	void *memory = mmap(
	    NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANON, -1, 0);

	return memory == MAP_FAILED ? -1 : 0;
}

static int
try_chroot(void)
{
	return chroot("/");
}

/*
 * `word`: the promise that allows it, NULL for none. `refusal` says that an
 * error is enough, where the others must end the process.
 */
static const struct {
	const char *call;
	const char *word;
	bool refusal;
	int (*function)(void);
} tries[] = {
    {"opening a file", "rpath", true, try_open},
    {"creating a file", "cpath", false, try_create},
    {"removing a file", "cpath", false, try_unlink},
    {"an internet socket", "inet", false, try_inet_socket},
    {"a unix socket", "unix", false, try_unix_socket},
    {"executing a program", "exec", false, try_execve},
    {"a new process", "proc", false, try_fork},
    {"a signal to another process", "proc", false, try_kill},
    {"tracing", NULL, false, try_ptrace},
    {"executable memory", "exec", false, try_executable_memory},
    {"chroot", "exec", false, try_chroot},
};

static bool
promised(const char *promises, const char *word)
{
	size_t length = word == NULL ? 0 : strlen(word);

	while (length > 0 && (promises = strstr(promises, word)) != NULL) {
		if (promises[length] == ' ' || promises[length] == '\0')
			return true;
		promises += length;
	}
	return false;
}

/* In the child. */
static void
attempt(const char *promises, size_t i)
{
	const struct rlimit no_core = {0, 0};

	(void)setrlimit(RLIMIT_CORE, &no_core);
#ifndef __OpenBSD__
	/* A kill would leave a line in the kernel's log at each start. */
	pledge_trap_and_exit();
#endif
	if (pledge(promises, NULL) == -1)
		_exit(NO_PLEDGE);
	_exit(tries[i].function() == -1 ? REFUSED : WENT_THROUGH);
}

static int
prove(const char *promises, size_t i)
{
	pid_t pid = fork();
	int status, end;

	if (pid == 0)
		attempt(promises, i);
	if (pid == -1 || waitpid(pid, &status, 0) != pid) {
		log_warn("sandbox: fork");
		return -1;
	}
	end = WIFSIGNALED(status) ? STOPPED : WEXITSTATUS(status);
	if (end == STOPPED || (end == REFUSED && tries[i].refusal))
		return 0;
	log_warnx("sandbox: %s %s", tries[i].call,
	    end == NO_PLEDGE     ? "could not be tried: pledge failed"
		: end == REFUSED ? "failed, but not because of the sandbox"
				 : "is not stopped");
	return -1;
}

/*
 * Opening is to be tried in spite of "rpath" where unveil() forbids it; and
 * where filters outlive execve(2), "exec" leaves only what nobody may do.
 */
static bool
to_be_tried(const char *promises, size_t i)
{
#ifndef __OpenBSD__
	if (promised(promises, "exec"))
		return tries[i].word == NULL;
	if (tries[i].function == try_open && unveil_used())
		return true;
#endif
	return !promised(promises, tries[i].word);
}

int
sandbox_prove(const char *promises)
{
#ifdef SANDBOX_OFF
	return 0;
#endif
	sandbox_prepare();
	for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
		if (to_be_tried(promises, i) && prove(promises, i) == -1)
			return -1;
	}
	return 0;
}
