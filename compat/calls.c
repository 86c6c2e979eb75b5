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

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <termios.h>

#include "compat/promises.h"

/* Checks. Where the kernel takes an int, only 32 bits of it are looked at. */
#define IS(arg, value)                                                 \
	{                                                              \
		arg, SCMP_CMP_MASKED_EQ, 0xffffffff, (uint32_t)(value) \
	}
#define BITS(arg, mask, value)                       \
	{                                            \
		arg, SCMP_CMP_MASKED_EQ, mask, value \
	}
#define ABOVE(arg, value)                  \
	{                                  \
		arg, SCMP_CMP_GT, value, 0 \
	}
#define OWN(arg)                             \
	{                                    \
		arg, SCMP_CMP_EQ, OWN_PID, 0 \
	}
#define OTHERS(arg)                          \
	{                                    \
		arg, SCMP_CMP_NE, OWN_PID, 0 \
	}

/* Rows: without, with one, with two checks. */
#define CALL(tier, promises, name)                 \
	{                                          \
		tier, promises, SCMP_SYS(name), 0, \
		{                                  \
			{                          \
				0                  \
			}                          \
		}                                  \
	}
#define CALL1(tier, promises, name, one)           \
	{                                          \
		tier, promises, SCMP_SYS(name), 1, \
		{                                  \
			one                        \
		}                                  \
	}
#define CALL2(tier, promises, name, one, two)      \
	{                                          \
		tier, promises, SCMP_SYS(name), 2, \
		{                                  \
			one, two                   \
		}                                  \
	}

#define FILES (RPATH | WPATH | CPATH | GETPW | UNVEIL | SANITIZER)
#define READS (RPATH | GETPW | UNVEIL | SANITIZER)
#define NET (INET | ACCEPT | UNIX | DNS)

/* open(2) and openat(2) differ in where the flags stand. */
#define OPENING(name, flags)                                              \
	CALL1(PASS, READS, name, BITS(flags, O_ACCMODE, O_RDONLY)),       \
	    CALL1(PASS, WPATH, name, BITS(flags, O_ACCMODE, O_WRONLY)),   \
	    CALL1(PASS, WPATH, name, BITS(flags, O_ACCMODE, O_RDWR)),     \
	    CALL1(REFUSE, READS, name, BITS(flags, O_ACCMODE, O_RDONLY)), \
	    CALL1(KILL, WPATH, name, BITS(flags, O_ACCMODE, O_WRONLY)),   \
	    CALL1(KILL, WPATH, name, BITS(flags, O_ACCMODE, O_RDWR)),     \
	    CALL1(KILL, NEVER, name, BITS(flags, O_ACCMODE, O_ACCMODE)),  \
	    CALL1(KILL, WPATH, name, BITS(flags, O_TRUNC, O_TRUNC)),      \
	    CALL1(KILL, CPATH, name, BITS(flags, O_CREAT, O_CREAT)),      \
	    CALL1(KILL, CPATH, name, BITS(flags, UNNAMED, UNNAMED))
#define UNNAMED (O_TMPFILE & ~O_DIRECTORY)

/* Memory may be written or executed, never both, never one after the other. */
#define MAPPING(name)                                                       \
	CALL1(PASS, STDIO, name, BITS(2, PROT_EXEC, 0)),                    \
	    CALL1(PASS, PROT_EXEC_OK, name, BITS(2, PROT_EXEC, PROT_EXEC)), \
	    CALL1(KILL, PROT_EXEC_OK, name, BITS(2, PROT_EXEC, PROT_EXEC))

#define SOCKET(promises, domain, type) \
	CALL2(PASS, promises, socket, IS(0, domain), BITS(1, 0xf, type))
#define FAMILY_FORBIDDEN(promises, domain) \
	CALL1(KILL, promises, socket, IS(0, domain))
#define OPTION(promises, level, option) \
	CALL2(PASS, promises, setsockopt, IS(1, level), IS(2, option))
#define FCNTL(promises, command) CALL1(PASS, promises, fcntl, IS(1, command))
#define IOCTL(promises, command) CALL1(PASS, promises, ioctl, IS(1, command))
#define PRCTL(promises, option) CALL1(PASS, promises, prctl, IS(0, option))

/* Creating namespaces by clone(2); clone3 hides its flags and is absent. */
#define NAMESPACE(flag) CALL1(KILL, NEVER, clone, BITS(0, flag, flag))

const struct rule sandbox_rules[] = {
    /* stdio: what needs no name and no rights. */
    CALL(PASS, STDIO, read),
    CALL(PASS, STDIO, readv),
    CALL(PASS, STDIO, write),
    CALL(PASS, STDIO, writev),
    CALL(PASS, STDIO, recvfrom),
    CALL(PASS, STDIO, recvmsg),
    CALL(PASS, STDIO, recv),
    CALL(PASS, STDIO, send),
    CALL(PASS, STDIO, sendto),
    CALL(PASS, STDIO, sendmsg),
    CALL(PASS, STDIO, shutdown),
    CALL(PASS, STDIO, getsockopt),
    CALL(PASS, STDIO, getsockname),
    CALL(PASS, STDIO, getpeername),
    CALL(PASS, STDIO, close),
    CALL(PASS, STDIO, close_range),
    CALL(PASS, STDIO, dup),
    CALL(PASS, STDIO, dup2),
    CALL(PASS, STDIO, dup3),
    CALL(PASS, STDIO, pipe),
    CALL(PASS, STDIO, pipe2),
    CALL(PASS, STDIO, fstat),
    CALL(PASS, STDIO, fsync),
    CALL(PASS, STDIO, fdatasync),
    CALL(PASS, STDIO, umask),
    CALL(PASS, STDIO, poll),
    CALL(PASS, STDIO, ppoll),
    CALL(PASS, STDIO, select),
    CALL(PASS, STDIO, pselect6),
    CALL(PASS, STDIO, epoll_create),
    CALL(PASS, STDIO, epoll_create1),
    CALL(PASS, STDIO, epoll_ctl),
    CALL(PASS, STDIO, epoll_wait),
    CALL(PASS, STDIO, epoll_pwait),
    CALL(PASS, STDIO, epoll_pwait2),
    CALL(PASS, STDIO, eventfd2),
    CALL(PASS, STDIO, signalfd4),
    CALL(PASS, STDIO, timerfd_create),
    CALL(PASS, STDIO, timerfd_settime),
    CALL(PASS, STDIO, timerfd_gettime),
    CALL(PASS, STDIO, brk),
    CALL(PASS, STDIO, munmap),
    CALL(PASS, STDIO, mremap),
    CALL(PASS, STDIO, madvise),
    CALL(PASS, STDIO, msync),
    CALL(PASS, STDIO, mlock),
    CALL(PASS, STDIO, mlock2),
    CALL(PASS, STDIO, munlock),
    CALL(PASS, STDIO, futex),
    CALL(PASS, STDIO, set_robust_list),
    CALL(PASS, STDIO, rseq),
    CALL(PASS, STDIO, set_tid_address),
    CALL(PASS, STDIO, sched_yield),
    CALL(PASS, STDIO, sched_getaffinity),
    CALL(PASS, STDIO, getcpu),
    CALL(PASS, STDIO, rt_sigaction),
    CALL(PASS, STDIO, rt_sigprocmask),
    CALL(PASS, STDIO, rt_sigreturn),
    CALL(PASS, STDIO, rt_sigpending),
    CALL(PASS, STDIO, rt_sigsuspend),
    CALL(PASS, STDIO, rt_sigtimedwait),
    CALL(PASS, STDIO, sigaltstack),
    CALL(PASS, STDIO, restart_syscall),
    CALL(PASS, STDIO, pause),
    CALL(PASS, STDIO, alarm),
    CALL(PASS, STDIO, getitimer),
    CALL(PASS, STDIO, setitimer),
    CALL(PASS, STDIO, nanosleep),
    CALL(PASS, STDIO, clock_nanosleep),
    CALL(PASS, STDIO, clock_gettime),
    CALL(PASS, STDIO, clock_getres),
    CALL(PASS, STDIO, gettimeofday),
    CALL(PASS, STDIO, time),
    CALL(PASS, STDIO, times),
    CALL(PASS, STDIO, getrandom),
    CALL(PASS, STDIO, getrusage),
    CALL(PASS, STDIO, getrlimit),
    CALL(PASS, STDIO, sysinfo),
    CALL(PASS, STDIO, uname),
    CALL(PASS, STDIO, getpid),
    CALL(PASS, STDIO, gettid),
    CALL(PASS, STDIO, getppid),
    CALL(PASS, STDIO, getpgrp),
    CALL(PASS, STDIO, getpgid),
    CALL(PASS, STDIO, getsid),
    CALL(PASS, STDIO, getuid),
    CALL(PASS, STDIO, geteuid),
    CALL(PASS, STDIO, getgid),
    CALL(PASS, STDIO, getegid),
    CALL(PASS, STDIO, getresuid),
    CALL(PASS, STDIO, getresgid),
    CALL(PASS, STDIO, getgroups),
    CALL(PASS, STDIO, wait4),
    CALL(PASS, STDIO, waitid),
    CALL(PASS, STDIO, exit),
    CALL(PASS, STDIO, exit_group),
    CALL1(PASS, STDIO, socketpair, IS(0, AF_UNIX)),
    CALL1(PASS, STDIO, prlimit64, IS(0, 0)),
    MAPPING(mmap),
    MAPPING(mprotect),
    FCNTL(STDIO, F_DUPFD),
    FCNTL(STDIO, F_DUPFD_CLOEXEC),
    FCNTL(STDIO, F_GETFD),
    FCNTL(STDIO, F_SETFD),
    FCNTL(STDIO, F_GETFL),
    FCNTL(STDIO, F_SETFL),
    IOCTL(STDIO, FIONREAD),
    IOCTL(STDIO, FIONBIO),
    IOCTL(STDIO, FIOCLEX),
    IOCTL(STDIO, FIONCLEX),
    IOCTL(STDIO, TCGETS),
    IOCTL(STDIO, TIOCGWINSZ),
    PRCTL(STDIO, PR_SET_NAME),
    PRCTL(STDIO, PR_GET_NAME),
    PRCTL(STDIO, PR_GET_DUMPABLE),
    PRCTL(STDIO, PR_GET_NO_NEW_PRIVS),
    PRCTL(STDIO, PR_SET_VMA),
    CALL2(PASS, STDIO, prctl, IS(0, PR_SET_DUMPABLE), IS(1, 0)),
    /* fstat(3) of glibc 2.33 and later; a path could be given as well. */
    CALL1(PASS, STDIO, newfstatat, BITS(3, AT_EMPTY_PATH, AT_EMPTY_PATH)),
    CALL1(PASS, STDIO, statx, BITS(2, AT_EMPTY_PATH, AT_EMPTY_PATH)),
    /* Signals to itself, for abort(3) and raise(3). */
    CALL1(PASS, STDIO, kill, OWN(0)),
    CALL1(PASS, STDIO, tgkill, OWN(0)),
    CALL1(PASS, STDIO, tkill, OWN(0)),
    OPTION(STDIO, SOL_SOCKET, SO_SNDBUF),
    OPTION(STDIO, SOL_SOCKET, SO_RCVBUF),
    OPTION(STDIO, SOL_SOCKET, SO_SNDTIMEO_OLD),
    OPTION(STDIO, SOL_SOCKET, SO_RCVTIMEO_OLD),
    OPTION(STDIO, SOL_SOCKET, SO_RCVLOWAT),

    /* Files. Without rpath or wpath not even an offset can be moved. */
    OPENING(open, 1),
    OPENING(openat, 2),
    CALL(PASS, WPATH | CPATH, creat),
    CALL(KILL, WPATH, creat),
    CALL(KILL, CPATH, creat),
    CALL(PASS, RPATH | WPATH | SANITIZER, lseek),
    CALL(NO_SEEK, RPATH | WPATH | SANITIZER, lseek),
    CALL(PASS, RPATH | WPATH | SANITIZER, pread64),
    CALL(PASS, RPATH | WPATH, preadv),
    CALL(PASS, FILES, stat),
    CALL(PASS, FILES, lstat),
    CALL(REFUSE, FILES, stat),
    CALL(REFUSE, FILES, lstat),
    CALL1(PASS, FILES, newfstatat, BITS(3, AT_EMPTY_PATH, 0)),
    CALL1(REFUSE, FILES, newfstatat, BITS(3, AT_EMPTY_PATH, 0)),
    CALL1(PASS, FILES, statx, BITS(2, AT_EMPTY_PATH, 0)),
    CALL1(REFUSE, FILES, statx, BITS(2, AT_EMPTY_PATH, 0)),
    CALL(PASS, FILES, access),
    CALL(REFUSE, FILES, access),
    CALL(PASS, FILES, faccessat),
    CALL(REFUSE, FILES, faccessat),
    CALL(PASS, FILES, faccessat2),
    CALL(REFUSE, FILES, faccessat2),
    CALL(PASS, FILES, readlink),
    CALL(REFUSE, FILES, readlink),
    CALL(PASS, FILES, readlinkat),
    CALL(REFUSE, FILES, readlinkat),
    CALL(PASS, FILES, getcwd),
    CALL(PASS, READS, getdents64),
    CALL(PASS, READS, chdir),
    CALL(PASS, READS, fchdir),
    CALL(PASS, FILES, statfs),
    CALL(PASS, FILES, fstatfs),
    CALL(PASS, RPATH | WPATH, fadvise64),
    CALL(PASS, RPATH | WPATH, readahead),
    /* What changes a file elsewhere than at its end. */
    CALL(PASS, WPATH, ftruncate),
    CALL(KILL, WPATH, ftruncate),
    CALL(PASS, WPATH, pwrite64),
    CALL(KILL, WPATH, pwrite64),
    CALL(PASS, WPATH, pwritev),
    CALL(KILL, WPATH, pwritev),
    CALL(KILL, NEVER, pwritev2),
    CALL(PASS, WPATH, fallocate),
    CALL(KILL, WPATH, fallocate),
    CALL(PASS, WPATH, truncate),
    CALL(KILL, WPATH, truncate),
    CALL(PASS, WPATH, sync_file_range),
    CALL(PASS, WPATH, syncfs),
    CALL(PASS, WPATH, copy_file_range),
    CALL(PASS, WPATH, sendfile),
    /* Names. */
    CALL(PASS, CPATH, mkdir),
    CALL(KILL, CPATH, mkdir),
    CALL(PASS, CPATH, mkdirat),
    CALL(KILL, CPATH, mkdirat),
    CALL(PASS, CPATH, rmdir),
    CALL(KILL, CPATH, rmdir),
    CALL(PASS, CPATH, unlink),
    CALL(KILL, CPATH, unlink),
    CALL(PASS, CPATH, unlinkat),
    CALL(KILL, CPATH, unlinkat),
    CALL(PASS, CPATH, link),
    CALL(KILL, CPATH, link),
    CALL(PASS, CPATH, linkat),
    CALL(KILL, CPATH, linkat),
    CALL(PASS, CPATH, symlink),
    CALL(KILL, CPATH, symlink),
    CALL(PASS, CPATH, symlinkat),
    CALL(KILL, CPATH, symlinkat),
    CALL(PASS, CPATH, rename),
    CALL(KILL, CPATH, rename),
    CALL(PASS, CPATH, renameat),
    CALL(KILL, CPATH, renameat),
    CALL(PASS, CPATH, renameat2),
    CALL(KILL, CPATH, renameat2),
    CALL(KILL, NEVER, mknod),
    CALL(KILL, NEVER, mknodat),
    /* Owners, modes, times. */
    CALL(PASS, FATTR, chmod),
    CALL(KILL, FATTR, chmod),
    CALL(PASS, FATTR, fchmod),
    CALL(KILL, FATTR, fchmod),
    CALL(PASS, FATTR, fchmodat),
    CALL(KILL, FATTR, fchmodat),
    CALL(PASS, FATTR, utimensat),
    CALL(PASS, FATTR, utime),
    CALL(PASS, FATTR, utimes),
    CALL(PASS, FATTR, futimesat),
    CALL(PASS, CHOWN, chown),
    CALL(KILL, CHOWN, chown),
    CALL(PASS, CHOWN, lchown),
    CALL(KILL, CHOWN, lchown),
    CALL(PASS, CHOWN, fchown),
    CALL(KILL, CHOWN, fchown),
    CALL(PASS, CHOWN, fchownat),
    CALL(KILL, CHOWN, fchownat),
    CALL(KILL, NEVER, setxattr),
    CALL(KILL, NEVER, lsetxattr),
    CALL(KILL, NEVER, fsetxattr),
    /* Locks. */
    CALL(PASS, FLOCK, flock),
    FCNTL(FLOCK, F_GETLK),
    FCNTL(FLOCK, F_SETLK),
    FCNTL(FLOCK, F_SETLKW),
    FCNTL(FLOCK, F_OFD_GETLK),
    FCNTL(FLOCK, F_OFD_SETLK),
    FCNTL(FLOCK, F_OFD_SETLKW),

    /* Sockets. */
    SOCKET(INET | DNS, AF_INET, SOCK_STREAM),
    SOCKET(INET | DNS, AF_INET, SOCK_DGRAM),
    SOCKET(INET | DNS, AF_INET6, SOCK_STREAM),
    SOCKET(INET | DNS, AF_INET6, SOCK_DGRAM),
    SOCKET(UNIX | GETPW, AF_UNIX, SOCK_STREAM),
    SOCKET(UNIX | GETPW, AF_UNIX, SOCK_DGRAM),
    SOCKET(UNIX, AF_UNIX, SOCK_SEQPACKET),
    FAMILY_FORBIDDEN(INET | DNS, AF_INET),
    FAMILY_FORBIDDEN(INET | DNS, AF_INET6),
    /* syslog(3) makes a datagram one when the log daemon was restarted. */
    CALL2(
	REFUSE, UNIX | GETPW, socket, IS(0, AF_UNIX), BITS(1, 0xf, SOCK_DGRAM)),
    CALL2(
	KILL, UNIX | GETPW, socket, IS(0, AF_UNIX), BITS(1, 0xf, SOCK_STREAM)),
    CALL2(KILL, UNIX, socket, IS(0, AF_UNIX), BITS(1, 0xf, SOCK_SEQPACKET)),
    CALL2(KILL, NEVER, socket, IS(0, AF_INET), BITS(1, 0xf, SOCK_RAW)),
    CALL2(KILL, NEVER, socket, IS(0, AF_INET6), BITS(1, 0xf, SOCK_RAW)),
    FAMILY_FORBIDDEN(NEVER, 3),
    FAMILY_FORBIDDEN(NEVER, 4),
    FAMILY_FORBIDDEN(NEVER, 5),
    FAMILY_FORBIDDEN(NEVER, 6),
    FAMILY_FORBIDDEN(NEVER, 7),
    FAMILY_FORBIDDEN(NEVER, 8),
    FAMILY_FORBIDDEN(NEVER, 9),
    CALL1(KILL, EXEC, socket, ABOVE(0, 10)),
    CALL(PASS, INET | UNIX | DNS | GETPW, connect),
    CALL(KILL, INET | UNIX | DNS | GETPW, connect),
    CALL(PASS, INET | UNIX | DNS, bind),
    CALL(KILL, INET | UNIX | DNS, bind),
    CALL(PASS, INET | UNIX, listen),
    CALL(KILL, INET | UNIX, listen),
    CALL(PASS, NET, accept),
    CALL(PASS, NET, accept4),
    CALL(PASS, NET, recvmmsg),
    CALL(PASS, NET, sendmmsg),
    OPTION(NET, SOL_SOCKET, SO_REUSEADDR),
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
    CALL(PASS, PROC, clone),
    CALL(KILL, PROC, clone),
    CALL(PASS, PROC, fork),
    CALL(KILL, PROC, fork),
    CALL(PASS, PROC, vfork),
    CALL(KILL, PROC, vfork),
    CALL(ABSENT, NEVER, clone3),
    NAMESPACE(CLONE_NEWUSER),
    NAMESPACE(CLONE_NEWNS),
    NAMESPACE(CLONE_NEWNET),
    NAMESPACE(CLONE_NEWPID),
    NAMESPACE(CLONE_NEWIPC),
    NAMESPACE(CLONE_NEWUTS),
    NAMESPACE(CLONE_NEWCGROUP),
    CALL(PASS, PROC, kill),
    CALL1(KILL, PROC, kill, OTHERS(0)),
    CALL(PASS, PROC, tgkill),
    CALL1(KILL, PROC, tgkill, OTHERS(0)),
    CALL(PASS, PROC, tkill),
    CALL1(KILL, PROC, tkill, OTHERS(0)),
    CALL1(KILL, PROC, rt_sigqueueinfo, OTHERS(0)),
    CALL1(KILL, PROC, rt_tgsigqueueinfo, OTHERS(0)),
    CALL(KILL, EXEC, pidfd_send_signal),
    CALL(PASS, PROC, setpgid),
    CALL(PASS, PROC, setsid),
    PRCTL(PROC, PR_SET_PDEATHSIG),
    CALL(PASS, PROC | ID, getpriority),
    CALL(PASS, PROC | ID, setpriority),
    CALL(PASS, PROC | ID, setrlimit),
    CALL(PASS, EXEC, execve),
    CALL(KILL, EXEC, execve),
    CALL(KILL, NEVER, execveat),
    CALL(PASS, EXEC, arch_prctl),
    /* Users; becoming root again by a set-user-ID program is ruled out. */
    CALL(PASS, ID, setuid),
    CALL(KILL, ID, setuid),
    CALL(PASS, ID, setgid),
    CALL(KILL, ID, setgid),
    CALL(PASS, ID, setreuid),
    CALL(KILL, ID, setreuid),
    CALL(PASS, ID, setregid),
    CALL(KILL, ID, setregid),
    CALL(PASS, ID, setresuid),
    CALL(KILL, ID, setresuid),
    CALL(PASS, ID, setresgid),
    CALL(KILL, ID, setresgid),
    CALL(PASS, ID, setgroups),
    CALL(KILL, ID, setgroups),
    CALL(KILL, EXEC, setfsuid),
    CALL(KILL, EXEC, setfsgid),
    CALL(KILL, EXEC, capset),
    CALL(KILL, EXEC, chroot),
    /* Terminals. */
    IOCTL(TTY, TCSETS),
    IOCTL(TTY, TCSETSW),
    IOCTL(TTY, TCSETSF),
    IOCTL(TTY, TIOCGPGRP),
    IOCTL(TTY, TIOCSPGRP),
    CALL1(KILL, NEVER, ioctl, IS(1, TIOCSTI)),
    CALL1(KILL, NEVER, ioctl, IS(1, TIOCLINUX)),
    /* To promise less: seccomp(2) itself, checked to be filters only. */
    CALL1(PASS, NARROW, seccomp, IS(0, 1)), /* SET_MODE_FILTER */
    CALL1(PASS, NARROW, seccomp, IS(0, 2)), /* GET_ACTION_AVAIL */
    PRCTL(NARROW, PR_SET_NO_NEW_PRIVS),
    PRCTL(NARROW, PR_GET_SECCOMP),
    CALL(PASS, NARROW | UNVEIL, landlock_create_ruleset),
    CALL(PASS, NARROW | UNVEIL, landlock_add_rule),
    CALL(PASS, NARROW | UNVEIL, landlock_restrict_self),
    /* Reports of AddressSanitizer; the promise exists in no other build. */
    CALL(PASS, SANITIZER, mincore),

    /* What no part of this program ever does, and an intruder would. */
    CALL(KILL, NEVER, ptrace),
    CALL(KILL, NEVER, process_vm_readv),
    CALL(KILL, NEVER, process_vm_writev),
    CALL(KILL, NEVER, kcmp),
    CALL(KILL, NEVER, pidfd_getfd),
    CALL(KILL, NEVER, process_madvise),
    CALL(KILL, NEVER, bpf),
    CALL(KILL, NEVER, perf_event_open),
    CALL(KILL, NEVER, userfaultfd),
    CALL(KILL, NEVER, io_uring_setup),
    CALL(KILL, NEVER, io_uring_enter),
    CALL(KILL, NEVER, io_uring_register),
    CALL(KILL, NEVER, keyctl),
    CALL(KILL, NEVER, add_key),
    CALL(KILL, NEVER, request_key),
    CALL(KILL, NEVER, mount),
    CALL(KILL, NEVER, umount2),
    CALL(KILL, NEVER, pivot_root),
    CALL(KILL, NEVER, open_tree),
    CALL(KILL, NEVER, move_mount),
    CALL(KILL, NEVER, fsopen),
    CALL(KILL, NEVER, fsconfig),
    CALL(KILL, NEVER, fsmount),
    CALL(KILL, NEVER, fspick),
    CALL(KILL, NEVER, mount_setattr),
    CALL(KILL, NEVER, unshare),
    CALL(KILL, NEVER, setns),
    CALL(KILL, NEVER, open_by_handle_at),
    CALL(KILL, NEVER, fanotify_init),
    CALL(KILL, NEVER, quotactl),
    CALL(KILL, NEVER, swapon),
    CALL(KILL, NEVER, swapoff),
    CALL(KILL, NEVER, reboot),
    CALL(KILL, NEVER, kexec_load),
    CALL(KILL, NEVER, kexec_file_load),
    CALL(KILL, NEVER, init_module),
    CALL(KILL, NEVER, finit_module),
    CALL(KILL, NEVER, delete_module),
    CALL(KILL, NEVER, iopl),
    CALL(KILL, NEVER, ioperm),
    CALL(KILL, NEVER, modify_ldt),
    CALL(KILL, NEVER, settimeofday),
    CALL(KILL, NEVER, clock_settime),
    CALL(KILL, NEVER, clock_adjtime),
    CALL(KILL, NEVER, adjtimex),
    CALL(KILL, NEVER, sethostname),
    CALL(KILL, NEVER, setdomainname),
    CALL(KILL, NEVER, acct),
    CALL(KILL, NEVER, syslog),
    CALL(KILL, NEVER, vhangup),
    CALL(KILL, NEVER, uselib),
    CALL(KILL, EXEC, personality),
    CALL(KILL, NEVER, move_pages),
    CALL(KILL, NEVER, migrate_pages),
    CALL(KILL, NEVER, remap_file_pages),
    CALL(KILL, NEVER, vmsplice),
};

const size_t sandbox_nrules = sizeof(sandbox_rules) / sizeof(sandbox_rules[0]);
