/* SPDX-License-Identifier: ISC */
/*
 * smtpd-stoken, the parent. Runs as root where it may, tiny, and never reads
 * a byte from the network: it reads the configuration, binds the sockets,
 * starts the other processes and replaces those that die.
 */
#include <sys/types.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <err.h>
#include <errno.h>
#include <event.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compat/sandbox.h"
#include "paths.h"
#include "lib/log.h"
#include "smtpd-stoken/parent.h"

#define PROMISES                                                               \
	"stdio rpath wpath cpath fattr chown flock inet unix getpw proc exec " \
	"id sendfd recvfd"

struct parent parent = {.config_path = PATH_CONFIG, .control = -1};

/* Where the command in the foreground waits for the word that all is well. */
static int ready_pipe = -1;

static __attribute__((noreturn)) void
usage(void)
{
	fprintf(
	    stderr, "usage: smtpd-stoken [-dnv] [-D macro=value] [-f file]\n");
	exit(1);
}

/*
 * The other executables lie in libexec, beside the sbin that this one was
 * started from by its path, or where it was installed.
 */
static const char *
find_libexec(const char *argv0)
{
	static char path[PATH_MAX];
	char probe[PATH_MAX + 16], *slash;

	if (strlcpy(path, argv0, sizeof(path)) < sizeof(path) &&
	    (slash = strrchr(path, '/')) != NULL) {
		*slash = '\0';
		if (strlcat(path, "/../libexec/smtpd-stoken", sizeof(path)) <
		    sizeof(path)) {
			(void)snprintf(
			    probe, sizeof(probe), "%s/frontend", path);
			if (access(probe, X_OK) == 0)
				return realpath(path, NULL);
		}
	}
	(void)snprintf(probe, sizeof(probe), "%s/frontend", PATH_LIBEXEC);
	if (access(probe, X_OK) == -1)
		err(1, "%s: is it installed? (make install)", probe);
	return PATH_LIBEXEC;
}

/* Whatever the umask is: others have to be able to pass. */
static int
make_directory(const char *path, mode_t mode)
{
	mode_t old = umask(0);
	int failed = mkdir(path, mode) == -1 && errno != EEXIST;

	(void)umask(old);
	return failed ? -1 : 0;
}

/* As root every domain of trust needs its user. */
static void
check_users(void)
{
	const char *names[3] = {NETWORK_USER, TOKENS_USER, NULL};
	size_t i;
	int missing = 0;

	if (geteuid() != 0)
		return;
	names[2] = parent.config->maildir_user;
	for (i = 0; i < 3; i++) {
		if (names[i] == NULL || getpwnam(names[i]) != NULL)
			continue;
		warnx("no user %s. Create it:  " USERADD " %s", names[i],
		    names[i]);
		missing = 1;
	}
	if (missing)
		errx(1,
		    "not started as root without its users; or run "
		    "systemd-sysusers with sysusers.d/smtpd-stoken.conf of "
		    "share/smtpd-stoken");
	if (make_directory(PATH_EMPTY, 0755) == -1)
		err(1, "%s", PATH_EMPTY);
}

/*
 * At the first start as root the directory of the store is made for tokend,
 * which may not do that itself. What is above it and missing is made, too.
 */
static void
make_store(void)
{
	const char *path = parent.config->store;
	char above[PATH_MAX];
	struct passwd *user;
	size_t i;

	if (geteuid() != 0 || access(path, F_OK) == 0 ||
	    strlcpy(above, path, sizeof(above)) >= sizeof(above))
		return;
	for (i = 1; above[i] != '\0'; i++) {
		if (above[i] != '/')
			continue;
		above[i] = '\0';
		if (make_directory(above, 0755) == -1)
			err(1, "%s", above);
		above[i] = '/';
	}
	if ((user = getpwnam(TOKENS_USER)) == NULL ||
	    make_directory(path, 0700) == -1 ||
	    lchown(path, user->pw_uid, user->pw_gid) == -1)
		err(1, "%s", path);
	log_info("created %s", path);
}

/* The foreground half: exits as the background half says. */
static void
wait_until_ready(int fd)
{
	char text[2048];
	ssize_t n;

	n = read(fd, text, sizeof(text) - 1);
	if (n == 1 && text[0] == '+')
		_exit(0);
	if (n > 0) {
		text[n] = '\0';
		fprintf(stderr, "smtpd-stoken: %s\n", text);
	} else
		fprintf(stderr, "smtpd-stoken: did not start: see the log\n");
	_exit(1);
}

static void
daemonize(void)
{
	int pipe_ends[2];

	if (pipe(pipe_ends) == -1)
		err(1, "pipe");
	switch (fork()) {
	case -1:
		err(1, "fork");
	case 0:
		break;
	default:
		close(pipe_ends[1]);
		wait_until_ready(pipe_ends[0]);
	}
	close(pipe_ends[0]);
	ready_pipe = pipe_ends[1];
	(void)fcntl(ready_pipe, F_SETFD, FD_CLOEXEC);
	if (setsid() == -1 || chdir("/") == -1)
		err(1, "daemon");
}

void
parent_ready(void)
{
	int null;

	if (parent.self_test) {
		log_info("every process started and passed its self-test");
		children_stop();
		return;
	}
	log_info("ready: %zu listeners, %zu processes", parent.bound_count,
	    parent.child_count + 1);
	notify("READY=1");
	if (ready_pipe == -1)
		return;
	if (write(ready_pipe, "+", 1) != 1)
		log_warn("nobody waits for the start");
	close(ready_pipe);
	ready_pipe = -1;
	if ((null = open("/dev/null", O_RDWR)) != -1) {
		(void)dup2(null, STDIN_FILENO);
		(void)dup2(null, STDOUT_FILENO);
		(void)dup2(null, STDERR_FILENO);
		if (null > STDERR_FILENO)
			close(null);
	}
}

static void
remove_sockets(void)
{
	size_t i;

	if (parent.control != -1)
		(void)unlink(parent.config->control);
	for (i = 0; i < parent.bound_count; i++)
		if (parent.bound[i].listener->kind == LISTENER_SOCKET)
			(void)unlink(parent.bound[i].listener->host);
}

void
parent_failed(const char *problem)
{
	size_t i;

	if (problem == NULL)
		problem = "a process did not start: see the log";
	for (i = 0; i < parent.child_count; i++)
		if (parent.children[i].pid != 0)
			(void)kill(parent.children[i].pid, SIGKILL);
	/* They hold the listening sockets until they are gone. */
	while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
		continue;
	remove_sockets();
	if (ready_pipe != -1 &&
	    write(ready_pipe, problem, strlen(problem)) == -1)
		log_warn("nobody waits for the start");
	log_warnx("not started: %s", problem);
	exit(1);
}

static void
on_signal(int number, short what, void *arg)
{
	(void)what;
	(void)arg;
	switch (number) {
	case SIGCHLD:
		children_reaped();
		break;
	case SIGHUP:
		reload_start(NULL, 0);
		break;
	default:
		if (!parent.started)
			parent_failed("stopped by a signal");
		if (!parent.stopping) {
			log_info("stopping");
			notify("STOPPING=1");
			children_stop();
		}
		break;
	}
}

static void
catch_signals(void)
{
	static const int numbers[] = {SIGCHLD, SIGHUP, SIGTERM, SIGINT};
	static struct event events[4];
	size_t i;

	(void)signal(SIGPIPE, SIG_IGN);
	for (i = 0; i < 4; i++) {
		signal_set(&events[i], numbers[i], on_signal, NULL);
		signal_add(&events[i], NULL);
	}
}

static void
open_sockets(void)
{
	char problem[1024];

	/* First what only one server can have: it waits for one that dies. */
	parent.control = control_open(parent.config, problem, sizeof(problem));
	if (parent.control == -1 ||
	    listeners_open(parent.config, &parent.bound, &parent.bound_count,
		problem, sizeof(problem)) == -1)
		parent_failed(problem);
}

static void
run(void)
{
	log_init("smtpd-stoken", parent.debug, parent.verbose);
	sandbox_undumpable();
	if (event_init() == NULL)
		fatalx("event_init");
	channel_set_phase(PHASE_RUNNING);
	catch_signals();
	if (!parent.self_test)
		open_sockets();
	arc4random_buf(parent.ticket_key, sizeof(parent.ticket_key));
	/* What it forbids for good it forbids its children: logged there. */
	sandbox_log_mode(parent.config->sandbox == SANDBOX_LOG);
	if (pledge(PROMISES, NULL) == -1)
		fatal("pledge");
	children_start();
	(void)event_dispatch();
	if (!parent.self_test) {
		remove_sockets();
		log_info("stopped");
	}
	explicit_bzero(parent.ticket_key, sizeof(parent.ticket_key));
}

/* Is a server running on this store? Then its self-test has been passed. */
static int
is_in_use(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd, alive;

	if (strlcpy(address.sun_path, path, sizeof(address.sun_path)) >=
		sizeof(address.sun_path) ||
	    (fd = socket(AF_UNIX, SOCK_STREAM, 0)) == -1)
		return 0;
	alive = connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
	close(fd);
	return alive;
}

/*
 * -n: the text. With -v also the files, the house as it would stand, and the
 * self-tests of every process, which start once for it and serve nobody.
 */
static int
check_only(const char *argv0)
{
	if (!parent.verbose) {
		fprintf(stderr, "configuration OK\n");
		return 0;
	}
	config_print(parent.config, stdout);
	roles_print(parent.config, stdout);
	(void)fflush(stdout);
	if (config_check_files(parent.config, stderr) > 0)
		return 1;
	if (is_in_use(parent.config->control)) {
		fprintf(stderr,
		    "configuration OK; no self-test: a server is "
		    "running on it\n");
		return 0;
	}
	check_users();
	make_store();
	parent.self_test = 1;
	parent.debug = 1;
	parent.verbose = 0;
	parent.libexec = find_libexec(argv0);
	run();
	fprintf(stderr, "configuration OK\n");
	return 0;
}

int
main(int argc, char *argv[])
{
	int c, check = 0;

	while ((c = getopt(argc, argv, "dD:f:nv")) != -1) {
		switch (c) {
		case 'd':
			parent.debug = 1;
			break;
		case 'D':
			if (config_macro_add(&parent.macros, optarg) == -1)
				errx(1, "-D %s: expected macro=value", optarg);
			break;
		case 'f':
			parent.config_path = optarg;
			break;
		case 'n':
			check = 1;
			break;
		case 'v':
			parent.verbose = 1;
			break;
		default:
			usage();
		}
	}
	if (argc != optind)
		usage();
	if (config_load(parent.config_path, parent.macros, stderr,
		&parent.config) == -1)
		return 1;
	if (check)
		return check_only(argv[0]);
	parent.libexec = find_libexec(argv[0]);
	if ((parent.config_path = realpath(parent.config_path, NULL)) == NULL)
		err(1, "configuration");
	check_users();
	make_store();
	if (config_check_files(parent.config, stderr) > 0)
		return 1;
	if (!parent.debug)
		daemonize();
	run();
	return 0;
}
