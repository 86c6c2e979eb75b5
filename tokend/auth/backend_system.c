/* SPDX-License-Identifier: ISC */
/* users system: the accounts of this machine, asked by a process of root's. */
#include <sys/queue.h>

#include <errno.h>
#include <event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/settings.h"
#include "tokend/auth/backend.h"
#include "tokend/auth/backend_system.h"
#include "tokend/auth/exchanges.h"
#include "tokend/auth/login.h"
#include "tokend/auth/lookups.h"
#include "tokend/auth/site.h"
#include "tokend/auth/system.h"

#define WAITING_MAX 1024 /* questions that wait; more are refused */

struct job {
	TAILQ_ENTRY(job) entry;
	uint64_t session; /* of SYSTEM_CHECK; what is asked about of FIND */
	bool forgotten;
	struct system_request request;
};

static TAILQ_HEAD(system_queue, job)
waiting = TAILQ_HEAD_INITIALIZER(waiting),
    asked = TAILQ_HEAD_INITIALIZER(asked);
static size_t waiting_count, asked_count;
static uint64_t last_number;
static int root = -1; /* the socket to the process that stays root */
static struct event event;
static const struct site *site;

void
system_privileged(const struct process_start *start)
{
	if (start->system_users && (root = system_fork()) == -1)
		log_warn("users system");
}

static bool
is_chosen(const struct settings *settings)
{
	return settings->users_system != 0;
}

static void
job_free(struct job *job)
{
	freezero(job, sizeof(*job));
}

/* The socket takes more packets than there are children. */
static void
send_job(struct job *job)
{
	TAILQ_REMOVE(&waiting, job, entry);
	waiting_count--;
	TAILQ_INSERT_TAIL(&asked, job, entry);
	asked_count++;
	if (write(root, &job->request, sizeof(job->request)) !=
	    sizeof(job->request))
		fatal("users system");
	explicit_bzero(job->request.password, sizeof(job->request.password));
}

static void
send_jobs(void)
{
	struct job *job;

	while (asked_count < SYSTEM_CHILDREN &&
	    (job = TAILQ_FIRST(&waiting)) != NULL)
		send_job(job);
}

/* Names that can be an account's: nothing that a file or a tool minds. */
static bool
is_account(const char *name)
{
	static const char good[] = "abcdefghijklmnopqrstuvwxyz0123456789_.-";
	size_t length = strlen(name);

	return length > 0 && length <= SYSTEM_NAME_MAX && name[0] != '-' &&
	    strspn(name, good) == length;
}

/* The account of a canonical address. Returns 0, or -1: there can be none. */
static int
account_of(const char *address, char name[SYSTEM_NAME_MAX + 1])
{
	size_t length;

	if (!login_is_local(site->domains, address))
		return -1;
	length = (size_t)(strrchr(address, '@') - address);
	if (length > SYSTEM_NAME_MAX)
		return -1;
	memcpy(name, address, length);
	name[length] = '\0';
	return is_account(name) ? 0 : -1;
}

static struct job *
job_new(enum system_question question, uint64_t about)
{
	struct job *job;

	if (waiting_count >= WAITING_MAX ||
	    (job = calloc(1, sizeof(*job))) == NULL)
		return NULL;
	job->session = about;
	job->request.number = ++last_number;
	job->request.question = (uint8_t)question;
	TAILQ_INSERT_TAIL(&waiting, job, entry);
	waiting_count++;
	return job;
}

static enum found
find(const char *address, uint64_t number, struct user_facts *facts)
{
	char name[SYSTEM_NAME_MAX + 1];
	struct job *job;

	facts_init(facts);
	if (account_of(address, name) == -1)
		return FOUND_NO;
	if ((job = job_new(SYSTEM_FIND, number)) == NULL)
		return FOUND_TEMPORARY;
	(void)strlcpy(job->request.name, name, sizeof(job->request.name));
	send_jobs();
	return FOUND_LATER;
}

static void
take_digest(struct user_facts *facts, const struct system_answer *answer)
{
	if (answer->has_digest != 1)
		return;
	memcpy(facts->digest, answer->digest, sizeof(facts->digest));
	facts->digest_length = sizeof(facts->digest);
}

static void
found(uint64_t number, const struct system_answer *answer)
{
	enum system_verdict verdict = (enum system_verdict)answer->verdict;
	struct user_facts facts;

	facts_init(&facts);
	take_digest(&facts, answer);
	lookup_found(number,
	    verdict == SYSTEM_YES           ? FOUND_YES
		: verdict == SYSTEM_UNKNOWN ? FOUND_NO
					    : FOUND_TEMPORARY,
	    &facts);
}

static const struct {
	enum step_result result;
	enum auth_reason reason;
} outcomes[] = {
    [SYSTEM_YES] = {STEP_OK, AUTH_REASON_NONE},
    [SYSTEM_UNKNOWN] = {STEP_FAILED, AUTH_REASON_UNKNOWN_USER},
    [SYSTEM_NO] = {STEP_FAILED, AUTH_REASON_BAD_SECRET},
    [SYSTEM_DISABLED] = {STEP_FAILED, AUTH_REASON_DISABLED},
    [SYSTEM_EXPIRED] = {STEP_FAILED, AUTH_REASON_EXPIRED},
    [SYSTEM_TEMPORARY] = {STEP_TEMPORARY, AUTH_REASON_NONE},
};

static void
checked(uint64_t session, const struct system_answer *answer)
{
	struct exchange *exchange = exchanges_find(session);

	if (exchange == NULL)
		return;
	take_digest(&exchange->facts, answer);
	exchange->reason = outcomes[answer->verdict].reason;
	backend_told(session, exchange, outcomes[answer->verdict].result);
}

static void
take_answer(const struct system_answer *answer)
{
	enum system_verdict verdict = (enum system_verdict)answer->verdict;
	struct job *job;

	TAILQ_FOREACH (job, &asked, entry) {
		if (job->request.number == answer->number)
			break;
	}
	if (job == NULL || verdict < SYSTEM_YES || verdict > SYSTEM_TEMPORARY)
		return;
	TAILQ_REMOVE(&asked, job, entry);
	asked_count--;
	if (!job->forgotten && job->request.question == SYSTEM_FIND)
		found(job->session, answer);
	else if (!job->forgotten)
		checked(job->session, answer);
	job_free(job);
	send_jobs();
}

static void
on_readable(int fd, short what, void *context)
{
	struct system_answer answer;
	ssize_t n;

	(void)what;
	(void)context;
	n = read(fd, &answer, sizeof(answer));
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n != sizeof(answer))
		fatalx("users system: its process died; starting afresh");
	take_answer(&answer);
}

static int
start(const struct settings *settings, const struct site *of, char *problem,
    size_t size)
{
	(void)settings;
	site = of;
	if (root == -1) {
		(void)snprintf(problem, size,
		    "users system: only root may ask the system about "
		    "passwords");
		return -1;
	}
	event_set(&event, root, EV_READ | EV_PERSIST, on_readable, NULL);
	return event_add(&event, NULL);
}

/* The system knows passwords, and nothing that SCRAM could use. */
static bool
has(const struct mechanism *mechanism)
{
	return strcmp(mechanism->name, "PLAIN") == 0 ||
	    strcmp(mechanism->name, "LOGIN") == 0;
}

/* A name that is no account's is asked about as "": there is none either. */
static enum step_result
ask_password(uint64_t session, struct exchange *exchange)
{
	struct password_check *check = &exchange->state.check;
	struct job *job = job_new(SYSTEM_CHECK, session);
	struct system_request *request;

	if (job == NULL) {
		exchange->reason = AUTH_REASON_OVERLOAD;
		return STEP_TEMPORARY;
	}
	request = &job->request;
	if (account_of(exchange->login, request->name) == -1)
		request->name[0] = '\0';
	(void)strlcpy(
	    request->password, check->password, sizeof(request->password));
	(void)strlcpy(request->address, exchange->client.address,
	    sizeof(request->address));
	explicit_bzero(check, sizeof(*check));
	send_jobs();
	return STEP_CHECK;
}

static void
step(uint64_t session, struct exchange *exchange, const struct bytes *response)
{
	enum step_result result = exchange_step(exchange, response);

	if (result == STEP_CHECK)
		result = ask_password(session, exchange);
	if (result != STEP_CHECK)
		backend_told(session, exchange, result);
}

static void
forget_in(struct system_queue *queue, bool all, uint64_t session)
{
	struct job *job;

	TAILQ_FOREACH (job, queue, entry) {
		if (all ||
		    (job->request.question == SYSTEM_CHECK &&
			job->session == session))
			job->forgotten = true;
	}
}

/* What waits is asked all the same: it is soon over. */
static void
forget(uint64_t session)
{
	forget_in(&waiting, false, session);
	forget_in(&asked, false, session);
}

static void
forget_all(void)
{
	forget_in(&waiting, true, 0);
	forget_in(&asked, true, 0);
}

static void
stop(void)
{
	struct job *job;

	(void)event_del(&event);
	(void)close(root);
	while ((job = TAILQ_FIRST(&waiting)) != NULL) {
		TAILQ_REMOVE(&waiting, job, entry);
		job_free(job);
	}
}

const struct backend backend_system = {
    .is_chosen = is_chosen,
    .start = start,
    .has = has,
    .step = step,
    .forget = forget,
    .forget_all = forget_all,
    .find = find,
    .stop = stop,
};
