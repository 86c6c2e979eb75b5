/* SPDX-License-Identifier: ISC */
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <netinet/in.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <seccomp.h>

#include "compat/promises.h"
#include "regress/sandbox/harness.h"

#define NO_PLEDGE 255
#define TIME_LIMIT 20 /* seconds for a case */

struct world world;
static unsigned int passed, failed, skipped;
static bool no_pledge, no_landlock;

static void
remove_world(void)
{
	char command[128];

	if (getpid() != world.tester)
		return;
	(void)snprintf(command, sizeof(command), "rm -rf %s", world.directory);
	if (system(command) != 0)
		warnx("%s remains", world.directory);
}

static int
make_file(const char *name, int flags)
{
	static const char octets[100] = "text";
	int fd = open(name, O_RDWR | O_CREAT | O_EXCL, 0600);

	if (fd == -1 || write(fd, octets, sizeof(octets)) != sizeof(octets))
		err(1, "%s", name);
	close(fd);
	if ((fd = open(name, flags)) == -1)
		err(1, "%s", name);
	return fd;
}

static void
make_listener(void)
{
	struct sockaddr_in sin = {.sin_family = AF_INET};
	socklen_t length = sizeof(sin);

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	world.listener = socket(AF_INET, SOCK_STREAM, 0);
	if (world.listener == -1 ||
	    bind(world.listener, (struct sockaddr *)&sin, length) == -1 ||
	    listen(world.listener, 100) == -1 ||
	    getsockname(world.listener, (struct sockaddr *)&sin, &length) == -1)
		err(1, "listener");
	world.port = ntohs(sin.sin_port);
}

/* A kernel without Landlock. */
static void
forget_landlock(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);

	if (filter == NULL ||
	    seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS),
		SCMP_SYS(landlock_create_ruleset), 0) != 0 ||
	    seccomp_load(filter) != 0)
		errx(1, "seccomp");
	seccomp_release(filter);
}

int
harness_start(int argc, char *argv[])
{
	const struct rlimit no_core = {0, 0};
	int first = 1;

	if (argc > 1 && strcmp(argv[1], "-n") == 0) {
		no_pledge = true;
		first = 2;
	} else if (argc > 1 && strcmp(argv[1], "-l") == 0) {
		no_landlock = true;
		forget_landlock();
		first = 2;
	}
	(void)setrlimit(RLIMIT_CORE, &no_core);
	(void)signal(SIGPIPE, SIG_IGN);
	world.tester = getpid();
	sandbox_prepare();
	(void)strlcpy(world.directory, "/tmp/sandbox.XXXXXXXXXX",
	    sizeof(world.directory));
	if (mkdtemp(world.directory) == NULL || chdir(world.directory) == -1)
		err(1, "%s", world.directory);
	if (atexit(remove_world) != 0)
		err(1, "atexit");
	if ((world.dirfd = open(".", O_RDONLY | O_DIRECTORY)) == -1)
		err(1, "%s", world.directory);
	world.read_fd = make_file("read", O_RDONLY);
	world.write_fd = make_file("write", O_RDWR);
	world.append_fd = make_file("append", O_WRONLY | O_APPEND);
	make_listener();
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, world.pair) == -1)
		err(1, "socketpair");
	return first;
}

bool
harness_result(bool ok, const char *format, ...)
{
	va_list ap;

	printf("%s ", ok ? "ok  " : "FAIL");
	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	printf("\n");
	if (ok)
		passed++;
	else
		failed++;
	return ok;
}

void
harness_skip(const char *format, ...)
{
	va_list ap;

	if (no_landlock) /* on purpose: nothing is missing here */
		return;
	printf("SKIP ");
	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	printf("\n");
	skipped++;
}

int
harness_run_twice(const char *wide, const char *narrow, int (*function)(void))
{
	int status;
	pid_t pid;

	fflush(stdout);
	if ((pid = fork()) == -1)
		err(1, "fork");
	if (pid == 0) {
		(void)alarm(TIME_LIMIT);
		if (!no_pledge && wide != NULL && pledge(wide, NULL) == -1)
			_exit(NO_PLEDGE);
		if (!no_pledge && narrow != NULL && pledge(narrow, NULL) == -1)
			_exit(NO_PLEDGE);
		_exit(function() == 0 ? 0 : errno);
	}
	if (waitpid(pid, &status, 0) != pid)
		err(1, "waitpid");
	return status;
}

int
harness_run(const char *promises, int (*function)(void))
{
	return harness_run_twice(NULL, promises, function);
}

bool
harness_is(int status, enum outcome outcome)
{
	static const int errors[] = {EACCES, EPERM, ENOSYS, ESPIPE};

	if (outcome == KILLED)
		return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
	if (!WIFEXITED(status))
		return false;
	if (outcome == RUNS)
		return WEXITSTATUS(status) == 0;
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		if (WEXITSTATUS(status) == errors[i])
			return true;
	}
	return false;
}

const char *
harness_status(int status)
{
	static char text[64];

	if (WIFSIGNALED(status))
		(void)snprintf(text, sizeof(text), "killed by %s",
		    strsignal(WTERMSIG(status)));
	else if (WEXITSTATUS(status) == 0)
		(void)snprintf(text, sizeof(text), "runs");
	else if (WEXITSTATUS(status) == NO_PLEDGE)
		(void)snprintf(text, sizeof(text), "pledge failed");
	else
		(void)snprintf(
		    text, sizeof(text), "%s", strerror(WEXITSTATUS(status)));
	return text;
}

int
harness_end(void)
{
	printf("%u passed, %u failed, %u skipped\n", passed, failed, skipped);
	return failed == 0 ? 0 : 1;
}
