/* SPDX-License-Identifier: ISC */
/* Processes, users, and what nobody does. */
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <errno.h>
#include <grp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "regress/sandbox/actions.h"

#define TRY(name, call)                       \
	static int name(void)                 \
	{                                     \
		return (call) == -1 ? -1 : 0; \
	}
#define SYSTEM_CALL(name)                                                    \
	static int call_##name(void)                                         \
	{                                                                    \
		return (int)syscall(SYS_##name, -1, NULL, 0, -1, 0, 0) == -1 \
		    ? -1                                                     \
		    : 0;                                                     \
	}

static char *const no_arguments[] = {NULL};

static int
fork_child(void)
{
	int child;
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return pid == -1 || waitpid(pid, &child, 0) != pid ? -1 : 0;
}

static void *
nothing(void *unused)
{
	return unused;
}

static int
thread(void)
{
	pthread_t one;

	errno = pthread_create(&one, NULL, nothing, NULL);
	return errno == 0 ? 0 : -1;
}

/* The tester is not in the sandbox; no signal is sent. */
TRY(signal_other, kill(world.tester, 0))
TRY(signal_group, kill(0, 0))
TRY(signal_thread, syscall(SYS_tgkill, world.tester, world.tester, 0))
TRY(execute, execve("/bin/true", no_arguments, no_arguments))
TRY(execute_at, syscall(SYS_execveat, -1, "/bin/true", NULL, NULL, 0))
TRY(new_group, setpgid(0, 0))
TRY(new_namespace,
    syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, 0))
TRY(new_clone, syscall(SYS_clone3, NULL, 0) == -1 && errno == EINVAL ? 0 : -1)
TRY(set_user, setuid(getuid()))
TRY(set_users, setresuid(getuid(), getuid(), getuid()))
TRY(set_groups, setgroups(0, NULL) == -1 && geteuid() != 0 ? 0 : 0)
TRY(change_root, chroot("/") == -1 && geteuid() != 0 ? 0 : 0)
TRY(capabilities, syscall(SYS_capset, NULL, NULL) == -1 ? 0 : 0)

const struct action process_actions[] = {
    {"fork", "proc", KILLED, fork_child},
    {"a thread", "proc", KILLED, thread},
    {"a signal to another", "exec", KILLED, signal_other, "proc"},
    {"a signal to the group", "proc", KILLED, signal_group},
    {"a signal to a thread", "exec", KILLED, signal_thread, "proc"},
    {"setpgid", "proc", REFUSED, new_group},
    {"execve", "exec", KILLED, execute},
    {"execveat", NULL, KILLED, execute_at},
    {"clone with a namespace", NULL, KILLED, new_namespace},
    {"clone3", NULL, REFUSED, new_clone},
    {"setuid", "id", KILLED, set_user},
    {"setresuid", "id", KILLED, set_users},
    {"setgroups", "id", KILLED, set_groups},
    {"chroot", "exec", KILLED, change_root},
    {"capset", "exec", KILLED, capabilities},
};
const size_t nprocess_actions =
    sizeof(process_actions) / sizeof(process_actions[0]);

static int
executable_memory(void)
{
	void *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
	    MAP_PRIVATE | MAP_ANON, -1, 0);

	return memory == MAP_FAILED ? -1 : 0;
}

static int
executable_later(void)
{
	void *memory = mmap(
	    NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0);

	return mprotect(memory, 4096, PROT_READ | PROT_EXEC);
}

static int
executable_file(void)
{
	void *memory = mmap(
	    NULL, 100, PROT_READ | PROT_EXEC, MAP_PRIVATE, world.read_fd, 0);

	return memory == MAP_FAILED ? -1 : 0;
}

#if defined(__x86_64__)
/* The calls of x32 and of i386 reach the same kernel by other numbers. */
TRY(x32_call, syscall(0x40000000 | SYS_getpid))

static int
i386_call(void)
{
	long result;

	__asm__ volatile("int $0x80" : "=a"(result) : "a"(20) : "memory");
	return result > 0 ? 0 : -1;
}
#endif

TRY(inject_input, ioctl(0, TIOCSTI, ""))
TRY(trace_me, ptrace(PTRACE_TRACEME, 0, NULL, NULL))
TRY(own_memory_map, prctl(PR_SET_MM, PR_SET_MM_EXE_FILE, -1, 0, 0))
TRY(dumpable, prctl(PR_SET_DUMPABLE, 1, 0, 0, 0))
TRY(unknown_call, syscall(999))
TRY(persona, syscall(SYS_personality, 0xffffffff))
TRY(raise_limit_of_other,
    syscall(SYS_prlimit64, world.tester, RLIMIT_NOFILE, NULL, NULL))
SYSTEM_CALL(process_vm_readv)
SYSTEM_CALL(process_vm_writev)
SYSTEM_CALL(kcmp)
SYSTEM_CALL(pidfd_getfd)
SYSTEM_CALL(bpf)
SYSTEM_CALL(perf_event_open)
SYSTEM_CALL(userfaultfd)
SYSTEM_CALL(io_uring_setup)
SYSTEM_CALL(io_uring_enter)
SYSTEM_CALL(keyctl)
SYSTEM_CALL(add_key)
SYSTEM_CALL(mount)
SYSTEM_CALL(umount2)
SYSTEM_CALL(pivot_root)
SYSTEM_CALL(move_mount)
SYSTEM_CALL(fsopen)
SYSTEM_CALL(unshare)
SYSTEM_CALL(setns)
SYSTEM_CALL(init_module)
SYSTEM_CALL(finit_module)
SYSTEM_CALL(kexec_load)
SYSTEM_CALL(reboot)
SYSTEM_CALL(swapon)
SYSTEM_CALL(settimeofday)
SYSTEM_CALL(sethostname)
SYSTEM_CALL(syslog)
SYSTEM_CALL(acct)
SYSTEM_CALL(vmsplice)
SYSTEM_CALL(mq_open)
SYSTEM_CALL(shmget)
SYSTEM_CALL(timer_create)

#define KILLS(name)                              \
	{                                        \
#name, NULL, KILLED, call_##name \
	}

const struct action system_actions[] = {
    {"writable, executable memory", "exec", KILLED, executable_memory},
    {"memory made executable", "exec", KILLED, executable_later},
    {"a file mapped executable", "exec", KILLED, executable_file},
#if defined(__x86_64__)
    {"a call of x32", NULL, KILLED, x32_call},
    {"a call of i386", NULL, KILLED, i386_call},
#endif
    {"TIOCSTI", NULL, KILLED, inject_input},
    {"ptrace", NULL, KILLED, trace_me},
    {"PR_SET_MM", NULL, REFUSED, own_memory_map},
    {"PR_SET_DUMPABLE", NULL, REFUSED, dumpable},
    {"limits of another", NULL, REFUSED, raise_limit_of_other},
    {"a call of the future", NULL, REFUSED, unknown_call},
    {"personality", "exec", KILLED, persona},
    {"POSIX queue", NULL, REFUSED, call_mq_open},
    {"System V shared memory", NULL, REFUSED, call_shmget},
    {"POSIX timer", NULL, REFUSED, call_timer_create},
    KILLS(process_vm_readv),
    KILLS(process_vm_writev),
    KILLS(kcmp),
    KILLS(pidfd_getfd),
    KILLS(bpf),
    KILLS(perf_event_open),
    KILLS(userfaultfd),
    KILLS(io_uring_setup),
    KILLS(io_uring_enter),
    KILLS(keyctl),
    KILLS(add_key),
    KILLS(mount),
    KILLS(umount2),
    KILLS(pivot_root),
    KILLS(move_mount),
    KILLS(fsopen),
    KILLS(unshare),
    KILLS(setns),
    KILLS(init_module),
    KILLS(finit_module),
    KILLS(kexec_load),
    KILLS(reboot),
    KILLS(swapon),
    KILLS(settimeofday),
    KILLS(sethostname),
    KILLS(syslog),
    KILLS(acct),
    KILLS(vmsplice),
};
const size_t nsystem_actions =
    sizeof(system_actions) / sizeof(system_actions[0]);
