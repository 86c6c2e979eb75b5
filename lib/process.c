/* SPDX-License-Identifier: ISC */
#include <sys/types.h>
#include <sys/resource.h>

#include <errno.h>
#include <event.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "compat/sandbox.h"
#include "imsg/channel.h"
#include "imsg/messages.h"
#include "lib/log.h"
#include "lib/measure.h"
#include "lib/process.h"
#include "lib/settings.h"

#define PARENT_DESCRIPTOR 3
#define INSTANCES 64

static const struct process_role *self;
static struct process_start start;
static struct channel *parent;
static struct channel *peers[ROLE_COUNT][INSTANCES];
static uint8_t peer_counts[ROLE_COUNT];
static struct settings *current; /* what is in force */
static struct settings *staged; /* what has come since the last commit */
static int is_ready;
static char start_user[64], start_chroot[1024];
static uint8_t start_sandbox_log;

static void on_start(struct channel *, const union message *, int);
static void on_setting(struct channel *, const union message *, int);
static void on_peer(struct channel *, const union message *, int);
static void on_commit(struct channel *, const union message *, int);
static void on_shutdown(struct channel *, const union message *, int);
static void on_log_level(struct channel *, const union message *, int);
static void on_count(struct channel *, const union message *, int);

static const struct channel_handler common_handlers[] = {
    {MSG_SETUP_START, on_start},
    {MSG_SETUP_SETTING, on_setting},
    {MSG_SETUP_PEER, on_peer},
    {MSG_SETUP_COMMIT, on_commit},
    {MSG_SHUTDOWN, on_shutdown},
    {MSG_LOG_LEVEL, on_log_level},
    {MSG_COUNT, on_count},
};

#define COMMON (sizeof(common_handlers) / sizeof(common_handlers[0]))

struct channel *
process_parent(void)
{
	return parent;
}

struct channel *
process_peer(enum role role, uint8_t instance)
{
	return instance < INSTANCES ? peers[role][instance] : NULL;
}

uint8_t
process_peer_count(enum role role)
{
	return peer_counts[role];
}

void
process_forked(void)
{
	enum role role;
	uint8_t i;

	if (parent != NULL)
		channel_let_go(parent);
	for (role = ROLE_NONE; role < ROLE_COUNT; role++)
		for (i = 0; i < peer_counts[role]; i++)
			if (peers[role][i] != NULL)
				channel_let_go(peers[role][i]);
}

void
process_exit(void)
{
	(void)channel_flush(parent);
	exit(0);
}

/* The parent died, or spoke nonsense: there is nothing to live for. */
static void
parent_gone(struct channel *c, enum channel_end end, const char *why)
{
	(void)c;
	if (end == CHANNEL_EOF)
		exit(is_ready ? 0 : 1);
	fatalx("parent: %s", why);
}

static void
report_peer(enum role role, uint8_t instance, const char *problem)
{
	union message m = {.complaint = {.role = (uint8_t)role,
			       .instance = instance,
			       .problem = bytes_text(problem)}};

	log_warnx("%s[%u] broke the contract: %s", role_name(role), instance,
	    problem);
	if (is_ready)
		(void)channel_send(parent, MSG_COMPLAINT, &m, -1);
}

static void
peer_ended(struct channel *c, enum channel_end end, const char *why)
{
	enum role role = channel_peer(c);
	uint8_t instance = channel_instance(c);

	/* It may have been replaced already. */
	if (peers[role][instance] == c)
		peers[role][instance] = NULL;
	if (end == CHANNEL_BROKE || end == CHANNEL_STUCK)
		report_peer(role, instance, why);
	else
		log_debug("%s[%u] is gone", role_name(role), instance);
	if (self->peer_gone != NULL)
		self->peer_gone(c);
}

void
process_complain(struct channel *c, const char *problem)
{
	report_peer(channel_peer(c), channel_instance(c), problem);
	channel_close(c);
}

static void
become_user(const char *name, const char *root)
{
	struct passwd *pw = NULL;

	if (*name != '\0' && (pw = getpwnam(name)) == NULL)
		fatalx("no user %s", name);
	if (*root != '\0' && (chroot(root) == -1 || chdir("/") == -1))
		fatal("chroot %s", root);
	if (pw == NULL)
		return;
	if (setgroups(1, &pw->pw_gid) == -1 ||
	    setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) == -1 ||
	    setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) == -1)
		fatal("cannot become user %s", name);
}

/* From now on the log is syslog's: whoever started us may close his pipe. */
static void
let_go_of_stderr(void)
{
	int null = open("/dev/null", O_RDWR);

	if (null == -1 || dup2(null, STDERR_FILENO) == -1)
		fatal("/dev/null");
	close(null);
}

static void
on_start(struct channel *c, const union message *m, int fd)
{
	const struct msg_setup_start *s = &m->setup_start;

	(void)c;
	(void)fd;
	if (s->role != self->role ||
	    bytes_copy(start_user, sizeof(start_user), s->user) == -1 ||
	    bytes_copy(start_chroot, sizeof(start_chroot), s->chroot) == -1)
		fatalx("parent: SETUP_START is not for me");
	start.instance = s->instance;
	start.trusted = s->trusted;
	start.debug = s->debug;
	start.restarted = s->restarted;
	start.system_users = s->system_users;
	start.root = geteuid() == 0;
	start_sandbox_log = s->sandbox_log;
	log_init(self->name, s->debug, s->verbose);
	if (!s->debug)
		let_go_of_stderr();
}

static void
on_setting(struct channel *c, const union message *m, int fd)
{
	(void)c;
	(void)fd;
	if ((staged == NULL && (staged = settings_new()) == NULL) ||
	    settings_take(
		staged, m->setup_setting.number, m->setup_setting.value) == -1)
		fatalx("parent: setting %u is not understood",
		    m->setup_setting.number);
}

static const struct process_peer *
peer_row(uint8_t role)
{
	const struct process_peer *row;

	for (row = self->peers; row->role != ROLE_NONE; row++)
		if (row->role == role)
			return row;
	return NULL;
}

static void
on_peer(struct channel *c, const union message *m, int fd)
{
	const struct msg_setup_peer *p = &m->setup_peer;
	const struct process_peer *row = peer_row(p->role);
	struct channel_settings set = {.self = self->role,
	    .instance = p->instance,
	    .trusted = p->trusted,
	    .gone = peer_ended,
	    .drained = self->peer_drained};
	struct channel *old;

	(void)c;
	if (row == NULL || p->instance >= INSTANCES)
		fatalx(
		    "parent: %u[%u] is no peer of mine", p->role, p->instance);
	set.peer = row->role;
	set.handlers = row->handlers;
	old = peers[p->role][p->instance];
	peers[p->role][p->instance] = NULL;
	channel_read_out(old); /* what the dead one said counts */
	if (p->instance >= peer_counts[p->role])
		peer_counts[p->role] = p->instance + 1;
	if ((c = channel_open(fd, &set)) == NULL)
		fatal("channel to %s", role_name(row->role));
	peers[p->role][p->instance] = c;
	/* A running peer of a replacement does not wait for its set-up. */
	if (!is_ready)
		channel_pause(c);
	if (self->peer_new != NULL)
		self->peer_new(c);
}

/* What they said meanwhile is heard now. */
static void
resume_peers(void)
{
	size_t role, instance;

	for (role = 0; role < ROLE_COUNT; role++)
		for (instance = 0; instance < peer_counts[role]; instance++)
			if (peers[role][instance] != NULL)
				channel_resume(peers[role][instance]);
}

static void
narrow(void)
{
	if (self->unveil != NULL) {
		self->unveil(current);
		if (unveil(NULL, NULL) == -1)
			fatal("unveil");
	}
	if (pledge(self->promises, NULL) == -1)
		fatal("pledge %s", self->promises);
}

static void
on_commit(struct channel *c, const union message *m, int fd)
{
	union message answer = {
	    .setup_ready = {.generation = m->setup_commit.generation, .ok = 1}};
	char problem[1024] = "";
	int first = current == NULL;

	(void)fd;
	if (staged == NULL && (staged = settings_new()) == NULL)
		fatal("settings");
	if (self->commit(staged, first, problem, sizeof(problem)) == -1) {
		settings_free(staged);
		answer.setup_ready.ok = 0;
		answer.setup_ready.problem = bytes_text(problem);
	} else {
		settings_free(current);
		current = staged;
		if (first)
			narrow();
	}
	staged = NULL;
	(void)channel_send(c, MSG_SETUP_READY, &answer, -1);
	if (!answer.setup_ready.ok && first) {
		(void)channel_flush(c);
		exit(1);
	}
	is_ready = 1;
	channel_set_phase(PHASE_RUNNING);
	if (first)
		resume_peers();
}

static void
on_shutdown(struct channel *c, const union message *m, int fd)
{
	(void)c;
	(void)fd;
	if (self->shutdown == NULL)
		process_exit();
	self->shutdown(m->shutdown.seconds);
}

static void
on_log_level(struct channel *c, const union message *m, int fd)
{
	(void)c;
	(void)fd;
	log_verbose(m->log_level.verbose);
}

static void
on_count(struct channel *c, const union message *m, int fd)
{
	(void)c;
	(void)fd;
	measure_answer(&m->count, self->measure);
}

/* The handlers for the parent: those of every process, then the role's. */
static struct channel_handler *
parent_table(void)
{
	static struct channel_handler table[COMMON + 16];
	size_t i = COMMON, j;

	memcpy(table, common_handlers, sizeof(common_handlers));
	if (self->parent_handlers == NULL)
		return table;
	for (j = 0; self->parent_handlers[j].number != 0; j++) {
		if (i + 1 == sizeof(table) / sizeof(table[0]))
			fatalx("too many handlers");
		table[i++] = self->parent_handlers[j];
	}
	return table;
}

/* No core files: they would hold what the process holds. */
static void
set_limits(void)
{
	struct rlimit limit = {0, 0};

	if (setrlimit(RLIMIT_CORE, &limit) == -1 ||
	    getrlimit(RLIMIT_NOFILE, &limit) == -1)
		fatal("setrlimit");
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) == -1)
		fatal("setrlimit");
}

void
process_main(const struct process_role *role)
{
	struct channel_settings set = {
	    .self = role->role, .peer = ROLE_PARENT, .gone = parent_gone};

	self = role;
	log_init(role->name, 1, 0);
	closefrom(PARENT_DESCRIPTOR + 1);
	sandbox_prepare();
	/* The parent orders the end; ^C in a terminal reaches everyone. */
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGTERM, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	set_limits();
	/* Afterwards localtime(3) needs no file any more. */
	if (setenv("TZ", ":/etc/localtime", 0) == -1)
		fatal("setenv");
	tzset();
	if (event_init() == NULL)
		fatalx("event_init");
	set.handlers = parent_table();
	if ((parent = channel_open(PARENT_DESCRIPTOR, &set)) == NULL)
		fatalx("not started by smtpd-stoken: it is the program to run");
	if (channel_receive_one(parent) != 1)
		fatalx("not started by smtpd-stoken: it is the program to run");
	setprogname("smtpd-stoken");
	setproctitle("%s", role->title);
	if (role->privileged != NULL)
		role->privileged(&start);
	become_user(start_user, start_chroot);
	sandbox_undumpable();
	sandbox_log_mode(start_sandbox_log);
	if (sandbox_prove(role->promises) == -1)
		fatalx("the sandbox does not hold: see smtpd-stoken(8)");
	if (role->start != NULL)
		role->start(&start);
	if (pledge(role->setup_promises, NULL) == -1)
		fatal("pledge %s", role->setup_promises);
	(void)event_dispatch();
	fatalx("the event loop ended");
}
