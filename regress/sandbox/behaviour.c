/* SPDX-License-Identifier: ISC */
/*
 * What a table of calls cannot show: unveil(), several pledges, programs that
 * are started, the log mode, the proof at start-up.
 */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <netinet/in.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compat/landlock.h"
#include "compat/memory_file.h"
#include "compat/sandbox.h"
#include "regress/sandbox/harness.h"

/* In a child: a false condition ends it with its line, or errno. */
#define MUST(condition)                                                        \
	do {                                                                   \
		if (!(condition)) {                                            \
			fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, \
			    #condition, strerror(errno));                      \
			_exit(254);                                            \
		}                                                              \
	} while (0)
#define FAILS_WITH(call, error) MUST((call) == -1 && errno == (error))

static int
unveiled_directory(void)
{
	struct stat st;

	MUST(unveil("inside", "rwc") == 0);
	MUST(pledge("stdio rpath wpath cpath", NULL) == 0);
	MUST(open("inside/new", O_WRONLY | O_CREAT, 0600) != -1);
	MUST(open("inside/new", O_RDWR | O_TRUNC) != -1);
	MUST(mkdir("inside/d", 0700) == 0);
	MUST(rename("inside/new", "inside/d/new") == 0);
	MUST(link("inside/d/new", "inside/linked") == 0);
	MUST(unlink("inside/d/new") == 0 && unlink("inside/linked") == 0);
	MUST(rmdir("inside/d") == 0);
	MUST(open("inside", O_RDONLY | O_DIRECTORY) != -1);
	FAILS_WITH(open("read", O_RDONLY), EACCES);
	FAILS_WITH(open("write", O_WRONLY), EACCES);
	FAILS_WITH(open("outside", O_WRONLY | O_CREAT, 0600), EACCES);
	FAILS_WITH(open(".", O_WRONLY | O_TMPFILE, 0600), EACCES);
	FAILS_WITH(openat(world.dirfd, "read", O_RDONLY), EACCES);
	FAILS_WITH(open("inside/../read", O_RDONLY), EACCES);
	FAILS_WITH(open("inside/symlink", O_RDONLY), EACCES);
	FAILS_WITH(unlink("read"), EACCES);
	FAILS_WITH(mkdir("directory", 0700), EACCES);
	FAILS_WITH(open("/etc/passwd", O_RDONLY), EACCES);
	/* Not covered, and known: the existence of names. */
	MUST(stat("read", &st) == 0);
	return 0;
}

static int
unveiled_for_reading(void)
{
	MUST(unveil("inside", "r") == 0);
	MUST(pledge("stdio rpath wpath cpath", NULL) == 0);
	MUST(open("inside/file", O_RDONLY) != -1);
	FAILS_WITH(open("inside/file", O_WRONLY), EACCES);
	FAILS_WITH(open("inside/new", O_WRONLY | O_CREAT, 0600), EACCES);
	FAILS_WITH(unlink("inside/file"), EACCES);
	return 0;
}

static int
unveiled_file(void)
{
	MUST(unveil("inside/file", "rwc") == 0);
	MUST(unveil(NULL, NULL) == 0);
	MUST(open("inside/file", O_RDWR) != -1);
	FAILS_WITH(open("inside", O_RDONLY | O_DIRECTORY), EACCES);
	FAILS_WITH(unlink("inside/file"), EACCES);
	FAILS_WITH(unveil("read", "r"), EPERM);
	return 0;
}

static int
rules_belong_to_files(void)
{
	MUST(unveil("inside/file", "r") == 0);
	MUST(unveil(NULL, NULL) == 0);
	world.tester = getppid();
	/* Somebody else replaces it by rename. */
	MUST(write(world.pair[0], "x", 1) == 1);
	MUST(read(world.pair[0], &(char) {0}, 1) == 1);
	FAILS_WITH(open("inside/file", O_RDONLY), EACCES);
	return 0;
}

static int
unveil_arguments(void)
{
	FAILS_WITH(unveil("missing", "r"), ENOENT);
	FAILS_WITH(unveil("inside", "rq"), EINVAL);
	FAILS_WITH(unveil("inside", NULL), EINVAL);
	/* As on OpenBSD: without a rule there is nothing to lock. */
	MUST(unveil(NULL, NULL) == 0 && unveil(NULL, NULL) == 0);
	MUST(open("read", O_RDONLY) != -1);
	return 0;
}

static int
unveil_after_pledge(void)
{
	MUST(pledge("stdio rpath wpath cpath unveil", NULL) == 0);
	MUST(open("read", O_RDONLY) != -1);
	MUST(unveil("inside", "r") == 0);
	MUST(unveil(NULL, NULL) == 0);
	FAILS_WITH(open("read", O_RDONLY), EACCES);
	MUST(pledge("stdio rpath", NULL) == 0);
	MUST(open("inside/file", O_RDONLY) != -1);
	FAILS_WITH(open("read", O_RDONLY), EACCES);
	FAILS_WITH(unveil("inside", "r"), EPERM);
	return 0;
}

static int
unveil_without_rpath(void)
{
	MUST(pledge("stdio unveil", NULL) == 0);
	MUST(unveil("inside", "r") == 0 && unveil(NULL, NULL) == 0);
	FAILS_WITH(open("inside/file", O_RDONLY), EACCES);
	return pledge("stdio", NULL);
}

/* The wide pledge of a set-up, then the narrow one. */
static int
wide_then_narrow(void)
{
	MUST(pledge("stdio rpath wpath cpath inet unix proc id", NULL) == 0);
	MUST(open("read", O_RDONLY) != -1);
	MUST(socket(AF_INET, SOCK_STREAM, 0) != -1);
	MUST(pledge("stdio recvfd", NULL) == -1 && errno == EPERM);
	MUST(pledge("stdio", NULL) == 0);
	FAILS_WITH(open("read", O_RDONLY), EACCES);
	FAILS_WITH(pledge("stdio rpath", NULL), EPERM);
	MUST(pledge("stdio", NULL) == 0);
	/* seccomp(2) is out of reach by now, and Landlock too. */
	FAILS_WITH(syscall(SYS_seccomp, 1, 0, NULL), ENOSYS);
	FAILS_WITH(syscall(444, NULL, 0, 0), ENOSYS);
	return 0;
}

static int
children_narrow_further(void)
{
	int status;
	pid_t pid;

	MUST(pledge("stdio rpath proc", NULL) == 0);
	MUST(pledge("stdio proc", NULL) == 0);
	MUST((pid = fork()) != -1);
	if (pid == 0) {
		MUST(pledge("stdio", NULL) == 0);
		_exit(fork() == -1 ? 1 : 2);
	}
	MUST(waitpid(pid, &status, 0) == pid);
	MUST(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
	return 0;
}

static int
narrowed_kills(void)
{
	MUST(pledge("stdio rpath wpath cpath inet", NULL) == 0);
	MUST(pledge("stdio", NULL) == 0);
	return socket(AF_INET, SOCK_STREAM, 0);
}

/* Files without unveil() are reached until no promise speaks of them. */
static int
received_directory(void)
{
	MUST(pledge("stdio recvfd", NULL) == 0);
	FAILS_WITH(openat(world.dirfd, "read", O_RDONLY), EACCES);
	MUST(fsync(world.dirfd) == 0);
	return 0;
}

static int
accept_only(void)
{
	struct sockaddr_in sin = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	sin.sin_port = htons((uint16_t)world.port);
	MUST(connect(fd, (struct sockaddr *)&sin, sizeof(sin)) == 0);
	sandbox_accept_only();
	MUST(pledge("stdio inet", NULL) == 0);
	MUST(accept(world.listener, NULL, NULL) != -1);
	return socket(AF_INET, SOCK_STREAM, 0);
}

static int
accept_only_connect(void)
{
	struct sockaddr_in sin = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	sandbox_accept_only();
	MUST(pledge("stdio inet", NULL) == 0);
	return connect(fd, (struct sockaddr *)&sin, sizeof(sin));
}

static int
connect_only(int listens)
{
	struct sockaddr_in sin = {.sin_family = AF_INET};
	int fd;

	sandbox_connect_only();
	MUST(pledge("stdio inet dns unix", NULL) == 0);
	MUST((fd = socket(AF_INET, SOCK_STREAM, 0)) != -1);
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	sin.sin_port = htons((uint16_t)world.port);
	MUST(connect(fd, (struct sockaddr *)&sin, sizeof(sin)) == 0);
	MUST(accept(world.listener, NULL, NULL) == -1);
	sin.sin_port = 0;
	return listens ? listen(fd, 1)
		       : bind(fd, (struct sockaddr *)&sin, sizeof(sin));
}

static int
connect_only_bind(void)
{
	return connect_only(0);
}

static int
connect_only_listen(void)
{
	return connect_only(1);
}

/* Written and passed on, but neither read at an offset nor cut. */
static int
memory_file(void)
{
	int fd;

	sandbox_memory_files();
	MUST(pledge("stdio recvfd", NULL) == 0);
	MUST((fd = compat_memory_file()) != -1);
	MUST(write(fd, "text", 4) == 4);
	FAILS_WITH(open("read", O_RDONLY), EACCES);
	return ftruncate(fd, 0);
}

/* Landlock is what stops a socket that was there before. */
static int
landlocked_connect(void)
{
	struct sockaddr_in sin = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	sin.sin_port = htons((uint16_t)world.port);
	MUST(pledge("stdio unix", NULL) == 0);
	return connect(fd, (struct sockaddr *)&sin, sizeof(sin));
}

static int
user_database(void)
{
	MUST(unveil("inside", "r") == 0);
	MUST(pledge("stdio rpath getpw", NULL) == 0);
	MUST(getpwnam("root") != NULL);
	FAILS_WITH(open("read", O_RDONLY), EACCES);
	return 0;
}

static int
user_database_taken_back(void)
{
	MUST(pledge("stdio rpath getpw unveil", NULL) == 0);
	MUST(unveil("inside", "r") == 0 && unveil(NULL, NULL) == 0);
	MUST(open("/etc/passwd", O_RDONLY) != -1);
	MUST(pledge("stdio rpath", NULL) == 0);
	FAILS_WITH(open("/etc/passwd", O_RDONLY), EACCES);
	MUST(open("inside/file", O_RDONLY) != -1);
	return 0;
}

/* A shell stands for the roles: it must be able to do what they do. */
static int
start_program(void)
{
	MUST(pledge("stdio rpath proc exec", NULL) == 0);
	execl("/bin/sh", "sh", "-c", "echo text > inside/x && rm inside/x",
	    (char *)NULL);
	return -1;
}

static int
start_only_unveiled(void)
{
	int status;
	pid_t pid;

	MUST(unveil("/bin/sh", "x") == 0);
	MUST(pledge("stdio rpath proc exec", NULL) == 0);
	MUST((pid = fork()) != -1);
	if (pid == 0) {
		execl("/bin/sh", "sh", "-c", "echo > inside/x; exit 7",
		    (char *)NULL);
		_exit(1);
	}
	MUST(waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 7);
	MUST(unlink("inside/x") == 0);
	FAILS_WITH(execl("/bin/true", "true", (char *)NULL), EACCES);
	return 0;
}

static int
started_is_bound(void)
{
	MUST(pledge("stdio proc exec", "stdio rpath") == 0);
	execl("/bin/sh", "sh", "-c", "exec > inside/x", (char *)NULL);
	return -1;
}

static int
started_program_runs(void)
{
	MUST(pledge("stdio proc exec", "stdio rpath") == 0);
	execl("/bin/sh", "sh", "-c", "test -r read", (char *)NULL);
	return -1;
}

/* What was logged is read back from a pipe that is standard error. */
static int
log_mode(void)
{
	static const char *const expected[] = {
	    "sandbox: ptrace would have killed this process: EPERM\n",
	    "sandbox: openat is refused: EACCES\n",
	    "sandbox: inotify_init1 is not in the list: ENOSYS\n"};
	char text[2048];
	int ends[2];
	ssize_t length;

	MUST(pipe(ends) == 0 && dup2(ends[1], STDERR_FILENO) != -1);
	sandbox_log_mode(1);
	MUST(pledge("stdio", NULL) == 0);
	FAILS_WITH(syscall(SYS_ptrace, 0, 0, 0, 0), EPERM);
	FAILS_WITH(open("read", O_RDONLY), EACCES);
	FAILS_WITH(syscall(SYS_inotify_init1, 0), ENOSYS);
	FAILS_WITH(syscall(999), ENOSYS);
	FAILS_WITH(socket(AF_INET, SOCK_STREAM, 0), EPERM);
	length = read(ends[0], text, sizeof(text) - 1);
	if (length <= 0)
		_exit(253);
	text[length] = '\0';
	for (size_t i = 0; i < 3; i++) {
		if (strstr(text, expected[i]) == NULL)
			_exit(252);
	}
	return 0;
}

/* A daemon: standard error is /dev/null, syslog(3) has its socket. */
static int
log_mode_to_syslog(void)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int server = socket(AF_UNIX, SOCK_DGRAM, 0), null;
	int client = socket(AF_UNIX, SOCK_DGRAM, 0);
	char text[256];
	ssize_t length;

	(void)strlcpy(sun.sun_path, "inside/log", sizeof(sun.sun_path));
	MUST(bind(server, (struct sockaddr *)&sun, sizeof(sun)) == 0);
	MUST(connect(client, (struct sockaddr *)&sun, sizeof(sun)) == 0);
	MUST((null = open("/dev/null", O_RDWR)) != -1);
	MUST(dup2(null, STDERR_FILENO) != -1);
	sandbox_log_mode(1);
	MUST(pledge("stdio", NULL) == 0);
	FAILS_WITH(open("read", O_RDONLY), EACCES);
	length = recv(server, text, sizeof(text) - 1, MSG_DONTWAIT);
	if (length <= 0)
		return -1;
	text[length] = '\0';
	return strncmp(text, "<20>smtpd-stoken/", 17) == 0 &&
		strstr(text, "sandbox: openat is refused") != NULL
	    ? 0
	    : -1;
}

static int
log_mode_has_an_end(void)
{
	int ends[2], more = 0;

	MUST(pipe(ends) == 0 && dup2(ends[1], STDERR_FILENO) != -1);
	sandbox_log_mode(1);
	MUST(pledge("stdio", NULL) == 0);
	for (int i = 0; i < 5000; i++)
		(void)syscall(999);
	close(ends[1]);
	close(STDERR_FILENO);
	while (read(ends[0], &(char[64]) {0}, 64) > 0)
		more++;
	return more > 10 && more < 1000 ? 0 : -1;
}

static int
proof(void)
{
	static const char *const roles[] = {"stdio", "stdio recvfd",
	    "stdio inet sendfd recvfd", "stdio rpath wpath cpath flock unix",
	    "stdio rpath proc exec sendfd unix", "stdio unix"};

	for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
		if (sandbox_prove(roles[i]) == -1)
			return -1;
	}
	MUST(unveil("inside", "r") == 0);
	return sandbox_prove("stdio rpath");
}

/* A proof that does not notice a missing sandbox would be none. */
static int
proof_fails(void)
{
	MUST(freopen("/dev/null", "w", stderr) != NULL);
	MUST(sandbox_prove("no such promise") == -1);
	MUST(unveil("/", "r") == 0);
	MUST(sandbox_prove("stdio rpath") == -1);
	return 0;
}

static int
description(void)
{
	char text[128], expected[32];

	(void)sandbox_describe(text, sizeof(text));
	(void)snprintf(
	    expected, sizeof(expected), "Landlock ABI %d ", landlock_abi());
	MUST(strstr(text, "seccomp") == text);
	if (landlock_abi() == 0)
		return strstr(text, "NO LANDLOCK") != NULL ? 0 : -1;
	return strstr(text, expected) != NULL ? 0 : -1;
}

static int
undumpable(void)
{
	sandbox_undumpable();
	return (int)syscall(SYS_prctl, 3 /* PR_GET_DUMPABLE */) == 0 ? 0 : -1;
}

static const struct {
	const char *name;
	enum outcome expected;
	int (*function)(void);
	int landlock; /* the ABI that it takes */
} cases[] = {
    {"unveil: a directory", RUNS, unveiled_directory, 3},
    {"unveil: for reading", RUNS, unveiled_for_reading, 2},
    {"unveil: a file", RUNS, unveiled_file, 2},
    {"unveil: arguments", RUNS, unveil_arguments, 0},
    {"unveil: after pledge", RUNS, unveil_after_pledge, 2},
    {"unveil: without rpath", RUNS, unveil_without_rpath, 0},
    {"unveil: getpw is exempt", RUNS, user_database, 2},
    {"unveil: getpw taken back", RUNS, user_database_taken_back, 2},
    {"pledge: wide, then narrow", RUNS, wide_then_narrow, 0},
    {"pledge: children narrow further", RUNS, children_narrow_further, 0},
    {"pledge: what was taken back kills", KILLED, narrowed_kills, 0},
    {"pledge: a received directory", RUNS, received_directory, 2},
    {"accept only: socket", KILLED, accept_only, 0},
    {"accept only: connect", KILLED, accept_only_connect, 0},
    {"connect only: bind", KILLED, connect_only_bind, 0},
    {"connect only: listen", KILLED, connect_only_listen, 0},
    {"memory file: cut", KILLED, memory_file, 0},
    {"connect an old socket", REFUSED, landlocked_connect, 4},
    {"exec: the program is free", RUNS, start_program, 0},
    {"exec: what was unveiled alone", RUNS, start_only_unveiled, 2},
    {"exec: execpromises bind", KILLED, started_is_bound, 0},
    {"exec: execpromises suffice", RUNS, started_program_runs, 0},
    {"log mode", RUNS, log_mode, 0},
    {"log mode of a daemon", RUNS, log_mode_to_syslog, 0},
    {"log mode has an end", RUNS, log_mode_has_an_end, 0},
    {"proof", RUNS, proof, 0},
    {"proof fails", RUNS, proof_fails, 2},
    {"description", RUNS, description, 0},
    {"undumpable", RUNS, undumpable, 0},
};

/* The other side of rules_belong_to_files. */
static void
replaced_file(void)
{
	int status;
	pid_t pid;

	if (landlock_abi() < 2) {
		harness_skip("unveil: a replaced file: no Landlock");
		return;
	}
	fflush(stdout);
	if ((pid = fork()) == 0)
		_exit(rules_belong_to_files() == 0 ? 0 : 1);
	if (read(world.pair[1], &(char) {0}, 1) != 1 ||
	    close(open("inside/new", O_WRONLY | O_CREAT, 0600)) == -1 ||
	    rename("inside/new", "inside/file") == -1 ||
	    write(world.pair[1], "x", 1) != 1 ||
	    waitpid(pid, &status, 0) != pid)
		err(1, "replacing");
	harness_result(harness_is(status, RUNS),
	    "unveil: a replaced file is another: %s", harness_status(status));
}

int
main(int argc, char *argv[])
{
	(void)harness_start(argc, argv);
	if (mkdir("inside", 0700) == -1 ||
	    close(open("inside/file", O_WRONLY | O_CREAT, 0600)) == -1 ||
	    symlink("../read", "inside/symlink") == -1)
		err(1, "inside");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int status;

		if (landlock_abi() < cases[i].landlock) {
			harness_skip("%s: old Landlock", cases[i].name);
			continue;
		}
		status = harness_run(NULL, cases[i].function);
		harness_result(harness_is(status, cases[i].expected), "%s: %s",
		    cases[i].name, harness_status(status));
	}
	replaced_file();
	return harness_end();
}
