/* SPDX-License-Identifier: ISC */
#include <sys/types.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <errno.h>
#include <event.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tokend/auth/hasher.h"

#define WORKER_DESCRIPTOR 3

/* What goes to a worker in one packet; it answers with one octet, 0 or 1. */
struct request {
	uint32_t scheme;
	char secret[SCHEME_TEXT_MAX + 1];
	char password[PASSWORD_MAX + 1];
};

struct job {
	TAILQ_ENTRY(job) entry;
	uint64_t session;
	bool forgotten;
	struct request request;
};

struct worker {
	pid_t pid;
	int fd;
	struct event event;
	struct job *job; /* NULL: idle */
};

static TAILQ_HEAD(hash_queue, job)
queue = TAILQ_HEAD_INITIALIZER(queue);
static size_t queued;
static struct worker workers[HASHER_WORKERS_MAX];
static unsigned int worker_count;
static hasher_done *on_done;
static void (*on_death)(void);

/* The life of a worker: a request, an octet, until the other end closes. */
static void
work(int fd)
{
	const struct scheme *scheme;
	struct request request;
	uint8_t matches;
	ssize_t n;

	for (;;) {
		n = read(fd, &request, sizeof(request));
		if (n == -1 && errno == EINTR)
			continue;
		if (n != sizeof(request))
			_exit(n == 0 ? 0 : 1);
		request.secret[SCHEME_TEXT_MAX] = '\0';
		request.password[PASSWORD_MAX] = '\0';
		scheme = scheme_at(request.scheme);
		matches = scheme != NULL &&
		    scheme->matches(request.secret, strlen(request.secret),
			request.password);
		explicit_bzero(&request, sizeof(request));
		if (write(fd, &matches, 1) != 1)
			_exit(1);
	}
}

static void
become_worker(int fd)
{
	if (fd != WORKER_DESCRIPTOR && dup2(fd, WORKER_DESCRIPTOR) == -1)
		_exit(1);
	closefrom(WORKER_DESCRIPTOR + 1);
	setproctitle("tokend-auth: hash");
	if (pledge("stdio", NULL) == -1)
		_exit(1);
	work(WORKER_DESCRIPTOR);
}

static void
job_free(struct job *job)
{
	if (job != NULL)
		freezero(job, sizeof(*job));
}

/* Gives an idle worker the next job. */
static void
feed(struct worker *worker)
{
	struct job *job = TAILQ_FIRST(&queue);

	if (worker->job != NULL || job == NULL)
		return;
	TAILQ_REMOVE(&queue, job, entry);
	queued--;
	worker->job = job;
	/* One packet in an empty socket: it never has to wait. */
	if (write(worker->fd, &job->request, sizeof(job->request)) !=
	    sizeof(job->request))
		on_death();
	explicit_bzero(&job->request, sizeof(job->request));
}

static void
answer(int fd, short what, void *context)
{
	struct worker *worker = context;
	struct job *job = worker->job;
	uint8_t matches;
	ssize_t n;

	(void)what;
	n = read(fd, &matches, 1);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n != 1 || job == NULL) {
		on_death();
		return;
	}
	worker->job = NULL;
	if (!job->forgotten)
		on_done(job->session, matches == 1);
	job_free(job);
	feed(worker);
}

static int
start_worker(struct worker *worker)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == -1)
		return -1;
	if ((worker->pid = fork()) == -1) {
		(void)close(pair[0]);
		(void)close(pair[1]);
		return -1;
	}
	if (worker->pid == 0)
		become_worker(pair[1]);
	(void)close(pair[1]);
	worker->fd = pair[0];
	if (fcntl(worker->fd, F_SETFL, O_NONBLOCK) == -1 ||
	    fcntl(worker->fd, F_SETFD, FD_CLOEXEC) == -1)
		return -1;
	event_set(
	    &worker->event, worker->fd, EV_READ | EV_PERSIST, answer, worker);
	return event_add(&worker->event, NULL);
}

int
hasher_start(unsigned int count, hasher_done *done, void (*died)(void))
{
	on_done = done;
	on_death = died;
	if (count > HASHER_WORKERS_MAX)
		count = HASHER_WORKERS_MAX;
	for (worker_count = 0; worker_count < count; worker_count++) {
		if (start_worker(&workers[worker_count]) == -1)
			return -1;
	}
	return 0;
}

int
hasher_ask(uint64_t session, const struct password_check *check)
{
	struct job *job;
	unsigned int i;

	if (queued >= HASHER_QUEUE_MAX ||
	    (job = calloc(1, sizeof(*job))) == NULL)
		return -1;
	job->session = session;
	job->request.scheme = (uint32_t)scheme_number(check->scheme);
	memcpy(job->request.secret, check->secret, sizeof(check->secret));
	memcpy(job->request.password, check->password, sizeof(check->password));
	TAILQ_INSERT_TAIL(&queue, job, entry);
	queued++;
	for (i = 0; i < worker_count && !TAILQ_EMPTY(&queue); i++)
		feed(&workers[i]);
	return 0;
}

void
hasher_forget(uint64_t session)
{
	struct job *job, *next;
	unsigned int i;

	TAILQ_FOREACH_SAFE (job, &queue, entry, next) {
		if (job->session != session)
			continue;
		TAILQ_REMOVE(&queue, job, entry);
		queued--;
		job_free(job);
	}
	for (i = 0; i < worker_count; i++) {
		if (workers[i].job != NULL &&
		    workers[i].job->session == session)
			workers[i].job->forgotten = true;
	}
}

void
hasher_forget_all(void)
{
	struct job *job;
	unsigned int i;

	while ((job = TAILQ_FIRST(&queue)) != NULL) {
		TAILQ_REMOVE(&queue, job, entry);
		job_free(job);
	}
	queued = 0;
	for (i = 0; i < worker_count; i++)
		if (workers[i].job != NULL)
			workers[i].job->forgotten = true;
}

void
hasher_stop(void)
{
	unsigned int i;

	hasher_forget_all();
	for (i = 0; i < worker_count; i++) {
		(void)event_del(&workers[i].event);
		(void)close(workers[i].fd);
		(void)waitpid(workers[i].pid, NULL, 0);
		job_free(workers[i].job);
	}
	memset(workers, 0, sizeof(workers));
	worker_count = 0;
}
