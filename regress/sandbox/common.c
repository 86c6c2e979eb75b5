/* SPDX-License-Identifier: ISC */
/* What every role does. */
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/utsname.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "regress/sandbox/actions.h"

#define CHECK(condition)           \
	do {                       \
		if (!(condition))  \
			return -1; \
	} while (0)

static int
read_and_write(void)
{
	struct iovec parts[2] = {{"a", 1}, {"b", 1}};
	char text[2];

	CHECK(write(world.pair[0], "x", 1) == 1);
	CHECK(read(world.pair[1], text, 1) == 1);
	CHECK(writev(world.pair[0], parts, 2) == 2);
	CHECK(recv(world.pair[1], text, 2, 0) == 2);
	return 0;
}

static int
pass_descriptor(void)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {.header = {0}};
	struct iovec part = {"x", 1};
	struct msghdr message = {.msg_iov = &part,
	    .msg_iovlen = 1,
	    .msg_control = &control,
	    .msg_controllen = sizeof(control)};
	char octet;

	control.header.cmsg_len = CMSG_LEN(sizeof(int));
	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	memcpy(CMSG_DATA(&control.header), &world.append_fd, sizeof(int));
	CHECK(sendmsg(world.pair[0], &message, 0) == 1);
	part.iov_base = &octet;
	message.msg_controllen = sizeof(control);
	CHECK(recvmsg(world.pair[1], &message, MSG_CMSG_CLOEXEC) == 1);
	CHECK(message.msg_controllen == CMSG_SPACE(sizeof(int)));
	return 0;
}

static int
append(void)
{
	struct stat st;

	CHECK(write(world.append_fd, "more", 4) == 4);
	CHECK(fsync(world.append_fd) == 0 && fdatasync(world.append_fd) == 0);
	CHECK(fstat(world.append_fd, &st) == 0 && st.st_size >= 104);
	return 0;
}

static int
memory(void)
{
	size_t size = 8 * 1024 * 1024;
	char *big = malloc(size), *bigger;

	CHECK(big != NULL);
	memset(big, 1, size);
	CHECK((bigger = realloc(big, 4 * size)) != NULL);
	free(bigger);
	big = mmap(
	    NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0);
	CHECK(big != MAP_FAILED && mprotect(big, 4096, PROT_READ) == 0);
	CHECK(madvise(big, 4096, MADV_DONTNEED) == 0);
	return munmap(big, 4096);
}

static int
descriptors(void)
{
	int pair[2], fd = dup(world.read_fd), flags;

	CHECK(fd != -1 && fcntl(fd, F_SETFD, FD_CLOEXEC) == 0);
	CHECK((flags = fcntl(world.pair[0], F_GETFL)) != -1);
	CHECK(fcntl(world.pair[0], F_SETFL, flags | O_NONBLOCK) == 0);
	CHECK(fcntl(fd, F_DUPFD_CLOEXEC, 50) != -1);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	CHECK(pipe(pair) == 0);
	CHECK(setsockopt(world.pair[0], SOL_SOCKET, SO_SNDBUF, &(int) {65536},
		  sizeof(int)) == 0);
	CHECK(isatty(world.read_fd) == 0);
	closefrom(40);
	return close(fd);
}

static volatile sig_atomic_t signals;

static void
count_signal(int number)
{
	(void)number;
	signals++;
}

static int
signals_and_time(void)
{
	struct sigaction action = {.sa_handler = count_signal};
	struct timespec now, short_time = {.tv_nsec = 1000000};
	struct itimerval timer = {.it_value = {.tv_usec = 1000}};
	struct pollfd nothing = {.fd = world.pair[1], .events = POLLIN};
	sigset_t set;
	time_t seconds = time(NULL);

	sigemptyset(&set);
	CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
	CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
	CHECK(sigaction(SIGALRM, &action, NULL) == 0);
	CHECK(raise(SIGUSR1) == 0 && kill(getpid(), SIGUSR1) == 0);
	CHECK(setitimer(ITIMER_REAL, &timer, NULL) == 0);
	while (signals < 3)
		CHECK(poll(&nothing, 1, 1000) <= 0);
	CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
	CHECK(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now) == 0);
	CHECK(localtime(&seconds) != NULL);
	return nanosleep(&short_time, NULL);
}

static int
information(void)
{
	struct utsname system_name;
	struct rusage usage;
	struct rlimit limit;

	CHECK(uname(&system_name) == 0 && getrusage(RUSAGE_SELF, &usage) == 0);
	CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	CHECK(getpid() > 0 && getuid() == geteuid() && getgid() == getegid());
	CHECK(sysconf(_SC_PHYS_PAGES) != 0);
	(void)arc4random();
	return getentropy(&limit, sizeof(limit));
}

/* dprintf(3) asks for the offset first. */
static int
formatted_output(void)
{
	CHECK(dprintf(world.append_fd, "%d\n", 1) == 2);
	CHECK(dprintf(world.pair[0], "%d\n", 1) == 2);
	return fprintf(stderr, "%s", "") == 0 ? 0 : -1;
}

/* The log daemon may have been restarted; then the line is lost, no more. */
static int
syslog_without_socket(void)
{
	closelog();
	syslog(LOG_MAIL | LOG_DEBUG, "sandbox test");
	return 0;
}

static int
promise_less(void)
{
	return pledge("stdio", NULL) == 0 ? pledge("stdio", NULL) : -1;
}

static int
promise_more(void)
{
	CHECK(pledge("stdio settime", NULL) == -1 && errno == EINVAL);
	errno = 0;
	return pledge("stdio prot_exec", NULL);
}

const struct action common_actions[] = {
    {"read and write", "", RUNS, read_and_write},
    {"pass a descriptor", "", RUNS, pass_descriptor},
    {"append, fsync, fstat", "", RUNS, append},
    {"allocate memory", "", RUNS, memory},
    {"handle descriptors", "", RUNS, descriptors},
    {"signals to itself, timers", "", RUNS, signals_and_time},
    {"ask about itself", "", RUNS, information},
    {"dprintf", "", RUNS, formatted_output},
    {"syslog, reopened", "", RUNS, syslog_without_socket},
    {"pledge less", "", RUNS, promise_less},
    {"pledge more", NULL, REFUSED, promise_more},
};
const size_t ncommon_actions =
    sizeof(common_actions) / sizeof(common_actions[0]);
