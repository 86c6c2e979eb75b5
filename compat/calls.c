/* SPDX-License-Identifier: ISC */
/*
 * The one table of the Linux sandbox: for each system call the promises that
 * it belongs to, the arguments that it may have, and what happens otherwise.
 * A call without any row is unknown: ENOSYS. See pledge.c for how it is read.
 */
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include <linux/seccomp.h>

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <termios.h>

#include "compat/promises.h"

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#endif

/* Rows, not statements. */
/* clang-format off */

/* Checks. Where the kernel takes an int, only 32 bits of it are looked at. */
#define IS(arg, value) \
	{arg, SCMP_CMP_MASKED_EQ, 0xffffffff, (uint32_t)(value)}
#define BITS(arg, mask, value)	{arg, SCMP_CMP_MASKED_EQ, mask, value}
#define ABOVE(arg, value)	{arg, SCMP_CMP_GT, value, 0}
#define OWN(arg)	{arg, SCMP_CMP_EQ, OWN_PID, 0}
#define OTHERS(arg)	{arg, SCMP_CMP_NE, OWN_PID, 0}

/* Rows: without, with one, with two checks. */
#define CALL(tier, promises, name) \
	{tier, promises, SCMP_SYS(name), 0, {{0}}}
#define CALL1(tier, promises, name, one) \
	{tier, promises, SCMP_SYS(name), 1, {one}}
#define CALL2(tier, promises, name, one, two) \
	{tier, promises, SCMP_SYS(name), 2, {one, two}}

/* Without a promise: unknown; an error that libraries expect; the end. */
#define MAY(promises, name)	CALL(PASS, promises, name)
#define TRY(promises, name) \
	MAY(promises, name), CALL(REFUSE, promises, name)
#define NEEDS(promises, name) \
	MAY(promises, name), CALL(KILL, promises, name)
#define NOBODY(name)	CALL(KILL, NEVER, name)

#define FILES	(RPATH | WPATH | CPATH | GETPW)
#define READS	(RPATH | GETPW)
#define NET	(INET | ACCEPT | UNIX | DNS)

/* open(2) and openat(2) differ in where the flags stand. */
#define UNNAMED	(O_TMPFILE & ~O_DIRECTORY)
#define OPENING(name, flags) \
	CALL1(PASS, READS, name, BITS(flags, O_ACCMODE, O_RDONLY)), \
	CALL1(PASS, WPATH, name, BITS(flags, O_ACCMODE, O_WRONLY)), \
	CALL1(PASS, WPATH, name, BITS(flags, O_ACCMODE, O_RDWR)), \
	CALL1(PASS, UNVEIL, name, BITS(flags, O_ACCMODE | O_PATH, O_PATH)), \
	CALL1(REFUSE, READS, name, BITS(flags, O_ACCMODE | O_PATH, 0)), \
	CALL1(REFUSE, READS | UNVEIL, name, \
	    BITS(flags, O_ACCMODE | O_PATH, O_PATH)), \
	CALL1(KILL, WPATH, name, BITS(flags, O_ACCMODE, O_WRONLY)), \
	CALL1(KILL, WPATH, name, BITS(flags, O_ACCMODE, O_RDWR)), \
	CALL1(KILL, NEVER, name, BITS(flags, O_ACCMODE, O_ACCMODE)), \
	CALL1(KILL, WPATH, name, BITS(flags, O_TRUNC, O_TRUNC)), \
	CALL1(KILL, CPATH, name, BITS(flags, O_CREAT, O_CREAT)), \
	CALL1(KILL, CPATH, name, BITS(flags, UNNAMED, UNNAMED))

/* Memory may be written or executed, never both, never one after the other. */
#define MAPPING(name) \
	CALL1(PASS, STDIO, name, BITS(2, PROT_EXEC, 0)), \
	CALL1(PASS, PROT_EXEC_OK, name, BITS(2, PROT_EXEC, PROT_EXEC)), \
	CALL1(KILL, PROT_EXEC_OK, name, BITS(2, PROT_EXEC, PROT_EXEC))

/* The low bits of a socket's type; SOCK_CLOEXEC and SOCK_NONBLOCK are free. */
#define TYPE(type)	BITS(1, 0xf, type)
#define SOCKET(promises, domain, type) \
	CALL2(PASS, promises, socket, IS(0, domain), TYPE(type))
#define NO_SOCKET(tier, promises, domain, type) \
	CALL2(tier, promises, socket, IS(0, domain), TYPE(type))
#define FAMILY(promises, domain) \
	CALL1(KILL, promises, socket, IS(0, domain))
#define OPTION(promises, level, option) \
	CALL2(PASS, promises, setsockopt, IS(1, level), IS(2, option))

#define FCNTL(promises, command) \
	CALL1(PASS, promises, fcntl, IS(1, command))
#define IOCTL(promises, command) \
	CALL1(PASS, promises, ioctl, IS(1, command))
#define PRCTL(promises, option) \
	CALL1(PASS, promises, prctl, IS(0, option))

/* Creating namespaces by clone(2); clone3 hides its flags and is absent. */
#define NAMESPACE(flag)	CALL1(KILL, NEVER, clone, BITS(0, flag, flag))

const struct rule sandbox_rules[] = {
	/* stdio: what needs no name and no rights. */
	MAY(STDIO, read), MAY(STDIO, readv), MAY(STDIO, write),
	MAY(STDIO, writev), MAY(STDIO, recvfrom), MAY(STDIO, recvmsg),
	MAY(STDIO, recv), MAY(STDIO, send), MAY(STDIO, sendto),
	MAY(STDIO, sendmsg), MAY(STDIO, shutdown), MAY(STDIO, getsockopt),
	MAY(STDIO, getsockname), MAY(STDIO, getpeername), MAY(STDIO, close),
	MAY(STDIO, close_range), MAY(STDIO, dup), MAY(STDIO, dup2),
	MAY(STDIO, dup3), MAY(STDIO, pipe), MAY(STDIO, pipe2),
	MAY(STDIO, fstat), MAY(STDIO, fsync), MAY(STDIO, fdatasync),
	MAY(STDIO, umask), MAY(STDIO, poll), MAY(STDIO, ppoll),
	MAY(STDIO, select), MAY(STDIO, pselect6), MAY(STDIO, epoll_create),
	MAY(STDIO, epoll_create1), MAY(STDIO, epoll_ctl),
	MAY(STDIO, epoll_wait), MAY(STDIO, epoll_pwait),
	MAY(STDIO, epoll_pwait2), MAY(STDIO, eventfd2), MAY(STDIO, signalfd4),
	MAY(STDIO, timerfd_create), MAY(STDIO, timerfd_settime),
	MAY(STDIO, timerfd_gettime), MAY(STDIO, brk), MAY(STDIO, munmap),
	MAY(STDIO, mremap), MAY(STDIO, madvise), MAY(STDIO, msync),
	MAY(STDIO, mlock), MAY(STDIO, mlock2), MAY(STDIO, munlock),
	MAY(STDIO, futex), MAY(STDIO, set_robust_list), MAY(STDIO, rseq),
	MAY(STDIO, set_tid_address), MAY(STDIO, sched_yield),
	MAY(STDIO, sched_getaffinity), MAY(STDIO, getcpu),
	MAY(STDIO, rt_sigaction), MAY(STDIO, rt_sigprocmask),
	MAY(STDIO, rt_sigreturn), MAY(STDIO, rt_sigpending),
	MAY(STDIO, rt_sigsuspend), MAY(STDIO, rt_sigtimedwait),
	MAY(STDIO, sigaltstack), MAY(STDIO, restart_syscall), MAY(STDIO, pause),
	MAY(STDIO, alarm), MAY(STDIO, getitimer), MAY(STDIO, setitimer),
	MAY(STDIO, nanosleep), MAY(STDIO, clock_nanosleep),
	MAY(STDIO, clock_gettime), MAY(STDIO, clock_getres),
	MAY(STDIO, gettimeofday), MAY(STDIO, time), MAY(STDIO, times),
	MAY(STDIO, getrandom), MAY(STDIO, getrusage), MAY(STDIO, getrlimit),
	MAY(STDIO, sysinfo), MAY(STDIO, uname), MAY(STDIO, getpid),
	MAY(STDIO, gettid), MAY(STDIO, getppid), MAY(STDIO, getpgrp),
	MAY(STDIO, getpgid), MAY(STDIO, getsid), MAY(STDIO, getuid),
	MAY(STDIO, geteuid), MAY(STDIO, getgid), MAY(STDIO, getegid),
	MAY(STDIO, getresuid), MAY(STDIO, getresgid), MAY(STDIO, getgroups),
	MAY(STDIO, wait4), MAY(STDIO, waitid), MAY(STDIO, exit),
	MAY(STDIO, exit_group),
	/* The same, with arguments checked. */
	CALL1(PASS, STDIO, socketpair, IS(0, AF_UNIX)),
	CALL1(PASS, STDIO, prlimit64, IS(0, 0)),
	MAPPING(mmap), MAPPING(mprotect),
	FCNTL(STDIO, F_DUPFD), FCNTL(STDIO, F_DUPFD_CLOEXEC),
	FCNTL(STDIO, F_GETFD), FCNTL(STDIO, F_SETFD), FCNTL(STDIO, F_GETFL),
	FCNTL(STDIO, F_SETFL), IOCTL(STDIO, FIONREAD), IOCTL(STDIO, FIONBIO),
	IOCTL(STDIO, FIOCLEX), IOCTL(STDIO, FIONCLEX), IOCTL(STDIO, TCGETS),
	IOCTL(STDIO, TIOCGWINSZ), PRCTL(STDIO, PR_SET_NAME),
	PRCTL(STDIO, PR_GET_NAME), PRCTL(STDIO, PR_GET_DUMPABLE),
	PRCTL(STDIO, PR_GET_NO_NEW_PRIVS), PRCTL(STDIO, PR_SET_VMA),
	CALL2(PASS, STDIO, prctl, IS(0, PR_SET_DUMPABLE), IS(1, 0)),
	/* fstat(3) of glibc 2.33 and later; a path could be given as well. */
	CALL1(PASS, STDIO, newfstatat, BITS(3, AT_EMPTY_PATH, AT_EMPTY_PATH)),
	CALL1(PASS, STDIO, statx, BITS(2, AT_EMPTY_PATH, AT_EMPTY_PATH)),
	/* Signals to itself, for abort(3) and raise(3). */
	CALL1(PASS, STDIO, kill, OWN(0)), CALL1(PASS, STDIO, tgkill, OWN(0)),
	CALL1(PASS, STDIO, tkill, OWN(0)),
	OPTION(STDIO, SOL_SOCKET, SO_SNDBUF),
	OPTION(STDIO, SOL_SOCKET, SO_RCVBUF),
	OPTION(STDIO, SOL_SOCKET, SO_SNDTIMEO),
	OPTION(STDIO, SOL_SOCKET, SO_RCVTIMEO),
	OPTION(STDIO, SOL_SOCKET, SO_RCVLOWAT),

	MAY(MEMORY, memfd_create),

	/* Files. Without rpath or wpath not even an offset can be moved. */
	OPENING(open, 1), OPENING(openat, 2),
	MAY(WPATH | CPATH, creat),
	CALL(KILL, WPATH, creat), CALL(KILL, CPATH, creat),
	MAY(RPATH | WPATH, lseek),
	CALL(NO_SEEK, RPATH | WPATH, lseek),
	MAY(RPATH | WPATH, pread64), MAY(RPATH | WPATH, preadv),
	TRY(FILES, stat), TRY(FILES, lstat),
	CALL1(PASS, FILES, newfstatat, BITS(3, AT_EMPTY_PATH, 0)),
	CALL1(REFUSE, FILES, newfstatat, BITS(3, AT_EMPTY_PATH, 0)),
	CALL1(PASS, FILES, statx, BITS(2, AT_EMPTY_PATH, 0)),
	CALL1(REFUSE, FILES, statx, BITS(2, AT_EMPTY_PATH, 0)),
	TRY(FILES, access), TRY(FILES, faccessat), TRY(FILES, faccessat2),
	TRY(FILES, readlink), TRY(FILES, readlinkat), MAY(FILES, getcwd),
	MAY(READS, getdents64), MAY(READS, chdir), MAY(READS, fchdir),
	MAY(FILES, statfs), MAY(FILES, fstatfs), MAY(RPATH | WPATH, fadvise64),
	MAY(RPATH | WPATH, readahead),
	/* What changes a file elsewhere than at its end. */
	NEEDS(WPATH, ftruncate), NEEDS(WPATH, pwrite64), NEEDS(WPATH, pwritev),
	NOBODY(pwritev2), NEEDS(WPATH, fallocate), NEEDS(WPATH, truncate),
	MAY(WPATH, sync_file_range), MAY(WPATH, syncfs),
	MAY(WPATH, copy_file_range), MAY(WPATH, sendfile),

	/* Names. */
	NEEDS(CPATH, mkdir), NEEDS(CPATH, mkdirat), NEEDS(CPATH, rmdir),
	NEEDS(CPATH, unlink), NEEDS(CPATH, unlinkat), NEEDS(CPATH, link),
	NEEDS(CPATH, linkat), NEEDS(CPATH, symlink), NEEDS(CPATH, symlinkat),
	NEEDS(CPATH, rename), NEEDS(CPATH, renameat), NEEDS(CPATH, renameat2),
	NOBODY(mknod), NOBODY(mknodat),

	/* Owners, modes, times. */
	NEEDS(FATTR, chmod), NEEDS(FATTR, fchmod), NEEDS(FATTR, fchmodat),
	MAY(FATTR, utimensat), MAY(FATTR, utime), MAY(FATTR, utimes),
	MAY(FATTR, futimesat), NEEDS(CHOWN, chown), NEEDS(CHOWN, lchown),
	NEEDS(CHOWN, fchown), NEEDS(CHOWN, fchownat), NOBODY(setxattr),
	NOBODY(lsetxattr), NOBODY(fsetxattr),

	/* Locks. */
	MAY(FLOCK, flock), FCNTL(FLOCK, F_GETLK), FCNTL(FLOCK, F_SETLK),
	FCNTL(FLOCK, F_SETLKW), FCNTL(FLOCK, F_OFD_GETLK),
	FCNTL(FLOCK, F_OFD_SETLK), FCNTL(FLOCK, F_OFD_SETLKW),

	/* Sockets. */
	SOCKET(INET | DNS, AF_INET, SOCK_STREAM),
	SOCKET(INET | DNS, AF_INET, SOCK_DGRAM),
	SOCKET(INET | DNS, AF_INET6, SOCK_STREAM),
	SOCKET(INET | DNS, AF_INET6, SOCK_DGRAM),
	SOCKET(UNIX | GETPW, AF_UNIX, SOCK_STREAM),
	SOCKET(UNIX | GETPW, AF_UNIX, SOCK_DGRAM),
	SOCKET(UNIX, AF_UNIX, SOCK_SEQPACKET),
	FAMILY(INET | DNS, AF_INET),
	FAMILY(INET | DNS, AF_INET6),
	/* syslog(3) makes a datagram one when the log daemon was restarted. */
	NO_SOCKET(REFUSE, UNIX | GETPW, AF_UNIX, SOCK_DGRAM),
	NO_SOCKET(KILL, UNIX | GETPW, AF_UNIX, SOCK_STREAM),
	NO_SOCKET(KILL, UNIX, AF_UNIX, SOCK_SEQPACKET),
	NO_SOCKET(KILL, EXEC, AF_INET, SOCK_RAW),
	NO_SOCKET(KILL, EXEC, AF_INET6, SOCK_RAW),
	/* Families between IPv4 and IPv6 and after it; protocols after UDP. */
	FAMILY(EXEC, 3), FAMILY(EXEC, 4), FAMILY(EXEC, 5), FAMILY(EXEC, 6),
	FAMILY(EXEC, 7), FAMILY(EXEC, 8), FAMILY(EXEC, 9),
	CALL1(KILL, EXEC, socket, ABOVE(0, AF_INET6)),
	CALL1(KILL, EXEC, socket, ABOVE(2, IPPROTO_UDP)),
	NEEDS(INET | UNIX | DNS | GETPW, connect),
	NEEDS(INET | UNIX | DNS, bind), NEEDS(INET | UNIX, listen),
	MAY(NET, accept), MAY(NET, accept4), MAY(NET, recvmmsg),
	MAY(NET, sendmmsg), OPTION(NET, SOL_SOCKET, SO_REUSEADDR),
	OPTION(NET, SOL_SOCKET, SO_KEEPALIVE),
	OPTION(NET, SOL_SOCKET, SO_LINGER),
	OPTION(NET, IPPROTO_TCP, TCP_NODELAY),
	OPTION(NET, IPPROTO_TCP, TCP_CORK),
	OPTION(NET, IPPROTO_TCP, TCP_KEEPIDLE),
	OPTION(NET, IPPROTO_TCP, TCP_KEEPINTVL),
	OPTION(NET, IPPROTO_TCP, TCP_KEEPCNT),
	OPTION(NET, IPPROTO_TCP, TCP_USER_TIMEOUT),
	OPTION(NET, IPPROTO_TCP, TCP_DEFER_ACCEPT),
	OPTION(NET, IPPROTO_IPV6, IPV6_V6ONLY),
	OPTION(DNS | INET, IPPROTO_IP, IP_RECVERR),
	OPTION(DNS | INET, IPPROTO_IPV6, IPV6_RECVERR),

	/* Processes. */
	NEEDS(PROC, clone), NEEDS(PROC, fork), NEEDS(PROC, vfork),
	CALL(ABSENT, NEVER, clone3), NAMESPACE(CLONE_NEWUSER),
	NAMESPACE(CLONE_NEWNS), NAMESPACE(CLONE_NEWNET),
	NAMESPACE(CLONE_NEWPID), NAMESPACE(CLONE_NEWIPC),
	NAMESPACE(CLONE_NEWUTS), NAMESPACE(CLONE_NEWCGROUP), MAY(PROC, kill),
	CALL1(KILL, PROC, kill, OTHERS(0)), MAY(PROC, tgkill),
	CALL1(KILL, PROC, tgkill, OTHERS(0)), MAY(PROC, tkill),
	CALL1(KILL, PROC, tkill, OTHERS(0)),
	CALL1(KILL, PROC, rt_sigqueueinfo, OTHERS(0)),
	CALL1(KILL, PROC, rt_tgsigqueueinfo, OTHERS(0)),
	CALL(KILL, EXEC, pidfd_send_signal), MAY(PROC, setpgid),
	MAY(PROC, setsid), PRCTL(PROC, PR_SET_PDEATHSIG),
	MAY(PROC | ID, getpriority), MAY(PROC | ID, setpriority),
	MAY(PROC | ID, setrlimit), NEEDS(EXEC, execve), NOBODY(execveat),
	MAY(EXEC, arch_prctl),

	/* Users; becoming root again by a set-user-ID program is ruled out. */
	NEEDS(ID, setuid), NEEDS(ID, setgid), NEEDS(ID, setreuid),
	NEEDS(ID, setregid), NEEDS(ID, setresuid), NEEDS(ID, setresgid),
	NEEDS(ID, setgroups), CALL(KILL, EXEC, setfsuid),
	CALL(KILL, EXEC, setfsgid), CALL(KILL, EXEC, capset),
	CALL(KILL, EXEC, chroot),

	/* Terminals. */
	IOCTL(TTY, TCSETS), IOCTL(TTY, TCSETSW), IOCTL(TTY, TCSETSF),
	IOCTL(TTY, TIOCGPGRP), IOCTL(TTY, TIOCSPGRP),
	CALL1(KILL, NEVER, ioctl, IS(1, TIOCSTI)),
	CALL1(KILL, NEVER, ioctl, IS(1, TIOCLINUX)),

	/* To promise less: seccomp(2) itself, checked to be filters only. */
	CALL1(PASS, NARROW, seccomp, IS(0, SECCOMP_SET_MODE_FILTER)),
	CALL1(PASS, NARROW, seccomp, IS(0, SECCOMP_GET_ACTION_AVAIL)),
	PRCTL(NARROW, PR_SET_NO_NEW_PRIVS), PRCTL(NARROW, PR_GET_SECCOMP),
	MAY(NARROW | UNVEIL, landlock_create_ruleset),
	MAY(NARROW | UNVEIL, landlock_add_rule),
	MAY(NARROW | UNVEIL, landlock_restrict_self),

	/* What no part of this program ever does, and an intruder would. */
	NOBODY(ptrace), NOBODY(process_vm_readv), NOBODY(process_vm_writev),
	NOBODY(kcmp), NOBODY(pidfd_getfd), NOBODY(process_madvise), NOBODY(bpf),
	NOBODY(perf_event_open), NOBODY(userfaultfd), NOBODY(io_uring_setup),
	NOBODY(io_uring_enter), NOBODY(io_uring_register), NOBODY(keyctl),
	NOBODY(add_key), NOBODY(request_key), NOBODY(mount), NOBODY(umount2),
	NOBODY(pivot_root), NOBODY(open_tree), NOBODY(move_mount),
	NOBODY(fsopen), NOBODY(fsconfig), NOBODY(fsmount), NOBODY(fspick),
	NOBODY(mount_setattr), NOBODY(unshare), NOBODY(setns),
	NOBODY(open_by_handle_at), NOBODY(fanotify_init), NOBODY(quotactl),
	NOBODY(swapon), NOBODY(swapoff), NOBODY(reboot), NOBODY(kexec_load),
	NOBODY(kexec_file_load), NOBODY(init_module), NOBODY(finit_module),
	NOBODY(delete_module), NOBODY(iopl), NOBODY(ioperm), NOBODY(modify_ldt),
	NOBODY(settimeofday), NOBODY(clock_settime), NOBODY(clock_adjtime),
	NOBODY(adjtimex), NOBODY(sethostname), NOBODY(setdomainname),
	NOBODY(acct), NOBODY(syslog), NOBODY(vhangup), NOBODY(uselib),
	CALL(KILL, EXEC, personality), NOBODY(move_pages),
	NOBODY(migrate_pages), NOBODY(remap_file_pages), NOBODY(vmsplice),
};
/* clang-format on */

const size_t sandbox_nrules = sizeof(sandbox_rules) / sizeof(sandbox_rules[0]);
