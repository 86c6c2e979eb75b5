/* SPDX-License-Identifier: ISC */
#include <sys/types.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/sha.h>

#include "compat/sandbox.h"
#include "tokend/auth/system.h"

#define ROOT_DESCRIPTOR 3
#define SECRET_SIZE 512 /* of what a password is checked against */

static struct child {
	pid_t pid; /* 0: free */
	uint64_t number;
} children[SYSTEM_CHILDREN];

/* An account of a user, not of a service, and never root. */
static enum system_verdict
find(const struct system_request *request)
{
	const struct passwd *pw;

	errno = 0;
	if ((pw = getpwnam(request->name)) == NULL)
		return errno == 0 || errno == ENOENT || errno == ESRCH
		    ? SYSTEM_UNKNOWN
		    : SYSTEM_TEMPORARY;
	return pw->pw_uid >= SYSTEM_UID_MIN && pw->pw_uid != SYSTEM_UID_NOBODY
	    ? SYSTEM_YES
	    : SYSTEM_UNKNOWN;
}

/* Whether the account is there or not, the question goes to the system. */
static enum system_verdict
check(const struct system_request *request)
{
	enum system_verdict there = find(request), verdict;

	verdict =
	    system_check(request->name, request->password, request->address);
	return there == SYSTEM_YES ? verdict : there;
}

/* By which it is seen that the account has another password (D-R05). */
static enum system_verdict
add_digest(struct system_answer *packet, const char *name)
{
	char secret[SECRET_SIZE];
	int has = system_secret(name, secret, sizeof(secret));

	if (has == -1)
		return SYSTEM_TEMPORARY;
	if (has == 1) {
		packet->has_digest = 1;
		(void)SHA256((uint8_t *)secret, strlen(secret), packet->digest);
	}
	explicit_bzero(secret, sizeof(secret));
	return SYSTEM_YES;
}

static void
answer(int fd, struct system_answer *packet, enum system_verdict verdict)
{
	packet->verdict = (uint8_t)verdict;
	if (write(fd, packet, sizeof(*packet)) != sizeof(*packet))
		_exit(1);
}

static void
answer_later(int fd, uint64_t number)
{
	struct system_answer packet;

	memset(&packet, 0, sizeof(packet));
	packet.number = number;
	answer(fd, &packet, SYSTEM_TEMPORARY);
}

/* One question; a module that hangs or breaks takes nobody along. */
__attribute__((noreturn)) static void
child_main(int fd, const struct system_request *request)
{
	enum system_verdict verdict = SYSTEM_TEMPORARY;
	struct system_answer packet;
	sigset_t none;

	(void)signal(SIGCHLD, SIG_DFL);
	(void)signal(SIGALRM, SIG_DFL);
	(void)signal(SIGPIPE, SIG_DFL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)alarm(SYSTEM_SECONDS);
	if (request->question == SYSTEM_FIND)
		verdict = find(request);
	else if (request->question == SYSTEM_CHECK)
		verdict = check(request);
	memset(&packet, 0, sizeof(packet));
	packet.number = request->number;
	if (verdict == SYSTEM_YES)
		verdict = add_digest(&packet, request->name);
	answer(fd, &packet, verdict);
	_exit(0);
}

static struct child *
child_of(pid_t pid)
{
	size_t i;

	for (i = 0; i < SYSTEM_CHILDREN; i++) {
		if (children[i].pid == pid)
			return &children[i];
	}
	return NULL;
}

static void
begin(int fd, const struct system_request *request)
{
	struct child *child = child_of(0);
	pid_t pid = -1;

	if (child != NULL)
		pid = fork();
	if (pid == 0)
		child_main(fd, request);
	if (pid == -1) {
		answer_later(fd, request->number);
		return;
	}
	child->pid = pid;
	child->number = request->number;
}

/* For one that did not come to its end somebody must answer. */
static void
reap(int fd)
{
	struct child *child;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if ((child = child_of(pid)) == NULL)
			continue;
		if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
			answer_later(fd, child->number);
		child->pid = 0;
	}
}

static void
on_child(int number)
{
	(void)number; /* it only has to end ppoll() */
}

/* Returns when tokend-auth is gone. */
static void
serve(int fd)
{
	struct pollfd readable = {.fd = fd, .events = POLLIN};
	struct system_request request;
	sigset_t blocked, none;
	ssize_t n;

	(void)sigemptyset(&none);
	(void)sigemptyset(&blocked);
	(void)sigaddset(&blocked, SIGCHLD);
	(void)sigprocmask(SIG_BLOCK, &blocked, NULL);
	(void)signal(SIGCHLD, on_child);
	for (;;) {
		reap(fd);
		if (ppoll(&readable, 1, NULL, &none) != 1)
			continue;
		n = read(fd, &request, sizeof(request));
		if (n == -1 && errno == EINTR)
			continue;
		if (n != sizeof(request))
			return;
		request.name[sizeof(request.name) - 1] = '\0';
		request.address[sizeof(request.address) - 1] = '\0';
		request.password[sizeof(request.password) - 1] = '\0';
		begin(fd, &request);
		explicit_bzero(&request, sizeof(request));
	}
}

__attribute__((noreturn)) static void
root_main(int fd)
{
	if (fd != ROOT_DESCRIPTOR && dup2(fd, ROOT_DESCRIPTOR) == -1)
		_exit(1);
	closefrom(ROOT_DESCRIPTOR + 1);
	(void)fcntl(ROOT_DESCRIPTOR, F_SETFD, FD_CLOEXEC);
	setproctitle("tokend-auth: system");
	sandbox_undumpable();
	serve(ROOT_DESCRIPTOR);
	_exit(0);
}

int
system_fork(void)
{
	int pair[2];
	pid_t pid;

	if (geteuid() != 0) {
		errno = EPERM;
		return -1;
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == -1)
		return -1;
	if ((pid = fork()) == 0) {
		(void)close(pair[0]);
		root_main(pair[1]);
	}
	(void)close(pair[1]);
	if (pid == -1 || fcntl(pair[0], F_SETFL, O_NONBLOCK) == -1 ||
	    fcntl(pair[0], F_SETFD, FD_CLOEXEC) == -1) {
		(void)close(pair[0]);
		return -1;
	}
	return pair[0];
}
